// A batch's packed rows (wit/ROW-FORMAT.md), as far as records that differ in one field need them.

import { Fatal } from "./errors.js";
import { parse, stringify } from "./json.js";
import { decode, encodeInto } from "./utf8.js";

const BATCH_HEAD = 16;
const RECORD_HEAD = 48;
const NONE = 0xffffffff;
// Within a record.
const [VALUE_SCHEMA, VALUE_LEN] = [28, 36];
const NULLS = RECORD_HEAD + 4;

/**
 * Each record as often as it has values, with one of them in the value's field; null: as it is. `fieldsOf`: by the id of a
 * schema, its fields' {slot, kind} by name.
 */
export function spread(rows, field, values, skipped, fieldsOf) {
  const from = view(rows);
  const [n, topics, tables] = [from.getUint32(4, true), from.getUint32(8, true), from.getUint32(12, true)];
  let at = tables;
  for (let i = 0; i < topics; i++) at += 2 + from.getUint16(at, true);
  const layouts = new Map();
  const out = new Out(rows);
  const origin = [];
  for (let row = 0; row < n; row++) {
    if (skipped.has(row)) continue;
    const start = from.getUint32(at + 4 * row, true);
    const end = from.getUint32(at + 4 * row + 4, true);
    const parts = values[row] ?? null;
    if (parts === null) {
      out.add(rows.subarray(start, end));
      origin.push(row);
      continue;
    }
    const schema = from.getUint32(start + VALUE_SCHEMA, true);
    const length = from.getUint32(start + VALUE_LEN, true);
    if (length === NONE) throw lacks(row, field, "a value");
    let layout = layouts.get(schema);
    if (!layout) layouts.set(schema, (layout = layoutOf(schema, row, field, fieldsOf)));
    const behind = start + RECORD_HEAD + length;
    out.each(rows.subarray(start, behind), rows.subarray(behind, end), layout.slot, encoded(rows, start, row, field, layout.kind, parts));
    for (let i = 0; i < parts.length; i++) origin.push(row);
  }
  return { rows: out.finish(rows.subarray(tables, at), topics), origin };
}

function layoutOf(schema, row, field, fieldsOf) {
  if (schema === NONE) return { slot: 0, kind: "any" };
  const found = fieldsOf(schema).get(field);
  if (found?.kind !== "text" && found?.kind !== "bytes") throw lacks(row, field, "such a field of type text or bytes");
  return found;
}

/** What goes into the field: texts, bytes or nulls. */
function encoded(rows, start, row, field, kind, parts) {
  if (kind === "any") return documents(rows, start, row, field, parts);
  for (const part of parts) {
    if (part === null || (kind === "text" ? typeof part === "string" : part instanceof Uint8Array)) continue;
    throw new Fatal("sdk.spread", `"value.${field}" of record ${row}: a ${typeof part} instead of ${kind}`);
  }
  return parts;
}

/** Of a record without a schema, whose value is one JSON text. */
function documents(rows, start, row, field, parts) {
  const at = start + RECORD_HEAD;
  const slot = view(rows.subarray(at + 12, at + 20));
  const begin = at + slot.getUint32(0, true);
  const document = parse(decode(rows.subarray(begin, begin + slot.getUint32(4, true))));
  if (document === null || typeof document !== "object" || Array.isArray(document)) throw lacks(row, field, "fields");
  return parts.map((part) => stringify({ ...document, [field]: part }));
}

function lacks(row, field, what) {
  return new Fatal("sdk.spread", `"value.${field}": record ${row} has not ${what}; give null to leave it as it is`);
}

function view(bytes) {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A batch on its way. QuickJS is slow at making typed arrays, hence none for each record that is made. */
class Out {
  constructor(rows) {
    this.bytes = new Uint8Array(rows.length * 4);
    this.at = view(this.bytes);
    this.bytes.set(rows.subarray(0, BATCH_HEAD));
    this.end = BATCH_HEAD;
    this.ends = [BATCH_HEAD];
  }

  add(record) {
    this.room(record.length);
    this.bytes.set(record, this.end);
    this.end += record.length;
    this.ends.push(this.end);
  }

  /** A record for each part: its head and value, the part, then key and headers. What was in the field stays, and nothing points at it. */
  each(head, tail, slot, parts) {
    const length = head.length - RECORD_HEAD;
    const words = Math.ceil(view(head).getUint32(RECORD_HEAD, true) / 64);
    const nullAt = NULLS + (slot >> 3);
    const slotAt = NULLS + 8 * words + 8 * slot;
    const bit = 1 << (slot & 7);
    let before = -1;
    for (const part of parts) {
      this.room(head.length + (part === null ? 0 : part.length * 3) + tail.length);
      const { bytes, at, end } = this;
      if (before < 0) bytes.set(head, end);
      else bytes.copyWithin(end, before, before + head.length);
      before = end;
      const from = end + head.length;
      let to = from;
      if (part === null) {
        bytes[end + nullAt] |= bit;
      } else {
        bytes[end + nullAt] &= ~bit;
        if (typeof part === "string") {
          to = encodeInto(part, bytes, from);
        } else {
          bytes.set(part, from);
          to += part.length;
        }
      }
      at.setUint32(end + VALUE_LEN, length + to - from, true);
      at.setUint32(end + slotAt, part === null ? 0 : length, true);
      at.setUint32(end + slotAt + 4, to - from, true);
      if (tail.length > 0) bytes.set(tail, to);
      this.end = to + tail.length;
      this.ends.push(this.end);
    }
  }

  room(more) {
    if (this.end + more <= this.bytes.length) return;
    const grown = new Uint8Array((this.end + more) * 2);
    grown.set(this.bytes.subarray(0, this.end));
    this.bytes = grown;
    this.at = view(grown);
  }

  finish(tables, topics) {
    this.room(tables.length + 4 * this.ends.length);
    this.at.setUint32(4, this.ends.length - 1, true);
    this.at.setUint32(8, topics, true);
    this.at.setUint32(12, this.end, true);
    this.bytes.set(tables, this.end);
    let end = this.end + tables.length;
    for (const one of this.ends) {
      this.at.setUint32(end, one, true);
      end += 4;
    }
    return this.bytes.slice(0, end);
  }
}
