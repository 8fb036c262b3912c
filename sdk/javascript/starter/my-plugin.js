// Hides the text of one field.

import { Transform } from "millrace-plugin";

export default class MyPlugin extends Transform {
  static doc = "Hides the text of one field. A record whose field holds something else fails alone.";
  static keys = [
    { name: "field", doc: "The field to hide.", importance: "high" },
    { name: "mask", default: "***", doc: "What stands in its place." },
  ];

  configure(config) {
    this.path = `value.${config.text("field")}`;
    this.mask = config.text("mask");
  }

  apply(batch) {
    // Only this column crosses into the sandbox; the rest of the records stays with the worker.
    if (!batch.has(this.path)) return;
    const hidden = batch.column(this.path).map((text, row) => {
      if (text === null) return null;
      // This record alone goes to `errors.tolerance` and the dead letter queue.
      if (typeof text !== "string") batch.fail(row, "my-plugin.no-text", `"${this.path}" holds no text`);
      return this.mask;
    });
    batch.set(this.path, hidden);
  }
}
