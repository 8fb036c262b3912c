// Makes a record of each part of a text.

import { Batch, Config, Record, Transform, type Json } from "millrace-plugin";

export default class Split extends Transform {
  static doc = "Makes a record of each part of a text.";
  static keys = [{ name: "field", doc: "The field with parts joined by commas." }];

  private field = "";

  configure(config: Config): void {
    this.field = config.text("field");
  }

  apply(batch: Batch): void {
    if (!batch.has(`value.${this.field}`)) return;
    batch.documents().forEach((value: Json, row: number) => {
      if (value === null || typeof value !== "object" || Array.isArray(value)) return;
      const text = value[this.field];
      if (typeof text !== "string") return;
      batch.replace(row, text.split(",").map((part) => new Record({ value: { ...value, [this.field]: part } })));
    });
  }
}
