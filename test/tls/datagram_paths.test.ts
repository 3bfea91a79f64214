// Who sends from another address, and who sends back what we said: the same of both versions on datagrams.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { client, Front, IDENTITY, type Peer, run, VERSION_12, VERSION_13 } from "./datagrams.ts";

const ID = Uint8Array.of(0xca, 0xfe);

for (const [version, options] of [["1.2", VERSION_12], ["1.3", VERSION_13]] as const) {
  const pair = (): { readonly left: Peer; readonly front: Front; readonly right: Peer } => {
    const front = new Front(options);
    const left = client({ ...options, connectionId: ID });
    run(left, front);
    assert.ok(left.session && front.last.session);
    return { left, front, right: front.last };
  };

  test(`DTLS ${version}: a record replayed by anybody, from anywhere, before and after a NAT rebinding, is delivered once and moves nothing`, () => {
    const { left, front, right } = pair();
    const record = left.send(toUtf8("1"));
    front.receive(record, "c:1");
    for (const from of ["c:1", "thief:1"]) assert.deepEqual(front.receive(record, from), []);
    run(left, front, "c:2", [left.send(toUtf8("2"))]);
    assert.deepEqual([right.texts, front.moves], [["1", "2"], ["c:2"]]);
    // The window goes with the session and not with the address: not even the one it had before.
    for (const from of ["c:1", "c:2", "thief:1"]) assert.deepEqual(front.receive(record, from), []);
    const [older, newer] = [left.send(toUtf8("3")), left.send(toUtf8("4"))];
    front.receive(newer, "c:2");
    // Held back by a thief it opens, and says nothing about where its sender is.
    assert.deepEqual(front.receive(older, "thief:1"), []);
    assert.deepEqual(front.receive(older, "c:2"), []);
    assert.deepEqual([right.texts, front.moves], [["1", "2", "4", "3"], ["c:2"]]);
    assert.equal(front.addresses.get(right.engine), "c:2");
    assert.equal(front.acceptor.deadline, undefined);
  });

  test(`DTLS ${version}: a thief who is faster than the peer is asked, can not answer, and moves nothing`, () => {
    const { left, front, right } = pair();
    const stolen = left.send(toUtf8("mine"));
    const asked = front.receive(stolen, "thief:1");
    assert.deepEqual(asked.map(({ to }) => to), ["thief:1"]);
    for (const answer of left.receive(asked[0]!.bytes)) {
      front.receive(answer, "c:1");
      assert.deepEqual(front.receive(answer, "thief:1"), []);
    }
    assert.deepEqual([front.moves, front.addresses.get(right.engine)], [[], "c:1"]);
    assert.deepEqual(right.texts, ["mine"]);
  });

  test(`DTLS ${version}: an address that nobody proved to be at gets three times what came from there at most, whatever is sent and repeated`, () => {
    const { left, front, right } = pair();
    let received = 0;
    let sent = 0;
    const count = (answers: readonly { readonly to: string; readonly bytes: Uint8Array }[]): void => {
      for (const { to, bytes } of answers) if (to === "victim:1") sent += bytes.length;
      assert.ok(sent <= 3 * received, `${sent} for ${received}`);
    };
    const records = Array.from({ length: 30 }, () => left.send(new Uint8Array(0)));
    for (const [i, record] of [...records, ...records].entries()) {
      // What is no newer record counts for nothing.
      if (i < records.length) received += record.length;
      count(front.receive(record, "victim:1"));
      // What the application says meanwhile goes where the peer was.
      assert.equal(front.addresses.get(right.engine), "c:1");
    }
    for (let now = 1000; now < 60_000; now += 1000) count(front.expire(now));
    assert.ok(sent > 0);
    assert.deepEqual(front.moves, []);
    assert.equal(front.acceptor.deadline, undefined);
  });

  test(`DTLS ${version}: one PSK in both roles cannot be reflected: what either end says, sent back to it, opens nothing [SEC_CF-AUTH-004]`, () => {
    const mirrored = client(options);
    mirrored.receive(...mirrored.sent());
    assert.equal(mirrored.code, "reflected");

    // Each datagram of a handshake, back to who said it, at once and once more at the end.
    const left = client({ ...options, connectionId: ID });
    const front = new Front(options);
    const said: Record<"client" | "server", Uint8Array[]> = { client: [], server: [] };
    let toServer = left.sent();
    while (toServer.length > 0) {
      const toClient = toServer.flatMap((bytes) => {
        said.client.push(bytes);
        // Hellos are told by their random, and end it.
        if (said.client.length > 2) assert.deepEqual(left.receive(bytes), []);
        return front.receive(bytes, "c:1").map((each) => each.bytes);
      });
      toServer = toClient.flatMap((bytes) => {
        said.server.push(bytes);
        front.receive(bytes, "c:1");
        return left.receive(bytes);
      });
    }
    const right = front.last;
    assert.ok(left.session && right.session, `${left.code} ${right.code}`);
    assert.deepEqual(left.session, right.session);
    left.receive(left.send(toUtf8("mine")), ...said.client.slice(2));
    for (const bytes of [right.send(toUtf8("mine")), ...said.server]) front.receive(bytes, "c:1");
    assert.deepEqual([left.texts, right.texts, left.code, right.code], [[], [], "open", "open"]);

    // The Selfie attack: a relay to the client's own server, which has the same key, under the name of the client.
    const selfie = client(options);
    const own = new Front({ ...options, ownIdentities: [toUtf8("another"), IDENTITY] });
    run(selfie, own);
    selfie.expire(30_000);
    own.expire(30_000);
    assert.equal(selfie.session, undefined);
    assert.equal(own.last.session, undefined);
    assert.equal(own.last.code, "reflected");
  });
}
