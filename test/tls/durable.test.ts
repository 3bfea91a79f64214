import assert from "node:assert/strict";
import test from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { SeccfError } from "../../lib/error.ts";
import { DurableNumbers } from "../../lib/tls/record/durable_numbers.ts";
import { decodeSavedSession, encodeSavedSession, type SavedSession } from "../../lib/tls/saved_session.ts";
import { seededRandom } from "../support/virtual.ts";
import { copy, established, keep, restoredClient, revivedServer, Shelf, VERSIONS } from "./durable_world.ts";
import { client, Front, type Peer, PSK, run } from "./datagrams.ts";

const code = (code: string) => (error: unknown) => error instanceof SeccfError && error.code === code;

for (const [name, version] of VERSIONS) {
  const of = { versions: [version] };

  test(`DTLS ${name}: a client that was put to sleep goes on in the same session, and its server notices nothing`, () => {
    const { client, server, shelves } = established(of);
    const state = client.engine.durable!.save();
    client.engine[Symbol.dispose]();
    const woken = restoredClient(state, 5000);
    assert.equal(woken.engine.durable!.left, 0);
    assert.throws(() => woken.engine.send(toUtf8("too early"), 5000), code("exhausted"));
    keep(woken, shelves.client);
    server.receive(woken.send(toUtf8("I slept")));
    keep(server, shelves.server);
    assert.deepEqual(server.texts, ["I slept"]);
    woken.receive(server.send(toUtf8("welcome")));
    keep(woken, shelves.client);
    assert.deepEqual(woken.texts, ["welcome"]);
  });

  test(`DTLS ${name}: a server that was restarted knows its client again by the Connection ID, at once where it was`, () => {
    const { client, shelves } = established(of);
    const datagram = client.send(toUtf8("still there?"));
    const back = revivedServer(shelves.server.states.at(-1)!, datagram)!;
    assert.deepEqual(back.peer.texts, [], "nothing is delivered before it is on record");
    keep(back.peer, shelves.server);
    assert.deepEqual(back.peer.texts, ["still there?"]);
    assert.deepEqual(back.front.moves, []);
    client.receive(back.peer.send(toUtf8("yes")));
    keep(client, shelves.client);
    assert.deepEqual(client.texts, ["yes"]);
  });

  test(`DTLS ${name}: a client that woke elsewhere is asked there before anything else goes there`, () => {
    const { client, shelves } = established(of);
    const back = revivedServer(shelves.server.states.at(-1)!, client.send(toUtf8("moved")), 0, "elsewhere:9")!;
    assert.deepEqual(back.front.addresses.get(back.peer.engine), "c:1");
    keep(back.peer, shelves.server);
    const asked = back.front.drain();
    assert.deepEqual(asked.map(({ to }) => to), ["elsewhere:9"]);
    const [answer] = client.receive(...asked.map(({ bytes }) => bytes));
    keep(client, shelves.client);
    const answers = answer ? [answer] : client.sent();
    for (const bytes of answers) back.front.receive(bytes, "elsewhere:9");
    keep(back.peer, shelves.server);
    back.front.drain();
    assert.deepEqual(back.front.moves, ["elsewhere:9"]);
  });

  test(`DTLS ${name}: a server brings no session back for a stranger, nor for a copy of what it had before`, () => {
    const { client, server, shelves } = established(of);
    const old = client.send(toUtf8("once"));
    server.receive(old);
    keep(server, shelves.server);
    assert.deepEqual(server.texts, ["once"]);
    const state = shelves.server.states.at(-1)!;
    assert.equal(revivedServer(copy(state), old), undefined);
    for (const at of [3, 20, 25, 30, -1]) {
      const forged = new Uint8Array(client.send(toUtf8("new")));
      forged[(at + forged.length) % forged.length]! ^= 1;
      const front = new Front({ durable: true });
      const name = front.acceptor.missing!(forged, "c:1");
      assert.equal(front.acceptor.revive!({ state, from: "c:1" }, forged, "c:1", 0), false, `byte ${at} of ${name}`);
      assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
    }
  });

  test(`DTLS ${name}: who has proved nothing takes no place from a handshake; who has proved itself does`, () => {
    const { client: left, shelves } = established(of);
    const state = shelves.server.states.at(-1)!;
    const datagram = left.send(toUtf8("awake"));
    const forged = new Uint8Array(datagram);
    forged[forged.length - 1]! ^= 1;
    const front = new Front({ durable: true, maxEngines: 1, random: seededRandom(5) });
    const other = client();
    const [verify] = front.receive(other.sent()[0]!, "d:1");
    front.receive(other.receive(verify!.bytes)[0]!, "d:1");
    assert.equal(front.acceptor.counts.handshakes, 1);
    assert.equal(front.acceptor.revive!({ state: copy(state), from: "c:1" }, forged, "c:1", 0), false);
    assert.equal(front.acceptor.counts.handshakes, 1);
    assert.equal(front.acceptor.revive!({ state: copy(state), from: "c:1" }, datagram, "c:1", 0), true);
    assert.deepEqual([front.acceptor.counts.engines, front.acceptor.counts.handshakes], [1, 0]);
  });

  test(`DTLS ${name}: twins of one save, and a late restore of an old one, use no number twice`, () => {
    const { client, shelves, numbersOf } = established(of);
    const old = shelves.client.states[0]!;
    const sent = new Set<string>();
    const all = [client, restoredClient(copy(old)), restoredClient(copy(old))];
    for (let round = 0; round < 2000; round++) {
      for (const peer of all) {
        while (keep(peer, shelves.client));
        for (const number of numbersOf("client", peer.send(Uint8Array.of(round)))) {
          assert.ok(!sent.has(number), number);
          sent.add(number);
        }
      }
      if (round === 1000) all.push(restoredClient(copy(old)));
    }
    assert.equal(sent.size, 2000 * 3 + 999);
  });

  test(`DTLS ${name}: where the counter is lost and the last record is not, no number comes again either`, () => {
    const { client, shelves, numbersOf } = established(of);
    const sent = new Set<string>();
    let peer = client;
    for (let life = 0; life < 5; life++) {
      for (let i = 0; i < 1500; i++) {
        const [number = ""] = numbersOf("client", peer.send(Uint8Array.of(i)));
        assert.ok(!sent.has(number), `life ${life}, number ${number}`);
        sent.add(number);
        keep(peer, shelves.client);
      }
      shelves.client.counters.clear();
      peer = restoredClient(copy(shelves.client.states.at(-1)!));
      keep(peer, shelves.client);
    }
  });

  test(`DTLS ${name}: a session whose numbers are not on record sends nothing, and an engine that is over is not saved`, () => {
    const { client, shelves } = established(of);
    const { durable } = client.engine;
    let sent = 0;
    assert.throws(() => {
      for (;; sent++) client.send(Uint8Array.of(1));
    }, code("exhausted"));
    assert.equal(sent, name === "1.2" ? 1024 : 56);
    const claim = durable!.claim!;
    assert.equal(claim, durable!.claim);
    assert.throws(() => durable!.grant({ ...claim }, claim.above, 0), code("state"));
    assert.throws(() => durable!.grant(claim, claim.above - 1, 0), code("state"));
    keep(client, shelves.client);
    client.send(Uint8Array.of(1));
    client.close();
    assert.equal(durable!.claim, undefined);
    assert.throws(() => durable!.save(), code("state"));
  });

  test(`DTLS ${name}: nothing is delivered before it is on record, and a peer that speaks now and then loses nothing to a crash`, () => {
    const { client, server, shelves } = established(of);
    let now = 0;
    let receiver = server;
    const texts: string[] = [];
    for (let i = 0; i < 10; i++) {
      now += 5000;
      receiver.now = now;
      const datagram = client.send(toUtf8(`${i}`));
      if (i % 3 === 2) receiver = revivedServer(copy(shelves.server.states.at(-1)!), datagram, now)!.peer;
      else {
        const before = receiver.data.length;
        receiver.receive(datagram);
        assert.equal(receiver.data.length, before);
      }
      keep(receiver, shelves.server);
      texts.push(...receiver.texts);
      receiver.data.length = 0;
    }
    assert.deepEqual(texts, [..."0123456789"]);
  });

  test(`DTLS ${name}: a peer that says much has little put on record, and a crash then costs at most 64 of its records`, () => {
    const { client, server, shelves } = established(of);
    const before = shelves.server.claims;
    for (let i = 0; i < 1000; i++) {
      server.receive(client.send(Uint8Array.of(i >> 8, i)));
      while (keep(server, shelves.server));
      keep(client, shelves.client);
    }
    assert.equal(server.data.length, 1000);
    assert.ok(shelves.server.claims - before < 50, `${shelves.server.claims - before} claims`);
    let lost = 0;
    let back;
    for (; !back; lost++) {
      back = revivedServer(copy(shelves.server.states.at(-1)!), client.send(toUtf8("again")));
      keep(client, shelves.client);
    }
    assert.ok(lost - 1 <= 64, `${lost - 1}`);
  });

  test(`DTLS ${name}: once a peer that said much has been silent for a second, a crash costs nothing`, () => {
    const { client, server, shelves } = established(of);
    for (let i = 0; i < 200; i++) {
      server.receive(client.send(Uint8Array.of(i)));
      while (keep(server, shelves.server));
      keep(client, shelves.client);
    }
    assert.equal(server.engine.deadline, 1000);
    server.expire(1000);
    keep(server, shelves.server);
    // In version 1.3 the client's last words of the handshake may still come for four minutes.
    assert.equal(server.engine.deadline, name === "1.2" ? undefined : 240_000);
    assert.ok(revivedServer(copy(shelves.server.states.at(-1)!), client.send(toUtf8("again"))));
  });

  test(`DTLS ${name}: while the ceiling comes down, nothing is delivered that the lower one does not cover`, () => {
    const { client, server, shelves } = established(of);
    for (let i = 0; i < 200; i++) {
      server.receive(client.send(Uint8Array.of(i)));
      while (keep(server, shelves.server));
      keep(client, shelves.client);
    }
    server.expire(1000);
    keep(server, shelves.server, 2);
    server.data.length = 0;
    const datagram = client.send(toUtf8("once"));
    server.receive(datagram);
    assert.deepEqual(server.texts, [], "what is on record by now would let it in again");
    const back = revivedServer(copy(shelves.server.states.at(-1)!), datagram, 1000)!;
    keep(back.peer, shelves.server);
    assert.deepEqual(back.peer.texts, ["once"]);
  });

  test(`DTLS ${name}: a save as it is now keeps the window exact: what came late is still taken, once`, () => {
    const { client, server, shelves } = established(of);
    const late = client.send(toUtf8("late"));
    const early = client.send(toUtf8("early"));
    server.receive(early);
    keep(server, shelves.server);
    const state = server.engine.durable!.save();
    server.engine[Symbol.dispose]();
    assert.equal(revivedServer(copy(state), early), undefined);
    const back = revivedServer(copy(state), client.send(toUtf8("wake")))!;
    back.front.receive(late, "c:1");
    back.front.receive(early, "c:1");
    keep(back.peer, shelves.server);
    back.front.drain();
    back.front.receive(late, "c:1");
    back.front.receive(early, "c:1");
    while (keep(back.peer, shelves.server));
    assert.deepEqual(back.peer.texts.toSorted(), ["late", "wake"]);
  });

  test(`DTLS ${name}: a saved session knows its key from another, before its save and after`, () => {
    const { client, server, shelves } = established(of);
    const back = restoredClient(copy(shelves.client.states.at(-1)!));
    for (const { engine } of [client, server, back]) {
      using same = secretFrom(PSK);
      using longer = secretFrom(Uint8Array.of(...PSK, 1));
      using other = secretFrom(Uint8Array.from(PSK, (byte, i) => i === 0 ? byte ^ 1 : byte));
      assert.deepEqual([same, longer, other].map((key) => engine.durable!.isOf(key)), [true, false, false]);
    }
  });

  test(`DTLS ${name}: only an answer that itself came from there moves a peer, whoever else says something before it is on record`, () => {
    const { client, server, front, shelves } = established(of);
    const ask = (at: string): Uint8Array => {
      const [question] = front.receive(client.send(toUtf8("from here")), at).filter(({ to }) => to === at);
      keep(server, shelves.server);
      front.drain();
      const sent = client.receive(question!.bytes);
      keep(client, shelves.client);
      return sent[0] ?? client.sent()[0]!;
    };
    const answer = ask("attacker:6");
    // Somebody passes on the question, but can not keep the answer from going its own way.
    front.receive(answer, "c:1");
    front.receive(Uint8Array.of(0), "attacker:6");
    keep(server, shelves.server);
    front.drain();
    assert.deepEqual(front.moves, []);
    front.receive(ask("elsewhere:9"), "elsewhere:9");
    front.receive(Uint8Array.of(0), "another:1");
    keep(server, shelves.server);
    front.drain();
    assert.deepEqual(front.moves, ["elsewhere:9"]);
  });

  test(`DTLS ${name}: a copy of a record that waits until it is on record takes no other record's place`, () => {
    const { client, server, shelves } = established(of);
    const words = Array.from({ length: 40 }, (_, i) => `${i}`);
    const [first, ...rest] = words.map((word) => client.send(toUtf8(word))) as [Uint8Array, ...Uint8Array[]];
    for (let i = 0; i < 64; i++) server.receive(first);
    server.receive(...rest);
    while (keep(server, shelves.server));
    assert.deepEqual(server.texts, words);
  });
}

test("engines that were not asked for it have nothing to save", () => {
  const front = new Front();
  const left = client();
  run(left, front);
  assert.equal(left.engine.durable, undefined);
  assert.equal(front.last.engine.durable, undefined);
  assert.equal(client({ durable: true }).engine.durable, undefined, "not before it is established");
});

test("a peer that says the last number there is brings this end to nothing: the number is never delivered", () => {
  const numbers = new DurableNumbers(0, -1, 0);
  numbers.grant(numbers.claim!.above);
  const whole = Uint8Array.of(1);
  for (const number of [2 ** 48 - 1, 2 ** 48 - 2]) assert.equal(numbers.admits(number, whole), false);
  const claim = numbers.claim!;
  assert.equal(claim.ceiling, 2 ** 48 - 1);
  const { server } = established();
  const saved = decodeSavedSession(server.engine.durable!.save()) as SavedSession;
  const window = { highest: claim.ceiling - 1, low: 0xffffffff, high: 0xffffffff };
  assert.deepEqual(decodeSavedSession(encodeSavedSession({ ...saved, window })).window, window);
  assert.equal(numbers.grant(claim.above).length, 1);
  assert.equal(numbers.admits(2 ** 48 - 2, whole), true);
  assert.equal(numbers.admits(2 ** 48 - 1, whole), false);
  assert.equal(numbers.claim, undefined, "nothing is asked of the store again and again");
});

/** Bytes of the longest piece that `peer` takes. */
function longest(peer: Peer): number {
  for (let length = 1300;; length--) {
    try {
      peer.engine.send(new Uint8Array(length), 0);
      peer.sent();
      return length;
    } catch (error) {
      assert.ok(code("too-large")(error));
    }
  }
}

test("a session that comes back keeps to the record sizes that were agreed (RFC 8449 4)", () => {
  const plain = expose(established().client.engine.durable!.save()).length;
  for (const recordSizeLimit of [64, 100, 512, 16_384]) {
    const { client, server, shelves } = established({ recordSizeLimit });
    const before = [longest(client), longest(server)];
    // Where Connection IDs are agreed, one byte is left for the type inside (RFC 9146 4).
    if (recordSizeLimit <= 512) assert.equal(before[1], recordSizeLimit - 1);
    const state = client.engine.durable!.save();
    assert.equal(expose(state).length, plain + 4);
    const woken = restoredClient(state);
    keep(woken, shelves.client);
    const kept = server.engine.durable!.save();
    const back = revivedServer(kept, woken.send(toUtf8("here")))!;
    keep(back.peer, shelves.server);
    assert.deepEqual([longest(woken), longest(back.peer)], before);
    if (recordSizeLimit > 512) continue;
    const sizes = { sent: 16_384, received: 16_384 };
    const without = encodeSavedSession({ ...decodeSavedSession(kept) as SavedSession, sizes, above: 5000 });
    const loose = revivedServer(without, woken.send(toUtf8("here")))!;
    keep(loose.peer, shelves.server);
    woken.receive(
      loose.peer.send(new Uint8Array(recordSizeLimit + 1)),
      loose.peer.send(new Uint8Array(recordSizeLimit)),
    );
    keep(woken, shelves.client);
    assert.deepEqual(woken.data.map(({ length }) => length), [recordSizeLimit], "a longer one is dropped");
  }
});

test("a server that was killed before it acknowledged Finished does so when it is said again, and the handshake ends well", () => {
  for (const durable of [false, true]) {
    const front = new Front({ durable: true, versions: [0xfefc] });
    const left = client({ durable, versions: [0xfefc] });
    const [retry] = front.receive(left.sent()[0]!, "c:1");
    const flight = front.receive(left.receive(retry!.bytes)[0]!, "c:1").flatMap(({ bytes }) => left.receive(bytes));
    for (const bytes of flight) front.receive(bytes, "c:1");
    const shelf = new Shelf();
    keep(front.last, shelf, 2);
    const [state] = shelf.states as [typeof shelf.states[0]];
    assert.equal(revivedServer(copy(state!), flight[0]!), undefined, "what was said before proves nothing");
    const again = left.expire(left.engine.deadline!);
    const back = revivedServer(copy(state!), again[0]!, left.now)!;
    while (keep(back.peer, shelf));
    left.receive(...back.peer.sent());
    assert.ok(left.session);
    const before = shelf.states.length;
    while (keep(left, new Shelf()));
    back.peer.receive(left.send(toUtf8("here")));
    while (keep(back.peer, shelf));
    assert.deepEqual(back.peer.texts, ["here"]);
    // Once it was heard under the keys of data, those of the handshake are not saved any more.
    assert.equal(shelf.states.at(-1)!.byteLength, shelf.states[before - 1]!.byteLength - 32);
  }
});

test("a server that renews its key before its client knows that the handshake is over is heard in either epoch after a crash", () => {
  for (const isAcknowledged of [false, true]) {
    const front = new Front({ versions: [0xfefc], recordsPerKey: 1 });
    const left = client({ durable: true, versions: [0xfefc] });
    const [retry] = front.receive(left.sent()[0]!, "c:1");
    const flight = front.receive(left.receive(retry!.bytes)[0]!, "c:1").flatMap(({ bytes }) => left.receive(bytes));
    const last = flight.flatMap((bytes) => front.receive(bytes, "c:1")).map(({ bytes }) => bytes);
    // The ACK of Finished, and a KeyUpdate, which comes first.
    assert.equal(last.length, 2);
    const shelf = new Shelf();
    const answers = left.receive(...last.toReversed());
    assert.ok(left.session);
    keep(left, shelf, 2);
    const woken = restoredClient(copy(shelf.states.at(-1)!));
    keep(woken, shelf);
    if (isAcknowledged) { for (const bytes of answers) front.receive(bytes, "c:1"); }
    const word = front.last.send(toUtf8("here"));
    assert.equal(word[0]! & 3, isAcknowledged ? 0 : 3, "epoch 4 or 3");
    woken.receive(word);
    while (keep(woken, shelf));
    assert.deepEqual(woken.texts, ["here"]);
  }
});
