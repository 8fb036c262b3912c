// Keys and values that a task keeps from one run to the next: what a call puts is stored before its records' offsets are.

import { raised } from "./errors.js";
import { bound } from "./host.js";

/** What is kept outside of a component: in tests. */
export const memory = new Map();

export function get(key) {
  return (bound("state") ? bound("state").get(key) : memory.get(key)) ?? null;
}

/** In place of what was there. */
export function put(key, value) {
  if (!bound("state")) {
    memory.set(key, value);
    return;
  }
  try {
    bound("state").put(key, value);
  } catch (error) {
    throw raised(error);
  }
}

/** Whether it was there. */
export function remove(key) {
  return bound("state") ? bound("state").delete(key) : memory.delete(key);
}

/** {entries: [{key, value}], more} of the keys that begin so, in their order, from the first behind `after`. */
export function scan(prefix = "", { after = null, limit = 1000 } = {}) {
  if (bound("state")) return bound("state").scan(prefix, after, limit);
  const keys = [...memory.keys()].sort().filter((key) => key.startsWith(prefix) && (after === null || key > after));
  return { entries: keys.slice(0, limit).map((key) => ({ key, value: memory.get(key) })), more: keys.length > limit };
}
