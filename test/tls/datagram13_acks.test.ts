// ACK in every state of DTLS 1.3, at both ends (RFC 9147 7): what it says may be untrue, and then it changes nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { encodeAck, type RecordNumber } from "../../lib/tls/record/ack.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { goingOn, halfway, Puppet13, session, words } from "./datagram13_puppet.ts";
import { established, keep } from "./durable_world.ts";
import { client, Front, type Peer, run, VERSION_13 } from "./datagrams.ts";
import { IDENTITY, PSK } from "./pair.ts";

/** Somebody is tried at a place of the protocol, by who has the keys of its peer, or by a stranger. */
interface Scene {
  /** Missing where there is nothing yet but who listens. */
  readonly tried: Peer | undefined;
  readonly puppet?: Puppet13;
  /** Gives a datagram to the one who is tried; returns what that says. */
  give(bytes: Uint8Array): readonly Uint8Array[];
  /** The honest rest, and data both ways. */
  finish(): void;
}

/** So few numbers ahead that what the honest peer says later is still in the window. */
const LEAD = 30;

const toFront = (front: Front) => (bytes: Uint8Array) => front.receive(bytes, "c:1").map((each) => each.bytes);

function speak(left: Peer, front: Front): void {
  assert.ok(left.session && front.last.session, `${left.code} ${front.last.code}`);
  run(left, front, "c:1", [left.send(toUtf8("there"))]);
  left.receive(front.last.send(toUtf8("back")));
  assert.deepEqual([front.last.texts.at(-1), left.texts.at(-1)], ["there", "back"]);
}

/** The hellos are not exchanged: `answers` were said by the server, and the key is missing where `asks`. */
function greeted(role: "client" | "server", answers: 0 | 1, asks = false): Scene {
  const front = new Front(VERSION_13, asks ? () => undefined : undefined);
  const left = client(VERSION_13);
  let said = left.sent();
  if (answers > 0) said = left.receive(...said.flatMap(toFront(front)));
  if (asks) said.forEach(toFront(front));
  return {
    tried: role === "client" ? left : asks ? front.last : undefined,
    give: role === "client" ? (bytes) => left.receive(bytes) : toFront(front),
    finish: () => {
      const key = { kind: "psk", identity: IDENTITY, key: secretFrom(PSK) } as const;
      const first = asks ? left.receive(...front.last.answer(front.last.demands[0]!, key)) : said;
      run(left, front, "c:1", first);
      speak(left, front);
    },
  };
}

/** The hellos are exchanged. `isNear`: the client has its peer's EncryptedExtensions as well. */
function agreed(role: "client" | "server", isNear = false): Scene {
  const { left, front, puppet, flight } = halfway(role === "client" ? "server" : "client", {}, LEAD);
  if (isNear) left.receive(puppet.message(HANDSHAKE.encryptedExtensions, Uint8Array.of(0, 0), { epoch: 2 }));
  return {
    tried: role === "client" ? left : front.last,
    puppet,
    give: role === "client" ? (bytes) => left.receive(bytes) : toFront(front),
    finish: () => {
      run(left, front, "c:1", left.receive(...flight));
      speak(left, front);
    },
  };
}

/** The client has said its Finished, which the server did not hear. */
function unheard(): Scene {
  const { left, front, puppet, flight } = halfway("server", {}, LEAD);
  const finished = left.receive(...flight);
  assert.ok(left.session);
  const give = (bytes: Uint8Array) => left.receive(bytes);
  const finish = () => {
    run(left, front, "c:1", finished);
    speak(left, front);
  };
  return { tried: left, puppet, give, finish };
}

/** Both have their session; where `updates`, the one who is tried has said KeyUpdate, which nobody heard. */
function settled(role: "client" | "server", updates = false): Scene {
  const scene = session(updates ? { [role]: { recordsPerKey: 8 } } : {});
  const { client: left, front } = scene;
  const tried = role === "client" ? left : front.last;
  const give = role === "client" ? (bytes: Uint8Array) => left.receive(bytes) : toFront(front);
  const puppet = new Puppet13(scene, role === "client" ? "server" : "client", "all", LEAD);
  const lost: Uint8Array[] = [];
  for (let i = 0; updates && i < 8; i++) {
    tried.engine.send(toUtf8("lost"), 0);
    lost.push(...tried.sent());
  }
  assert.equal(words(puppet.hear(lost)).includes(`3 message ${HANDSHAKE.keyUpdate}`), updates);
  const finish = () => {
    // RFC 9147 8: as long as its KeyUpdate is not acknowledged, it goes on with the keys that it has.
    assert.equal(tried.send(toUtf8("x"))[0]! & 0x03, 3);
    speak(left, front);
  };
  return { tried, puppet, give, finish };
}

/** The server's ticket is not acknowledged. */
function ticketed(): Scene {
  const of = goingOn();
  const { left, front, puppet, flight } = halfway("client", of, LEAD);
  const finished = left.receive(...flight);
  const said = finished.flatMap(toFront(front));
  assert.ok(front.last.session?.resumed);
  const finish = () => {
    run(left, front, "c:1", left.receive(...said));
    speak(left, front);
    assert.ok(left.resumable, "the ticket came all the same");
  };
  return { tried: front.last, puppet, give: toFront(front), finish };
}

const PLACES: Readonly<Record<string, () => Scene>> = {
  "a server that awaits a hello": () => greeted("server", 0),
  "a server that awaits a second hello": () => greeted("server", 1),
  "a server that awaits its key": () => greeted("server", 1, true),
  "a server that awaits Finished": () => agreed("server"),
  "a server with a session": () => settled("server"),
  "a server whose ticket nobody heard": ticketed,
  "a server whose KeyUpdate nobody heard": () => settled("server", true),
  "a client that awaits an answer": () => greeted("client", 0),
  "a client that awaits an answer to its second hello": () => greeted("client", 1),
  "a client that awaits EncryptedExtensions": () => agreed("client"),
  "a client that awaits Finished": () => agreed("client", true),
  "a client whose Finished nobody heard": unheard,
  "a client with a session": () => settled("client"),
  "a client whose KeyUpdate nobody heard": () => settled("client", true),
};

const from = (epoch: number, first: number, count: number): RecordNumber[] =>
  Array.from({ length: count }, (_, i) => ({ epoch, number: first + i }));

/** None of these acknowledges anything that was said under keys. */
const UNTRUE: Readonly<Record<string, Uint8Array>> = {
  "nothing": encodeAck([]),
  "records that were never sent": encodeAck([2, 3, 4].flatMap((epoch) => from(epoch, 900, 3))),
  "records in the clear": encodeAck(from(0, 0, 8)),
  "records of epochs that are not there": encodeAck([...from(1, 0, 4), ...from(9, 0, 4), ...from(2 ** 40, 0, 4)]),
  "numbers that no record has": fromHex("0020" + "ff".repeat(32)),
  "one record over and over": encodeAck(Array.from({ length: 40 }, () => ({ epoch: 3, number: 2 ** 47 }))),
  "as many records as there is room for": encodeAck(from(2, 1000, 900)),
};

const MALFORMED: Readonly<Record<string, Uint8Array>> = {
  "without a length": fromHex("00"),
  "without anything": fromHex(""),
  "cut short": fromHex("0010" + "00".repeat(15)),
  "of half a number": fromHex("0008" + "00".repeat(8)),
  "with something behind it": fromHex("000000"),
};

const inClear = (payload: Uint8Array) =>
  concat(
    Uint8Array.of(CONTENT.ack, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 200),
    Uint8Array.of(payload.length >> 8, payload.length),
    payload,
  );

for (const [place, scene] of Object.entries(PLACES)) {
  test(`to ${place} an ACK in the clear is nobody's, whatever it says`, () => {
    for (const [what, payload] of Object.entries({ ...UNTRUE, ...MALFORMED })) {
      const { tried, give, finish } = scene();
      const before = tried?.session;
      const deadline = tried?.engine.deadline;
      assert.deepEqual(give(inClear(payload)), [], what);
      assert.deepEqual(
        [tried?.session, tried?.code ?? "open", tried?.engine.deadline],
        [before, "open", deadline],
        what,
      );
      finish();
    }
  });

  if (!scene().puppet) continue;

  test(`${place} takes no untrue ACK for anything, and the honest rest goes on`, () => {
    for (const epoch of [2, 3]) {
      for (const [what, payload] of Object.entries(UNTRUE)) {
        const { tried, puppet, give, finish } = scene();
        const before = tried!.session;
        const where = `${what}, in epoch ${epoch}`;
        const said = give(puppet!.record(CONTENT.ack, payload, epoch));
        const length = said.reduce((sum, each) => sum + each.length, 0);
        // RFC 9147 7.2: what is missing may be said again, once.
        assert.ok(length < 1000, `${where}: ${length} bytes`);
        assert.deepEqual(give(puppet!.record(CONTENT.ack, payload, epoch)), [], `${where}, again`);
        assert.deepEqual([tried!.session, tried!.code], [before, "open"], where);
        finish();
      }
    }
  });

  test(`${place} refuses an ACK that can not be read with decode_error, and makes no session of it`, () => {
    for (const [what, payload] of Object.entries(MALFORMED)) {
      const { tried, puppet, give } = scene();
      const before = tried!.session;
      const epoch = before ? 3 : 2;
      const heard = puppet!.hear(give(puppet!.record(CONTENT.ack, payload, epoch)));
      assert.deepEqual(heard.map(({ type, payload }) => [type, ...payload]), [[CONTENT.alert, 2, 50]], what);
      assert.deepEqual([tried!.session, tried!.code], [before, "malformed"], what);
    }
  });
}

test("who acknowledges a whole flight hears none of it again, and has to go on by itself", () => {
  for (const role of ["server", "client"] as const) {
    for (const isWhole of [true, false]) {
      const { tried, puppet, give } = agreed(role);
      const all = [0, 2, 3].flatMap((epoch) => from(epoch, 0, 20)).slice(isWhole ? 0 : 20);
      // Without the hello, which is in the clear, that alone is said again.
      const missing = isWhole || role === "client" ? [] : [HANDSHAKE.serverHello];
      assert.deepEqual(messagesIn(puppet!, give(puppet!.ack(all, 2))), missing);
      assert.equal(tried!.session, undefined);
      assert.deepEqual(messagesIn(puppet!, tried!.expire(2000)), missing);
      tried!.expire(30_000);
      assert.deepEqual([tried!.session, tried!.code], [undefined, "timeout"]);
    }
  }
});

test("an ACK that comes while a KeyUpdate waits to be on record acknowledges none, and no new key is used before one does", () => {
  const lines: string[] = [];
  const keyLog = (line: string) => void lines.push(line);
  const { client: left, shelves } = established({ ...VERSION_13, recordsPerKey: 3, keyLog });
  const puppet = new Puppet13({ lines, client: left }, "server", "all", LEAD);
  // So much comes that what comes next is delivered before it is on record by itself.
  for (let i = 0; i < 40; i++) {
    left.receive(puppet.record(CONTENT.applicationData, toUtf8("x")));
    keep(left, shelves.client);
    left.sent();
  }
  for (let i = 0; i < 3; i++) left.send(toUtf8("d"));
  assert.ok(left.engine.durable?.claim, "KeyUpdate waits");
  left.receive(puppet.ack(from(3, 5000, 1)));
  while (keep(left, shelves.client));
  const said = puppet.hear(left.sent());
  assert.deepEqual(words(said), [`3 message ${HANDSHAKE.keyUpdate}`]);
  assert.equal(left.send(toUtf8("old key"))[0]! & 0x03, 3);
  left.receive(puppet.ack(said));
  while (keep(left, shelves.client));
  assert.equal(left.send(toUtf8("new key"))[0]! & 0x03, 0);
});

function messagesIn(puppet: Puppet13, datagrams: readonly Uint8Array[]): (number | undefined)[] {
  return puppet.hear(datagrams).filter(({ type }) => type === CONTENT.handshake).map(({ payload }) => payload[0]);
}
