// Hides the text of one field.

import { type Batch, type Config, type Key, Transform } from "millrace-plugin";

export default class MyPlugin extends Transform {
  static override doc = "Hides the text of one field. A record whose field holds something else fails alone.";
  static override keys: readonly Key[] = [
    { name: "field", doc: "The field to hide.", importance: "high" },
    { name: "mask", default: "***", doc: "What stands in its place." },
  ];

  private path = "";
  private mask = "";

  override configure(config: Config): void {
    this.path = `value.${config.text("field")}`;
    this.mask = config.text("mask");
  }

  apply(batch: Batch): void {
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
