// node --test

import assert from "node:assert/strict";
import test from "node:test";

import { run } from "millrace-plugin/testing";

import MyPlugin from "./my-plugin.js";

test("a text is hidden", () => {
  const given = [{ id: 1, email: "ada@example.com" }, { email: null }, null];
  const done = run(MyPlugin, { field: "email" }, given.map((value) => ({ value })));
  assert.deepEqual(done.records.map((r) => r.value), [{ id: 1, email: "***" }, { email: null }, null]);
});

test("anything else fails alone", () => {
  const done = run(MyPlugin, { field: "email" }, [{ value: { email: 7 } }, { value: { id: 1 } }]);
  assert.deepEqual(done.failures.map((f) => [f.row, f.code]), [[0, "my-plugin.no-text"]]);
  assert.deepEqual(done.origin, [1]);
});
