import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { createDtlsAcceptor, createDtlsEngine } from "../../lib/tls/mod.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { isUnified } from "../../lib/tls/record/unified_header.ts";
import { unifiedAt } from "./pads.ts";
import { seededRandom } from "../support/virtual.ts";
import { BOTH_VERSIONS, client, Front, type Peer, run, VERSION_12, VERSION_13 } from "./datagrams.ts";
import { type Answerer, IDENTITY, knowing, unknowing } from "./pair.ts";
import { Puppet13, session, words } from "./datagram13_puppet.ts";

const SUITES = [0x1301, 0x1303, 0x1304, 0x1305, 0x1302] as const;

/** What a datagram has in it, without opening it: type of each record in the clear, epoch of each that is not. */
function shapeOf(datagram: Uint8Array, idLength: number): string[] {
  const shape: string[] = [];
  for (let at = 0; at < datagram.length;) {
    if (isUnified(datagram[at]!)) {
      const { epochBits, whole } = unifiedAt(datagram, at, idLength)!;
      shape.push(`epoch ${epochBits}`);
      at += whole.length;
    } else {
      const { type, body, whole } = recordAt(datagram, at, idLength)!;
      shape.push(type === 22 ? `message ${body[0]}` : `type ${type}`);
      at += whole.length;
    }
  }
  return shape;
}

/** Both sides' timers at their time, until neither has one within the handshake's. */
function wait(left: Peer, front: Front, until = 30_000): void {
  for (;;) {
    const times = [left.engine.deadline, ...[...front.peers.keys()].map(({ deadline }) => deadline)];
    const now = Math.min(...times.map((each) => each ?? Infinity));
    if (now > until) return;
    left.now = now;
    const toClient = front.expire(now).map(({ bytes }) => bytes);
    const toServer = (left.engine.deadline ?? Infinity) <= now ? left.expire(now) : [];
    run(left, front, "c:1", [...toServer, ...toClient.flatMap((bytes) => left.receive(bytes))]);
  }
}

/** Whether both have the same session and data goes both ways. */
function assertJoined(left: Peer, front: Front, where = ""): void {
  assert.ok(left.session && front.last.session, `${where} ${left.code} ${front.last.code}`);
  run(left, front, "c:1", [left.send(toUtf8("ping"))]);
  for (const { bytes } of [{ bytes: front.last.send(toUtf8("pong")) }]) left.receive(bytes);
  assert.equal(front.last.texts.at(-1), "ping", where);
  assert.equal(left.texts.at(-1), "pong", where);
}

for (const suite of SUITES) {
  test(`a session of version 1.3 with suite ${suite.toString(16)}, with and without fresh agreement and Connection IDs`, () => {
    for (const ids of [{}, { connectionId: fromHex("c1c2") }, { connectionId: false } as const]) {
      const front = new Front({ ...VERSION_13, suites: [suite] });
      const left = client({ ...VERSION_13, ...ids, suites: [suite] });
      run(left, front);
      assertJoined(left, front);
      const { connectionIds, ...agreed } = left.session!;
      assert.deepEqual([agreed.version, agreed.suite, agreed.forwardSecret], [0xfefc, suite, true]);
      assert.equal(connectionIds?.server.length, "connectionId" in ids && ids.connectionId === false ? undefined : 8);
      assert.deepEqual(front.last.session, left.session);
      run(left, front, "c:1", left.close());
      assert.deepEqual([left.code, front.last.code], ["none", "none"]);
      assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
    }
  });
}

test("a handshake has six datagrams, and its last is the server's ACK (RFC 9147 5.8.1)", () => {
  const front = new Front(VERSION_13);
  const all = run(client(VERSION_13), front);
  assert.deepEqual(all.map(({ from, bytes }) => [from, ...shapeOf(bytes, from === "client" ? 8 : 0)].join(", ")), [
    "client, message 1",
    "server, message 2",
    "client, message 1",
    "server, message 2, epoch 2, epoch 2",
    "client, epoch 2",
    "server, epoch 3",
  ]);
});

test("on one port both versions are spoken, the higher one where both know it [SEC_CF-AUTH-003]", () => {
  const offers = [VERSION_12, VERSION_13, BOTH_VERSIONS];
  for (const ours of offers) {
    for (const theirs of offers) {
      const front = new Front(theirs);
      const left = client(ours);
      run(left, front);
      const best = ours.versions.find((version) => theirs.versions.includes(version));
      const where = `${ours.versions} to ${theirs.versions}`;
      assert.equal(left.session?.version, best, where);
      if (best !== undefined) assertJoined(left, front, where);
    }
  }
  const front = new Front({ versions: undefined as never });
  const left = client({ versions: undefined as never });
  run(left, front);
  assert.equal(left.session?.version, 0xfefc);
});

test("who takes version 1.3 out of a hello on its way is found out (RFC 8446 4.1.3)", () => {
  const front = new Front(BOTH_VERSIONS);
  const left = client(BOTH_VERSIONS);
  const strip = (bytes: Uint8Array): Uint8Array =>
    fromHex(toHex(bytes).replace("002b000504fefcfefd", "002b000504fefdfefd"));
  let toServer = left.sent();
  while (toServer.length > 0) {
    toServer = toServer.flatMap((bytes) => front.receive(strip(bytes), "c:1")).flatMap(({ bytes }) =>
      left.receive(bytes)
    );
  }
  assert.equal(left.session, undefined);
  assert.equal(left.code, "downgrade");
});

test("[SEC_CF-AUTH-001] a wrong key, an unknown identity and our own look alike from outside, and the client ends in timeout", () => {
  const wrong: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(new Uint8Array(16)) });
  const seen = [
    { answerer: wrong, options: {} },
    { answerer: unknowing, options: {} },
    { answerer: knowing, options: { ownIdentities: [IDENTITY] } },
  ].map(({ answerer, options }) => {
    const front = new Front({ ...VERSION_13, ...options }, answerer);
    const left = client(VERSION_13);
    const all = run(left, front);
    left.expire(30_000);
    assert.equal(left.code, "timeout");
    assert.notEqual(front.last.code, "open");
    return toHex(all.at(-1)!.bytes);
  });
  assert.equal(new Set(seen).size, 1, seen.join("\n"));
  // decrypt_error, in the clear.
  assert.match(seen[0]!, /^15fefd.*0233$/);
});

for (const mtu of [1232, 260]) {
  test(`with datagrams of ${mtu}, whichever one or two are lost, both have their session by their timers`, () => {
    const options = { ...VERSION_13, connectionId: fromHex("c1"), suites: [0x1301] };
    const count = run(client(options), new Front({ ...VERSION_13, mtu: mtu < 1000 ? 128 : mtu })).length;
    for (let first = 0; first < count; first++) {
      for (let second = first; second < count + 2; second++) {
        const left = client(options);
        const front = new Front({ ...VERSION_13, mtu: mtu < 1000 ? 128 : mtu });
        let index = 0;
        const isLost = () => [first, second].includes(index++);
        const carry = (initial: Uint8Array[]): void => {
          let toServer = initial;
          while (toServer.length > 0) {
            const toClient = toServer.flatMap((bytes) => isLost() ? [] : front.receive(bytes, "c:1"));
            toServer = toClient.flatMap(({ bytes }) => isLost() ? [] : left.receive(bytes));
          }
        };
        carry(left.sent());
        for (let now = 0; now < 20_000; now += 250) {
          left.now = now;
          const late = front.expire(now).flatMap(({ bytes }) => isLost() ? [] : left.receive(bytes));
          carry([...late, ...((left.engine.deadline ?? Infinity) <= now ? left.expire(now) : [])]);
        }
        assertJoined(left, front, `lost ${first} and ${second}`);
        assert.equal(left.engine.deadline, undefined);
      }
    }
  });
}

test("what came is acknowledged after a quarter of the timer, and only what is missing is said again (RFC 9147 7)", () => {
  const left = client({ ...VERSION_13, connectionId: false });
  const front = new Front({ ...VERSION_13, mtu: 128, connectionIdLength: 0 });
  const [hello] = left.sent();
  const [second] = left.receive(front.receive(hello!, "c:1")[0]!.bytes);
  const flight = front.receive(second!, "c:1").map(({ bytes }) => bytes);
  assert.deepEqual(flight.map((bytes) => shapeOf(bytes, 0).join()), ["message 2", "epoch 2,epoch 2"]);
  // Finished is lost.
  const extensions = unifiedAt(flight[1]!, 0, 0)!.whole;
  assert.deepEqual(left.receive(flight[0]!, extensions), []);
  assert.equal(left.engine.deadline, 250);
  const [ack] = left.expire(250);
  assert.equal(shapeOf(ack!, 0).join(), "epoch 2");
  front.now = 300;
  front.last.now = 300;
  const again = front.receive(ack!, "c:1").map(({ bytes }) => bytes);
  assert.deepEqual(again.map((bytes) => shapeOf(bytes, 0).join()), ["epoch 2"]);
  run(left, front, "c:1", again.flatMap((bytes) => left.receive(bytes)));
  assertJoined(left, front);
});

test("a flight that comes in the wrong order is acknowledged at once, and used", () => {
  const left = client({ ...VERSION_13, connectionId: false });
  const front = new Front({ ...VERSION_13, mtu: 128, connectionIdLength: 0 });
  const [hello] = left.sent();
  const [second] = left.receive(front.receive(hello!, "c:1")[0]!.bytes);
  const flight = front.receive(second!, "c:1").map(({ bytes }) => bytes);
  const { whole: extensions } = unifiedAt(flight[1]!, 0, 0)!;
  const finished = flight[1]!.subarray(extensions.length);
  const [ack] = left.receive(flight[0]!, finished);
  assert.equal(shapeOf(ack!, 0).join(), "epoch 2");
  run(left, front, "c:1", left.receive(extensions));
  assertJoined(left, front);
});

test("a lost ACK is said again whenever Finished comes again, for four minutes (RFC 9147 5.8.1)", () => {
  const left = client(VERSION_13);
  const front = new Front(VERSION_13);
  const [hello] = left.sent();
  const [second] = left.receive(front.receive(hello!, "c:1")[0]!.bytes);
  const flight = front.receive(second!, "c:1").map(({ bytes }) => bytes);
  const [finished] = left.receive(...flight);
  assert.equal(front.receive(finished!, "c:1").length, 1);
  assert.ok(left.session && front.last.session);
  // A copy is no new record: nobody can make the server talk.
  assert.deepEqual(front.receive(finished!, "c:1"), []);
  for (const now of [1000, 3000, 7000]) {
    front.now = now;
    assert.equal(front.receive(left.expire(now)[0]!, "c:1").length, 1);
  }
  front.expire(240_000);
  const [late] = left.expire(15_000);
  assert.deepEqual(front.receive(late!, "c:1"), []);
  assertJoined(left, front);
});

test("a client whose Finished nobody acknowledges says it ten times more, and ends in timeout", () => {
  const left = client(VERSION_13);
  const front = new Front(VERSION_13);
  const [hello] = left.sent();
  const [second] = left.receive(front.receive(hello!, "c:1")[0]!.bytes);
  left.receive(...front.receive(second!, "c:1").map(({ bytes }) => bytes));
  assert.ok(left.session);
  let said = 0;
  while (left.engine.deadline !== undefined) said += left.expire(left.engine.deadline).length;
  // Ten times Finished, and the alert.
  assert.equal(said, 11);
  assert.equal(left.code, "timeout");
});

test("data that overtakes Finished waits for it, and data that overtakes ACK is delivered", () => {
  const left = client(VERSION_13);
  const front = new Front(VERSION_13);
  const [hello] = left.sent();
  const [second] = left.receive(front.receive(hello!, "c:1")[0]!.bytes);
  const [finished] = left.receive(...front.receive(second!, "c:1").map(({ bytes }) => bytes));
  const early = left.send(toUtf8("early"));
  // An ACK of nothing: so that a Finished that was lost is said again, once.
  const [hurry] = front.receive(early, "c:1");
  assert.deepEqual(front.receive(left.send(toUtf8("second")), "c:1"), []);
  const [again] = left.receive(hurry!.bytes);
  assert.deepEqual(shapeOf(again!, 8), ["epoch 2"]);
  assert.deepEqual(front.last.texts, []);
  const [ack] = front.receive(finished!, "c:1");
  assert.deepEqual(front.last.texts, ["early", "second"]);
  left.receive(front.last.send(toUtf8("echo")));
  assert.deepEqual(left.texts, ["echo"]);
  assert.notEqual(left.engine.deadline, undefined);
  left.receive(ack!.bytes);
  assert.equal(left.engine.deadline, undefined);
});

test("only what this end named is asked for: a second hello that is none of the first is refused", () => {
  const front = new Front(VERSION_13);
  const first = client({ ...VERSION_13, groups: [0x1d] });
  const [retry] = front.receive(first.sent()[0]!, "c:1");
  const second = first.receive(retry!.bytes)[0]!;
  // The identity is another than in the first hello: the binder is not.
  const changed = fromHex(toHex(second).replace(toHex(toUtf8("Client_identity")), toHex(toUtf8("Client_ldentity"))));
  const answers = front.receive(changed, "c:1");
  assert.match(toHex(answers.at(-1)!.bytes), /^15fefd.*0233$/);
  assert.equal(front.last.code, "auth-failed");
});

test("groups: the server asks for the one it knows, once", () => {
  const front = new Front({ ...VERSION_13, groups: [0x17] });
  const left = client({ ...VERSION_13, groups: [0x1d, 0x17] });
  assert.equal(run(left, front).length, 6);
  assertJoined(left, front);
  const none = client({ ...VERSION_13, groups: [0x1d], forwardSecrecy: "required" });
  const refused = new Front({ ...VERSION_13, groups: [0x17] });
  run(none, refused);
  assert.equal(refused.acceptor.counts.engines, 0);
  none.expire(30_000);
  assert.equal(none.code, "timeout");
});

test("who wants no fresh agreement has none on datagrams either, by the cookie's HelloRetryRequest, and nothing with who requires it", () => {
  const policies = ["none", "preferred", "required"] as const;
  for (const [one, other] of policies.flatMap((each) => [["none", each], [each, "none"]] as const)) {
    const left = client({ ...BOTH_VERSIONS, forwardSecrecy: one });
    const front = new Front({ ...BOTH_VERSIONS, forwardSecrecy: other });
    run(left, front);
    if (one === "required" || other === "required") {
      // What was refused without an engine is an alert in the clear.
      assert.deepEqual([front.acceptor.counts.engines, left.session], [0, undefined]);
      continue;
    }
    assert.deepEqual([left.session?.version, left.session?.forwardSecret], [0xfefc, false]);
    assert.equal(front.last.session?.forwardSecret, false);
    assertJoined(left, front);
  }
});

test("the key is asked for before the first word; without one the hello is of version 1.2, or there is none", () => {
  const both = client(BOTH_VERSIONS, unknowing);
  assert.deepEqual([both.demands[0]!.version, both.demands[0]!.suite], [0xfefc, 0x1301]);
  assert.equal(toHex(both.sent()[0]!).includes("002b0005"), false);
  const only = client(VERSION_13, unknowing);
  assert.deepEqual([only.sent().length, only.code], [1, "key-unavailable"]);
});

test("who is elsewhere with a Connection ID is asked there, and then answered there (RFC 9147 9, RFC 9853)", () => {
  const scene = session();
  const { client: left, front } = scene;
  run(left, front, "c:2", [left.send(toUtf8("from elsewhere"))]);
  assert.deepEqual([front.last.texts, front.moves], [["from elsewhere"], ["c:2"]]);
  // A victim's record, replayed by somebody else, moves nothing.
  const stolen = left.send(toUtf8("stolen"));
  front.receive(stolen, "c:2");
  assert.deepEqual(front.receive(stolen, "c:66"), []);
  assert.deepEqual(front.moves, ["c:2"]);
  // Nor does an older one that never came.
  const [older, newer] = [left.send(toUtf8("older")), left.send(toUtf8("newer"))];
  front.receive(newer, "c:2");
  assert.deepEqual(front.receive(older, "c:66"), []);
  assert.deepEqual(front.last.texts.slice(-3), ["stolen", "newer", "older"]);
});

test("a client that begins anew from its address takes the place of its first session when it has proved itself", () => {
  const { client: first, front } = session();
  const again = client({ ...VERSION_13, random: seededRandom(77) });
  const [hello] = again.sent();
  const [second] = again.receive(front.receive(hello!, "c:1")[0]!.bytes);
  const flight = front.receive(second!, "c:1");
  run(first, front, "c:1", [first.send(toUtf8("still here"))]);
  assert.deepEqual([...front.peers.values()][0]!.texts, ["still here"]);
  run(again, front, "c:1", again.receive(...flight.map(({ bytes }) => bytes)));
  assertJoined(again, front);
});

test("options that make no sense are a RangeError, and a short path is for version 1.2 unless one says so", () => {
  const base = { now: 0, random: seededRandom(1) };
  assert.throws(() => createDtlsEngine({ role: "client", ...base, versions: [0x0304] }), RangeError);
  assert.throws(() => createDtlsAcceptor({ random: base.random, versions: [] }), RangeError);
  assert.throws(() => createDtlsAcceptor({ random: base.random, ...VERSION_13, suites: [0x00a8] }), RangeError);
  const versionsOf = (options: object) => client({ versions: undefined as never, ...options }).demands.length;
  assert.deepEqual(
    [versionsOf({}), versionsOf({ mtu: 548 }), versionsOf({ mtu: 547 }), versionsOf({ durable: true })],
    [1, 1, 0, 1],
  );
});

test("with a timer that was not answered, both ends forget all that the other could not know", () => {
  const left = client(VERSION_13);
  const front = new Front(VERSION_13);
  run(left, front);
  wait(left, front);
  const puppet = new Puppet13(session(), "client");
  assert.deepEqual(words(puppet.hear([concat(Uint8Array.of(0x2f), new Uint8Array(40))])), []);
  assertJoined(left, front);
});
