import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { encodeFragment } from "../../lib/tls/handshake/fragment.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { client, Front, run, VERSION_13 } from "./datagrams.ts";
import { goingOn, halfway, Puppet13, type SceneOptions, session, words } from "./datagram13_puppet.ts";

/** Every message there is, and one that is not. */
const TYPES = [...Object.values(HANDSHAKE), 5, 11, 13, 15, 21, 22, 99, 254];

const KINDS: readonly (readonly [name: string, of: SceneOptions])[] = [["", {}], [
  " that goes on with a session",
  goingOn(),
]];
const SIDES = [["server", HANDSHAKE.encryptedExtensions], ["client", HANDSHAKE.finished]] as const;

for (const [kind, of, side, allowed] of KINDS.flatMap((each) => SIDES.map((other) => [...each, ...other] as const))) {
  test(`behind the hellos a ${side}${kind} says what is next, or unexpected_message ends it`, () => {
    for (const type of TYPES) {
      // Nobody can say it: it has the number of another message.
      if (type === allowed || type === HANDSHAKE.helloRequest) continue;
      const { left, front, puppet, say } = halfway(side, of);
      const epoch = side === "server" ? 2 : 3;
      assert.deepEqual(
        say(puppet.message(type, new Uint8Array(40), { epoch: 2 })),
        [`${epoch} alert 10`],
        `type ${type}`,
      );
      const peer = side === "server" ? left : front.last;
      assert.equal(peer.code, "malformed");
      assert.equal(peer.session, undefined);
    }
  });

  test(`the messages of a ${side}${kind} in the next epoch wait for their keys, and those in the clear are nobody's`, () => {
    const { left, front, puppet, flight, say } = halfway(side, of);
    assert.deepEqual(
      say(puppet.message(HANDSHAKE.keyUpdate, Uint8Array.of(0), { epoch: 3, seq: 4 })).filter((word) =>
        word !== "3 ack"
      ),
      [],
    );
    const body = new Uint8Array(32);
    const framed = encodeFragment({ type: allowed, length: 32, messageSeq: 2, offset: 0, body });
    const clear = Uint8Array.from([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 50, 0, framed.length, ...framed]);
    assert.deepEqual(say(clear), []);
    assert.deepEqual(say(Uint8Array.from([21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 51, 0, 2, 2, 40])), []);
    assert.deepEqual(say(Uint8Array.from([26, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 52, 0, 2, 0, 0])), []);
    run(left, front, "c:1", left.receive(...flight));
    assert.ok(left.session && front.last.session, `${left.code} ${front.last.code}`);
    assert.equal(left.session.resumed === true, kind !== "");
  });
}

for (const [kind, of] of KINDS) {
  const ends = kind === "" ? "either side" : `either side${kind}`;
  test(`a Finished that differs in any bit ends ${ends} with decrypt_error`, () => {
    for (let bit = 0; bit < 256; bit += 37) {
      const body = new Uint8Array(32);
      body[bit >> 3]! ^= 1 << (bit & 7);
      const { front, puppet, say } = halfway("client", of);
      assert.deepEqual(say(puppet.message(HANDSHAKE.finished, body, { epoch: 2 })), ["3 alert 51"]);
      assert.equal(front.last.code, "auth-failed");
    }
    const { left, puppet, say } = halfway("server", of);
    say(puppet.message(HANDSHAKE.encryptedExtensions, Uint8Array.of(0, 0), { epoch: 2 }));
    assert.deepEqual(say(puppet.message(HANDSHAKE.finished, new Uint8Array(32), { epoch: 2 })), ["2 alert 51"]);
    assert.equal(left.code, "auth-failed");
  });
}

test("data before both Finished waits in its epoch, and is nobody's in that of the handshake", () => {
  const { left, front, puppet, flight, say } = halfway("client");
  say(puppet.record(CONTENT.applicationData, toUtf8("early")));
  assert.equal(front.last.texts.length, 0);
  run(left, front, "c:1", left.receive(...flight));
  assert.ok(left.session && front.last.session);
  // What waited was under the client's keys, whoever had them.
  assert.deepEqual(front.last.texts, ["early"]);
  const other = halfway("client");
  other.say(other.puppet.record(CONTENT.applicationData, toUtf8("early"), 2));
  assert.deepEqual([other.front.last.texts, other.front.last.code], [[], "open"]);
});

test("a client passes over a second HelloRetryRequest, which anybody can say, and knows its own hello in a mirror", () => {
  const left = client(VERSION_13);
  const [first] = left.sent();
  const front = new Front(VERSION_13);
  const [retry] = front.receive(first!, "c:1");
  const [second] = left.receive(retry!.bytes);
  const again = new Uint8Array(retry!.bytes);
  // The same once more, as the next message.
  again[18] = 1;
  assert.deepEqual(left.receive(again), []);
  run(left, front, "c:1", [second!]);
  assert.ok(left.session);
  const mirrored = client(VERSION_13);
  mirrored.receive(...mirrored.sent());
  assert.equal(mirrored.code, "reflected");
});

for (const [kind, of] of KINDS) {
  test(`behind EncryptedExtensions a server${kind} says Finished, or unexpected_message ends it`, () => {
    for (const type of TYPES) {
      if (type === HANDSHAKE.finished || type === HANDSHAKE.helloRequest) continue;
      const { left, puppet, say } = halfway("server", of);
      say(puppet.message(HANDSHAKE.encryptedExtensions, Uint8Array.of(0, 0), { epoch: 2 }));
      assert.deepEqual(say(puppet.message(type, new Uint8Array(40), { epoch: 2 })), ["2 alert 10"], `type ${type}`);
      assert.deepEqual([left.code, left.session], ["malformed", undefined]);
    }
  });
}

test("an end that awaits a hello passes over every message in the clear, and the honest handshake goes on", () => {
  const inClear = (type: number, messageSeq: number): Uint8Array => {
    const framed = encodeFragment({ type, length: 40, messageSeq, offset: 0, body: new Uint8Array(40) });
    return Uint8Array.from([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 90 + messageSeq, 0, framed.length, ...framed]);
  };
  for (const type of TYPES) {
    for (const state of ["first hello", "second hello"] as const) {
      const front = new Front(VERSION_13);
      const left = client(VERSION_13);
      const [first] = left.sent();
      const where = `type ${type}, ${state}`;
      // What a client awaits is read by whoever says it: it is refused for what it says.
      const isAwaited = type === HANDSHAKE.serverHello;
      assert.deepEqual(front.receive(inClear(type, 0), "c:1"), [], where);
      const said = front.receive(first!, "c:1").map(({ bytes }) => bytes);
      if (state === "first hello") {
        if (!isAwaited) assert.deepEqual(left.receive(inClear(type, 0)), [], where);
        run(left, front, "c:1", left.receive(...said));
      } else {
        const [second] = left.receive(...said);
        if (!isAwaited) assert.deepEqual(left.receive(inClear(type, 1)), [], where);
        assert.deepEqual(front.receive(inClear(type, 1), "c:1"), [], where);
        run(left, front, "c:1", [second!]);
      }
      assert.ok(left.session && front.last.session, `${where}: ${left.code}`);
    }
  }
});

for (const [kind, of] of KINDS) {
  test(`in a session${kind === "" ? "" : " that went on"} every message is taken by whom it is for, or ends it with unexpected_message`, () => {
    const taken: Readonly<Record<number, { readonly body: string; readonly by: readonly string[] }>> = {
      [HANDSHAKE.newSessionTicket]: { body: "0000000a00000000000001aa0000", by: ["server"] },
      [HANDSHAKE.requestConnectionId]: { body: "01", by: ["client", "server"] },
      [HANDSHAKE.newConnectionId]: { body: "00020177" + "01", by: ["client", "server"] },
      [HANDSHAKE.keyUpdate]: { body: "00", by: ["client", "server"] },
    };
    for (const side of ["client", "server"] as const) {
      for (const type of TYPES.filter((each) => each !== HANDSHAKE.helloRequest)) {
        const scene = session({ ...of, client: { ...of.client, connectionId: fromHex("c1c2") } });
        assert.equal(scene.client.session?.resumed === true, kind !== "");
        const puppet = new Puppet13(scene, side);
        // The server's ticket.
        if (kind !== "" && side === "server") puppet.seq++;
        const peer = side === "server" ? scene.client : scene.front.last;
        const say = (bytes: Uint8Array) =>
          side === "server" ? scene.client.receive(bytes) : scene.front.receive(bytes, "c:1").map((each) => each.bytes);
        const { body, by } = taken[type] ?? { body: "00".repeat(40), by: [] };
        const heard = words(puppet.hear(say(puppet.message(type, fromHex(body)))));
        const where = `${side} says type ${type}`;
        // RFC 9147 9: who is asked for names says some, or that there are none.
        const answer = type === HANDSHAKE.requestConnectionId ? [`3 message ${HANDSHAKE.newConnectionId}`] : [];
        assert.deepEqual(heard, by.includes(side) ? [...answer, "3 ack 3:80"] : ["3 alert 10"], where);
        assert.equal(peer.code, by.includes(side) ? "open" : "malformed", where);
        // Said twice it is acknowledged, and done once.
        if (!by.includes(side)) continue;
        const again = puppet.message(type, fromHex(body), { seq: puppet.seq - 1 });
        assert.deepEqual(words(puppet.hear(say(again))), ["3 ack 3:81"], where);
        assert.equal(peer.code, "open", where);
      }
    }
  });
}
