import assert from "node:assert/strict";
import test from "node:test";

import { bind } from "../src/host.js";
import { http, PluginError, utf8 } from "../src/index.js";

test("texts are UTF-8 as others write it", () => {
  for (const text of ["", "ada", "ünï©ødé ✓ 𝄞", "\u{10ffff}\0", "lone \ud834 half", "\udd1e"]) {
    assert.deepEqual(utf8.encode(text), new TextEncoder().encode(text));
  }
  const bad = [[0xff, 0x41], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf0, 0x9d, 0x84], [0xe2, 0x28, 0xa1], [0xf4, 0x90, 0x80, 0x80]];
  for (const bytes of [utf8.encode("ünï©ødé ✓ 𝄞"), ...bad.map((b) => Uint8Array.from(b))]) {
    assert.equal(utf8.decode(bytes).replace(/\ufffd+/g, "?"), new TextDecoder().decode(bytes).replace(/\ufffd+/g, "?"));
  }
});

test("requests are lowered, answers lifted", () => {
  const seen = [];
  const error = { kind: "retriable", code: "http.timeout", message: "slow", retryAfterMs: 5n, field: null, attributes: [] };
  const ok = { status: 200, headers: [["a", "b"]], body: utf8.encode('{"n":9007199254740993}'), url: "http://x/" };
  const bindings = {
    send(request) {
      seen.push(request);
      if (request.method === "PUT") throw { payload: error };
      return ok;
    },
    sendAll: (requests, concurrency) => requests.map((_, i) => (i < concurrency ? { tag: "ok", val: ok } : { tag: "err", val: error })),
  };
  try {
    bind({ capabilities: { http: bindings } });
    const headers = { a: "t", b: { secret: "key", prefix: "Bearer " }, c: { user: "u", passwordKey: "p" } };
    const answer = http.send({ url: "http://x/", headers, body: "é", options: { redirects: 0 } });
    assert.equal(answer.json().n, 9007199254740993n);
    assert.deepEqual(seen[0], {
      method: "GET",
      url: "http://x/",
      headers: [
        ["a", { tag: "text", val: "t" }],
        ["b", { tag: "secret", val: { prefix: "Bearer ", key: "key" } }],
        ["c", { tag: "basic", val: { user: "u", passwordKey: "p" } }],
      ],
      body: Uint8Array.of(0xc3, 0xa9),
      timeoutMs: null,
      options: [["redirects", "0"]],
    });
    const told = (error) => error instanceof PluginError && error.kind === "retriable" && error.retryAfterMs === 5;
    assert.throws(() => http.send({ method: "PUT", url: "http://x/" }), told);
    const [first, second] = http.sendAll([{ url: "http://x/1" }, { url: "http://x/2" }], { concurrency: 1 });
    assert.equal(first.status, 200);
    assert.ok(told(second));
    bind({ capabilities: {} });
    assert.throws(() => http.send({ url: "http://x/" }), /add it to "grants"/);
  } finally {
    bind(null);
  }
  assert.throws(() => http.send({ url: "http://x/" }), /answers GET http:\/\/x\//);
  http.answerWith((request) => ({ status: 404, body: request.url }));
  assert.equal(http.sendAll([{ url: "http://x/" }])[0].text(), "http://x/");
});
