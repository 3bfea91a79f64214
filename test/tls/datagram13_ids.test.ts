// RFC 9147 9: other Connection IDs of one session, asked for and given, in bounds; RFC 9147 11: one is not known again by its name elsewhere.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, Reader, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { decodeNewConnectionId, encodeNewConnectionId } from "../../lib/tls/handshake/connection_id_update.ts";
import { readFragment } from "../../lib/tls/handshake/fragment.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { decodePathMessage, encodePathMessage } from "../../lib/tls/return_routability.ts";
import { type Heard, Puppet13, type Scene, session, words } from "./datagram13_puppet.ts";

const NODE = fromHex("0bad");

/** A session whose client is in the test's hand, and what the server says to it. */
function puppeteer(clientId = fromHex("c1c2")) {
  const scene: Scene = session({ client: { connectionId: clientId }, server: { nodeId: NODE } });
  const puppet = new Puppet13(scene, "client");
  const say = (bytes: Uint8Array, from = "c:1"): Heard[] =>
    puppet.hear(scene.front.receive(bytes, from).map((each) => each.bytes));
  /** Asks for `count` names, and acknowledges what comes of it. */
  const ask = (count: number): readonly Uint8Array[] => {
    const heard = say(puppet.message(HANDSHAKE.requestConnectionId, Uint8Array.of(count)));
    say(puppet.ack(heard.filter(({ type }) => type === CONTENT.handshake)));
    return namesIn(heard);
  };
  return { scene, puppet, say, ask, first: scene.client.session!.connectionIds!.server };
}

/** The names in what was heard. */
function namesIn(heard: readonly Heard[]): readonly Uint8Array[] {
  const said = heard.filter(({ type }) => type === CONTENT.handshake).map(({ payload }) =>
    readFragment(new Reader(payload))
  );
  return said.flatMap(({ type, body }) => type === HANDSHAKE.newConnectionId ? decodeNewConnectionId(body).ids : []);
}

test("a server gives its client other names of its node, as many as it asks for up to four in all, and is found by each", () => {
  const { scene: { front }, puppet, say, ask, first } = puppeteer();
  const names = ask(2);
  assert.equal(names.length, 2);
  for (const name of names) assert.deepEqual([name.length, name.subarray(0, 2)], [first.length, NODE]);
  assert.equal(new Set([first, ...names].map(toHex)).size, 3);
  assert.equal(ask(200).length, 1, "four names are enough for anybody");
  assert.equal(ask(1).length, 0);
  assert.deepEqual(front.acceptor.counts, { engines: 1, entries: 1 + 4, handshakes: 0 });
  for (const name of [first, ...names]) {
    puppet.call(name);
    say(puppet.record(CONTENT.applicationData, name));
  }
  assert.deepEqual(front.last.data, [first, ...names]);
});

test("names before the one that is used are given back but for the last, and new ones can be had for them", () => {
  const { scene: { front }, puppet, say, ask, first } = puppeteer();
  const names = ask(3);
  puppet.call(names[2]!);
  say(puppet.record(CONTENT.applicationData, toUtf8("new")));
  assert.deepEqual(front.acceptor.counts.entries, 1 + 2);
  puppet.call(names[1]!);
  say(puppet.record(CONTENT.applicationData, toUtf8("on its way")));
  for (const gone of [first, names[0]!]) {
    puppet.call(gone);
    assert.deepEqual(say(puppet.record(CONTENT.applicationData, toUtf8("nobody's"))), []);
  }
  assert.deepEqual(front.last.texts, ["new", "on its way"]);
  puppet.call(names[2]!);
  assert.equal(ask(3).length, 2);
  front.last.close();
  assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
});

test("a forged record by another name takes nothing from the names that there are", () => {
  const { scene: { front }, puppet, say, ask, first } = puppeteer();
  puppet.call(ask(3)[2]!);
  const forged = puppet.record(CONTENT.applicationData, toUtf8("new"));
  forged[forged.length - 1]! ^= 1;
  say(forged);
  puppet.call(first);
  say(puppet.record(CONTENT.applicationData, toUtf8("first")));
  assert.deepEqual([front.last.texts, front.acceptor.counts.entries], [["first"], 1 + 4]);
});

test("a client that asks again and again ends with too_many_cids_requested", () => {
  const { scene: { front }, puppet, say, ask } = puppeteer();
  for (let i = 0; i < 8; i++) ask(1);
  const heard = say(puppet.message(HANDSHAKE.requestConnectionId, Uint8Array.of(1)));
  assert.deepEqual(words(heard), ["3 alert 52"]);
  assert.equal(front.last.code, "too-large");
});

test("while a KeyUpdate is under way nothing is said behind it: other names come in the next epoch (RFC 9147 8)", () => {
  const { puppet, say } = puppeteer();
  const update = say(puppet.message(HANDSHAKE.keyUpdate, Uint8Array.of(1)));
  puppet.renew();
  const { number } = update.find(({ type }) => type === CONTENT.handshake)!;
  const asked = say(puppet.message(HANDSHAKE.requestConnectionId, Uint8Array.of(2), { epoch: 4 }));
  assert.deepEqual(words(asked), ["3 ack 4:0"]);
  puppet.renewPeer();
  const given = say(puppet.ack([{ epoch: 3, number }], 4));
  assert.deepEqual([given.map(({ epoch }) => epoch), namesIn(given).length], [[4], 2]);
});

test("names that nobody asked for are kept, four at most, and used where the client turns up elsewhere (RFC 9147 11)", () => {
  const { scene: { front }, puppet, say } = puppeteer();
  const spare = Array.from({ length: 200 }, (_, i) => Uint8Array.of(0xaa, i));
  for (let i = 0; i < 20; i++) {
    say(puppet.message(HANDSHAKE.newConnectionId, encodeNewConnectionId({ ids: spare, isImmediate: false })));
  }
  for (const id of spare.slice(0, 4)) puppet.answerTo(id);
  const nameNow = () => toHex(front.last.send(toUtf8("x")).subarray(1, 3));
  assert.equal(nameNow(), "c1c2");
  /** Proves to be at `from`. */
  const move = (from: string) => {
    const [asked] = say(puppet.record(CONTENT.applicationData, toUtf8("moved")), from);
    const { cookie } = decodePathMessage(asked!.payload)!;
    say(puppet.record(CONTENT.returnRoutability, encodePathMessage({ kind: "response", cookie })), from);
    assert.equal(front.moves.at(-1), from);
  };
  const seen: string[] = [];
  for (let i = 0; i < 6; i++) {
    move(`elsewhere:${i}`);
    seen.push(nameNow());
  }
  assert.deepEqual(seen, ["aa00", "aa01", "aa02", "aa03", "aa03", "aa03"]);
});
