import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import { SeccfError } from "../../lib/error.ts";
import { decodeShelved, encodeShelved } from "../../lib/channel/shelved_session.ts";

const session = { left: 5, expiresAtWall: 1_767_225_600, place: "", state: Uint8Array.of(1, 2, 3) };

test("what is sealed of a session is read as it was written, wherever its peer was", () => {
  const places = ["", "192.0.2.17:49152", "255.255.255.255:65535", "0.0.0.0:0", "[2001:db8::17]:5684", "[::]:1", "c:1"];
  // None of these is an address of IPv4 as it would be written again.
  places.push("1.2.3.4:05", "01.2.3.4:5", "1.2.3.256:5", "1.2.3.4:65536", "1.2.3:4", "x".repeat(254));
  for (const place of places) {
    assert.deepEqual(decodeShelved(encodeShelved({ ...session, place })), { ...session, place });
  }
  fc.assert(
    fc.property(fc.nat(), fc.nat(2 ** 40 - 1), fc.uint8Array({ maxLength: 50 }), (left, expiresAtWall, state) => {
      const all = { left, expiresAtWall, place: "10.0.0.1:1", state };
      assert.deepEqual(decodeShelved(encodeShelved(all)), all);
    }),
    { numRuns: 200, seed: 1 },
  );
  assert.throws(() => encodeShelved({ ...session, place: "x".repeat(255) }), RangeError);
});

test("an address of IPv4 is six bytes behind its mark", () => {
  const bytes = encodeShelved({ ...session, place: "192.0.2.17:49152" });
  assert.deepEqual([...bytes.subarray(10, 17)], [255, 192, 0, 2, 17, 0xc0, 0x00]);
});

test("bytes that are no such session are refused with an error of ours", () => {
  const bytes = encodeShelved({ ...session, place: "192.0.2.17:49152" });
  for (let length = 0; length < 17; length++) {
    assert.throws(
      () => decodeShelved(bytes.subarray(0, length)),
      { name: "SeccfError", code: "malformed" },
      `${length}`,
    );
  }
  assert.throws(() => decodeShelved(Uint8Array.of(2, ...bytes.subarray(1))), { code: "unsupported" });
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (random) => {
      try {
        decodeShelved(Uint8Array.of(1, ...random));
      } catch (error) {
        assert.ok(error instanceof SeccfError);
      }
    }),
    { numRuns: 500, seed: 1 },
  );
});
