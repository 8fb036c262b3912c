// Runs a transform in an author's own tests, without a worker or a component. Values are without schema here.

import { Batch } from "./batch.js";
import { pack, unpack } from "./column.js";
import { Config, defaultText } from "./config.js";
import { ConfigError } from "./errors.js";
import { parse, stringify } from "./json.js";
import { checked } from "./transform.js";

/** What becomes of samples: {value, key, topic, headers, ...} each. */
export function run(author, settings, samples) {
  const transform = new (checked(author))();
  transform.configure(withDefaults(author, settings));
  const given = samples.map((sample, at) => ({
    value: null,
    key: null,
    topic: "test",
    partition: 0,
    offset: at,
    timestamp: null,
    headers: {},
    ...sample,
  }));
  const batch = new Batch(new View(given));
  transform.apply(batch);
  transform.close();
  const outcome = batch.outcome();
  const failed = new Set(outcome.failures.map(({ row }) => row));
  const made = results(given, outcome).filter(({ row }) => !failed.has(row));
  return { records: made.map(({ record }) => record), origin: made.map(({ row }) => row), failures: outcome.failures };
}

function withDefaults(author, settings) {
  const values = new Map(Object.entries(settings));
  for (const key of author.keys ?? []) {
    if (values.has(key.name)) continue;
    if (key.default === undefined) throw new ConfigError(key.name, `"${key.name}" is required; give it a value`);
    if (key.default !== null) values.set(key.name, defaultText(key));
  }
  return new Config(values);
}

class View {
  constructor(samples) {
    this.samples = samples;
  }

  len() {
    return this.samples.length;
  }

  documents(part) {
    return this.samples.map((sample) => (sample[part] === null ? null : stringify(sample[part])));
  }

  spread(field, values, skipped) {
    const made = this.samples.flatMap((from, row) => {
      if (skipped.has(row)) return [];
      const parts = values[row] ?? null;
      if (parts === null) return [{ record: from, row }];
      return parts.map((part) => ({ record: { ...from, value: { ...from.value, [field]: part } }, row }));
    });
    return { made };
  }

  column(path) {
    const found = this.samples.map((sample) => get(sample, path));
    if (found.every((value) => value === undefined)) return null;
    const values = found.map((value) => value ?? null);
    const kind = (value) => (value instanceof Uint8Array ? "bytes" : typeof value);
    const kinds = new Set(values.filter((value) => value !== null).map(kind));
    // As the worker does: what has no kind of its own, or several, comes as JSON text.
    const shown = kinds.size > 1 || kinds.has("object") ? values.map((v) => (v === null ? null : stringify(v))) : values;
    return pack(path, shown, undefined);
  }
}

function results(given, outcome) {
  if (outcome.kind === "unchanged") return given.map((record, row) => ({ record, row }));
  if (outcome.kind === "rows") return outcome.made;
  if (outcome.kind === "replace") {
    return outcome.documents.map(({ topic, key, value }, at) => {
      const row = outcome.origin[at];
      const from = given[row];
      const record = {
        ...from,
        topic: topic ?? from.topic,
        key: key === null ? from.key : parse(key),
        value: value === null ? from.value : parse(value),
      };
      return { record, row };
    });
  }
  const made = given.map((record, row) => ({ record: structuredClone(record), row }));
  for (const { record } of made) outcome.removed.forEach((path) => edit(record, path, (at, name) => delete at[name]));
  for (const { path, ...column } of outcome.set) {
    unpack(column).forEach((value, row) => edit(made[row].record, path, (at, name) => (at[name] = value)));
  }
  return made.filter(({ row }) => !outcome.dropped.includes(row));
}

function steps(path) {
  const [part, ...names] = path.split(".");
  return part === "header" ? ["headers", names.join(".")] : [part, ...names];
}

function get(sample, path) {
  return steps(path).reduce((at, name) => at?.[name], sample);
}

function edit(sample, path, change) {
  const names = steps(path);
  const last = names.pop();
  const at = names.reduce((at, name) => at?.[name], sample);
  if (at !== null && typeof at === "object") change(at, last);
}
