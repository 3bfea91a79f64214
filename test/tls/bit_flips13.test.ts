import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { BOTH, client, type End, type Flight, ONLY_13, run, server } from "./pair.ts";

const DEADLINE = 10_000;

/** Options of both ends: a plain handshake, and one with HelloRetryRequest. */
const KINDS = [{ name: "a handshake", groups: [0x1d] }, { name: "a retried handshake", groups: [0x17] }] as const;

type Kind = (typeof KINDS)[number];

function pair({ groups }: Kind): { left: End; right: End } {
  return { left: client({ ...BOTH, serverName: "a.example" }), right: server({ ...BOTH, groups }) };
}

function flipped(kind: Kind, flight: number, bit: number): { left: End; right: End } {
  const { left, right } = pair(kind);
  run(left, right, (bytes, index) => {
    if (index !== flight) return bytes;
    const changed = new Uint8Array(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    return changed;
  });
  left.expire(DEADLINE);
  right.expire(DEADLINE);
  return { left, right };
}

function honest(kind: Kind): Flight[] {
  const { left, right } = pair(kind);
  return run(left, right);
}

/** The minor version in the record header of what is said before the version is known: it stands for nothing (RFC 8446 5.1). */
function isFree({ name }: Kind, flight: number, bit: number): boolean {
  if (bit >> 3 === 2 && flight === 0) return true;
  // The second hello comes behind a ChangeCipherSpec of six bytes.
  return name === "a retried handshake" && flight === 2 && bit >> 3 === 8;
}

const CODES = ["auth-failed", "malformed", "too-large", "unsupported", "downgrade", "timeout", "closed", "reflected"];

function check(kind: Kind, flight: number, bit: number, from: Flight["from"], last: boolean): void {
  const { left, right } = flipped(kind, flight, bit);
  const where = `${kind.name}, flight ${flight}, byte ${bit >> 3}, bit ${bit & 7}`;
  if (isFree(kind, flight, bit)) {
    assert.ok(left.session && right.session, where);
    return;
  }
  const receiver = from === "client" ? right : left;
  assert.equal(receiver.session, undefined, where);
  assert.ok(CODES.includes(receiver.code), `${where}: ${receiver.code}`);
  assert.equal(right.session, undefined, where);
  // A client has its session when it says its last word; whoever did not get it tells it so, unless the line is dead.
  if (!last) {
    assert.equal(left.session, undefined, where);
    assert.ok(left.code !== "open", where);
  } else if (right.code !== "timeout") {
    assert.ok(left.code !== "open", where);
  }
  assert.ok(right.code !== "open", where);
}

for (const kind of KINDS) {
  const flights = honest(kind);
  const [step, many] = kind === KINDS[0] ? [1, "every bit"] : [13, "every 13th bit"];
  for (const [flight, { bytes, from }] of flights.entries()) {
    test(`${many} of flight ${flight} of ${kind.name} of version 1.3, flipped, ends in an error and never in a session [SEC_CF-INTE-001]`, () => {
      for (let bit = 0; bit < 8 * bytes.length; bit += step) {
        check(kind, flight, bit, from, flight === flights.length - 1);
      }
    });
  }
}

test("every bit of a record of data and of a KeyUpdate, flipped, ends the connection without a byte of it", () => {
  const established = () => {
    const left = client({ ...ONLY_13, recordsPerKey: 1 });
    const right = server(ONLY_13);
    run(left, right);
    right.receive(left.send(toUtf8("x")));
    return { left, right };
  };
  const sent = established().left.send(toUtf8("hello"));
  for (let bit = 0; bit < 8 * sent.length; bit++) {
    const { left, right } = established();
    const bytes = left.send(toUtf8("hello"));
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    left.receive(right.receive(bytes));
    // A length that claims more waits for it: whatever comes then, it is no record.
    if (right.code === "open") left.receive(right.receive(new Uint8Array(17_000)));
    assert.equal(right.text, "x");
    assert.ok(["auth-failed", "malformed", "too-large", "unsupported"].includes(right.code), right.code);
    assert.notEqual(left.code, "open");
  }
});

test("a peer that stops at any byte of a handshake of version 1.3 ends in timeout at the deadline", () => {
  for (const kind of KINDS) {
    const flights = honest(kind);
    for (const from of ["client", "server"] as const) {
      const total = flights.filter((each) => each.from === from).reduce((sum, { bytes }) => sum + bytes.length, 0);
      for (let length = 0; length < total; length++) {
        const end = from === "client" ? pair(kind).right : pair(kind).left;
        end.sent();
        let left = length;
        for (const flight of flights) {
          if (flight.from !== from || left === 0) continue;
          const piece = flight.bytes.subarray(0, left);
          end.receive(piece);
          left -= piece.length;
        }
        assert.equal(end.session, undefined);
        end.expire(DEADLINE - 0.1);
        assert.equal(end.code, "open");
        assert.equal(end.expire(DEADLINE).length, 0);
        assert.equal(end.code, "timeout");
      }
    }
  }
});
