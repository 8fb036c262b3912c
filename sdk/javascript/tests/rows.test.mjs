import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { Fatal, Transform, utf8 } from "../src/index.js";
import { spread } from "../src/rows.js";
import { run } from "../src/testing.js";

const NONE = 0xffffffff;
// What the host's own codec writes.
const plain = Uint8Array.from(readFileSync(new URL("../../../wit/row/vectors/plain.rows", import.meta.url)));
const fields = () => new Map(["int64", "text", "boolean", "float64", "bytes"].map((kind, slot) => ["ntbfx"[slot], { slot, kind }]));
const hex = (bytes) => Buffer.from(bytes).toString("hex");

/** {schema, value, around}: of values with schema 0 the slots, a text or bytes in their place; else the value's bytes. */
function records(rows) {
  const at = new DataView(rows.buffer, rows.byteOffset, rows.byteLength);
  const u32 = (from) => at.getUint32(from, true);
  let table = u32(12);
  for (let i = 0; i < u32(8); i++) table += 2 + at.getUint16(table, true);
  assert.equal(table + 4 * (u32(4) + 1), rows.length);
  return Array.from({ length: u32(4) }, (_, i) => {
    const [start, end] = [u32(table + 4 * i), u32(table + 4 * i + 4)];
    const [schema, length] = [u32(start + 28), u32(start + 36)];
    const from = start + 48;
    const behind = from + (length === NONE ? 0 : length);
    const around = hex(rows.subarray(start, start + 36)) + hex(rows.subarray(start + 40, from)) + hex(rows.subarray(behind, end));
    if (length === NONE) return { schema, value: null, around };
    if (schema !== 0) return { schema, value: hex(rows.subarray(from, behind)), around };
    const value = Array.from({ length: u32(from) }, (_, slot) => {
      if ((rows[from + 4] >> slot) & 1) return null;
      const held = from + 12 + 8 * slot;
      if (slot !== 1 && slot !== 4) return hex(rows.subarray(held, held + 8));
      return hex(rows.subarray(from + u32(held), from + u32(held) + u32(held + 4)));
    });
    return { schema, value, around };
  });
}

test("records differ in one field alone", () => {
  const was = records(plain);
  for (const [field, slot, made] of [["t", 1, ["", "ünï", null, "b"]], ["x", 4, [Uint8Array.of(0, 255), null]]]) {
    const values = was.map(({ schema, value }) => (schema === 0 && value ? made : null));
    const last = values.findLastIndex((value) => value !== null);
    values[last] = [];
    const { rows, origin } = spread(plain, field, values, new Set([0]), fields);
    const expected = was.flatMap((record, row) => {
      if (row === 0) return [];
      if (values[row] === null) return [{ ...record, row }];
      const text = (part) => (part === null ? null : hex(typeof part === "string" ? utf8.encode(part) : part));
      return values[row].map((part) => ({ ...record, row, value: record.value.with(slot, text(part)) }));
    });
    assert.deepEqual(records(rows), expected.map(({ row, ...record }) => record));
    assert.deepEqual(origin, expected.map(({ row }) => row));
  }
});

test("without a schema it is a field of the JSON", () => {
  const document = utf8.encode('{"t":"a,b","n":9007199254740993,"x":"é"}');
  const rows = new Uint8Array(16 + 48 + 20 + document.length + 3 + 8);
  const at = new DataView(rows.buffer);
  const put = (from, ...words) => words.forEach((word, i) => at.setUint32(from + 4 * i, word, true));
  const end = 84 + document.length;
  put(0, 1, 1, 1, end);
  put(16 + 24, NONE, NONE, NONE, 20 + document.length);
  put(64, 1, 0, 0, 20, document.length);
  rows.set(document, 84);
  rows.set([1, 0, 116], end);
  put(end + 3, 16, end);
  const [{ value }] = records(spread(rows, "t", [["b"]], new Set(), null).rows);
  assert.ok(utf8.decode(Buffer.from(value, "hex")).endsWith('{"t":"b","n":9007199254740993,"x":"é"}'));
});

test("what does not go is said", () => {
  const was = records(plain);
  const row = was.findIndex(({ schema, value }) => schema === 0 && value !== null);
  const gone = was.findIndex(({ value }) => value === null);
  for (const [field, at, parts, said] of [
    ["n", row, ["a"], /has not such a field/],
    ["z", row, ["a"], /has not such a field/],
    ["t", row, [1], /a number instead of text/],
    ["t", gone, ["a"], /has not a value/],
  ]) {
    const values = was.map((_, i) => (i === at ? parts : null));
    assert.throws(() => spread(plain, field, values, new Set(), fields), said);
  }
});

test("a batch is spread", () => {
  class Each extends Transform {
    apply(batch) {
      batch.fail(2, "each.no", "no");
      batch.spread("value.t", batch.column("value.t").map((t) => t?.split(",") ?? null));
    }
  }
  const done = run(Each, {}, [{ value: { t: "a,b", n: 1 } }, { value: { t: null } }, { value: { t: "c" } }, { value: null }]);
  assert.deepEqual(done.records.map((r) => r.value), [{ t: "a", n: 1 }, { t: "b", n: 1 }, { t: null }, null]);
  assert.deepEqual([done.origin, done.failures.map((f) => f.row)], [[0, 0, 1, 3], [2]]);
  const wrong = (act, said) => {
    class Wrong extends Transform {
      apply(batch) {
        act(batch);
      }
    }
    assert.throws(() => run(Wrong, {}, [{ value: { t: "a" } }]), (error) => error instanceof Fatal && said.test(error.message));
  };
  wrong((batch) => batch.spread("key.t", [null]), /name a field of the value/);
  wrong((batch) => batch.spread("value.t", []), /0 entries for 1 records/);
  wrong((batch) => (batch.spread("value.t", [null]), batch.set("value.t", ["b"])), /in one batch/);
});
