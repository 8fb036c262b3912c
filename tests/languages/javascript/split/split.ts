// Makes a record of each part of a text.

import { Transform, type Batch, type Config } from "millrace-plugin";

export default class Split extends Transform {
  static doc = "Makes a record of each part of a text.";
  static keys = [{ name: "field", doc: "The field with parts joined by commas." }];

  private path = "";

  configure(config: Config): void {
    this.path = `value.${config.text("field")}`;
  }

  apply(batch: Batch): void {
    if (!batch.has(this.path)) return;
    batch.spread(this.path, batch.column(this.path).map((text) => (typeof text === "string" ? text.split(",") : null)));
  }
}
