// A batch is lent to a component for one call, and must be let go of before that call returns. componentize-qjs lets go of it
// when the worker has read the answer, which is too late: the component model allows no call out of a component by then. So
// the functions that take a batch are wrapped in ones that let go of it as their last step, and what QuickJS's side would call
// to do so does nothing. The module that componentize-qjs writes for a world's functions is all that is changed.

const CORE_MODULE = 1;
const COMPONENT = 4;
const HEADER = 8;
// Sections of a core module.
const [IMPORT, FUNCTION, EXPORT, ELEMENT, CODE] = [2, 3, 7, 9, 10];
const TAKES_A_BATCH = /^millrace:plugin\/(transform@[^#]+#apply|sink@[^#]+#put)$/;
const LETS_GO = "[resource-drop]batch";
// Instructions.
const [END, CALL, LOCAL_GET] = [0x0b, 0x10, 0x20];

/** The component with its calls wrapped; throws when it is not of the form that the pinned componentize-qjs writes. */
export function lettingGo(component) {
  let wrapped = 0;
  const walk = (bytes) =>
    joined(bytes.subarray(0, HEADER), ...sections(bytes).flatMap(({ id, body }) => {
      if (id === COMPONENT) return section(id, walk(body));
      if (id !== CORE_MODULE) return section(id, body);
      const made = wrap(body);
      if (made !== null) wrapped += 1;
      return section(id, made ?? body);
    }));
  const made = walk(new Uint8Array(component));
  if (wrapped !== 1) throw new Error(`${wrapped} modules of the component take batches instead of 1; is componentize-qjs the pinned one?`);
  return made;
}

/** A core module with its calls wrapped; null: it has none. */
function wrap(module) {
  const parts = sections(module);
  const body = (id) => parts.find((part) => part.id === id)?.body;
  const read = (id, one) => vector(body(id) ?? Uint8Array.of(0), one);
  const exported = read(EXPORT, (at) => ({ name: at.name(), kind: at.byte(), index: at.number() }));
  const calls = exported.filter(({ name, kind }) => kind === 0 && TAKES_A_BATCH.test(name));
  if (calls.length === 0) return null;

  const imported = read(IMPORT, imports).filter(({ type }) => type !== null);
  const drop = imported.findIndex(({ name }) => name === LETS_GO);
  if (drop < 0) throw new Error(`the module that takes batches does not import "${LETS_GO}"`);
  const functions = read(FUNCTION, (at) => at.number());
  const typeOf = (index) => (index < imported.length ? imported[index].type : functions[index - imported.length]);
  const codes = read(CODE, (at) => at.bytes(at.number()));

  const add = (type, ...instructions) => {
    functions.push(type);
    codes.push(Uint8Array.of(0, ...instructions, END));
    return imported.length + functions.length - 1;
  };
  const nothing = add(typeOf(drop));
  for (const call of calls) {
    const inner = [CALL, ...leb(call.index), LOCAL_GET, 0, CALL, ...leb(drop)];
    call.index = add(typeOf(call.index), LOCAL_GET, 0, ...inner);
  }
  const replaced = new Map([
    [FUNCTION, list(functions.map(leb))],
    [EXPORT, list(exported.map(({ name, kind, index }) => joined(text(name), [kind], leb(index))))],
    [ELEMENT, elements(body(ELEMENT), (index) => (index === drop ? nothing : index))],
    [CODE, list(codes.map((code) => joined(leb(code.length), code)))],
  ]);
  return joined(module.subarray(0, HEADER), ...parts.map(({ id, body }) => section(id, replaced.get(id) ?? body)));
}

/** An import: its name, and the type where it is a function. */
function imports(at) {
  at.name();
  const name = at.name();
  const kind = at.byte();
  if (kind === 0) return { name, type: at.number() };
  if (kind === 1) at.byte(); // a table's element type
  if (kind === 1 || kind === 2) {
    const limits = at.byte();
    at.number();
    if (limits & 1) at.number();
  } else if (kind === 3) {
    at.bytes(2);
  } else {
    throw new Error(`the module that takes batches imports "${name}" of kind ${kind}`);
  }
  return { name, type: null };
}

/** The one segment that has the functions which QuickJS's side calls: active, in a table, at a global's value. */
function elements(body, change) {
  const at = new Reader(body);
  if (at.number() !== 1) throw new Error("the module that takes batches has several element segments");
  const flags = at.number();
  const table = flags === 2 ? at.number() : 0;
  if (flags !== 0 && flags !== 2) throw new Error(`the module that takes batches has an element segment of kind ${flags}`);
  const from = at.at;
  at.byte();
  at.number();
  if (at.byte() !== END) throw new Error("the module that takes batches computes where its functions are");
  const kind = flags === 2 ? [at.byte()] : [];
  const offset = body.subarray(from, at.at - kind.length);
  const functions = Array.from({ length: at.number() }, () => leb(change(at.number())));
  return joined(leb(1), leb(flags), flags === 2 ? leb(table) : [], offset, kind, list(functions));
}

class Reader {
  constructor(data) {
    this.data = data;
    this.at = 0;
  }

  byte() {
    if (this.at >= this.data.length) throw new Error("the component is cut short");
    return this.data[this.at++];
  }

  number() {
    let [value, scale, byte] = [0, 1, 0];
    do {
      byte = this.byte();
      value += (byte & 0x7f) * scale;
      scale *= 128;
    } while (byte & 0x80);
    return value;
  }

  bytes(length) {
    if (this.at + length > this.data.length) throw new Error("the component is cut short");
    this.at += length;
    return this.data.subarray(this.at - length, this.at);
  }

  name() {
    return new TextDecoder().decode(this.bytes(this.number()));
  }
}

function sections(bytes) {
  const at = new Reader(bytes);
  at.bytes(HEADER);
  const found = [];
  while (at.at < bytes.length) found.push({ id: at.byte(), body: at.bytes(at.number()) });
  return found;
}

function vector(body, one) {
  const at = new Reader(body);
  return Array.from({ length: at.number() }, () => one(at));
}

function leb(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) | 0x80);
  return [...bytes, value];
}

function text(value) {
  const bytes = new TextEncoder().encode(value);
  return joined(leb(bytes.length), bytes);
}

function list(items) {
  return joined(leb(items.length), ...items);
}

function section(id, body) {
  return joined([id], leb(body.length), body);
}

function joined(...parts) {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}
