// HTTP to the hosts that the connector's configuration lists. Needs `grants = ["http"]` in millrace.toml.

import { raised } from "./errors.js";
import { capability } from "./host.js";
import { parse } from "./json.js";
import { decode, encode } from "./utf8.js";

const AT_ONCE = 8;

let answering = null;

/** What answers outside of a component: in tests. */
export function answerWith(answer) {
  answering = answer;
}

/** The answer to a request; a status of 400 and above is one, too. */
export function send(request) {
  const bindings = bound(request);
  if (bindings === null) return new Response(answering(request));
  try {
    return new Response(bindings.send(lowered(request)));
  } catch (error) {
    throw raised(error);
  }
}

/** The answers to many requests, in their order; what failed is the error that `send` would have thrown. */
export function sendAll(requests, { concurrency = AT_ONCE } = {}) {
  if (requests.length === 0) return [];
  const bindings = bound(requests[0]);
  if (bindings === null) return requests.map((request) => new Response(answering(request)));
  try {
    return bindings
      .sendAll(requests.map(lowered), concurrency)
      .map(({ tag, val }) => (tag === "ok" ? new Response(val) : raised(val)));
  } catch (error) {
    throw raised(error);
  }
}

function bound(request) {
  const bindings = capability("http");
  if (bindings === null && answering === null) {
    throw new Error(`call http.answerWith with what answers ${request.method ?? "GET"} ${request.url} in tests`);
  }
  return bindings;
}

class Response {
  constructor({ status, headers = [], body = new Uint8Array(0), url = "" }) {
    this.status = status;
    this.headers = headers;
    this.body = typeof body === "string" ? encode(body) : Uint8Array.from(body);
    this.url = url;
  }

  text() {
    return decode(this.body);
  }

  json() {
    return parse(this.text());
  }
}

function lowered({ method = "GET", url, headers = {}, body = "", timeoutMs = null, options = {} }) {
  return {
    method,
    url,
    headers: Object.entries(headers).map(([name, value]) => [name, header(value)]),
    body: typeof body === "string" ? encode(body) : body,
    timeoutMs,
    options: Object.entries(options).map(([name, value]) => [name, String(value)]),
  };
}

function header(value) {
  if (typeof value === "string") return { tag: "text", val: value };
  if ("secret" in value) return { tag: "secret", val: { prefix: value.prefix ?? "", key: value.secret } };
  return { tag: "basic", val: { user: value.user, passwordKey: value.passwordKey } };
}
