// JSON whose whole numbers keep their digits: those that a number cannot hold are BigInt.

const LONG = /\d{16,}/;
const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
const MARK = "\u0001big:";
const MARKED = /"\\u0001big:(-?\d+)"/g;

export function parse(text) {
  if (!LONG.test(text)) return JSON.parse(text);
  const marked = text.replace(TOKENS, (token) =>
    token[0] === '"' || Number.isSafeInteger(Number(token)) ? token : JSON.stringify(MARK + token));
  return JSON.parse(marked, (_, value) =>
    typeof value === "string" && value.startsWith(MARK) ? BigInt(value.slice(MARK.length)) : value);
}

export function stringify(value) {
  let big = false;
  const text = JSON.stringify(value, (_, value) => {
    if (typeof value !== "bigint") return value;
    big = true;
    return MARK + value;
  });
  if (text === undefined) throw new TypeError("this value has no JSON");
  return big ? text.replace(MARKED, "$1") : text;
}
