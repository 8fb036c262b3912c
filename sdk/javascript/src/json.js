// JSON whose whole numbers keep their digits: those that a number cannot hold are BigInt.

const TOKENS = /("(?:[^"\\]|\\.)*")(\s*:)?|-?\d{16,}(?![\d.eE])/g;
// What a text begins with that stands for a number, and one that by itself begins so. In JSON it is always "\u0001".
const [BIG, TEXT] = ["\u0001b", "\u0001t"];
const STRINGS = /("(?:[^"\\]|\\.)*")(:)?/g;

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
  const marked = text.replace(TOKENS, (token, string, colon) => {
    if (colon) return token;
    if (string) return string.startsWith('"\\u0001') ? `"\\u0001t${string.slice(1)}` : string;
    return Number.isSafeInteger(Number(token)) ? token : `"\\u0001b${token}"`;
  });
  return JSON.parse(marked, (_, value) => {
    if (typeof value !== "string" || value[0] !== "\u0001") return value;
    return value.startsWith(BIG) ? BigInt(value.slice(BIG.length)) : value.slice(TEXT.length);
  });
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
  const text = JSON.stringify(value, (_, value) => {
    if (typeof value === "bigint") return BIG + value;
    return typeof value === "string" && value[0] === "\u0001" ? TEXT + value : value;
  });
  return text?.replace(STRINGS, (token, string, colon) => {
    if (colon || !string.startsWith('"\\u0001')) return token;
    return string[7] === "b" ? string.slice(8, -1) : `"${string.slice(8)}`;
  });
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
