import assert from "node:assert/strict";
import test from "node:test";

import { pack, unpack } from "../src/column.js";
import { Batch, Record, RecordError, Retriable, Transform, state, transform } from "../src/index.js";
import { parse, same, stringify } from "../src/json.js";
import { run } from "../src/testing.js";

test("columns come back as they went", () => {
  const bytes = (text) => new TextEncoder().encode(text);
  const check = (values, kind) => {
    const packed = pack("value.x", values, undefined);
    assert.equal(packed.kind, kind);
    assert.deepEqual(unpack(packed), values);
  };
  check(["a", null, ""], "texts");
  check([true, false, null], "booleans");
  check([1, -2, null], "int64s");
  check([1, 2.5, null], "float64s");
  check([bytes("ab"), null, bytes("")], "packed");
  check(Array.from({ length: 17 }, (_, i) => (i % 8 === 0 ? null : String(i))), "texts");
  check([], "texts");
  assert.equal(pack("value.x", [1, 2], "float64s").kind, "float64s");
  assert.equal(pack("value.x", [null], "int64s").kind, "int64s");
  assert.throws(() => pack("value.x", ["a", 1]), /"value.x" to set: values of number, string/);
  assert.throws(() => pack("value.x", [2 ** 60]), /beyond what a number holds/);
});

test("long numbers keep their digits", () => {
  const text = '{"id":9007199254740993,"s":"12345678901234567890","n":-1.5,"in":[18446744073709551615]}';
  const value = parse(text);
  assert.equal(value.id, 9007199254740993n);
  assert.equal(value.s, "12345678901234567890");
  assert.equal(stringify(value), text);
  assert.deepEqual(parse('{"a":1,"t":"\\"9007199254740993"}'), { a: 1, t: '"9007199254740993' });
});

test("texts that look like what stands for long numbers stay texts", () => {
  const odd = { "\u0001b5": "\u0001b5", "\u0001t": ["\u0001t", "\u0001", 'x"\u0001b5', '\\"\u0001b5"'], "a:": "\u0001b" };
  assert.deepEqual(parse(stringify({ ...odd, n: 9007199254740993n })), { ...odd, n: 9007199254740993n });
  const text = JSON.stringify(odd).replace("{", '{"n" : 9007199254740993,');
  assert.deepEqual(parse(text), { n: 9007199254740993n, ...odd });
});

test("a batch is dropped from, routed and stripped", () => {
  class Many extends Transform {
    apply(batch) {
      batch.filter(batch.column("value.n").map((n) => n > 1));
      batch.route(batch.column("value.n").map((n) => (n === 3 ? "three" : null)));
      batch.remove("value.secret");
      batch.set("header.seen", batch.column("offset"));
      batch.map("value.missing", () => 1);
    }
  }
  const done = run(Many, {}, [1, 2, 3].map((n) => ({ value: { n, secret: "s" } })));
  assert.deepEqual(done.records.map((r) => [r.topic, r.value, r.headers]), [
    ["test", { n: 2 }, { seen: 1 }],
    ["three", { n: 3 }, { seen: 2 }],
  ]);
});

test("a failed record is dropped from what is set", () => {
  class Strict extends Transform {
    apply(batch) {
      batch.fail(0, "strict.no", "no");
      batch.set("value.n", [null, 2]);
    }
  }
  const done = run(Strict, {}, [{ value: { n: 1 } }, { value: { n: 1 } }]);
  assert.deepEqual(done.records.map((r) => r.value), [{ n: 2 }]);
  assert.deepEqual(done.failures.map((f) => f.row), [0]);
});

test("what goes wrong is of the record, or of the call", () => {
  const each = transform((record) => {
    if (record.value === 1) throw new RecordError("x.slow", "later", { retriable: true });
    if (record.value === 2) return record.value.no.such;
    if (record.value === 3) return [1];
    if (record.value === 4) return new Record({ topic: "elsewhere" });
    return null;
  });
  const done = run(each, {}, [0, 1, 2, 3, 4].map((value) => ({ value })));
  assert.deepEqual(done.failures.map((f) => [f.row, f.code, f.retriable]), [
    [1, "x.slow", true],
    [2, "javascript.typeerror", false],
    [3, "javascript.no-record", false],
  ]);
  assert.deepEqual(done.records.map((r) => [r.topic, r.value]), [["elsewhere", 4]]);
  const whole = transform(() => {
    throw new Retriable("x.busy", "busy");
  });
  assert.throws(() => run(whole, {}, [{ value: 1 }]), Retriable);
  const keyed = transform({ keys: [{ name: "n", type: "int" }] }, (record, config) => config.int("n") > 0 && record);
  assert.throws(() => run(keyed, {}, []), /"n" is required/);
  assert.throws(() => run(keyed, { n: "x" }, [{ value: 1 }]), /"n" is "x"; give a whole number/);
});

test("records that stay as they are are not made anew", () => {
  const outcome = (change, texts) => {
    const view = { len: () => texts.length, documents: () => texts, column: () => null };
    const batch = new Batch(view);
    const author = new (transform(change))();
    author.apply(batch);
    return batch.outcome();
  };
  // As Java writes them.
  const texts = ['{"n":1.0,"t":"\\u00e9","e":1.0E10}', "null", null];
  assert.deepEqual(outcome((record) => record, texts), { kind: "unchanged", failures: [] });
  const looked = outcome((record) => (record.value?.n === 1 ? null : record), texts);
  assert.deepEqual([looked.kind, looked.dropped], ["patch", [0]]);
  const added = outcome((record) => Object.assign(record, { value: { ...record.value, m: 2 } }), texts.slice(0, 1));
  assert.deepEqual(added.documents.map((d) => d.value), ['{"n":1,"t":"\u00e9","e":10000000000,"m":2}']);
  assert.equal(outcome((record) => [record, record], texts).kind, "replace");
  assert.ok(!same({ a: 1 }, { b: 1 }) && !same([1], { 0: 1 }) && !same(1, "1") && same({ a: [1], b: 2 }, { b: 2, a: [1] }));
});

test("a state is kept in memory by tests", () => {
  for (const key of ["a", "b1", "b2", "c"]) state.put(key, Uint8Array.of(1));
  assert.deepEqual(state.scan("b", { limit: 1 }), { entries: [{ key: "b1", value: Uint8Array.of(1) }], more: true });
  assert.deepEqual(state.scan("", { after: "b2" }).entries.map((e) => e.key), ["c"]);
  assert.deepEqual([state.remove("a"), state.remove("a"), state.get("a")], [true, false, null]);
});
