// What an author writes: a class over batches, or a function over records.

import { Fatal, PluginError, RecordError } from "./errors.js";
import { Record } from "./record.js";

/** A transform over batches; `doc`, `keys`, `version` and the like are static properties. */
export class Transform {
  static doc = "";
  static keys = [];
  static classNames = [];

  configure(_config) {}

  apply(_batch) {
    throw new Fatal("sdk.no-apply", "the transform has no method \"apply\"");
  }

  close() {}

  /** [{key, message}] beyond what `keys` say by themselves. */
  static validate(_config) {
    return [];
  }
}

/** Makes a transform of a function (record, config) that gives back a record, null to leave it out, or several. */
export function transform(declared, mapped) {
  const [options, change] = typeof declared === "function" ? [{}, declared] : [declared, mapped];
  return class extends Transform {
    static name = options.name ?? "";
    static version = options.version;
    static doc = options.doc ?? "";
    static keys = options.keys ?? [];
    static classNames = options.classNames ?? [];
    #config;

    configure(config) {
      this.#config = config;
    }

    apply(batch) {
      batch.records().forEach((record, row) => {
        try {
          const made = change(record, this.#config) ?? null;
          if (made === null) {
            batch.drop(row);
            return;
          }
          const records = made instanceof Record ? [made] : [...made];
          if (!records.every((r) => r instanceof Record)) {
            throw new RecordError("javascript.no-record", "the function gave something else than records");
          }
          batch.replace(row, records);
        } catch (error) {
          if (error instanceof PluginError) throw error;
          const own = error instanceof RecordError;
          const code = own ? error.code : `javascript.${(error?.name ?? "error").toLowerCase()}`;
          batch.fail(row, code, own ? error.message : told(error), { retriable: own && error.retriable });
        }
      });
    }
  };
}

/** An error in one line. */
export function told(error) {
  if (!(error instanceof Error)) return String(error);
  const at = /\(?([^\s(/]*:\d+:\d+)\)?/.exec(error.stack ?? "")?.[1];
  return `${error.name}${at ? ` at ${at}` : ""}: ${error.message}`;
}

/** The transform that an author's module exports, or an error that says how. */
export function checked(author) {
  if (typeof author === "function" && author.prototype instanceof Transform) return author;
  throw new Fatal(
    "sdk.no-transform",
    'the module exports no transform: write "export default", then a class that extends Transform, or transform(..)',
  );
}
