// The worker's log, its metrics and its clock, and what it offers by grants.

import { Fatal } from "./errors.js";

// Set in a component; outside of one (tests) lines and figures are kept here.
let bindings = null;
export const lines = [];
export const figures = [];

export function bind(made) {
  bindings = made;
}

function line(level, message, fields = {}) {
  const pairs = Object.entries(fields).map(([name, value]) => [name, String(value)]);
  if (bindings === null) lines.push({ level, message, fields: Object.fromEntries(pairs) });
  else bindings.log(level, message, pairs);
}

function figure(kind, name, value, labels = {}) {
  const pairs = Object.entries(labels).map(([label, value]) => [label, String(value)]);
  if (bindings === null) figures.push({ kind, name, value, labels: Object.fromEntries(pairs) });
  else bindings.figure(kind, name, value, pairs);
}

/** Lines in the worker's log, with connector, task and plugin added. Never log a key, a value or a credential. */
export const log = {
  enabled: (level) => (bindings === null ? true : bindings.enabled(level)),
  trace: (message, fields) => line("trace", message, fields),
  debug: (message, fields) => line("debug", message, fields),
  info: (message, fields) => line("info", message, fields),
  warn: (message, fields) => line("warn", message, fields),
  error: (message, fields) => line("error", message, fields),
};

/** Figures of the plugin's own. Keep labels few: their sets are bounded. */
export const metrics = {
  counter: (name, delta = 1, labels) => figure("counter", name, delta, labels),
  gauge: (name, value, labels) => figure("gauge", name, value, labels),
  histogram: (name, value, labels) => figure("histogram", name, value, labels),
};

export const clock = {
  /** Milliseconds since the epoch. */
  nowMs: () => (bindings === null ? Date.now() : bindings.nowMs()),
};

export const random = {
  /** Good enough for keys and tokens; at most 65,536. What `Math.random` gives is not, and begins alike in every instance. */
  bytes: (count) => (bindings === null ? Uint8Array.from({ length: count }, () => Math.random() * 256) : bindings.random(count)),
};

/** The bindings of what every plugin may use; undefined: this is no component. */
export function bound(name) {
  return bindings?.[name];
}

/** The bindings of a capability; null: this is no component. */
export function capability(name) {
  if (bindings === null) return null;
  const found = bindings.capabilities[name];
  if (found) return found;
  throw new Fatal("sdk.not-granted", `the capability "${name}" is not in this component: add it to "grants" in millrace.toml`);
}
