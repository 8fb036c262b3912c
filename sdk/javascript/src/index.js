// Millrace plugins in JavaScript: transforms that run in a Millrace worker as WebAssembly components.

export { Batch } from "./batch.js";
export { Config } from "./config.js";
export { ConfigError, Fatal, PluginError, RecordError, Restart, Retriable } from "./errors.js";
export * as http from "./http.js";
export { clock, log, metrics, random } from "./host.js";
export { Record } from "./record.js";
export { Transform, transform } from "./transform.js";
export * as state from "./state.js";
export * as utf8 from "./utf8.js";
