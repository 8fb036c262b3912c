// Settings: the keys a plugin declares, and the values it was given.

import { ConfigError } from "./errors.js";

const TYPES = ["boolean", "text", "int", "short", "long", "double", "list", "class", "password"];
const IMPORTANCES = ["high", "medium", "low"];

/** A declared key, checked and as the worker wants it. Without `default` it is required; `null`: optional, no value. */
export function declared(key, order) {
  const { name, type = "text", doc = "", importance = "medium", allowed = [], group = null, displayName = name } = key;
  for (const [what, value, known] of [["type", type, TYPES], ["importance", importance, IMPORTANCES]]) {
    if (!known.includes(value)) throw new TypeError(`key "${name}": the ${what} "${value}" is none of ${known.join(", ")}`);
  }
  return {
    name,
    kind: type,
    defaultValue: defaultText(key),
    nullable: key.default === null,
    importance,
    documentation: doc,
    group,
    orderInGroup: order,
    displayName,
    dependents: [],
    allowed: [...allowed],
    attributes: [],
  };
}

/** The default as it stands in a configuration; null: there is none. */
export function defaultText(key) {
  if (key.default === undefined || key.default === null) return null;
  return Array.isArray(key.default) ? key.default.join(",") : String(key.default);
}

/** Settings as they were written, with the declared defaults. */
export function filled(given, keys = []) {
  const defaults = keys.map((key) => [key.name, defaultText(key)]).filter(([, text]) => text !== null);
  return new Config([...defaults, ...given]);
}

/** A plugin's settings, with the declared defaults filled in. */
export class Config {
  #values;

  constructor(entries) {
    this.#values = new Map(entries);
  }

  has(key) {
    return this.#values.has(key);
  }

  /** The text; undefined: the key has no value. */
  get(key) {
    return this.#values.get(key);
  }

  text(key) {
    if (!this.#values.has(key)) throw new ConfigError(key, `"${key}" has no value; give it one`);
    return this.#values.get(key);
  }

  int(key) {
    const text = this.text(key).trim();
    const value = Number(text);
    if (!/^[+-]?\d+$/.test(text) || !Number.isSafeInteger(value)) {
      throw new ConfigError(key, `"${key}" is "${text}"; give a whole number`);
    }
    return value;
  }

  float(key) {
    const text = this.text(key).trim();
    const value = Number(text);
    if (text === "" || Number.isNaN(value)) throw new ConfigError(key, `"${key}" is "${text}"; give a number`);
    return value;
  }

  bool(key) {
    const text = this.text(key).trim().toLowerCase();
    if (text !== "true" && text !== "false") throw new ConfigError(key, `"${key}" is "${text}"; give true or false`);
    return text === "true";
  }

  list(key) {
    return this.text(key).split(",").map((part) => part.trim()).filter((part) => part !== "");
  }

  entries() {
    return this.#values.entries();
  }
}
