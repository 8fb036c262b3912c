import assert from "node:assert/strict";
import test from "node:test";

import { lettingGo } from "../tools/lent.mjs";

const text = (value) => [value.length, ...new TextEncoder().encode(value)];
const list = (...items) => [items.length, ...items.flat()];
const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, value >> 7]);
const section = (id, body) => [id, ...leb(body.length), ...body];
const [I32, FUNCTION] = [0x7f, 0x60];
const MODULE = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
const COMPONENT = [0, 0x61, 0x73, 0x6d, 13, 0, 1, 0];

/** As componentize-qjs writes it: `apply` keeps the handle, what is called after it calls the first function of the table. */
function adapter(name) {
  return [
    ...MODULE,
    ...section(1, list([FUNCTION, 1, I32, 0], [FUNCTION, 1, I32, 1, I32])),
    ...section(2, list(
      [...text("env"), ...text("table"), 1, 0x70, 0, 1],
      [...text("env"), ...text("base"), 3, I32, 0],
      [...text("host"), ...text("used"), 0, 0],
      [...text("host"), ...text("[resource-drop]batch"), 0, 0],
    )),
    ...section(3, list([1], [0])),
    ...section(7, list([...text(name), 0, 2], [...text(`cabi_post_${name}`), 0, 3])),
    ...section(9, list([2, 0, 0x23, 0, 0x0b, 0, ...list([1])])),
    ...section(10, list(
      // used(handle); handle + 1
      [11, 0, 0x20, 0, 0x10, 0, 0x20, 0, 0x41, 1, 0x6a, 0x0b],
      // table[0](handle)
      [9, 0, 0x20, 0, 0x41, 0, 0x11, 0, 0, 0x0b],
    )),
  ];
}

const within = (...modules) => Uint8Array.from([...COMPONENT, ...modules.flatMap((module) => section(1, module))]);

test("a batch is let go of before the call returns, and not after it", () => {
  const name = "millrace:plugin/transform@0.1.0#apply";
  const made = lettingGo(within(adapter(name)));
  const heard = [];
  const imports = {
    env: { table: new WebAssembly.Table({ element: "anyfunc", initial: 1 }), base: new WebAssembly.Global({ value: "i32" }, 0) },
    host: { used: (handle) => heard.push(["used", handle]), "[resource-drop]batch": (handle) => heard.push(["let go", handle]) },
  };
  // The header of the component, the section's id and its length, which takes two bytes.
  const module = new WebAssembly.Module(made.subarray(COMPONENT.length + 3));
  const { exports } = new WebAssembly.Instance(module, imports);
  assert.equal(exports[name](7), 8);
  assert.deepEqual(heard, [["used", 7], ["let go", 7]]);
  exports[`cabi_post_${name}`](7);
  assert.equal(heard.length, 2);
});

test("a component of another form is refused", () => {
  assert.throws(() => lettingGo(within(adapter("other"))), /0 modules of the component take batches/);
  const twice = adapter("millrace:plugin/sink@0.1.0#put");
  assert.throws(() => lettingGo(within(twice, twice)), /2 modules/);
  assert.throws(() => lettingGo(within(twice).subarray(0, 40)), /cut short/);
});
