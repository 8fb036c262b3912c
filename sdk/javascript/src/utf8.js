// Texts as bytes: QuickJS has neither TextEncoder nor TextDecoder.

const REPLACEMENT = 0xfffd;

/** A text in UTF-8; a surrogate without its other half becomes U+FFFD. */
export function encode(text) {
  const bytes = new Uint8Array(text.length * 3);
  return bytes.subarray(0, encodeInto(text, bytes, 0));
}

/** Writes a text, for which there is room; answers where it ends. */
export function encodeInto(text, bytes, at) {
  const length = text.length;
  let to = at;
  for (let i = 0; i < length; i++) {
    let point = text.charCodeAt(i);
    if (point < 0x80) {
      bytes[to++] = point;
      continue;
    }
    if (point >= 0xd800 && point < 0xe000) {
      point = text.codePointAt(i);
      if (point > 0xffff) i++;
      else point = REPLACEMENT;
    }
    if (point < 0x800) {
      bytes[to++] = 0xc0 | (point >> 6);
    } else if (point < 0x10000) {
      bytes[to++] = 0xe0 | (point >> 12);
      bytes[to++] = 0x80 | ((point >> 6) & 63);
    } else {
      bytes[to++] = 0xf0 | (point >> 18);
      bytes[to++] = 0x80 | ((point >> 12) & 63);
      bytes[to++] = 0x80 | ((point >> 6) & 63);
    }
    bytes[to++] = 0x80 | (point & 63);
  }
  return to;
}

/** The text of bytes in UTF-8; what is none becomes U+FFFD. */
export function decode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    if (first < 0x80) {
      text += String.fromCharCode(first);
      continue;
    }
    const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 ? 2 : 1;
    const least = [0, 0x80, 0x800, 0x10000][more];
    let point = first >= 0xc2 && first < 0xf5 ? first & (0x3f >> more) : -1;
    let taken = 0;
    while (point >= 0 && taken < more && (bytes[at + taken] & 0xc0) === 0x80) point = (point << 6) | (bytes[at + taken++] & 63);
    const good = point >= least && point < 0x110000 && taken === more && !(point >= 0xd800 && point < 0xe000);
    text += String.fromCodePoint(good ? point : REPLACEMENT);
    if (good) at += taken;
  }
  return text;
}
