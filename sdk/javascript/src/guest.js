// The component's exports. Authors do not import this.

import * as clock from "millrace:plugin/clock@0.1.0";
import * as config from "millrace:plugin/config@0.1.0";
import * as logging from "millrace:plugin/logging@0.1.0";
import * as metrics from "millrace:plugin/metrics@0.1.0";
import * as random from "millrace:plugin/random@0.1.0";
import * as records from "millrace:plugin/records@0.1.0";
import * as state from "millrace:plugin/state@0.1.0";

import { Batch } from "./batch.js";
import { Config, declared, filled } from "./config.js";
import { PluginError } from "./errors.js";
import { bind } from "./host.js";
import { spread } from "./rows.js";
import { checked, told } from "./transform.js";

const ROW_FORMAT = 1;
const FIGURES = { counter: "counterAdd", gauge: "gaugeSet", histogram: "histogramRecord" };

// By the ids of schemas, which stay what they are.
const FIELDS = new Map();

/** The fields of a schema's root, when that is a struct. */
function fieldsOf(schema) {
  let fields = FIELDS.get(schema);
  if (!fields) {
    const { nodes } = records.getSchema(schema);
    fields = new Map(nodes[0].fields.map(({ name, node }, slot) => [name, { slot, kind: nodes[node].kind }]));
    FIELDS.set(schema, fields);
  }
  return fields;
}

/** A lent batch, as `Batch` wants it. */
class View {
  constructor(batch) {
    this.batch = batch;
  }

  len() {
    return this.batch.len();
  }

  documents(part) {
    return this.batch.documents(part);
  }

  spread(field, values, skipped) {
    return spread(this.batch.rows(), field, values, skipped, fieldsOf);
  }

  column(path) {
    try {
      const { nulls, data } = this.batch.column(path, "lists");
      return { kind: data.tag, nulls, data: data.val };
    } catch (error) {
      if ((error?.payload ?? error)?.code === "records.no-such-column") return null;
      throw error;
    }
  }
}

/** The exports for what an author's module exports. */
export function load(exported, { name, version }, capabilities = {}) {
  const author = checked(exported);
  bind({
    capabilities,
    enabled: (level) => logging.enabled(level),
    log: (level, message, fields) => logging.log(level, message, fields),
    figure: (kind, name, value, labels) => metrics[FIGURES[kind]](name, labels, value),
    state,
    random: (count) => random.getBytes(count),
    nowMs: () => Math.floor(Number(clock.nowUs()) / 1000),
  });
  let running = null;
  const plugin = {
    describe: () => ({
      kind: "transform",
      name,
      version: author.version ?? version,
      documentation: author.doc ?? "",
      classNames: [...(author.classNames ?? [])],
      keys: (author.keys ?? []).map(declared),
      bindings: [],
      rowFormats: [ROW_FORMAT],
      capabilities: [],
    }),
    validate: (given) =>
      [...author.validate(filled(given, author.keys))].map(({ key, message }) => ({ name: key, message, recommended: [] })),
  };
  const transform = {
    configure: () =>
      answering(() => {
        running = new author();
        running.configure(new Config(config.all()));
      }),
    apply: (lent) =>
      answering(() => {
        const batch = new Batch(new View(lent));
        running.apply(batch);
        return lowered(batch.outcome());
      }),
    close: () => running?.close(),
  };
  return { plugin, transform };
}

/** Throws what the author's code threw in the worker's words. */
function answering(call) {
  try {
    return call();
  } catch (thrown) {
    const error = thrown?.payload ?? thrown;
    if (error && error.attributes && error.kind) throw error;
    const { kind = "fatal", retryAfterMs = null, field = null } = error instanceof PluginError ? error : {};
    const code = error instanceof PluginError ? error.code : `javascript.${(error?.name ?? "error").toLowerCase()}`;
    const message = error instanceof PluginError ? error.message : told(error);
    throw { kind, code, message, retryAfterMs, field, attributes: [] };
  }
}

function lowered({ kind, failures, ...parts }) {
  if (kind === "unchanged") return { output: { tag: "unchanged" }, failures };
  if (kind === "rows") {
    return { output: { tag: "replace", val: { records: { tag: "rows", val: parts.rows }, origin: parts.origin } }, failures };
  }
  if (kind === "replace") {
    const replacement = { records: { tag: "documents", val: parts.documents }, origin: parts.origin };
    return { output: { tag: "replace", val: replacement }, failures };
  }
  const set = parts.set.map(({ path, kind, nulls, data }) => ({ path, nulls, data: { tag: kind, val: data } }));
  return { output: { tag: "patch", val: { dropRows: parts.dropped, removeFields: parts.removed, set } }, failures };
}
