import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { ALL_SUITES, client, type End, type Flight, GCM, run, server } from "./pair.ts";

const DEADLINE = 10_000;

/** A whole handshake with one bit of one flight flipped on its way; time passes until both ends have ended or agreed. */
function flipped(suite: number, flight: number, bit: number): { left: End; right: End } {
  const options = { suites: [suite] };
  const left = client({ ...options, serverName: "a.example" });
  const right = server({ ...options, hint: toUtf8("h") });
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

function honest(suite: number): Flight[] {
  return run(client({ suites: [suite], serverName: "a.example" }), server({ suites: [suite], hint: toUtf8("h") }));
}

/** The minor version in the first ClientHello's record header, which no server may mind (RFC 5246 E.1). */
function isFree(flight: number, bit: number): boolean {
  return flight === 0 && bit >> 3 === 2;
}

const CODES = ["auth-failed", "malformed", "too-large", "unsupported", "downgrade", "timeout", "closed"];

function check(suite: number, flight: number, bit: number, from: Flight["from"]): void {
  const { left, right } = flipped(suite, flight, bit);
  const where = `suite ${suite.toString(16)}, flight ${flight}, byte ${bit >> 3}, bit ${bit & 7}`;
  if (isFree(flight, bit)) {
    assert.ok(left.session && right.session, where);
    return;
  }
  const receiver = from === "client" ? right : left;
  assert.equal(receiver.session, undefined, where);
  assert.equal(left.session, undefined, where);
  assert.ok(CODES.includes(receiver.code), `${where}: ${receiver.code}`);
  // Whoever was told has ended too; a server that has nothing more to await stays as it is when the line goes dead.
  assert.ok(left.code !== "open", where);
  if (!right.session) assert.ok(right.code !== "open", where);
}

for (const flight of [0, 1, 2, 3]) {
  test(`every bit of flight ${flight} of a handshake, flipped, ends in an error and never in a session [SEC_CF-INTE-001]`, () => {
    const { bytes, from } = honest(GCM)[flight]!;
    for (let bit = 0; bit < 8 * bytes.length; bit++) check(GCM, flight, bit, from);
  });
}

test("with the other suites too, in samples", () => {
  for (const suite of ALL_SUITES.filter((each) => each !== GCM)) {
    const flights = honest(suite);
    assert.equal(flights.length, 4);
    for (const [flight, { bytes, from }] of flights.entries()) {
      for (let bit = 0; bit < 8 * bytes.length; bit += 13) check(suite, flight, bit, from);
    }
  }
});

test("every bit of a record of data, flipped, ends the connection without a byte of it", () => {
  for (const suite of ALL_SUITES) {
    const sent = established(suite).left.send(toUtf8("hello"));
    for (let bit = 0; bit < 8 * sent.length; bit++) {
      const { left, right } = established(suite);
      const bytes = left.send(toUtf8("hello"));
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      left.receive(right.receive(bytes));
      // A length that claims more waits for it: whatever comes then, it is no record.
      if (right.code === "open") left.receive(right.receive(new Uint8Array(17_000)));
      assert.equal(right.text, "");
      assert.ok(["auth-failed", "malformed", "too-large", "unsupported"].includes(right.code), right.code);
      assert.notEqual(left.code, "open");
    }
  }
});

function established(suite: number): { left: End; right: End } {
  const left = client({ suites: [suite] });
  const right = server({ suites: [suite] });
  run(left, right);
  return { left, right };
}
