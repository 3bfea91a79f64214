import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { Flight } from "../../lib/tls/flight.ts";
import { encodeNewConnectionId } from "../../lib/tls/handshake/connection_id_update.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { type Heard, Puppet13, type Scene, session, words } from "./datagram13_puppet.ts";
import { type Peer, run } from "./datagrams.ts";

const NO_ID = { client: { connectionId: false }, server: { connectionIdLength: 0 } } as const;
const CCM_8 = { client: { suites: [0x1305] }, server: { suites: [0x1305] } } as const;
const NOT_REQUESTED = Uint8Array.of(0);
const REQUESTED = Uint8Array.of(1);

/** The engine that the puppet of `side` speaks to. */
function facing(
  scene: Scene,
  side: "client" | "server",
): { puppet: Puppet13; say(bytes: Uint8Array): Heard[]; peer: Peer } {
  const puppet = new Puppet13(scene, side);
  const say = (bytes: Uint8Array) => {
    const answers = side === "server"
      ? scene.client.receive(bytes)
      : scene.front.receive(bytes, "c:1").map((each) => each.bytes);
    return puppet.hear(answers);
  };
  return { puppet, say, peer: side === "server" ? scene.client : scene.front.last };
}

for (const side of ["client", "server"] as const) {
  const other = side === "client" ? "server" : "client";

  test(`KeyUpdate of a ${side} is acknowledged, and what it says then is read, in both epochs (RFC 9147 8)`, () => {
    const { puppet, say, peer } = facing(session(), side);
    assert.deepEqual(words(say(puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED))), ["3 ack 3:80"]);
    const late = puppet.record(CONTENT.applicationData, toUtf8("late"));
    assert.equal(puppet.renew(), 4);
    assert.deepEqual(say(puppet.record(CONTENT.applicationData, toUtf8("new"), 4)), []);
    // Its ACK was lost: it says it again, in the old epoch.
    assert.deepEqual(words(say(puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED, { seq: puppet.seq - 1 }))), [
      "3 ack 3:82",
    ]);
    say(late);
    assert.deepEqual(peer.texts, ["new", "late"]);
  });

  test(`a ${other} reads the epoch before a KeyUpdate until it has heard the peer in the new one, however late (RFC 9147 8)`, () => {
    const scene = session();
    const { puppet, say, peer } = facing(scene, side);
    const pass = (now: number) => scene.front.expire(peer.now = scene.front.now = now);
    assert.deepEqual(words(say(puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED))), ["3 ack 3:80"]);
    // The ACK is lost, and then all is silent for an hour.
    pass(3_600_000);
    if (peer.engine.deadline !== undefined) peer.expire(3_600_000);
    const again = puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED, { seq: puppet.seq - 1 });
    assert.deepEqual(words(say(again)), ["3 ack 3:81"]);
    const late = puppet.record(CONTENT.applicationData, toUtf8("late"));
    puppet.renew();
    say(puppet.record(CONTENT.applicationData, toUtf8("new"), 4));
    const due = peer.engine.deadline!;
    assert.equal(due, 3_600_000 + 240_000);
    pass(due);
    peer.expire(due);
    say(late);
    assert.deepEqual(peer.texts, ["new"], "what is on its way for so long is lost");
  });

  test(`a ${other} that is asked for new keys uses them when they are acknowledged, and not before (RFC 9147 8)`, () => {
    const { puppet, say, peer } = facing(session(), side);
    const heard = say(puppet.message(HANDSHAKE.keyUpdate, REQUESTED));
    assert.deepEqual(words(heard).sort(), ["3 ack 3:80", "3 message 24"]);
    puppet.renewPeer();
    const before = puppet.hear([peer.send(toUtf8("before"))]);
    assert.deepEqual(words(before), ["3 data before"]);
    const { number } = heard.find(({ type }) => type === CONTENT.handshake)!;
    assert.deepEqual(say(puppet.ack([{ epoch: 3, number }])), []);
    assert.deepEqual(words(puppet.hear([peer.send(toUtf8("after"))])), ["4 data after"]);
    assert.equal(peer.engine.deadline === undefined || peer.engine.deadline >= 240_000, true);
  });

  test(`a ${other} says its KeyUpdate again until it is acknowledged, ten times, and again when it is used`, () => {
    const { puppet, say, peer } = facing(session(), side);
    say(puppet.message(HANDSHAKE.keyUpdate, REQUESTED));
    let said = 0;
    for (let i = 0; i < 30; i++) {
      const due = peer.engine.deadline;
      if (due === undefined) break;
      said += puppet.hear(peer.expire(due)).filter(({ type }) => type === CONTENT.handshake).length;
    }
    assert.equal(said, 10);
    assert.equal(peer.code, "open");
    // Asked once more, a long time after.
    const again = words(say(puppet.message(HANDSHAKE.keyUpdate, REQUESTED, { epoch: puppet.renew() })));
    assert.ok(again.includes("3 message 24"), again.join());
  });

  test(`what a ${side} may not say in its session ends it with the right alert`, () => {
    const cases: readonly (readonly [string, (puppet: Puppet13) => Uint8Array, number, string])[] = [
      [
        "KeyUpdate that asks for neither",
        (puppet) => puppet.message(HANDSHAKE.keyUpdate, Uint8Array.of(2)),
        47,
        "malformed",
      ],
      [
        "KeyUpdate that is too long",
        (puppet) => puppet.message(HANDSHAKE.keyUpdate, Uint8Array.of(0, 0)),
        50,
        "malformed",
      ],
      ["ClientHello", (puppet) => puppet.message(HANDSHAKE.clientHello, new Uint8Array(40)), 10, "malformed"],
      ["Finished", (puppet) => puppet.message(HANDSHAKE.finished, new Uint8Array(32)), 10, "malformed"],
      [
        "ACK of half a record",
        (puppet) => puppet.record(CONTENT.ack, fromHex("00080000000000000003")),
        50,
        "malformed",
      ],
      [
        "NewConnectionId of nothing",
        (puppet) => puppet.message(HANDSHAKE.newConnectionId, encodeNewConnectionId({ ids: [], isImmediate: true })),
        47,
        "malformed",
      ],
    ];
    for (const [name, make, alert, code] of cases) {
      const ids = { client: { connectionId: fromHex("c1c2") } };
      const { puppet, say, peer } = facing(session(ids), side);
      assert.deepEqual(words(say(make(puppet))).filter((word) => !word.includes("ack")), [`3 alert ${alert}`], name);
      assert.equal(peer.code, code, name);
    }
  });

  test(`a message behind a ${side}'s KeyUpdate in the same epoch ends the session (RFC 9147 8)`, () => {
    const { puppet, say, peer } = facing(session(), side);
    say(puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED));
    assert.deepEqual(words(say(puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED))), ["3 alert 10"]);
    assert.equal(peer.code, "malformed");
  });

  test(`a ${side} without Connection IDs may not speak of them; with them a new one is used at once (RFC 9147 9)`, () => {
    const fresh = encodeNewConnectionId({ ids: [fromHex("0badcafe"), fromHex("aa")], isImmediate: true });
    for (
      const [type, body] of [[HANDSHAKE.newConnectionId, fresh], [
        HANDSHAKE.requestConnectionId,
        Uint8Array.of(3),
      ]] as const
    ) {
      const { puppet, say } = facing(session(NO_ID), side);
      assert.deepEqual(words(say(puppet.message(type, body))), ["3 alert 10"]);
    }
    const { puppet, say, peer } = facing(session({ client: { connectionId: fromHex("c1c2") } }), side);
    assert.deepEqual(words(say(puppet.message(HANDSHAKE.requestConnectionId, Uint8Array.of(3)))), [
      `3 message ${HANDSHAKE.newConnectionId}`,
      "3 ack 3:80",
    ]);
    const spare = encodeNewConnectionId({ ids: [fromHex("77")], isImmediate: false });
    assert.deepEqual(words(say(puppet.message(HANDSHAKE.newConnectionId, spare))), ["3 ack 3:81"]);
    say(puppet.message(HANDSHAKE.newConnectionId, fresh));
    assert.equal(toHex(peer.send(toUtf8("x")).subarray(1, 5)), "0badcafe");
  });

  test(`a ${other} passes over what is no record of its session: other types, data in epoch 2, copies, padding alone`, () => {
    const scene = session();
    const { puppet, say, peer } = facing(scene, side);
    const data = puppet.record(CONTENT.applicationData, toUtf8("once"));
    for (
      const bytes of [
        puppet.record(99, toUtf8("x")),
        puppet.record(CONTENT.changeCipherSpec, Uint8Array.of(1)),
        puppet.record(CONTENT.applicationData, toUtf8("early"), 2),
        puppet.record(0, new Uint8Array(20)),
        data,
        data,
        concat(data, data),
      ]
    ) assert.deepEqual(say(bytes), []);
    assert.deepEqual(peer.texts, ["once"]);
    assert.equal(peer.code, "open");
  });

  test(`an alert of a ${side} ends the session whatever its level says, but user_canceled (RFC 8446 6)`, () => {
    for (
      const [level, description, code] of [[1, 80, "closed"], [2, 51, "auth-failed"], [1, 90, "open"], [
        2,
        0,
        "none",
      ]] as const
    ) {
      const { puppet, say, peer } = facing(session(), side);
      say(puppet.record(CONTENT.alert, Uint8Array.of(level, description)));
      assert.equal(peer.code, code, `${level} ${description}`);
    }
  });
}

test("a client acknowledges tickets, and does not mind that they are of no use to it; a server wants none", () => {
  const ticket = concat(fromHex("00000e10" + "01020304" + "01" + "00" + "0010"), new Uint8Array(16), fromHex("0000"));
  const { puppet, say, peer } = facing(session(), "server");
  assert.deepEqual(words(say(puppet.message(HANDSHAKE.newSessionTicket, ticket))), ["3 ack 3:80"]);
  assert.equal(peer.code, "open");
  const scene = facing(session(), "client");
  assert.deepEqual(words(scene.say(scene.puppet.message(HANDSHAKE.newSessionTicket, ticket))), ["3 alert 10"]);
});

test("messages that come before their turn are kept and acknowledged, and used in order", () => {
  const { puppet, say, peer } = facing(session(), "server");
  const ticket = concat(fromHex("00000e10" + "01020304" + "01" + "00" + "0001" + "aa" + "0000"));
  const [first, second] = [
    puppet.message(HANDSHAKE.newSessionTicket, ticket),
    puppet.message(HANDSHAKE.keyUpdate, NOT_REQUESTED),
  ];
  assert.deepEqual(words(say(second)), ["3 ack 3:81"]);
  puppet.renew();
  const ahead = puppet.record(CONTENT.applicationData, toUtf8("too early"), 4);
  assert.deepEqual(say(ahead), []);
  assert.deepEqual(words(say(first)), ["3 ack 3:80"]);
  say(puppet.record(CONTENT.applicationData, toUtf8("new"), 4));
  assert.deepEqual(peer.texts, ["new"]);
});

test("a message of thousands of pieces ends nowhere: what is longer than a handshake's is not taken", () => {
  const { puppet, say, peer } = facing(session(), "client");
  const piece = concat(
    Uint8Array.of(HANDSHAKE.newSessionTicket),
    fromHex("ffffff" + "0003" + "000000" + "000001" + "aa"),
  );
  assert.deepEqual(say(puppet.record(CONTENT.handshake, piece)), []);
  assert.equal(peer.code, "open");
});

test("[SEC_CF-INTE-001] an engine of CCM_8 asks for new keys after 64 forged records, and ends at 128 of one key (RFC 9147 4.5.3)", () => {
  const scene = session(CCM_8);
  const { client: left, front } = scene;
  const forge = (bytes: Uint8Array): Uint8Array => {
    const forged = new Uint8Array(bytes);
    forged[forged.length - 1]! ^= 1;
    return forged;
  };
  const sample = left.send(toUtf8("a record to forge"));
  const junk = forge(sample);
  for (let i = 0; i < 63; i++) assert.deepEqual(front.receive(junk, "c:1"), []);
  const asked = front.receive(junk, "c:1").map(({ bytes }) => bytes);
  assert.equal(asked.length, 1);
  // The client gives new keys, and both go on.
  run(left, front, "c:1", asked.flatMap((bytes) => left.receive(bytes)));
  const later = left.send(toUtf8("in a new epoch"));
  assert.equal(later[0]! & 3, 0);
  run(left, front, "c:1", [sample, later]);
  assert.deepEqual(front.last.texts, ["a record to forge", "in a new epoch"]);
  // Under the new keys forgeries are counted from the beginning; a client that does not answer any more is left.
  const more = forge(left.send(toUtf8("never comes")));
  for (let i = 0; i < 128; i++) front.receive(more, "c:1");
  assert.equal(front.last.code, "exhausted");
});

test("what a peer never acknowledges is said again and again, and remembered for the last 256 records alone", () => {
  const writer = new DatagramWriter(1200);
  const flight = new Flight(1000);
  flight.track();
  flight.add(0, HANDSHAKE.keyUpdate, 1, NOT_REQUESTED);
  flight.send(writer, 0, true);
  for (let i = 1; i <= 256; i++) flight.repeat(writer, i);
  flight.acknowledge([{ epoch: 0, number: 0 }], writer, 300);
  assert.equal(flight.isKept, true, "too long ago");
  flight.acknowledge([{ epoch: 0, number: 2 }], writer, 300);
  assert.equal(flight.isKept, false);
});
