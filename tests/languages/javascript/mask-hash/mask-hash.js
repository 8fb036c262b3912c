// Hides an e-mail address, and leaves its hash beside it.

import { Fatal, Transform } from "millrace-plugin";

import { Sha256 } from "./sha256.js";

export default class MaskHash extends Transform {
  static doc = "Hides an e-mail address, and leaves its hash beside it.";
  static keys = [
    { name: "field", doc: "The field that holds the address." },
    { name: "salt", default: "", doc: "What the hash begins with." },
  ];

  configure(config) {
    this.path = `value.${config.text("field")}`;
    this.salt = config.text("salt");
  }

  apply(batch) {
    if (!batch.has(this.path)) return;
    const addresses = batch.column(this.path);
    const sha256 = new Sha256();
    const masked = new Array(addresses.length);
    const hashes = new Array(addresses.length);
    for (let row = 0; row < addresses.length; row++) {
      const address = addresses[row];
      masked[row] = hashes[row] = null;
      if (address === null) continue;
      if (typeof address !== "string") throw new Fatal("mask-hash.no-text", `${this.path} holds no text`);
      const at = address.indexOf("@");
      if (at < 1) {
        batch.fail(row, "mask-hash.no-address", "there is no address");
        continue;
      }
      masked[row] = `${String.fromCodePoint(address.codePointAt(0))}***${address.slice(at)}`;
      hashes[row] = sha256.hex(this.salt + address);
    }
    batch.set(this.path, masked);
    batch.set(`${this.path}_hash`, hashes);
  }
}
