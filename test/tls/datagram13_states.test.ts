import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { encodeFragment } from "../../lib/tls/handshake/fragment.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { client, Front, type Peer, run, VERSION_13 } from "./datagrams.ts";
import { Puppet13, words } from "./datagram13_puppet.ts";

const NO_ID = { client: { connectionId: false }, server: { connectionIdLength: 0 } } as const;
/** Every message there is, and one that is not. */
const TYPES = [...Object.values(HANDSHAKE), 5, 11, 13, 15, 21, 22, 99, 254];

/** Both ends with their hellos exchanged and no more, and somebody who knows what `side` knows. */
function halfway(side: "client" | "server"): {
  readonly left: Peer;
  readonly front: Front;
  readonly puppet: Puppet13;
  readonly flight: Uint8Array[];
  say(bytes: Uint8Array): string[];
} {
  const lines: string[] = [];
  const front = new Front({ ...VERSION_13, ...NO_ID.server, mtu: 128, keyLog: (line) => lines.push(line) });
  const left = client({ ...VERSION_13, ...NO_ID.client });
  const [first] = left.sent();
  const [second] = left.receive(front.receive(first!, "c:1")[0]!.bytes);
  const flight = front.receive(second!, "c:1").map(({ bytes }) => bytes);
  // The hello is in a datagram of its own.
  if (side === "server") left.receive(flight[0]!);
  const puppet = new Puppet13({ lines, client: left }, side, "hello");
  const say = (bytes: Uint8Array): string[] => {
    const answers = side === "server" ? left.receive(bytes) : front.receive(bytes, "c:1").map((each) => each.bytes);
    return words(puppet.hear(answers));
  };
  return { left, front, puppet, flight, say };
}

for (const [side, allowed] of [["server", HANDSHAKE.encryptedExtensions], ["client", HANDSHAKE.finished]] as const) {
  test(`behind the hellos a ${side} says what is next, or unexpected_message ends it`, () => {
    for (const type of TYPES) {
      // Nobody can say it: it has the number of another message.
      if (type === allowed || type === HANDSHAKE.helloRequest) continue;
      const { left, front, puppet, say } = halfway(side);
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

  test(`a ${side}'s messages of the next epoch wait for their keys, and those in the clear are nobody's`, () => {
    const { left, front, puppet, flight, say } = halfway(side);
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
  });
}

test("a Finished that differs in any bit ends either side with decrypt_error", () => {
  for (let bit = 0; bit < 256; bit += 37) {
    const body = new Uint8Array(32);
    body[bit >> 3]! ^= 1 << (bit & 7);
    const { front, puppet, say } = halfway("client");
    assert.deepEqual(say(puppet.message(HANDSHAKE.finished, body, { epoch: 2 })), ["3 alert 51"]);
    assert.equal(front.last.code, "auth-failed");
  }
  const { left, puppet, say } = halfway("server");
  say(puppet.message(HANDSHAKE.encryptedExtensions, Uint8Array.of(0, 0), { epoch: 2 }));
  assert.deepEqual(say(puppet.message(HANDSHAKE.finished, new Uint8Array(32), { epoch: 2 })), ["2 alert 51"]);
  assert.equal(left.code, "auth-failed");
});

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
