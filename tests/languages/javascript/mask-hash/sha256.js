// SHA-256 (FIPS 180-4) of texts. QuickJS has no Web Crypto, and is slow at arrays that are taken apart: hence plain variables.

import { utf8 } from "millrace-plugin";

const BLOCK = 64;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** The first 32 bits of the fractions of a root of the first primes. */
function fractions(count, root) {
  const found = [];
  for (let n = 2; found.length < count; n++) {
    let prime = true;
    for (let d = 2; d * d <= n && prime; d++) prime = n % d !== 0;
    if (prime) found.push(((root(n) % 1) * 2 ** 32) | 0);
  }
  return found;
}

const START = Int32Array.from(fractions(8, Math.sqrt));
const ROUNDS = fractions(64, Math.cbrt);

export class Sha256 {
  #bytes = new Uint8Array(4 * BLOCK);
  #words = new Array(64).fill(0);
  #state = new Int32Array(8);

  /** The digest of a text in UTF-8, in hexadecimal digits. */
  hex(text) {
    const most = text.length * 3 + 2 * BLOCK;
    if (this.#bytes.length < most) this.#bytes = new Uint8Array(most * 2);
    const bytes = this.#bytes;
    const length = utf8.encodeInto(text, bytes, 0);
    const end = Math.ceil((length + 9) / BLOCK) * BLOCK;
    bytes.fill(0, length, end);
    bytes[length] = 0x80;
    for (let at = end - 1, bits = length * 8; bits > 0; at--, bits = Math.floor(bits / 256)) bytes[at] = bits % 256;
    const state = this.#state;
    state.set(START);
    for (let at = 0; at < end; at += BLOCK) block(state, this.#words, bytes, at);
    let digits = "";
    for (let i = 0; i < 8; i++) {
      const word = state[i];
      digits += HEX[word >>> 24] + HEX[(word >>> 16) & 255] + HEX[(word >>> 8) & 255] + HEX[word & 255];
    }
    return digits;
  }
}

function block(state, w, bytes, at) {
  for (let i = 0; i < 16; i++, at += 4) {
    w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15];
    const y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let a = state[0];
  let b = state[1];
  let c = state[2];
  let d = state[3];
  let e = state[4];
  let f = state[5];
  let g = state[6];
  let h = state[7];
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + (g ^ (e & (f ^ g))) + ROUNDS[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = s0 + ((a & b) | (c & (a | b)));
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  state[0] += a;
  state[1] += b;
  state[2] += c;
  state[3] += d;
  state[4] += e;
  state[5] += f;
  state[6] += g;
  state[7] += h;
}
