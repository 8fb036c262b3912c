// node --test

import assert from "node:assert/strict";
import test from "node:test";

import { run } from "millrace-plugin/testing";

import MaskEmail from "./mask-email.js";
import splitLines from "./split-lines.js";

test("addresses are masked, and what is none fails", () => {
  const done = run(MaskEmail, {}, [{ value: { email: "ada@example.com" } }, { value: { email: "none" } }, { value: null }]);
  assert.deepEqual(done.records.map((r) => r.value), [{ email: "a**@example.com" }, null]);
  assert.deepEqual(done.failures.map((f) => [f.row, f.code]), [[1, "mask-email.no-address"]]);
});

test("each line is a record", () => {
  const done = run(splitLines, {}, [{ value: { text: "a\nb" }, key: 7 }, { value: { text: "" } }, { value: null }, { value: {} }]);
  const made = done.records.map((r) => [r.key, r.value]);
  assert.deepEqual(made, [[7, { text: "a", line: 1 }], [7, { text: "b", line: 2 }], [null, null]]);
  assert.deepEqual(done.failures.map((f) => [f.row, f.code]), [[3, "split-lines.no-text"]]);
});
