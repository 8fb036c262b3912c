// Masks e-mail addresses, a column at a time.

import { Transform, metrics } from "millrace-plugin";

export default class MaskEmail extends Transform {
  static doc =
    "Hides the local part of the e-mail addresses in one field. A record whose field holds no address fails alone.";
  static keys = [{ name: "field", default: "email", doc: "The field that holds the address.", importance: "high" }];

  configure(config) {
    this.path = `value.${config.text("field")}`;
  }

  apply(batch) {
    if (!batch.has(this.path)) return;
    const masked = batch.column(this.path).map((address, row) => {
      if (address === null) return null;
      const at = String(address).lastIndexOf("@");
      if (at < 1 || at === address.length - 1) {
        batch.fail(row, "mask-email.no-address", `"${this.path}" holds no e-mail address`);
        return "";
      }
      return address[0] + "*".repeat(at - 1) + address.slice(at);
    });
    batch.set(this.path, masked);
    metrics.counter("mask_email_masked", masked.length);
  }
}
