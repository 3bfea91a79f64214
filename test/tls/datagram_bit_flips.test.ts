import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { ALL_SUITES, CBC_SHA256, GCM } from "./pair.ts";
import { client, Front, type Peer } from "./datagrams.ts";

const ID = Uint8Array.of(0xca, 0xfe);

/** A handshake of which one datagram, whenever it is said, has one bit flipped; ten seconds of repetitions. */
function flipped(suite: number, which: number, bit: number): { readonly left: Peer; readonly right: Peer | undefined } {
  const left = client({ suites: [suite], connectionId: ID, handshakeSeconds: 10 });
  const front = new Front({ suites: [suite], hint: toUtf8("h"), handshakeSeconds: 10 });
  // Each flight is known by its first message and its epoch: every repetition of it is flipped too.
  const seen: string[] = [];
  const tamper = (from: string, bytes: Uint8Array): Uint8Array => {
    const name = `${from} ${bytes[13]} ${bytes.length}`;
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
  return { left, right: [...front.peers.values()].at(-1) };
}

/**
 * What no key protects in DTLS 1.2: the version and the number of a record in the clear, and the version in
 * HelloVerifyRequest, where both 1.0 and 1.2 are allowed.
 */
function isFree(datagram: Uint8Array, bit: number, idLength: number): boolean {
  const byte = bit >> 3;
  for (let at = 0; at < datagram.length;) {
    const record = recordAt(datagram, at, idLength)!;
    const inside = byte - at;
    if (inside >= 0 && inside < record.whole.length && record.epoch === 0) {
      const isVersion = inside === 2 && (bit & 7) === 1;
      const isVerify = record.type === 22 && record.body[0] === 3 && inside === 26 && (bit & 7) === 1;
      return isVersion || (inside >= 5 && inside < 11) || isVerify;
    }
    at += record.whole.length;
  }
  return false;
}

function honest(suite: number): { readonly from: string; readonly bytes: Uint8Array }[] {
  const left = client({ suites: [suite], connectionId: ID });
  const front = new Front({ suites: [suite], hint: toUtf8("h") });
  const all: { readonly from: string; readonly bytes: Uint8Array }[] = [];
  let toServer = left.sent();
  while (toServer.length > 0) {
    const toClient = toServer.flatMap((bytes) => {
      all.push({ from: "client", bytes });
      return front.receive(bytes, "c:1").map((each) => each.bytes);
    });
    toServer = toClient.flatMap((bytes) => {
      all.push({ from: "server", bytes });
      return left.receive(bytes);
    });
  }
  return all;
}

function check(suite: number, which: number, bit: number, datagram: Uint8Array): void {
  const { left, right } = flipped(suite, which, bit);
  const where = `suite ${suite.toString(16)}, datagram ${which}, byte ${bit >> 3}, bit ${bit & 7}`;
  // A server's datagram carries what the client receives by.
  if (isFree(datagram, bit, which % 2 === 0 ? 8 : ID.length)) {
    assert.ok(left.session && right?.session, where);
    return;
  }
  if (which === 0 && left.session) {
    // The first hello is in no transcript, it only fetches a cookie; the second, which is whole, fetched another.
    assert.ok(right?.session?.extendedMasterSecret && right.session.suite === suite, where);
    return;
  }
  assert.equal(left.session, undefined, where);
  // The last datagram is the server's: it has its session by then, and the client's timer has run out.
  if (which < 5) assert.equal(right?.session, undefined, where);
  assert.ok(
    ["timeout", "downgrade", "unsupported", "too-large", "auth-failed"].includes(left.code),
    `${where}: ${left.code}`,
  );
}

for (const which of [0, 1, 2, 3, 4, 5]) {
  test(`every bit of datagram ${which} of a handshake, flipped, ends in an alert or in silence and never in a session [SEC_CF-INTE-001]`, () => {
    const { bytes } = honest(GCM)[which]!;
    for (let bit = 0; bit < 8 * bytes.length; bit++) check(GCM, which, bit, bytes);
  });
}

test("with the other suites too, in samples", () => {
  for (const suite of ALL_SUITES.filter((each) => each !== GCM)) {
    const all = honest(suite);
    assert.equal(all.length, 6);
    for (const [which, { bytes }] of all.entries()) {
      for (let bit = suite === CBC_SHA256 ? 3 : 0; bit < 8 * bytes.length; bit += 29) check(suite, which, bit, bytes);
    }
  }
});

test("every bit of a record of data, flipped, is dropped without a word, and the next one is read", () => {
  for (const suite of ALL_SUITES) {
    const left = client({ suites: [suite] });
    const front = new Front({ suites: [suite] });
    let toServer = left.sent();
    while (toServer.length > 0) {
      toServer = toServer.flatMap((bytes) => front.receive(bytes, "c:1")).flatMap(({ bytes }) => left.receive(bytes));
    }
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
