import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, Reader, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { encodeFragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { decodeHelloFront } from "../../lib/tls/handshake/hello_front.ts";
import type { DtlsAcceptorOptions, DtlsOptions } from "../../lib/tls/mod.ts";
import { seededNumbers, seededRandom } from "../support/virtual.ts";
import { BOTH_VERSIONS, client, Front, type Peer, run, VERSION_12, VERSION_13 } from "./datagrams.ts";
import { simulate } from "./network.ts";
import { unknowing } from "./pair.ts";

const NOBODY = { engines: 0, entries: 0, handshakes: 0 };
/** Headers of the record and of the message. */
const HEADERS = 25;
/** version, random, empty session id, and the length of the cookie. */
const UP_TO_COOKIE = 2 + 32 + 1 + 1;
const COOKIE = 32;

/** Bytes `from` up to `to` of the hello in `datagram`, in a record of its own number. */
function piece(datagram: Uint8Array, from: number, to: number, number: number): Uint8Array {
  const { body, messageSeq, type, length } = readFragment(new Reader(datagram.subarray(13)));
  const framed = encodeFragment({ type, length, messageSeq, offset: from, body: body.subarray(from, to) });
  const header = datagram.slice(0, 13);
  header.set([number >> 8, number & 255, framed.length >> 8, framed.length & 255], 9);
  return concat(header, framed);
}

/** A client whose second hello is on its way to `front`, with both of its hellos. */
function begun(
  front: Front,
  options: Partial<DtlsOptions> = {},
  from = "c:1",
): { left: Peer; first: Uint8Array; second: Uint8Array } {
  const left = client(options);
  const [first] = left.sent();
  const [answer] = front.receive(first!, from);
  const [second] = left.receive(answer!.bytes);
  return { left, first: first!, second: second! };
}

/** Gives the pieces and goes on with what is answered. */
function give(left: Peer, front: Front, pieces: readonly Uint8Array[], from = "c:1"): void {
  for (const each of pieces) {
    run(left, front, from, left.receive(...front.receive(each, from).map(({ bytes }) => bytes)));
  }
}

function bodyLength(datagram: Uint8Array): number {
  return datagram.length - HEADERS;
}

/** How many bytes of a second hello's body have to be in its first piece. */
function leastOf(second: Uint8Array): number {
  const hello = decodeClientHello(second.subarray(HEADERS), "datagram");
  const cookie = hello.retryCookie ?? hello.cookie!;
  return toHex(second.subarray(HEADERS)).indexOf(toHex(cookie)) / 2 + cookie.length;
}

const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] as const;

for (const [name, version] of [["1.2", VERSION_12], ["1.3", VERSION_13]] as const) {
  test(`DTLS ${name}: a second hello that is cut anywhere behind its cookie is taken, in either order`, () => {
    const { second: pattern } = begun(new Front(version), version);
    const least = leastOf(pattern);
    for (let at = 1; at < bodyLength(pattern); at++) {
      for (const isTurned of [false, true]) {
        const front = new Front(version);
        const { left, second } = begun(front, version);
        const pieces = [piece(second, 0, at, 1), piece(second, at, bodyLength(second), 2)];
        give(left, front, isTurned ? pieces.toReversed() : pieces);
        assert.equal(left.session !== undefined, !isTurned && at >= least, `${at} of ${bodyLength(second)}`);
        assert.equal(front.acceptor.counts.engines, at >= least ? 1 : 0);
        // What came before the first piece was not kept, and comes again.
        give(left, front, [piece(second, at, bodyLength(second), 3)]);
        assert.equal(left.session !== undefined, at >= least);
        assert.equal(front.peers.size, at >= least ? 1 : 0);
      }
    }
  });

  test(`DTLS ${name}: the same in three pieces of every order, repeated, and each reaching into the next`, () => {
    const { second: pattern } = begun(new Front(version), version);
    const end = bodyLength(pattern);
    const step = Math.ceil(end / 12);
    for (let one = leastOf(pattern); one < end - 1; one += step) {
      for (let two = one + 1; two < end; two += step) {
        for (const order of ORDERS) {
          const front = new Front(version);
          const { left, second } = begun(front, version);
          const bounds = [[0, one + 1], [one - 5, two + 1], [two - 9, end]] as const;
          const pieces = order.map((i) => bounds[i]!);
          // Twice each, and all of it twice: by then all has come behind the first.
          const said = [...pieces, ...pieces].flatMap((each) => [each, each]);
          give(left, front, said.map(([from, to], i) => piece(second, Math.max(from, 0), Math.min(to, end), i + 1)));
          assert.ok(left.session, `${one} ${two} ${order}`);
          assert.equal(front.peers.size, 1);
        }
      }
    }
  });

  test(`DTLS ${name}: a good cookie in a first piece makes one engine, whatever is repeated, and time ends it`, () => {
    const front = new Front(version);
    const { second } = begun(front, version);
    const half = leastOf(second) + 3;
    for (let i = 0; i < 20; i++) assert.deepEqual(front.receive(piece(second, 0, half + i, i + 1), "c:1"), []);
    assert.deepEqual(front.acceptor.counts, { engines: 1, entries: 3, handshakes: 1 });
    assert.equal(front.peers.size, 1);
    // Nobody else can use it.
    front.receive(piece(second, 0, half, 40), "c:2");
    front.receive(piece(second, 0, half, 41), "d:1");
    assert.equal(front.peers.size, 1);
    front.expire(30_000);
    assert.equal(front.last.code, "timeout");
    assert.deepEqual(front.acceptor.counts, NOBODY);
    // Nor once more.
    front.receive(piece(second, 0, half, 50), "c:1");
    assert.deepEqual(front.acceptor.counts, NOBODY);
  });

  test(`DTLS ${name}: the second hello in pieces, while its key is looked up, asks for no second key`, () => {
    const front = new Front(version, () => undefined);
    const { left, second } = begun(front, version);
    const half = leastOf(second);
    const pieces = [piece(second, 0, half, 1), piece(second, half, bodyLength(second), 2)];
    give(left, front, [...pieces, ...pieces, second, ...pieces.toReversed()]);
    assert.equal(front.peers.size, 1);
    assert.equal(front.last.demands.length, 1);
  });

  test(`DTLS ${name}: a good cookie that comes again when its session is over, or elsewhere, makes no second engine`, () => {
    const front = new Front(version);
    const { left, second } = begun(front, version);
    give(left, front, [second]);
    assert.ok(left.session);
    const again = [second, piece(second, 0, leastOf(second), 20)];
    const [asked] = front.receive(left.send(toUtf8("roaming")), "c:2");
    front.receive(left.receive(asked!.bytes)[0]!, "c:2");
    assert.deepEqual(front.moves, ["c:2"]);
    for (const bytes of again) assert.deepEqual(front.receive(bytes, "c:1"), []);
    front.receive(left.close()[0]!, "c:2");
    for (const bytes of again) assert.deepEqual(front.receive(bytes, "c:1"), []);
    assert.equal(front.peers.size, 1);
    assert.deepEqual(front.acceptor.counts, NOBODY);
  });

  test(`DTLS ${name}: pieces with cookies that are not right leave nothing, be it by one bit`, () => {
    const front = new Front(version);
    const { second } = begun(front, version);
    const least = leastOf(second);
    for (let bit = 8 * (least - COOKIE); bit < 8 * least; bit++) {
      const bytes = piece(second, 0, least + 5, 1);
      bytes[HEADERS + (bit >> 3)]! ^= 1 << (bit & 7);
      for (const answer of front.receive(bytes, "c:1")) assert.ok(answer.bytes.length <= bytes.length);
    }
    assert.deepEqual(front.acceptor.counts, NOBODY);
  });

  test(`DTLS ${name}: floods of first and of later pieces from strangers leave nothing, and honest pieces get through`, () => {
    const front = new Front(version);
    const { left, first, second } = begun(front, version);
    const least = leastOf(second);
    const rest = piece(second, least, bodyLength(second), 2);
    const kinds = [piece(first, 0, least, 7), piece(second, 0, least, 7), rest, piece(first, 1, 60, 7)];
    for (let i = 0; i < 20_000; i++) {
      const bytes = new Uint8Array(kinds[i & 3]!);
      new DataView(bytes.buffer).setUint32(30, i);
      const from = `10.${i & 255}.${i >> 8}.1:${1000 + i}`;
      front.acceptor.receive(bytes, from, i / 100);
      for (let answer = front.acceptor.poll(); answer; answer = front.acceptor.poll()) {
        assert.ok(answer.kind === "transmit" && answer.to === from && answer.bytes.length <= bytes.length);
      }
    }
    assert.deepEqual(front.acceptor.counts, NOBODY);
    assert.equal(front.acceptor.deadline, undefined);
    give(left, front, [piece(second, 0, least, 1), rest]);
    assert.ok(left.session);
  });

  test(`DTLS ${name}: hellos half there are few at a time, and who waits longest gives way to an honest one`, () => {
    const front = new Front({ ...version, maxHandshakes: 10, maxHandshakesPerHost: 4 }, unknowing);
    for (let i = 0; i < 60; i++) {
      const { second } = begun(front, { ...version, random: seededRandom(i + 10) }, `h${i % 6}:${i}`);
      front.receive(piece(second, 0, leastOf(second), 1), `h${i % 6}:${i}`);
      assert.ok(front.acceptor.counts.handshakes <= 10);
    }
    const { left, second } = begun(front, version, "c:1");
    const least = leastOf(second);
    give(left, front, [piece(second, 0, least, 1)], "c:1");
    assert.ok(front.last.engine.deadline! > 0);
    assert.equal(front.acceptor.counts.handshakes, 10);
    front.expire(30_000);
    assert.deepEqual(front.acceptor.counts, NOBODY);
  });

  test(`DTLS ${name}: somebody else's pieces under the client's address, in the place of its own, do not end it`, () => {
    const front = new Front(version);
    const { left, second } = begun(front, version);
    const end = bodyLength(second);
    const least = leastOf(second);
    const forged = piece(second, least, end, 2);
    forged.fill(0xff, HEADERS);
    give(left, front, [piece(second, 0, least, 1), forged]);
    assert.equal(left.session, undefined);
    give(left, front, [piece(second, 0, least, 3), piece(second, least, end, 4)]);
    assert.ok(left.session);
  });
}

test("the front of a hello is what the whole one says, as far as it is there, and malformed before its cookie is", () => {
  for (const version of [VERSION_12, VERSION_13, BOTH_VERSIONS]) {
    const { second } = begun(new Front(version), version);
    const body = second.subarray(HEADERS);
    const { cookie, random, retryCookie, sessionId, suites, supportedVersions, version: number } = decodeClientHello(
      body,
      "datagram",
    );
    const least = UP_TO_COOKIE + cookie!.length;
    for (let at = 0; at < least; at++) {
      assert.throws(() => decodeHelloFront(body.subarray(0, at)), { code: "malformed" }, `${at}`);
    }
    for (let at = least; at <= body.length; at++) {
      const front = decodeHelloFront(body.subarray(0, at));
      const there = Math.max(0, Math.floor((at - least - 2) / 2));
      assert.deepEqual([front.version, front.random, front.sessionId, front.cookie], [
        number,
        random,
        sessionId,
        cookie,
      ]);
      assert.deepEqual(front.suites, suites.slice(0, there));
      if (front.supportedVersions) assert.deepEqual(front.supportedVersions, supportedVersions);
      if (front.retryCookie) assert.deepEqual(front.retryCookie, retryCookie);
      if (at < body.length) continue;
      assert.deepEqual([front.supportedVersions, front.retryCookie], [supportedVersions, retryCookie]);
    }
  }
});

test("DTLS 1.2: a first hello's first piece gets the answer that the whole would get, where it reaches to the cookie", () => {
  const front = new Front();
  const [first] = client().sent();
  const [whole] = front.receive(first!, "c:1");
  for (let at = 1; at < bodyLength(first!); at++) {
    const bytes = piece(first!, 0, at, 0);
    assert.deepEqual(front.receive(bytes, "c:1"), at >= UP_TO_COOKIE ? [whole] : [], `${at}`);
    assert.ok(at < UP_TO_COOKIE || whole!.bytes.length <= bytes.length);
    assert.deepEqual(front.receive(piece(first!, at, bodyLength(first!), 1), "c:1"), []);
  }
  assert.deepEqual(front.acceptor.counts, NOBODY);
});

test("DTLS 1.3: a first hello in pieces gets no answer, wherever it is cut; nor from a server of both versions", () => {
  for (const versions of [VERSION_13, BOTH_VERSIONS]) {
    const front = new Front(versions);
    const [first] = client(versions).sent();
    // Of one that offers both, as soon as its first suite can be seen.
    for (let at = versions === VERSION_13 ? 1 : UP_TO_COOKIE + 4; at < bodyLength(first!); at++) {
      assert.deepEqual(front.receive(piece(first!, 0, at, 0), "c:1"), [], `${at}`);
      assert.deepEqual(front.receive(piece(first!, at, bodyLength(first!), 1), "c:1"), []);
    }
    assert.deepEqual(front.acceptor.counts, NOBODY);
  }
});

test("a server of both versions takes a client of 1.2 whose hellos are both in pieces", () => {
  const front = new Front(BOTH_VERSIONS);
  const left = client();
  const [first] = left.sent();
  const [verify] = front.receive(piece(first!, 0, 50, 0), "c:1");
  const [second] = left.receive(verify!.bytes);
  const end = bodyLength(second!);
  give(left, front, [piece(second!, 0, 70, 1), piece(second!, 100, end, 2), piece(second!, 70, 100, 3)]);
  assert.equal(left.session?.version, 0xfefd);
});

test("no downgrade by pieces: with a cookie of 1.2 a hello that offers 1.3 comes to nothing", () => {
  const front = new Front(BOTH_VERSIONS);
  const { second } = begun(front, VERSION_12);
  const { body, messageSeq, type } = readFragment(new Reader(second.subarray(13)));
  const offer = { ...decodeClientHello(body, "datagram"), supportedVersions: [0xfefc, 0xfefd] };
  const encoded = encodeClientHello({ ...offer, suites: [...offer.suites, 0x1301] });
  const framed = encodeFragment({ type, length: encoded.length, messageSeq, offset: 0, body: encoded });
  const changed = concat(second.subarray(0, 11), Uint8Array.of(framed.length >> 8, framed.length), framed);
  front.receive(piece(changed, 0, 70, 1), "c:1");
  assert.deepEqual(front.receive(piece(changed, 70, encoded.length, 2), "c:1"), []);
  // Anybody could have said that in its place: time ends it.
  front.expire(30_000);
  assert.deepEqual([front.last.session, front.last.code], [undefined, "timeout"]);
  assert.deepEqual(front.acceptor.counts, NOBODY);
});

test("a hello is 4096 bytes long at most, be it whole or in pieces", () => {
  const front = new Front();
  const [first] = client().sent();
  for (const [length, answers] of [[4096, 1], [4097, 0], [0xffffff, 0]] as const) {
    const bytes = piece(first!, 0, 80, 0);
    bytes.set([length >> 16, (length >> 8) & 255, length & 255], 14);
    assert.equal(front.receive(bytes, "c:1").length, answers, `${length}`);
  }
  const { body, messageSeq, type } = readFragment(new Reader(first!.subarray(13)));
  const offer = decodeClientHello(body, "datagram");
  const long = encodeClientHello({ ...offer, sessionTicket: new Uint8Array(4100) });
  const framed = encodeFragment({ type, length: long.length, messageSeq, offset: 0, body: long });
  const whole = concat(first!.subarray(0, 11), Uint8Array.of(framed.length >> 8, framed.length & 255), framed);
  assert.deepEqual(front.receive(whole, "c:1"), []);
});

test("later pieces for a session that is there, or for nobody, are dropped", () => {
  const front = new Front();
  const { left, second } = begun(front);
  give(left, front, [second]);
  assert.ok(left.session);
  const right = front.last;
  assert.deepEqual(front.receive(piece(second, 80, bodyLength(second), 9), "c:1"), []);
  front.receive(left.send(toUtf8("still here")), "c:1");
  assert.deepEqual(right.texts, ["still here"]);
});

/** Of 1.3 the first hello just goes in one datagram, the second does not. */
for (const [name, version, mtu] of [["1.2", VERSION_12, 128], ["1.3", VERSION_13, 220]] as const) {
  test(`DTLS ${name}: a client on a short path, whose hello takes two datagrams, gets through loss and disorder`, () => {
    const { first, second } = begun(new Front(version), version);
    assert.ok(second.length > mtu && (name === "1.2" || first.length <= mtu));
    const short: Partial<DtlsOptions & DtlsAcceptorOptions> = { mtu };
    const weather = { loss: 0.1, duplicates: 0.2, delay: [5, 400] } as const;
    const chance = seededNumbers(5);
    let complete = 0;
    for (let i = 0; i < 60; i++) {
      const seed = Math.floor(chance() * 1e6);
      const { fates, left } = simulate({ ...version, seed, weather, client: short, server: short });
      assert.equal(left, 0);
      if (fates[0]!.complete) complete++;
      else assert.equal(fates[0]!.code, "timeout");
    }
    assert.ok(complete >= 57, `${complete}`);
  });
}
