// Does to each record what its header "do" asks, writing it anew.

import { Fatal, Record, RecordError, transform } from "millrace-plugin";

export default transform(
  {
    doc: "Does to each record what its header \"do\" asks.",
    keys: [{ name: "broken", type: "boolean", default: false, doc: "Whether every batch is an error." }],
  },
  (record, config) => {
    if (config.bool("broken")) throw new Fatal("conform.broken", "as asked");
    const wish = record.header("do") ?? "copy";
    if (wish === "drop") return null;
    if (wish === "fail") throw new RecordError("conform.asked", "as asked");
    // Not the record itself, of which only what was changed would be written.
    const made = new Record({ key: record.key, value: record.value });
    if (wish === "twice") return [made, new Record({ key: record.key, value: record.value })];
    if (wish === "route") made.topic = `${record.topic}-routed`;
    if (wish === "edit" && typeof made.value?.note === "string") made.value.note = "edited";
    if (wish === "remove" && made.value !== null) delete made.value.note;
    return made;
  },
);
