import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import type { DtlsAcceptorOptions } from "../../lib/tls/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, Front, IDENTITY, type Peer, PSK, run, secretFrom, shapeOf } from "./datagrams.ts";
import { CCM_8, GCM } from "./pair.ts";

const NOBODY = { engines: 0, entries: 0, handshakes: 0 };

/** A stranger's hello: a seed for each. */
function stranger(seed: number): Peer {
  return client({ random: seededRandom(seed) });
}

/** The hello with the cookie that `peer` sends after the front's answer. */
function verified(peer: Peer, front: Front, from: string): Uint8Array {
  const [cookie] = front.receive(peer.sent()[0]!, from);
  return peer.receive(cookie!.bytes)[0]!;
}

function pair(options: Partial<DtlsAcceptorOptions> = {}): { left: Peer; front: Front; right: Peer } {
  const front = new Front(options);
  const left = client();
  run(left, front);
  assert.ok(left.session);
  return { left, front, right: front.last };
}

test("100,000 hellos of strangers leave nothing behind, and an honest handshake goes on among them", () => {
  const front = new Front();
  const template = stranger(1).sent()[0]!;
  const honest = client();
  let next = verified(honest, front, "c:1");
  for (let i = 0; i < 100_000; i++) {
    const hello = new Uint8Array(template);
    new DataView(hello.buffer).setUint32(30, i);
    const from = `10.${i & 255}.${(i >> 8) & 255}.${i >> 16}:${1000 + (i % 60_000)}`;
    front.acceptor.receive(hello, from, i / 100);
    const answer = front.acceptor.poll();
    assert.ok(answer?.kind === "transmit" && answer.to === from && answer.bytes.length <= hello.length);
    assert.equal(front.acceptor.poll(), undefined);
    if (i % 20_000 === 19_999 && !honest.session) {
      const answers = front.receive(next, "c:1");
      next = honest.receive(...answers.map(({ bytes }) => bytes))[0] ?? next;
    }
  }
  assert.ok(honest.session);
  assert.deepEqual(front.acceptor.counts, { engines: 1, entries: 2, handshakes: 0 });
  assert.equal(front.acceptor.deadline, undefined);
});

test("an answer to a stranger is never longer than its hello, has its numbers, and depends on nothing kept", () => {
  const front = new Front();
  const [hello] = stranger(3).sent();
  const numbered = new Uint8Array(hello!).with(10, 77).with(18, 5);
  const [answer] = front.receive(numbered, "a:1");
  assert.ok(answer!.bytes.length <= numbered.length);
  const record = recordAt(answer!.bytes, 0, 0)!;
  assert.deepEqual([record.version, record.number], [0xfeff, 77]);
  assert.deepEqual([...record.body.subarray(0, 6)], [3, 0, 0, 35, 0, 5]);
  assert.deepEqual(front.receive(numbered, "a:1"), [answer]);
  assert.deepEqual(front.acceptor.counts, NOBODY);
  // The shortest hello there can be: one suite, no extension.
  const least = fromHex(
    "16fefd" + "0000000000000000" + "0036" + "0100002a" + "0000" + "000000" + "00002a" + "fefd" + "11".repeat(32) +
      "0000" + "000200a8" + "0100",
  );
  const [short] = front.receive(least, "a:1");
  assert.ok(short!.bytes.length <= least.length);
});

test("a cookie is good for its address and its hello alone, for one to two minutes", () => {
  const accepted = (change: (bytes: Uint8Array) => Uint8Array, from = "c:1", now = 0): boolean => {
    const front = new Front();
    const hello = verified(client(), front, "c:1");
    front.now = now;
    front.receive(change(new Uint8Array(hello)), from);
    return front.peers.size > 0;
  };
  const same = (bytes: Uint8Array): Uint8Array => bytes;
  assert.ok(accepted(same));
  assert.ok(!accepted(same, "c:2"));
  assert.ok(!accepted(same, "d:1"));
  assert.ok(accepted(same, "c:1", 59_999));
  assert.ok(accepted(same, "c:1", 119_999));
  assert.ok(!accepted(same, "c:1", 120_001));
  assert.ok(!accepted(same, "c:1", 1e9));
  // Version and random, session id, cookie: every bit of them.
  const hello = verified(client(), new Front(), "c:1");
  const cookieEnd = 25 + 2 + 32 + 1 + 33;
  for (let byte = 25; byte < cookieEnd; byte++) {
    for (let bit = 0; bit < 8; bit++) {
      assert.ok(!accepted((bytes) => bytes.with(byte, bytes[byte]! ^ (1 << bit))), `byte ${byte} of ${hello.length}`);
    }
  }
});

test("a cookie of another server, or of one that was started again, is none", () => {
  const left = client();
  const hello = verified(left, new Front({ random: seededRandom(99) }), "c:1");
  const front = new Front();
  const [again] = front.receive(hello, "c:1");
  assert.equal(recordAt(again!.bytes, 0, 0)!.body[0], 3);
  assert.deepEqual(front.acceptor.counts, NOBODY);
  // The client takes the new cookie, and all goes well.
  run(left, front, "c:1", left.receive(again!.bytes));
  assert.ok(left.session);
});

test("what is no hello in the clear, or not its beginning, gets no answer at all", () => {
  const front = new Front();
  const [hello] = client().sent();
  const bad = [
    hello!.with(3, 0xff).with(4, 1),
    hello!.with(1, 3),
    hello!.with(0, 21),
    hello!.with(0, 25),
    hello!.with(13, 2),
    // A fragment: the length of the whole is one less, or it begins behind.
    hello!.with(16, hello![16]! - 1),
    hello!.with(16, hello![16]! + 1).with(21, 1),
    hello!.subarray(0, 40),
    new Uint8Array(0),
    new Uint8Array(2000),
  ];
  for (const bytes of bad) assert.deepEqual(front.receive(bytes, "c:1"), []);
  assert.deepEqual(front.acceptor.counts, NOBODY);
});

test("handshakes are few at a time, from one host and from all; who waits longest for its peer gives way", () => {
  const front = new Front({ maxHandshakes: 10, maxHandshakesPerHost: 4 }, () => undefined);
  for (let i = 0; i < 6; i++) front.receive(verified(stranger(i + 10), front, `a:${i}`), `a:${i}`);
  assert.equal(front.acceptor.counts.handshakes, 4);
  const codes = [...front.peers.values()].map(({ code }) => code);
  assert.deepEqual(codes, ["exhausted", "exhausted", "open", "open", "open", "open"]);
  for (let i = 0; i < 20; i++) front.receive(verified(stranger(i + 50), front, `b${i}:1`), `b${i}:1`);
  assert.equal(front.acceptor.counts.handshakes, 10);
  front.expire(30_000);
  assert.deepEqual(front.acceptor.counts, NOBODY);
});

test("a handshake whose key is being looked up keeps its place, and then the newcomer has to wait", () => {
  const front = new Front({ maxHandshakes: 2 }, () => undefined);
  const [first, second, third] = [stranger(10), stranger(11), stranger(12)];
  run(first, front, "a:1");
  run(second, front, "b:1");
  assert.equal(front.acceptor.counts.handshakes, 2);
  run(third, front, "c:1");
  assert.equal(front.peers.size, 2);
  assert.deepEqual([...front.peers.values()].map(({ code }) => code), ["open", "open"]);
});

test("no more engines than there may be, and nobody established gives way to a stranger", () => {
  const front = new Front({ maxEngines: 3 });
  for (let i = 0; i < 3; i++) run(stranger(i + 10), front, `a:${i}`);
  assert.equal(front.acceptor.counts.engines, 3);
  run(stranger(20), front, "b:1");
  assert.equal(front.acceptor.counts.engines, 3);
  const [one] = [...front.peers.values()];
  one!.close();
  const late = stranger(21);
  run(late, front, "b:1");
  assert.ok(late.session);
});

test("a flood of verified strangers with made-up identities leaves as much behind as may be, and then nothing", () => {
  let lookups = 0;
  const front = new Front({ maxHandshakes: 50, maxHandshakesPerHost: 8 }, () => {
    lookups++;
    return { kind: "unknown" };
  });
  for (let i = 0; i < 400; i++) {
    run(stranger(i + 1000), front, `host${i % 5}:${i}`);
    assert.ok(front.acceptor.counts.handshakes <= 40);
  }
  const honest = client({}, undefined);
  assert.equal(lookups, 400);
  run(honest, front, "c:1");
  front.expire(30_000);
  assert.deepEqual(front.acceptor.counts, NOBODY);
});

test("a hello that is repeated while its handshake goes on reaches its engine, one of a finished handshake nobody", () => {
  const front = new Front();
  const left = client();
  const hello = verified(left, front, "c:1");
  const [flight] = front.receive(hello, "c:1");
  front.now = 500;
  const [again] = front.receive(hello, "c:1");
  assert.notDeepEqual(again!.bytes, flight!.bytes);
  assert.equal(front.peers.size, 1);
  run(left, front, "c:1", left.receive(again!.bytes));
  assert.ok(left.session);
  assert.deepEqual(front.receive(hello, "c:1"), []);
  assert.equal(front.acceptor.counts.engines, 1);
});

test("a client that began anew is heard, and its old association stays until it has proved itself (RFC 6347 4.2.8)", () => {
  const { left, front, right } = pair();
  const rebooted = stranger(5);
  const hello = verified(rebooted, front, "c:1");
  const [flight] = front.receive(hello, "c:1");
  assert.equal(front.acceptor.counts.engines, 2);
  front.receive(left.send(toUtf8("still here")), "c:1");
  assert.deepEqual(right.texts, ["still here"]);
  run(rebooted, front, "c:1", rebooted.receive(flight!.bytes));
  assert.ok(rebooted.session);
  // The same subscriber: the old one is gone, and told nothing.
  assert.equal(right.code, "closed");
  assert.equal(front.acceptor.counts.engines, 1);
  front.receive(rebooted.send(toUtf8("new")), "c:1");
  assert.deepEqual(front.last.texts, ["new"]);
});

test("the same without Connection IDs: records find the engine whose key opens them", () => {
  const { left, front, right } = pair({ connectionIdLength: 0 });
  const rebooted = stranger(5);
  const hello = verified(rebooted, front, "c:1");
  const [flight] = front.receive(hello, "c:1");
  front.receive(left.send(toUtf8("old")), "c:1");
  assert.deepEqual(right.texts, ["old"]);
  run(rebooted, front, "c:1", rebooted.receive(flight!.bytes));
  assert.equal(right.code, "closed");
  front.receive(rebooted.send(toUtf8("new")), "c:1");
  assert.deepEqual(front.last.texts, ["new"]);
});

test("who can not prove itself leaves the old association as it was, however often it tries", () => {
  const { left, front, right } = pair();
  for (let i = 0; i < 20; i++) {
    const liar = client({ random: seededRandom(i + 100) }, () => ({
      kind: "psk",
      identity: IDENTITY,
      key: secretFrom(new Uint8Array(16)),
    }));
    run(liar, front, "c:1");
    assert.equal(front.acceptor.counts.engines, 2);
  }
  front.receive(left.send(toUtf8("still here")), "c:1");
  front.expire(30_000);
  assert.deepEqual(right.texts, ["still here"]);
  assert.equal(front.acceptor.counts.engines, 1);
  front.receive(left.send(toUtf8("and here")), "c:1");
  assert.deepEqual(right.texts, ["still here", "and here"]);
});

test("another subscriber at an address that a NAT gave away does not end the one that has a Connection ID", () => {
  const other = { kind: "psk" as const, identity: toUtf8("other"), key: secretFrom(PSK) };
  const front = new Front();
  const first = client();
  run(first, front, "nat:1");
  const right = front.last;
  const second = client({ random: seededRandom(5) }, () => ({ ...other, key: secretFrom(PSK) }));
  run(second, front, "nat:1");
  assert.ok(second.session);
  assert.equal(right.code, "open");
  const answers = front.receive(first.send(toUtf8("from elsewhere")), "nat:2");
  assert.deepEqual(right.texts, ["from elsewhere"]);
  run(first, front, "nat:2", first.receive(answers.at(-1)!.bytes));
  assert.deepEqual(front.moves, ["nat:2"]);

  const without = new Front({ connectionIdLength: 0 });
  run(client(), without, "nat:1");
  const lost = without.last;
  run(client({ random: seededRandom(5) }, () => ({ ...other, key: secretFrom(PSK) })), without, "nat:1");
  assert.equal(lost.code, "closed");
});

test("a peer that turns up elsewhere is asked there, and has moved only when it answered there (RFC 9146 6, RFC 9853)", () => {
  const { left, front, right } = pair();
  const record = left.send(toUtf8("roaming"));
  const asked = front.receive(record, "c:2");
  assert.deepEqual(right.texts, ["roaming"]);
  assert.deepEqual(asked.map(({ to }) => to), ["c:2"]);
  assert.ok(asked[0]!.bytes.length <= 3 * record.length);
  assert.deepEqual(front.moves, []);
  // What the application says meanwhile goes where the peer was.
  assert.equal(front.addresses.get(right.engine), "c:1");
  const [answer] = left.receive(asked[0]!.bytes);
  front.receive(answer!, "c:2");
  assert.deepEqual(front.moves, ["c:2"]);
  assert.equal(front.acceptor.deadline, undefined);
  front.receive(left.send(toUtf8("again")), "c:2");
  assert.deepEqual(right.texts, ["roaming", "again"]);
  assert.deepEqual(front.moves, ["c:2"]);
});

test("a replayed or an old record moves nobody, nor does an answer from another place or with another cookie", () => {
  const { left, front, right } = pair();
  const old = left.send(toUtf8("1"));
  const record = left.send(toUtf8("2"));
  front.receive(record, "c:1");
  // A copy, and one that the thief kept from its receiver: it opens, but it is not newer than all before it.
  assert.deepEqual(front.receive(record, "thief:1"), []);
  assert.deepEqual(front.receive(old, "thief:1"), []);
  assert.deepEqual(right.texts, ["2", "1"]);
  assert.equal(front.acceptor.deadline, undefined);

  // A thief that is faster than the peer: it is asked, and can not answer.
  const stolen = left.send(toUtf8("3"));
  const asked = front.receive(stolen, "thief:1");
  assert.deepEqual(asked.map(({ to }) => to), ["thief:1"]);
  const [answer] = left.receive(asked[0]!.bytes);
  front.receive(answer!, "c:1");
  assert.deepEqual(front.moves, []);
  assert.deepEqual(front.receive(answer!, "thief:1"), []);
  assert.deepEqual(front.moves, []);
  assert.equal(front.addresses.get(right.engine), "c:1");
});

test("an address that nobody proved to be at gets three times what came from there at most, and is given up", () => {
  const { left, front } = pair();
  let received = 0;
  let sent = 0;
  for (let i = 0; i < 50; i++) {
    const record = left.send(new Uint8Array(0));
    received += record.length;
    sent += front.receive(record, "victim:1").reduce((length, { bytes }) => length + bytes.length, 0);
    assert.ok(sent <= 3 * received);
  }
  for (let now = 1000; now < 60_000; now += 1000) {
    for (const { to, bytes } of front.expire(now)) {
      assert.equal(to, "victim:1");
      sent += bytes.length;
      assert.ok(sent <= 3 * received);
    }
  }
  assert.ok(sent > 0);
  assert.deepEqual(front.moves, []);
  assert.equal(front.acceptor.deadline, undefined);
  assert.deepEqual(front.acceptor.counts, { engines: 1, entries: 2, handshakes: 0 });
});

test("a question that is lost is asked again", () => {
  const { left, front } = pair();
  front.receive(left.send(new Uint8Array(200)), "c:2");
  assert.equal(front.acceptor.deadline, 1000);
  const [again] = front.expire(1000);
  const [answer] = left.receive(again!.bytes);
  front.receive(answer!, "c:2");
  assert.deepEqual(front.moves, ["c:2"]);
});

test("a peer that does not know of return routability checks is heard, and stays where it was", async () => {
  const { Puppet } = await import("./datagram_puppet.ts");
  const front = new Front();
  const puppet = new Puppet("client");
  const extension = { connectionId: new Uint8Array(0) };
  const [verify] = front.receive(puppet.clientHello(extension), "c:1");
  const cookie = recordAt(verify!.bytes, 0, 0)!.body.slice(15);
  const second = new Puppet("client");
  second.seq = 1;
  const answers = front.receive(second.clientHello({ ...extension, cookie }), "c:1");
  assert.equal(answers.length, 1);
  assert.ok(!toHex(answers[0]!.bytes).includes("003d0000"));
  assert.ok(toHex(answers[0]!.bytes).includes("0036000908"));
});

test("a Connection ID begins as its node wants it to, and no two are alike", () => {
  const nodeId = fromHex("c0de");
  const front = new Front({ nodeId, connectionIdLength: 8 });
  const ids = new Set<string>();
  for (let i = 0; i < 20; i++) {
    const left = stranger(i + 1);
    run(left, front, `a:${i}`);
    const id = left.session!.connectionIds!.server;
    assert.equal(id.length, 8);
    assert.ok(toHex(id).startsWith("c0de"));
    ids.add(toHex(id));
    assert.equal(shapeOf(left.send(toUtf8("x")))[0]!.split(":")[0], "25");
  }
  assert.equal(ids.size, 20);
});

test("a record behind a Connection ID that nobody has is nothing", () => {
  const { left, front, right } = pair();
  const record = left.send(toUtf8("x"));
  for (let byte = 11; byte < 19; byte++) {
    assert.deepEqual(front.receive(record.with(byte, record[byte]! ^ 1), "c:1"), []);
  }
  front.receive(record, "c:1");
  assert.deepEqual(right.texts, ["x"]);
});

test("a hello that the policy refuses is told so, and leaves nothing behind", () => {
  const front = new Front({ suites: [CCM_8] });
  const left = client({ suites: [GCM] });
  const hello = verified(left, front, "c:1");
  const [alert] = front.receive(hello, "c:1");
  const record = recordAt(alert!.bytes, 0, 0)!;
  assert.deepEqual([record.type, ...record.body], [21, 2, 40]);
  assert.equal(front.last.code, "unsupported");
  assert.deepEqual(front.acceptor.counts, NOBODY);
});

test("an engine that its driver disposes is forgotten, and a disposed acceptor says so", () => {
  const { front, right } = pair();
  right.engine[Symbol.dispose]();
  assert.deepEqual(front.acceptor.counts, NOBODY);
  front.acceptor[Symbol.dispose]();
  assert.throws(() => front.acceptor.receive(new Uint8Array(0), "c:1", 0), { code: "state" });
});
