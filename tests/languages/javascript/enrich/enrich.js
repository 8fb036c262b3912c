// Adds what a service knows.

import { Fatal, Retriable, Transform, http } from "millrace-plugin";

const KEPT_MAX = 10_000;
const AT_ONCE = 1_000;

export default class Enrich extends Transform {
  static doc = "Adds the country that a service knows.";
  static keys = [
    { name: "url", doc: "What the value is appended to." },
    { name: "field", doc: "The field to look up." },
  ];

  configure(config) {
    this.url = config.text("url");
    this.path = `value.${config.text("field")}`;
    // null: nobody knows it.
    this.known = new Map();
  }

  apply(batch) {
    const ids = batch.column(this.path).map((value) => (value === null ? null : this.text(value)));
    if (this.known.size > KEPT_MAX) this.known.clear();
    this.lookUp([...new Set(ids)].filter((id) => id !== null && !this.known.has(id)));
    const countries = ids.map((id) => (id === null ? null : this.known.get(id)));
    countries.forEach((country, row) => {
      if (country === null && ids[row] !== null) batch.fail(row, "enrich.unknown", "the service does not know it");
    });
    batch.set("value.country", countries);
  }

  lookUp(ids) {
    for (let at = 0; at < ids.length; at += AT_ONCE) {
      const asked = ids.slice(at, at + AT_ONCE);
      const answers = http.sendAll(asked.map((id) => ({ url: this.url + id })), { concurrency: 16 });
      answers.forEach((answer, i) => {
        if (answer instanceof Error) throw answer;
        this.known.set(asked[i], country(answer));
      });
    }
  }

  text(value) {
    if (typeof value === "string" || typeof value === "bigint" || Number.isInteger(value)) return String(value);
    throw new Fatal("enrich.no-text", `${this.path} is neither text nor whole number`);
  }
}

function country(answer) {
  if (answer.status === 404) return null;
  if (answer.status !== 200) throw new Retriable("enrich.unavailable", `the service answered ${answer.status}`);
  let found;
  try {
    found = answer.json()?.country;
  } catch (error) {
    throw new Retriable("enrich.unavailable", `the service's answer is no JSON: ${error.message}`);
  }
  if (typeof found !== "string") throw new Retriable("enrich.unavailable", "an answer without a country");
  return found;
}
