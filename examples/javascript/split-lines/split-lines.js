// One record of each line of a text, a record at a time.

import { Record, RecordError, transform } from "millrace-plugin";

export default transform(
  {
    doc: "Makes one record of each line of a text. Tombstones pass; a record without the text fails alone.",
    keys: [{ name: "field", default: "text", doc: "The field that holds the text.", importance: "high" }],
  },
  (record, config) => {
    if (record.value === null) return record;
    const field = config.text("field");
    const text = record.value[field];
    if (typeof text !== "string") throw new RecordError("split-lines.no-text", `"${field}" holds no text`);
    const lines = text.split("\n").filter((line) => line !== "");
    return lines.map((line, at) => new Record({ value: { ...record.value, [field]: line, line: at + 1 } }));
  },
);
