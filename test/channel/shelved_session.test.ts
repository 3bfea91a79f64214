import assert from "node:assert/strict";
import fc from "fast-check";
import test from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeShelved, encodeShelved } from "../../lib/channel/shelved_session.ts";

const session = { left: 5, expiresAtWall: 1_767_225_600, place: "", state: Uint8Array.of(1, 2, 3) };

test("what is sealed of a session is read as it was written, wherever its peer was", () => {
  const places = ["", "192.0.2.17:49152", "255.255.255.255:65535", "0.0.0.0:0", "[2001:db8::17]:5684", "[::]:1", "c:1"];
  // None of these is an address of IPv4 as it would be written again.
  places.push("1.2.3.4:05", "01.2.3.4:5", "1.2.3.256:5", "1.2.3.4:65536", "1.2.3:4", "x".repeat(253));
  // Nor these of IPv6 (RFC 5952).
  places.push("[2001:DB8::1]:5", "[2001:db8:0:0:0:0:0:1]:5", "[2001:0db8::1]:5", "[1:2:3:4:5:6:7::]:5", "[1::2::3]:5");
  places.push(
    "[fe80::1%eth0]:5",
    "[1:2:3]:5",
    "[]:5",
    "[::1]",
    "::1:5",
    "[::1]:65536",
    "[::g]:1",
    "[::1:2",
    "1.2.3.4",
    ":",
  );
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
  for (const base of [0, 256, 2 ** 40 - 256]) {
    const bytes = encodeShelved({ ...session, base });
    assert.equal(bytes.length, encodeShelved(session).length + 4);
    assert.deepEqual(decodeShelved(bytes), { ...session, base });
  }
  assert.throws(() => encodeShelved({ ...session, place: "x".repeat(254) }), RangeError);
});

test("an address of IPv4 is six bytes behind its mark", () => {
  const bytes = encodeShelved({ ...session, place: "192.0.2.17:49152" });
  assert.deepEqual([...bytes.subarray(10, 17)], [255, 192, 0, 2, 17, 0xc0, 0x00]);
});

test("an address of IPv6 is 18 bytes behind its mark, however long it is written", () => {
  const written: readonly (readonly [string, string])[] = [
    ["[2001:db8:1234:5678:9abc:def0:1234:5678]:49152", "20010db8123456789abcdef012345678c000"],
    ["[2001:db8::17]:5684", "20010db80000000000000000000000171634"],
    ["[::]:1", "000000000000000000000000000000000001"],
    ["[::1]:1", "000000000000000000000000000000010001"],
    ["[1::]:1", "000100000000000000000000000000000001"],
    ["[2001:db8:0:1:1:1:1:1]:1", "20010db80000000100010001000100010001"],
    ["[2001:db8::1:0:0:1]:1", "20010db80000000000010000000000010001"],
    ["[2001:0:0:1::1]:1", "200100000000000100000000000000010001"],
  ];
  for (const [place, hex] of written) {
    const bytes = encodeShelved({ ...session, place });
    assert.equal(toHex(bytes.subarray(10, 29)), `fe${hex}`, place);
    assert.deepEqual(decodeShelved(bytes), { ...session, place });
  }
  fc.assert(
    fc.property(fc.array(fc.constantFrom(0, 0, 1, 0xabcd), { minLength: 8, maxLength: 8 }), (groups) => {
      const [place] = [new URL(`http://[${groups.map((each) => each.toString(16)).join(":")}]:5684`).host];
      const bytes = encodeShelved({ ...session, place });
      assert.equal(bytes[10], 254, place);
      assert.equal(decodeShelved(bytes).place, place);
    }),
    { numRuns: 200, seed: 1 },
  );
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
  assert.throws(() => decodeShelved(Uint8Array.of(3, ...bytes.subarray(1))), { code: "unsupported" });
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
