import type { Json, Transform } from "./index.js";

export interface Sample {
  value?: Json;
  key?: Json;
  topic?: string;
  partition?: number | null;
  offset?: number | null;
  timestamp?: number | null;
  headers?: { [name: string]: Json };
}

export interface Done {
  records: Required<Sample>[];
  /** The input's row of each record. */
  origin: number[];
  failures: { row: number; code: string; message: string; retriable: boolean }[];
}

/** What becomes of the records, without a worker; values are without schema here. */
export function run(author: new () => Transform, settings: { [key: string]: string }, samples: Sample[]): Done;
