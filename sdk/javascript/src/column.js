// Columns between arrays and the worker's typed ones.

import { Fatal } from "./errors.js";

const EMPTY = { booleans: false, int64s: 0, float64s: 0, texts: "", packed: new Uint8Array(0) };

/** {kind, nulls, data} as an array with null for null. */
export function unpack({ kind, nulls, data }) {
  let values = data;
  if (kind === "packed") {
    const bytes = data.data instanceof Uint8Array ? data.data : Uint8Array.from(data.data);
    values = Array.from({ length: Math.max(data.offsets.length - 1, 0) }, (_, row) =>
      bytes.slice(data.offsets[row], data.offsets[row + 1]));
  }
  if (nulls.length === 0) return Array.isArray(values) ? values : Array.from(values);
  return Array.from(values, (value, row) => ((nulls[row >> 3] >> (row & 7)) & 1 ? null : value));
}

/** An array as {kind, nulls, data}; `was`: the kind it had when it was read. */
export function pack(path, values, was) {
  const types = new Set();
  let whole = true;
  for (const value of values) {
    if (value === null || value === undefined) {
      types.add("null");
    } else {
      const type = value instanceof Uint8Array ? "bytes" : typeof value;
      types.add(type);
      if (type === "number" && !Number.isInteger(value)) whole = false;
      if (type === "bigint" || (type === "number" && whole && was !== "float64s" && !Number.isSafeInteger(value))) {
        throw new Fatal(
          "sdk.column-kind",
          `"${path}" to set: ${value} is beyond what a number holds exactly; set it with replace, or as text`,
        );
      }
    }
  }
  const nulls = types.delete("null") ? nullBits(values) : new Uint8Array(0);
  const kind = kindOf(path, types, whole, was);
  const empty = EMPTY[kind];
  const data = nulls.length === 0 ? values : values.map((value) => value ?? empty);
  return { kind, nulls, data: kind === "packed" ? joined(data) : data };
}

function nullBits(values) {
  const bits = new Uint8Array((values.length + 7) >> 3);
  values.forEach((value, row) => {
    if (value === null || value === undefined) bits[row >> 3] |= 1 << (row & 7);
  });
  return bits;
}

function kindOf(path, types, whole, was) {
  if (types.size === 0) return was ?? "texts";
  if (types.size === 1) {
    if (types.has("string")) return "texts";
    if (types.has("boolean")) return "booleans";
    if (types.has("bytes")) return "packed";
    if (types.has("number")) return whole && was !== "float64s" ? "int64s" : "float64s";
  }
  throw new Fatal(
    "sdk.column-kind",
    `"${path}" to set: values of ${[...types].sort().join(", ")}; give one of string, number, boolean, Uint8Array, and null`,
  );
}

function joined(values) {
  const offsets = [0];
  for (const value of values) offsets.push(offsets[offsets.length - 1] + value.length);
  const data = new Uint8Array(offsets[offsets.length - 1]);
  values.forEach((value, row) => data.set(value, offsets[row]));
  return { offsets, data };
}
