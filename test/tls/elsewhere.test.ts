import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { DatagramEngine } from "../../lib/tls/datagram_engine.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, engineWithoutChecks, Front, IDENTITY, Peer, PSK, run, secretFrom, VERSION_13 } from "./datagrams.ts";

/** A peer with a Connection ID that answers no return routability checks, at `c:1`. */
function pair(front: Front = new Front()) {
  const left = new Peer(engineWithoutChecks());
  run(left, front, "c:1");
  assert.ok(left.session?.connectionIds?.server.length);
  const right = front.last;
  const { acceptor } = front;
  return {
    ...{ left, front, right },
    elsewhere: () => acceptor.elsewhere!(right.engine),
    follow: (to: string) => {
      const done = acceptor.follow!(right.engine, to);
      front.drain();
      return done;
    },
    ask: (bytes: Uint8Array) => {
      const done = acceptor.sendElsewhere!(right.engine, bytes);
      return { done, sent: front.drain() };
    },
  };
}

test("a peer that can not be asked is heard elsewhere, moves by its application's word alone, and is answered there then", () => {
  const { left, front, right, elsewhere, follow, ask } = pair();
  assert.equal(elsewhere(), undefined);
  assert.deepEqual(front.receive(left.send(toUtf8("roaming")), "c:2"), []);
  assert.deepEqual(right.texts, ["roaming"]);
  assert.equal(elsewhere(), "c:2");
  assert.deepEqual(front.moves, []);
  const { done, sent } = ask(toUtf8("echo?"));
  assert.ok(done);
  assert.deepEqual(sent.map(({ to }) => to), ["c:2"]);
  left.receive(sent[0]!.bytes);
  assert.deepEqual(left.texts, ["echo?"]);
  front.receive(left.send(toUtf8("echo!")), "c:2");
  assert.ok(follow("c:2"));
  assert.deepEqual(front.moves, ["c:2"]);
  assert.equal(elsewhere(), undefined);
  // Once is enough, and what comes from there is no news.
  assert.ok(!follow("c:2"));
  front.receive(left.send(toUtf8("again")), "c:2");
  assert.equal(elsewhere(), undefined);
  assert.deepEqual(right.texts, ["roaming", "echo!", "again"]);
  assert.equal(front.acceptor.deadline, undefined);
});

test("a replayed record of a victim moves nothing, nor does an old one that was kept from its receiver", () => {
  const { left, front, right, elsewhere, follow } = pair();
  const old = left.send(toUtf8("1"));
  const record = left.send(toUtf8("2"));
  front.receive(record, "c:1");
  front.receive(record, "thief:1");
  front.receive(old, "thief:1");
  assert.deepEqual(right.texts, ["2", "1"]);
  assert.equal(elsewhere(), undefined);
  assert.ok(!follow("thief:1"));
  // Forged, and in the clear.
  const forged = left.send(toUtf8("3"));
  forged[forged.length - 1]! ^= 1;
  front.receive(forged, "thief:1");
  assert.equal(elsewhere(), undefined);
  assert.deepEqual(front.moves, []);
});

test("a confirmed address has to be the newest: what comes from home or from a third place since makes it none", () => {
  const { left, front, elsewhere, follow } = pair();
  // A thief that was faster than the peer, which goes on where it was.
  front.receive(left.send(toUtf8("stolen")), "thief:1");
  assert.equal(elsewhere(), "thief:1");
  front.receive(left.send(toUtf8("from home")), "c:1");
  assert.equal(elsewhere(), undefined);
  assert.ok(!follow("thief:1"));
  front.receive(left.send(toUtf8("stolen again")), "thief:1");
  front.receive(left.send(toUtf8("roaming")), "c:3");
  assert.equal(elsewhere(), "c:3");
  assert.ok(!follow("thief:1"));
  assert.ok(!follow("c:1"));
  assert.ok(follow("c:3"));
  assert.deepEqual(front.moves, ["c:3"]);
});

test("nobody's address gets more than three times what came from there, before it is confirmed", () => {
  const { left, front, ask } = pair();
  let received = 0;
  let sent = 0;
  for (let i = 0; i < 20; i++) {
    const record = left.send(new Uint8Array(i));
    received += record.length;
    assert.deepEqual(front.receive(record, "victim:1"), []);
    for (let asked = ask(new Uint8Array(100)); asked.done; asked = ask(new Uint8Array(100))) {
      for (const { to, bytes } of asked.sent) {
        assert.equal(to, "victim:1");
        sent += bytes.length;
      }
    }
    assert.deepEqual(ask(new Uint8Array(1000)), { done: false, sent: [] });
    assert.ok(sent <= 3 * received);
  }
  assert.ok(sent > received);
  assert.throws(() => ask(new Uint8Array(5000)), { code: "too-large" });
  // And nothing by itself, however long it lasts.
  assert.deepEqual(front.expire(1_000_000), []);
});

test("who answers return routability checks is asked those, and its application has no say in it", () => {
  const front = new Front();
  const left = client();
  run(left, front, "c:1");
  const { engine } = front.last;
  const asked = front.receive(left.send(toUtf8("roaming")), "c:2");
  assert.equal(asked.length, 1);
  assert.equal(front.acceptor.elsewhere!(engine), undefined);
  assert.ok(!front.acceptor.follow!(engine, "c:2"));
  assert.ok(!front.acceptor.sendElsewhere!(engine, toUtf8("echo?")));
  assert.deepEqual(front.moves, []);
});

test("whoever moves to an address ends a session there that can not be found again, as one does that was asked", () => {
  const front = new Front();
  const { left, follow } = pair(front);
  const other = client({ random: seededRandom(5), connectionId: false }, () => ({
    ...{ kind: "psk", identity: toUtf8("other"), key: secretFrom(PSK) },
  }));
  run(other, front, "c:2");
  const lost = front.last;
  assert.ok(lost.session && !lost.session.connectionIds);
  front.receive(left.send(toUtf8("roaming")), "c:2");
  assert.equal(lost.code, "open");
  assert.ok(follow("c:2"));
  assert.equal(lost.code, "closed");
});

test("a peer that ends leaves no question behind, and who is gone is nowhere else", () => {
  const { left, front, right, elsewhere, follow } = pair();
  front.receive(left.send(toUtf8("roaming")), "c:2");
  assert.equal(front.acceptor.counts.entries, 3);
  right.close();
  front.drain();
  assert.deepEqual([elsewhere(), follow("c:2")], [undefined, false]);
  assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
});

test("DTLS 1.3: what is said beside the way is a record like any other", () => {
  const front = new Front(VERSION_13);
  const left = client(VERSION_13);
  run(left, front);
  const { engine } = front.last;
  assert.ok(engine instanceof DatagramEngine);
  left.receive(engine.sendApart(toUtf8("beside"))!);
  assert.deepEqual(left.texts, ["beside"]);
  assert.deepEqual(front.last.session?.identity, IDENTITY);
});
