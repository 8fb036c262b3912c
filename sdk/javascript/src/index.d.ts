/** What a column holds: a whole number beyond 2^53 is a bigint; structs and lists are JSON texts. */
export type Cell = string | number | bigint | boolean | Uint8Array | null;

/** What JSON gives; whole numbers beyond 2^53 are bigints, and keep their digits. */
export type Json = any;

/** One setting, declared once: validation, the REST answers and the reference come from it. */
export interface Key {
  name: string;
  type?: "boolean" | "text" | "int" | "short" | "long" | "double" | "list" | "class" | "password";
  /** Left out: the key is required. null: it is optional and has no value unless given. */
  default?: string | number | boolean | string[] | null;
  doc?: string;
  importance?: "high" | "medium" | "low";
  /** The values it may have; none: any. */
  allowed?: string[];
  group?: string;
  displayName?: string;
}

/** A plugin's settings, with the declared defaults filled in. What is wrong is a ConfigError that names the key. */
export class Config {
  constructor(entries: Iterable<[string, string]>);
  has(key: string): boolean;
  /** The text; undefined: the key has no value. */
  get(key: string): string | undefined;
  text(key: string): string;
  int(key: string): number;
  float(key: string): number;
  bool(key: string): boolean;
  /** Parted at commas. */
  list(key: string): string[];
  entries(): IterableIterator<[string, string]>;
}

/**
 * Records of one call of `apply`; do not keep it beyond the call. What you say of it is handed to the worker when `apply`
 * returns. A path is `topic`, `partition`, `offset`, `timestamp`, `key`, `key.id`, `value.after.email`, `header.trace-id`.
 */
export class Batch {
  readonly length: number;
  /** Whether any record has this field. */
  has(path: string): boolean;
  /** One field of all records. A null is null, and so is a field that the record does not have. */
  column<T extends Cell = Cell>(path: string): (T | null)[];
  /** Sets a field of all records, one value for each; one that is not there is added to every record as optional. */
  set(path: string, values: ArrayLike<Cell | undefined>): void;
  /** Sets a field to `change(value)` where it is not null; does nothing when no record has it. */
  map<T extends Cell = Cell>(path: string, change: (value: T) => Cell): void;
  /** Takes fields off all records that have them. */
  remove(...paths: string[]): void;
  /** Leaves a record out: it is counted as filtered. */
  drop(row: number): void;
  /** Keeps the records whose entry is true. */
  filter(keep: readonly unknown[]): void;
  /** Sends all records to a topic, or each to its own; null leaves a record where it goes. */
  route(topics: string | readonly (string | null)[]): void;
  /** This record alone is at fault; it goes to `errors.tolerance` and the dead letter queue. */
  fail(row: number, code: string, message: string, options?: { retriable?: boolean }): void;
  /** Puts other records in a record's place: none, one or many. Not in one batch with `set` and `remove`. */
  replace(row: number, records: readonly Record[]): void;
  /**
   * Puts as many records in each record's place as its entry of `values` has elements: texts or bytes, as before, for the field
   * `path` of the value. All else is as it was; null leaves a record as it is, an empty entry leaves it out. Faster than `replace`
   * by far. In one batch nothing else may change records; drop and fail as you like.
   */
  spread(path: string, values: readonly (readonly (string | Uint8Array | null)[] | null)[]): void;
  /** `key` or `value` of all records as JSON texts; a null or tombstone is null. */
  texts(part: "key" | "value"): (string | null)[];
  /** `key` or `value` of all records as JavaScript values. */
  documents(part?: "key" | "value"): Json[];
  /** Each record as simple values, parsed when they are asked for. */
  records(): Record[];
}

/**
 * A record as simple values; null is a null or, as a value, a tombstone. One that you make takes what you leave out from the
 * record it was made of, its headers, partition and timestamp too.
 */
export class Record {
  constructor(made?: { value?: Json; key?: Json; topic?: string });
  value: Json;
  key: Json;
  topic: string;
  readonly partition: number | null;
  /** null for a record that comes from a source. */
  readonly offset: number | null;
  /** Milliseconds since the epoch. */
  readonly timestamp: number | null;
  /** The last header of this name; null: there is none. */
  header(name: string): Cell;
}

/** A transform over batches. */
export abstract class Transform {
  /** The version that people choose by; left out: that of package.json. */
  static version?: string;
  static doc: string;
  static keys: readonly Key[];
  /** Class names of Connect's that are to resolve to this transform. */
  static classNames: readonly string[];
  /** What is wrong beyond what `keys` say by themselves. Reach no server here. */
  static validate(config: Config): Iterable<{ key: string; message: string }>;
  /** Called once, before any `apply`. */
  configure(config: Config): void;
  abstract apply(batch: Batch): void;
  /** Called once, when the task ends well. */
  close(): void;
}

export interface Declared {
  version?: string;
  doc?: string;
  keys?: readonly Key[];
  classNames?: readonly string[];
}

type Mapped = (record: Record, config: Config) => Record | Iterable<Record> | null | undefined;

/** Makes a transform of a function that gives back the record, null to leave it out, or several. */
export function transform(mapped: Mapped): new () => Transform;
export function transform(declared: Declared, mapped: Mapped): new () => Transform;

/** One record is at fault: it alone goes to `errors.tolerance` and the dead letter queue, the others pass. */
export class RecordError extends Error {
  constructor(code: string, message: string, options?: { retriable?: boolean });
  readonly code: string;
  readonly retriable: boolean;
}

/** A whole call failed, and nothing of it took effect. */
export class PluginError extends Error {
  readonly kind: "retriable" | "fatal" | "config" | "restart";
  readonly code: string;
}

/** The worker calls again after a back-off of at least `retryAfterMs`. */
export class Retriable extends PluginError {
  constructor(code: string, message: string, options?: { retryAfterMs?: number });
}

/** The task is FAILED until an operator acts. */
export class Fatal extends PluginError {
  constructor(code: string, message: string);
}

/** This instance is of no more use: the worker makes a fresh one, then calls again. */
export class Restart extends PluginError {
  constructor(code: string, message: string);
}

/** A setting is wrong: the task is FAILED, and the message is shown beside the key. */
export class ConfigError extends PluginError {
  constructor(key: string, message: string);
}

type Level = "trace" | "debug" | "info" | "warn" | "error";
type Fields = { [name: string]: unknown };

/** Lines in the worker's log. Never log a key, a value or a credential. */
export const log: { enabled(level: Level): boolean } & { [level in Level]: (message: string, fields?: Fields) => void };

/** Figures of the plugin's own. Keep labels few: their sets are bounded. */
export const metrics: {
  counter(name: string, delta?: number, labels?: Fields): void;
  gauge(name: string, value: number, labels?: Fields): void;
  histogram(name: string, value: number, labels?: Fields): void;
};

export const clock: {
  /** Milliseconds since the epoch. */
  nowMs(): number;
};

export const random: {
  /** Good enough for keys and tokens; at most 65,536. What `Math.random` gives is not, and begins alike in every instance. */
  bytes(count: number): Uint8Array;
};

/** Keys and values that a task keeps from one run to the next: what a call puts is stored before its records' offsets are. */
export namespace state {
  function get(key: string): Uint8Array | null;
  /** In place of what was there; at most 512 KiB. */
  function put(key: string, value: Uint8Array): void;
  /** Whether it was there. */
  function remove(key: string): boolean;
  /** Entries whose keys begin so, in their order, from the first behind `after`; `more`: there are others behind them. */
  function scan(
    prefix?: string,
    options?: { after?: string; limit?: number },
  ): { entries: { key: string; value: Uint8Array }[]; more: boolean };
  /** What is kept outside of a component: in tests. */
  const memory: Map<string, Uint8Array>;
}

/** HTTP to the hosts that the connector's configuration lists. Needs `grants = ["http"]` in millrace.toml. */
export namespace http {
  /** Of a key of type password, which the plugin uses and never sees: its value behind a prefix such as "Bearer ". */
  type Secret = { secret: string; prefix?: string };
  type Basic = { user: string; passwordKey: string };

  interface Request {
    /** Left out: GET. */
    method?: string;
    url: string;
    headers?: { [name: string]: string | Secret | Basic };
    body?: string | Uint8Array;
    /** For all of it. Left out: 30 seconds. */
    timeoutMs?: number;
    /** `redirects`: how many are followed; `response-bytes`: the most bytes of the answer's body. */
    options?: { [name: string]: string | number };
  }

  interface Response {
    status: number;
    /** Names in small letters. */
    headers: [string, string][];
    body: Uint8Array;
    /** Where it came from, after redirects. */
    url: string;
    text(): string;
    json(): Json;
  }

  /** The answer; a status of 400 and above is one, too. What fails throws a PluginError with a code such as `http.timeout`. */
  function send(request: Request): Response;
  /** The answers to up to 1000 requests, in their order; what failed is the error that `send` would have thrown. */
  function sendAll(requests: readonly Request[], options?: { concurrency?: number }): (Response | PluginError)[];
  /** What answers outside of a component: in tests. */
  function answerWith(answer: (request: Request) => { status: number; body?: string | Uint8Array }): void;
}

/** Texts as bytes: there are neither TextEncoder nor TextDecoder. */
export namespace utf8 {
  function encode(text: string): Uint8Array;
  /** Writes a text where there is room for it; answers where it ends. */
  function encodeInto(text: string, bytes: Uint8Array, at: number): number;
  function decode(bytes: Uint8Array): string;
}
