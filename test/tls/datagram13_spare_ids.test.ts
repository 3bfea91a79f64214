// A client that wants to have other names of its server's at hand, and to go by one where it turns up elsewhere (RFC 9147 9, 11).
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { encodeNewConnectionId } from "../../lib/tls/handshake/connection_id_update.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { createDtlsEngine, type DtlsAcceptorOptions, type DtlsOptions } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { Puppet13, session } from "./datagram13_puppet.ts";
import { BOTH_VERSIONS, client, Front, type Peer, run, VERSION_12, VERSION_13 } from "./datagrams.ts";

/** How many datagrams a handshake takes, and the two ends behind it. */
function meet(ofClient: Partial<DtlsOptions>, ofServer: Partial<DtlsAcceptorOptions> = {}) {
  const front = new Front({ ...VERSION_13, ...ofServer });
  const left = client({ ...VERSION_13, ...ofClient });
  const all = run(left, front);
  assert.ok(left.session && front.last.session);
  return { left, front, count: all.length, lengths: all.map(({ bytes }) => bytes.length) };
}

/** The name in a record that is sent now. */
function nameNow(left: Peer): string {
  const bytes = left.send(toUtf8("x"));
  return (bytes[0]! & 0x10) === 0 ? "" : toHex(bytes.subarray(1, 9));
}

const rename = (left: Peer): boolean => left.engine.rename!(left.now);

test("names are asked for by one message of a few bytes behind the handshake, and by default not at all", () => {
  const quiet = meet({});
  assert.equal(quiet.front.acceptor.counts.entries, 2);
  assert.equal(rename(quiet.left), false);
  assert.deepEqual(quiet.left.sent(), []);
  for (const spareConnectionIds of [1, 2, 3]) {
    const { left, front, count, lengths } = meet({ spareConnectionIds });
    // Its question, the server's answer with the ACK of it, its ACK.
    assert.ok(count - quiet.count <= 4, `${count}`);
    assert.ok(lengths[quiet.count]! < 60, "question");
    assert.equal(front.acceptor.counts.entries, 2 + spareConnectionIds);
    assert.equal(front.last.engine.deadline, 240_000, "nothing is said again");
    assert.equal(left.engine.deadline, undefined);
  }
});

test("where it turns up elsewhere it goes by a name that nobody has seen, and asks for another in its place", () => {
  const { left, front } = meet({ spareConnectionIds: 2 });
  const seen = new Set([nameNow(left)]);
  for (let i = 0; i < 20; i++) {
    assert.equal(rename(left), true);
    const asked = left.sent();
    const bytes = left.send(toUtf8(`from place ${i}`));
    const name = toHex(bytes.subarray(1, 9));
    assert.ok(!seen.has(name), "another name");
    seen.add(name);
    // The question goes by the new name as well: nothing from the new place has the old one.
    for (const each of [...asked, bytes]) assert.equal(toHex(each.subarray(1, 9)), name);
    run(left, front, `place:${i}`, [...asked, bytes]);
    assert.equal(front.last.texts.at(-1), `from place ${i}`);
    assert.equal(front.moves.at(-1), `place:${i}`);
    // What the server said before it knew went to the old place: it is said again.
    left.now += 1000;
    const again = front.expire(left.now).filter(({ to }) => to === `place:${i}`);
    run(left, front, `place:${i}`, [...left.receive(...again.map((each) => each.bytes)), ...left.expire(left.now)]);
    assert.ok(front.acceptor.counts.entries <= 1 + 4);
    left.receive(front.last.send(toUtf8("back")));
    assert.equal(left.texts.at(-1), "back");
  }
  assert.equal(left.code, "open");
});

test("without a spare name it keeps the one that it has, and a server that gives none is not asked again and again", () => {
  const scene = session({ client: { spareConnectionIds: 3 }, server: { connectionIdLength: 8 } });
  const { client: left } = scene;
  const puppet = new Puppet13(scene, "server");
  puppet.seq++;
  for (let i = 0; i < 3; i++) {
    assert.equal(rename(left), true);
    assert.equal(left.sent().length, i === 0 ? 1 : 0, "one question at a time");
  }
  const before = nameNow(left);
  assert.equal(rename(left), false);
  assert.deepEqual([nameNow(left), left.sent().length], [before, 0]);
  // None, three times over: what asks is each move alone.
  for (let i = 0; i < 3; i++) {
    const none = puppet.message(HANDSHAKE.newConnectionId, encodeNewConnectionId({ ids: [], isImmediate: false }));
    assert.equal(left.receive(none).length, 1, "the ACK");
    assert.equal(rename(left), false);
    assert.equal(left.sent().length, 1);
  }
  assert.equal(nameNow(left), before);
});

test("a server that says nothing to the question has it said again ten times, and the session goes on", () => {
  const scene = session({ client: { spareConnectionIds: 1 } });
  assert.equal(rename(scene.client), true);
  assert.equal(scene.client.sent().length, 1);
  let said = 0;
  for (let { deadline } = scene.client.engine; deadline !== undefined; deadline = scene.client.engine.deadline) {
    said += scene.client.expire(deadline).length;
    assert.ok(said <= 10, `${said}`);
  }
  assert.ok(said > 0);
  assert.equal(scene.client.code, "open");
  scene.front.receive(scene.client.send(toUtf8("on")), "c:1");
  assert.equal(scene.front.last.texts.at(-1), "on");
});

test("nobody is asked where there is no name to change: in version 1.2, of a server without names, in sessions that are kept", () => {
  const quiet = meet({}).count;
  const cases: readonly (readonly [Partial<DtlsOptions>, Partial<DtlsAcceptorOptions>])[] = [
    [{ connectionId: false }, {}],
    [{}, { connectionIdLength: 0 }],
    [{}, { connectionIdLength: false }],
  ];
  for (const [ofClient, ofServer] of cases) {
    const { left, count } = meet({ spareConnectionIds: 3, ...ofClient }, ofServer);
    assert.equal(count, quiet);
    assert.equal(rename(left), false);
    assert.deepEqual(left.sent(), []);
  }
  const old = meet({ ...BOTH_VERSIONS, spareConnectionIds: 3 }, VERSION_12);
  assert.equal(old.left.session?.version, 0xfefd);
  assert.equal(rename(old.left), false);
});

test("options that make no sense are a RangeError, and before the session there is no name", () => {
  for (const spareConnectionIds of [-1, 4, 0.5, NaN]) {
    assert.throws(
      () => createDtlsEngine({ role: "client", now: 0, random: seededRandom(1), spareConnectionIds }),
      RangeError,
    );
  }
  const early = client({ ...VERSION_13, spareConnectionIds: 1 });
  early.sent();
  assert.throws(() => rename(early), { code: "state" });
});
