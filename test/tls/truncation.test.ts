import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { ALL_SUITES, client, type End, type Flight, run, server } from "./pair.ts";

const OPTIONS = (suite: number) => ({ suites: [suite] });

function pair(suite: number): { left: End; right: End } {
  return { left: client(OPTIONS(suite)), right: server({ ...OPTIONS(suite), hint: toUtf8("hint1") }) };
}

/** Plays a recorded direction into a fresh engine of the same seed, up to `length` bytes, one flight a time. */
function replay(end: End, flights: readonly Flight[], from: Flight["from"], length: number): void {
  end.sent();
  let left = length;
  for (const flight of flights) {
    if (flight.from !== from || left === 0) continue;
    const piece = flight.bytes.subarray(0, left);
    end.receive(piece);
    left -= piece.length;
  }
}

test("a peer that stops at any byte of the handshake ends in timeout at the deadline, and leaves nothing awaited", () => {
  for (const suite of ALL_SUITES) {
    const { left, right } = pair(suite);
    const flights = run(left, right);
    for (const from of ["client", "server"] as const) {
      const total = flights.filter((flight) => flight.from === from).reduce((sum, { bytes }) => sum + bytes.length, 0);
      for (let length = 0; length < total; length++) {
        const end = from === "client" ? pair(suite).right : pair(suite).left;
        replay(end, flights, from, length);
        assert.equal(end.session, undefined);
        assert.equal(end.engine.deadline, 10_000);
        end.expire(9_999.9);
        assert.equal(end.code, "open");
        assert.equal(end.expire(10_000).length, 0);
        assert.equal(end.code, "timeout");
        assert.equal(end.engine.deadline, undefined);
      }
      const whole = from === "client" ? pair(suite).right : pair(suite).left;
      replay(whole, flights, from, total);
      assert.ok(whole.session);
    }
  }
});

test("a peer that sends a byte at a time gains no time", () => {
  const hello = client().sent();
  const end = server();
  for (const [i, byte] of hello.entries()) {
    end.now = i * 1000;
    end.receive(Uint8Array.of(byte));
  }
  assert.equal(end.code, "timeout");
});

test("the deadline counts from birth, in the seconds that were asked for, and ends with the handshake", () => {
  const left = client({ now: 500, handshakeSeconds: 2.5 });
  const right = server({ now: 700, handshakeSeconds: 1 });
  assert.equal(left.engine.deadline, 3000);
  assert.equal(right.engine.deadline, 1700);
  run(left, right);
  assert.equal(left.engine.deadline, undefined);
  assert.equal(right.engine.deadline, undefined);
  right.expire(1e12);
  assert.equal(right.code, "open");
});

test("data that stops in mid-record is not handed out", () => {
  const { left, right } = pair(ALL_SUITES[0]!);
  run(left, right);
  const record = left.send(toUtf8("all or nothing"));
  right.receive(record.subarray(0, record.length - 1));
  assert.equal(right.text, "");
  assert.equal(right.code, "open");
  right.receive(record.subarray(-1));
  assert.equal(right.text, "all or nothing");
});

test("a record shortened by any number of bytes, its header made to fit, is refused", () => {
  for (const suite of ALL_SUITES) {
    const whole = pair(suite);
    run(whole.left, whole.right);
    const length = whole.left.send(toUtf8("hello")).length - 5;
    for (let cut = 1; cut <= length; cut++) {
      const { left, right } = pair(suite);
      run(left, right);
      const record = left.send(toUtf8("hello")).subarray(0, 5 + length - cut);
      record[4] = length - cut;
      right.receive(record);
      assert.equal(right.code, "auth-failed");
      assert.equal(right.text, "");
    }
  }
});
