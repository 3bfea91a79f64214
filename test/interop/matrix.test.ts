// The table that `npm run test:interop` prints of its peers.
import assert from "node:assert/strict";
import test from "node:test";
import { type Cell, tableOf } from "./matrix.ts";

const cell = (peer: string, direction: Cell["direction"], suite: string, outcome: string): Cell => ({
  ...{ peer, direction, suite, outcome },
});

test("the matrix has each peer and suite both ways, and a reason for each gap", () => {
  const cells = [
    cell("openssl", "from us", "GCM", "ok"),
    cell("openssl", "to us", "GCM", "FAILED"),
    cell("a client", "from us", "GCM", "none: it is no server"),
    cell("a client", "to us", "GCM", "ok"),
    cell("openssl", "from us", "CCM_8", "none: it knows no such suite"),
    cell("openssl", "to us", "CCM_8", "none: it knows no such suite"),
    cell("a client", "from us", "CCM_8", "none: it is no server"),
    cell("a client", "to us", "CCM_8", "it crashes afterwards"),
  ];
  assert.deepEqual(tableOf("DTLS", ["GCM", "CCM_8"], cells), [
    "DTLS   openssl    a client",
    "GCM    ok FAILED  a ok",
    "CCM_8  b b        a ok/c",
    "left: we ask the peer; right: it asks us",
    "a: it is no server",
    "b: it knows no such suite",
    "c: it crashes afterwards",
  ]);
  assert.throws(() => tableOf("DTLS", ["GCM", "CCM_8"], cells.slice(1)), /openssl, from us, GCM is missing/);
});
