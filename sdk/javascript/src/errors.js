// What a plugin throws, and what the worker does with it.

/** One record is at fault: it alone goes to `errors.tolerance` and the dead letter queue, the others pass. */
export class RecordError extends Error {
  constructor(code, message, { retriable = false } = {}) {
    super(message);
    this.name = "RecordError";
    this.code = code;
    this.retriable = retriable;
  }
}

/** A whole call failed, and nothing of it took effect. Throw one of its kinds. */
export class PluginError extends Error {
  constructor(kind, code, message, { retryAfterMs = null, field = null } = {}) {
    super(message);
    this.name = "PluginError";
    this.kind = kind;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
    this.field = field;
  }
}

/** The worker calls again after a back-off of at least `retryAfterMs`. */
export class Retriable extends PluginError {
  constructor(code, message, options) {
    super("retriable", code, message, options);
  }
}

/** The task is FAILED until an operator acts. */
export class Fatal extends PluginError {
  constructor(code, message) {
    super("fatal", code, message);
  }
}

/** This instance is of no more use: the worker makes a fresh one, then calls again. */
export class Restart extends PluginError {
  constructor(code, message) {
    super("restart", code, message);
  }
}

/** A setting is wrong: the task is FAILED, and the message is shown beside the key. */
export class ConfigError extends PluginError {
  constructor(key, message) {
    super("config", "config.invalid", message, { field: key });
  }
}

/** The worker's error as one of these. */
export function raised(thrown) {
  const said = thrown?.payload ?? thrown;
  if (!said?.kind || !said.attributes) return thrown;
  const retryAfterMs = said.retryAfterMs ?? null;
  const options = { retryAfterMs: retryAfterMs === null ? null : Number(retryAfterMs), field: said.field ?? null };
  return new PluginError(said.kind, said.code, said.message, options);
}
