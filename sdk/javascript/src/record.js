// A record as simple values.

import { parse, same, stringify } from "./json.js";

/**
 * `value` and `key` are what JSON gives; null is a null or, as a value, a tombstone. Change what you like of the records you
 * are given. One that you make takes what you leave out from the record it was made of.
 */
export class Record {
  #batch = null;
  #row = 0;
  #topic;
  #key;
  #value;

  constructor({ value, key, topic } = {}) {
    this.#value = value;
    this.#key = key;
    this.#topic = topic;
  }

  /** Not for authors. */
  static of(batch, row) {
    const record = new Record();
    record.#batch = batch;
    record.#row = row;
    return record;
  }

  get value() {
    if (this.#value === undefined) this.#value = this.#parsed("value");
    return this.#value;
  }

  set value(value) {
    this.#value = value ?? null;
  }

  get key() {
    if (this.#key === undefined) this.#key = this.#parsed("key");
    return this.#key;
  }

  set key(key) {
    this.#key = key ?? null;
  }

  get topic() {
    return this.#topic ?? this.#attribute("topic");
  }

  set topic(topic) {
    this.#topic = topic;
  }

  get partition() {
    return this.#attribute("partition");
  }

  /** null for a record that comes from a source. */
  get offset() {
    return this.#attribute("offset");
  }

  /** Milliseconds since the epoch. */
  get timestamp() {
    return this.#attribute("timestamp");
  }

  /** The last header of this name; null: there is none. */
  header(name) {
    return this.#attribute(`header.${name}`);
  }

  /** For the worker: what is null is as in the record it descends from. */
  document() {
    return { topic: this.#topic ?? null, key: this.#text("key", this.#key), value: this.#text("value", this.#value) };
  }

  #attribute(path) {
    return this.#batch === null ? null : this.#batch.column(path)[this.#row];
  }

  #parsed(part) {
    const text = this.#batch === null ? null : this.#batch.texts(part)[this.#row];
    return text === null || text === undefined ? null : parse(text);
  }

  #text(part, value) {
    if (value === undefined) return null;
    // What was only looked at keeps its schema.
    if (this.#batch !== null && same(value, this.#parsed(part))) return null;
    return stringify(value);
  }
}
