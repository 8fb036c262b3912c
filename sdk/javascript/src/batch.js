// A batch: columns read of it, and what becomes of its records.

import { pack, unpack } from "./column.js";
import { Fatal } from "./errors.js";
import { parse } from "./json.js";
import { Record } from "./record.js";

const PARTS = ["topic", "partition", "offset", "timestamp", "key", "value", "header"];

/**
 * Records of one call of `apply`; do not keep it beyond the call. What you say of it is handed to the worker when `apply`
 * returns, which edits its own buffer: fields that you neither read nor set never cross.
 */
export class Batch {
  #view;
  #length;
  #read = new Map();
  #texts = new Map();
  #set = new Map();
  #removed = [];
  #dropped = new Set();
  #replaced = new Map();
  #spread = null;
  #failures = new Map();

  constructor(view) {
    this.#view = view;
    this.#length = view.len();
  }

  get length() {
    return this.#length;
  }

  /** Whether any record has this field. */
  has(path) {
    return this.#set.has(path) || this.#column(path) !== null;
  }

  /** One field of all records. A null is null, and so is a field that the record does not have. */
  column(path) {
    return this.#set.get(path) ?? this.#column(path)?.values ?? new Array(this.#length).fill(null);
  }

  /** Sets a field of all records, one value for each; one that is not there is added as optional. */
  set(path, values) {
    check(path, ["offset"]);
    if (values.length !== this.#length) {
      throw new Fatal("sdk.column-length", `"${path}": ${values.length} values for ${this.#length} records; give one for each`);
    }
    this.#set.set(path, Array.isArray(values) ? values : Array.from(values));
  }

  /** Sets a field to `change(value)` where it is not null; does nothing when no record has it. */
  map(path, change) {
    if (this.has(path)) this.set(path, this.column(path).map((value) => (value === null ? null : change(value))));
  }

  /** Takes fields off all records that have them. */
  remove(...paths) {
    for (const path of paths) {
      check(path, ["topic", "partition", "offset", "timestamp"]);
      if (!path.includes(".")) {
        throw new Fatal("sdk.bad-path", `"${path}" cannot be removed: name a field below value, key or header`);
      }
      this.#removed.push(path);
    }
  }

  /** Leaves a record out: it is counted as filtered. */
  drop(row) {
    this.#dropped.add(this.#row(row));
  }

  /** Keeps the records whose entry is true. */
  filter(keep) {
    if (keep.length !== this.#length) {
      const told = `${keep.length} answers of a filter for ${this.#length} records; give one for each`;
      throw new Fatal("sdk.column-length", told);
    }
    keep.forEach((kept, row) => kept || this.#dropped.add(row));
  }

  /** Sends all records to a topic, or each to its own; null leaves a record where it goes. */
  route(topics) {
    if (typeof topics === "string") {
      this.set("topic", new Array(this.#length).fill(topics));
    } else {
      const old = topics.every((topic) => topic) ? [] : this.column("topic");
      this.set("topic", topics.map((topic, row) => topic || old[row]));
    }
  }

  /** This record alone is at fault. */
  fail(row, code, message, { retriable = false } = {}) {
    this.#failures.set(this.#row(row), { row, retriable, code, message });
  }

  /** Puts other records in a record's place: none, one or many. Not in one batch with `set` and `remove`. */
  replace(row, records) {
    this.#replaced.set(this.#row(row), records);
  }

  /**
   * Puts as many records in each record's place as its entry has elements: texts or bytes, as before, for a field of the value.
   * All else is as it was; null leaves a record as it is. In one batch nothing else may change records; drop and fail as you like.
   */
  spread(path, values) {
    const [part, field, ...more] = path.split(".");
    if (part !== "value" || !field || more.length > 0) {
      throw new Fatal("sdk.bad-path", `"${path}" cannot be spread: name a field of the value, "value.tags"`);
    }
    if (values.length !== this.#length) {
      throw new Fatal("sdk.column-length", `"${path}": ${values.length} entries for ${this.#length} records; give one for each`);
    }
    this.#spread = { field, values };
  }

  /** `key` or `value` of all records as JSON texts; a null or tombstone is null. */
  texts(part) {
    if (!this.#texts.has(part)) this.#texts.set(part, this.#view.documents(part));
    return this.#texts.get(part);
  }

  /** `key` or `value` of all records as JavaScript values. */
  documents(part = "value") {
    return this.texts(part).map((text) => (text === null ? null : parse(text)));
  }

  /** Each record as simple values, parsed when they are asked for. */
  records() {
    return Array.from({ length: this.#length }, (_, row) => Record.of(this, row));
  }

  /** For the worker: what becomes of the batch. */
  outcome() {
    const failures = [...this.#failures.values()];
    if (this.#spread !== null) {
      if (this.#set.size > 0 || this.#removed.length > 0 || this.#replaced.size > 0) {
        throw new Fatal("sdk.mixed", "spread and set, remove or replace in one batch; make all the changes with replace");
      }
      const skipped = new Set([...this.#dropped, ...this.#failures.keys()]);
      return { kind: "rows", ...this.#view.spread(this.#spread.field, this.#spread.values, skipped), failures };
    }
    if (this.#replaced.size > 0) {
      if (this.#set.size > 0 || this.#removed.length > 0) {
        throw new Fatal("sdk.mixed", "set or remove and replace in one batch; make all the changes with replace");
      }
      const made = this.#documents();
      if (made !== null) return { kind: "replace", ...made, failures };
    }
    const dropped = new Set(this.#dropped);
    // What was set for a failed record may not fit its schema, and nobody will see it.
    if (this.#set.size > 0) for (const row of this.#failures.keys()) dropped.add(row);
    if (dropped.size === 0 && this.#set.size === 0 && this.#removed.length === 0) return { kind: "unchanged", failures };
    const set = [...this.#set].map(([path, values]) => ({ path, ...pack(path, values, this.#read.get(path)?.kind) }));
    return { kind: "patch", dropped: [...dropped].sort((a, b) => a - b), removed: this.#removed, set, failures };
  }

  /** The records that replace the batch; null: those that are kept stay as they are. */
  #documents() {
    const documents = [];
    const origin = [];
    let changed = false;
    for (let row = 0; row < this.#length; row++) {
      if (this.#dropped.has(row) || this.#failures.has(row)) continue;
      const records = this.#replaced.get(row) ?? [null];
      changed ||= records.length !== 1;
      for (const record of records) {
        const document = record === null ? { topic: null, key: null, value: null } : record.document();
        changed ||= document.topic !== null || document.key !== null || document.value !== null;
        documents.push(document);
        origin.push(row);
      }
    }
    return changed ? { documents, origin } : null;
  }

  #row(row) {
    if (!(Number.isInteger(row) && row >= 0 && row < this.#length)) {
      throw new Fatal("sdk.no-such-row", `there is no record ${row} in a batch of ${this.#length}`);
    }
    return row;
  }

  #column(path) {
    if (!this.#read.has(path)) {
      check(path);
      const raw = this.#view.column(path);
      this.#read.set(path, raw === null ? null : { kind: raw.kind, values: this.#exact(path, raw) });
    }
    return this.#read.get(path);
  }

  /** Whole numbers that came rounded, from the JSON. */
  #exact(path, raw) {
    const values = unpack(raw);
    const [part, ...names] = path.split(".");
    const rounded = raw.kind === "int64s" && (part === "value" || part === "key");
    if (!rounded || values.every((value) => value === null || Number.isSafeInteger(value))) return values;
    return this.documents(part).map((value) => names.reduce((at, name) => at?.[name] ?? null, value));
  }
}

function check(path, refused = []) {
  const part = path.split(".", 1)[0];
  if (!PARTS.includes(part)) {
    throw new Fatal("sdk.bad-path", `"${path}" is no path of a record: one begins with ${PARTS.join(", ")}`);
  }
  if (refused.includes(part)) throw new Fatal("sdk.bad-path", `"${path}" cannot be changed`);
}
