import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { isUnified } from "../../lib/tls/record/unified_header.ts";
import { client, Front, type Peer, run, VERSION_13 } from "./datagrams.ts";

const ID = Uint8Array.of(0xca, 0xfe);

/** A handshake of which one datagram, whenever it is said, has one bit flipped; ten seconds of repetitions. */
function flipped(which: number, bit: number): { readonly left: Peer; readonly front: Front } {
  const left = client({ ...VERSION_13, connectionId: ID, handshakeSeconds: 10 });
  const front = new Front({ ...VERSION_13, handshakeSeconds: 10 });
  // Each is known by what it begins with, and its length: every repetition of it is flipped too.
  const seen: string[] = [];
  const tamper = (from: string, bytes: Uint8Array): Uint8Array => {
    const name = `${from} ${isUnified(bytes[0]!) ? bytes[0] : bytes[13]} ${bytes.length}`;
    if (!seen.includes(name)) seen.push(name);
    if (seen.indexOf(name) !== which) return bytes;
    const changed = new Uint8Array(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    return changed;
  };
  const toServer = left.sent();
  for (let now = 0; now <= 10_000; now += 500) {
    front.now = now;
    left.now = now;
    const toClient = front.expire(now).map(({ bytes }) => bytes);
    if ((left.engine.deadline ?? Infinity) <= now) toServer.push(...left.expire(now));
    while (toServer.length + toClient.length > 0) {
      for (const bytes of toServer.splice(0)) {
        toClient.push(...front.receive(tamper("client", bytes), "c:1").map((each) => each.bytes));
      }
      for (const bytes of toClient.splice(0)) toServer.push(...left.receive(tamper("server", bytes)));
    }
  }
  return { left, front };
}

/** What no key protects: the version and the number of a record in the clear. All else of a hello is in the transcript. */
function isFree(bit: number): boolean {
  const byte = bit >> 3;
  return (byte === 2 && (bit & 7) === 1) || (byte >= 5 && byte < 11);
}

function honest(): Uint8Array[] {
  const left = client({ ...VERSION_13, connectionId: ID });
  return run(left, new Front(VERSION_13)).map(({ bytes }) => bytes);
}

for (const which of [0, 1, 2, 3, 4, 5]) {
  test(`a bit in each byte of datagram ${which} of a handshake of version 1.3, flipped, brings nobody into another session [SEC_CF-INTE-001]`, () => {
    const datagram = honest()[which]!;
    const inClear = isUnified(datagram[0]!) ? 0 : recordAt(datagram, 0, 8)!.whole.length;
    for (let byte = 0; byte < datagram.length; byte++) {
      const bit = 8 * byte + (5 * byte) % 8;
      const { left, front } = flipped(which, bit);
      const right = [...front.peers.values()].at(-1);
      const where = `byte ${byte}, bit ${bit & 7}: ${left.code}`;
      if (byte < inClear && !isFree(bit)) {
        assert.equal(left.session, undefined, where);
        assert.equal(right?.session, undefined, where);
        assert.ok(["timeout", "downgrade", "unsupported", "auth-failed"].includes(left.code), where);
      } else if (left.session && right?.session) {
        // Free, or dropped: what was missing was acknowledged as missing, and said again in another datagram.
        assert.deepEqual(left.session, right.session, where);
        run(left, front, "c:1", [left.send(toUtf8("same keys"))]);
        assert.equal(right.texts.at(-1), "same keys", where);
      } else {
        assert.ok(byte >= inClear, where);
        // Its own Finished is the client's last word; that it never comes is the server's to find.
        assert.equal(left.session !== undefined, which === 4, where);
      }
    }
  });
}

test("every bit of a record of data of version 1.3, flipped, is dropped without a word, and the next one is read", () => {
  for (const suite of [0x1301, 0x1303, 0x1304, 0x1302]) {
    const left = client({ ...VERSION_13, suites: [suite] });
    const front = new Front({ ...VERSION_13, suites: [suite] });
    run(left, front);
    const bytes = left.send(toUtf8("hello"));
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = new Uint8Array(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.deepEqual(front.receive(changed, "c:1"), []);
    }
    assert.deepEqual(front.last.texts, []);
    front.receive(bytes, "c:1");
    assert.deepEqual(front.last.texts, ["hello"]);
  }
});
