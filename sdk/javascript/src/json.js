// JSON whose whole numbers keep their digits: those that a number cannot hold are BigInt.

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
const MARK = "\u0001big:";
const MARKED = /"\\u0001big:(-?\d+)"/g;

export function parse(text) {
  const value = JSON.parse(text);
  // A look at the values is cheaper than one at the text with a regular expression.
  return anyRounded(value) ? parseMarked(text) : value;
}

function anyRounded(value) {
  if (typeof value === "number") return value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER;
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some(anyRounded);
  for (const name in value) if (anyRounded(value[name])) return true;
  return false;
}

function parseMarked(text) {
  const marked = text.replace(TOKENS, (token) =>
    token[0] === '"' || Number.isSafeInteger(Number(token)) ? token : JSON.stringify(MARK + token));
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value);
}

export function stringify(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    // A replacer costs a call for each value, and there is hardly ever a bigint.
    if (!(error instanceof TypeError)) throw error;
    text = stringifyMarked(value);
  }
  if (text === undefined) throw new TypeError("this value has no JSON");
  return text;
}

function stringifyMarked(value) {
  const text = JSON.stringify(value, (_, value) => (typeof value === "bigint" ? MARK + value : value));
  return text?.replace(MARKED, "$1");
}

/** Whether two values have the same JSON, but for the order of names. */
export function same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((value, at) => same(value, b[at]));
  const names = Object.keys(a);
  if (Array.isArray(b) || names.length !== Object.keys(b).length) return false;
  return names.every((name) => name in b && same(a[name], b[name]));
}
