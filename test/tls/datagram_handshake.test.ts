import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import {
  ALL_SUITES,
  CBC_SHA,
  CBC_SHA256,
  CCM_8,
  ECDHE_CHACHA,
  ECDHE_GCM,
  GCM,
  IDENTITY,
  knowing,
  unknowing,
} from "./pair.ts";
import { alertRecord, client, Front, type Peer, run, secretFrom, shapeOf } from "./datagrams.ts";

function established(
  left: Peer = client(),
  front: Front = new Front(),
): { readonly left: Peer; readonly front: Front; readonly right: Peer } {
  run(left, front);
  assert.ok(left.session, left.code);
  return { left, front, right: front.last };
}

/** Client and server after CH, HVR, CH, flight 4: what the client would say next is in the caller's hand. */
function beforeKeyExchange(options: { readonly mtu?: number } = {}): {
  readonly left: Peer;
  readonly front: Front;
  readonly flight: readonly Uint8Array[];
} {
  const left = client(options);
  const front = new Front(options);
  const [cookie] = front.receive(left.sent()[0]!, "c:1");
  const [hello] = left.receive(cookie!.bytes);
  const answers = front.receive(hello!, "c:1").map(({ bytes }) => bytes);
  return { left, front, flight: left.receive(...answers) };
}

test("every suite, by name or by default, gives a session that carries data both ways [SEC_CF-AUTH-001, SEC_CF-AUTH-002]", () => {
  for (const suite of ALL_SUITES) {
    const { left, right } = established(client({ suites: [suite] }), new Front({ suites: [suite] }));
    for (const session of [left.session!, right.session!]) {
      assert.equal(session.version, 0xfefd);
      assert.equal(session.suite, suite);
      assert.deepEqual(session.identity, IDENTITY);
      assert.ok(session.extendedMasterSecret);
      assert.equal(session.encryptThenMac, suite === CBC_SHA256 || suite === CBC_SHA);
      assert.equal(session.forwardSecret, suite >> 8 === 0xd0 || suite === ECDHE_CHACHA);
    }
    right.receive(left.send(toUtf8("there")));
    left.receive(right.send(toUtf8("back")));
    assert.deepEqual([right.texts, left.texts], [["there"], ["back"]]);
  }
  assert.equal(established().left.session!.suite, ECDHE_GCM);
});

test("the flights are those of RFC 6347 4.2.4, one datagram each, with their numbers", () => {
  const all = run(client(), new Front({ hint: toUtf8("h"), connectionIdLength: 0 }));
  assert.deepEqual(all.map(({ from, bytes }) => [from, shapeOf(bytes, 0).join(" ")]), [
    ["client", "22:0:0"],
    ["server", "22:0:0"],
    ["client", "22:0:1"],
    ["server", "22:0:1 22:0:2 22:0:3"],
    ["client", "22:0:2 20:0:3 22:1:0"],
    ["server", "20:0:4 22:1:0"],
  ]);
});

test("name, hint and identity reach those who ask for the key", () => {
  const left = client({ serverName: "a.example" });
  const front = new Front({ hint: toUtf8("h1") });
  run(left, front);
  assert.deepEqual(left.demands[0], { kind: "psk", version: 0xfefd, suite: ECDHE_GCM, hint: toUtf8("h1") });
  assert.deepEqual(front.last.demands[0], {
    kind: "psk",
    version: 0xfefd,
    suite: ECDHE_GCM,
    identity: IDENTITY,
    serverName: "a.example",
  });
  assert.equal(front.last.session!.serverName, "a.example");
});

test("Connection IDs are used as each side wants to receive, none of no length included (RFC 9146 3)", () => {
  for (const own of [undefined, false, fromHex(""), fromHex("aa"), new Uint8Array(255).fill(5)] as const) {
    for (const length of [0, 4, 8]) {
      for (const suite of [GCM, CBC_SHA256]) {
        const front = new Front({ connectionIdLength: length, suites: [suite] });
        const left = client({ ...(own !== undefined && { connectionId: own }), suites: [suite] });
        const { right } = established(left, front);
        const there = left.send(toUtf8("there"));
        const back = right.send(toUtf8("back"));
        assert.equal(there[0], own !== false && length > 0 ? 25 : 23);
        assert.equal(back[0], own !== false && own !== undefined && own.length > 0 ? 25 : 23);
        assert.equal(left.session!.connectionIds?.server.length, own === false ? undefined : length);
        right.receive(there);
        left.receive(back);
        assert.deepEqual([right.texts, left.texts], [["there"], ["back"]]);
      }
    }
  }
});

test("MAC-then-encrypt, where it is allowed at all, comes without Connection IDs", async () => {
  const { Puppet } = await import("./datagram_puppet.ts");
  const puppet = new Puppet("client", { suite: CBC_SHA256, encryptThenMac: false });
  const right = puppet.server({ suites: [CBC_SHA256], macThenEncrypt: true });
  const hello = puppet.clientHello({ connectionId: new Uint8Array(0) });
  const answers = puppet.hear(...right.receive(hello));
  assert.equal(answers[0]?.type, 22);
  assert.equal(puppet.peerConnectionId, undefined);
});

test("a client takes no MAC-then-encrypt under a Connection ID, and says which of the two it is, as mbedTLS and Scandium choose it", async () => {
  const { Puppet } = await import("./datagram_puppet.ts");
  for (const [connectionId, code] of [[new Uint8Array(2), "downgrade"], [undefined, "open"]] as const) {
    const puppet = new Puppet("server", { suite: CBC_SHA256, encryptThenMac: false });
    const left = client({ suites: [CBC_SHA256], macThenEncrypt: true });
    puppet.hear(...left.sent());
    left.receive(puppet.serverHello({ ...(connectionId && { connectionId }) }));
    assert.equal(left.code, code);
    assert.match(left.closed?.error?.message ?? "under a Connection ID", /under a Connection ID/);
  }
});

test("a flight that nobody answers is said again after 1, 2, 4, 8 seconds, the same messages in new records", () => {
  const left = client();
  const [first] = left.sent();
  const again: number[] = [];
  for (let number = 1; left.engine.deadline! < 30_000; number++) {
    again.push(left.engine.deadline!);
    const [repeated] = left.expire(left.engine.deadline!);
    const record = recordAt(repeated!, 0, 0)!;
    assert.equal(record.number, number);
    assert.deepEqual(record.body, recordAt(first!, 0, 0)!.body);
  }
  assert.deepEqual(again, [1000, 3000, 7000, 15_000]);
  assert.deepEqual(left.expire(29_999), []);
  assert.deepEqual(left.expire(30_000), []);
  assert.equal(left.code, "timeout");
  assert.equal(left.engine.deadline, undefined);
});

test("the wait never gets longer than 60 seconds, and begins where it is told to", () => {
  const left = client({ retransmitSeconds: 9, handshakeSeconds: 400 });
  const again: number[] = [];
  while (left.engine.deadline! < 400_000) {
    again.push(left.engine.deadline! / 1000);
    left.expire(left.engine.deadline!);
  }
  assert.deepEqual(again, [9, 27, 63, 123, 183, 243, 303, 363]);
});

test("any one datagram of a handshake may be lost", () => {
  for (let lost = 0; lost < 6; lost++) {
    const left = client();
    const front = new Front();
    let count = 0;
    let now = 0;
    let toServer = left.sent();
    while ((!left.session || !front.last.session) && now < 20_000) {
      const toClient: Uint8Array[] = [];
      for (const bytes of toServer) {
        if (count++ !== lost) toClient.push(...front.receive(bytes, "c:1").map((each) => each.bytes));
      }
      toServer = [];
      for (const bytes of toClient) if (count++ !== lost) toServer.push(...left.receive(bytes));
      if (toServer.length > 0) continue;
      now += 250;
      const retold = front.expire(now).map((each) => each.bytes);
      for (const bytes of retold) if (count++ !== lost) toServer.push(...left.receive(bytes));
      left.now = now;
      if ((left.engine.deadline ?? Infinity) <= now) toServer.push(...left.expire(now));
    }
    assert.ok(left.session && front.last.session, `datagram ${lost}`);
    assert.ok(now <= 1250, `datagram ${lost}: ${now}`);
  }
});

test("each datagram of a handshake may come twice, and nothing is said or established twice", () => {
  const left = client();
  const front = new Front();
  let toServer = left.sent();
  let datagrams = 0;
  while (toServer.length > 0) {
    datagrams += toServer.length;
    const toClient = toServer.flatMap((bytes) => [bytes, bytes]).flatMap((bytes) => front.receive(bytes, "c:1"));
    toServer = toClient.flatMap(({ bytes }) => [...left.receive(bytes), ...left.receive(bytes)]);
  }
  assert.ok(left.session);
  assert.equal(front.peers.size, 1);
  assert.equal(datagrams, 3);
});

test("a server answers the repeated last flight of its client with its own, until the client speaks", () => {
  const { left, front, flight } = beforeKeyExchange();
  const lost = front.receive(flight[0]!, "c:1");
  assert.equal(lost.length, 1);
  const right = front.last;
  assert.ok(right.session);
  assert.equal(right.engine.deadline, undefined);
  front.now = 1000;
  const [again] = left.expire(1000);
  // The very same datagram is a replay, and is answered by nothing.
  assert.deepEqual(front.receive(flight[0]!, "c:1"), []);
  const [answer] = front.receive(again!, "c:1");
  assert.notDeepEqual(answer!.bytes, lost[0]!.bytes);
  left.receive(answer!.bytes);
  assert.ok(left.session);
  right.receive(left.send(toUtf8("x")));
  assert.deepEqual(right.texts, ["x"]);
  assert.deepEqual(left.receive(lost[0]!.bytes), []);
});

test("a repetition that comes at once is not answered: it is the network's", () => {
  const { left, front, flight } = beforeKeyExchange();
  front.receive(flight[0]!, "c:1");
  front.now = 200;
  const [again] = left.expire(1000);
  assert.deepEqual(front.receive(again!, "c:1"), []);
  front.now = 300;
  left.now = 300;
  const [third] = left.expire(3000);
  assert.equal(front.receive(third!, "c:1").length, 1);
});

test("the client's last flight may come in any order: Finished first, ChangeCipherSpec before the key exchange", () => {
  const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
  for (const order of orders) {
    const { left, front, flight } = beforeKeyExchange();
    const records: Uint8Array[] = [];
    for (let at = 0; at < flight[0]!.length;) {
      const { whole } = recordAt(flight[0]!, at, 8)!;
      records.push(whole);
      at += whole.length;
    }
    assert.equal(records.length, 3);
    const answers = order.flatMap((i) => front.receive(records[i]!, "c:1"));
    assert.ok(front.last.session, String(order));
    for (const { bytes } of answers) left.receive(bytes);
    assert.ok(left.session);
  }
});

test("flights are cut to the path and put together again, at any length of datagram", () => {
  for (const mtu of [128, 129, 140, 200, 300]) {
    const front = new Front({ mtu, hint: new Uint8Array(128).fill(0x41) });
    // Under 160 bytes a hello with a cookie has no room for all suites, and a server takes it in one piece alone.
    const left = client({ mtu, connectionId: fromHex("aabbccdd"), ...(mtu < 160 && { suites: [GCM] }) });
    for (const { bytes } of run(left, front)) assert.ok(bytes.length <= mtu, `${bytes.length} of ${mtu}`);
    assert.ok(left.session && front.last.session, `mtu ${mtu}: ${left.code}`);
  }
});

test("one call of send is one datagram; what is too long for the path is too-large, and nothing has happened", () => {
  const { left, right } = established(client({ mtu: 200 }));
  assert.throws(() => left.engine.send(new Uint8Array(200), 0), { code: "too-large" });
  assert.deepEqual(left.sent(), []);
  let most = 200;
  while (most > 0) {
    try {
      left.engine.send(new Uint8Array(most), 0);
      break;
    } catch {
      most--;
    }
  }
  const [datagram] = left.sent();
  assert.equal(datagram!.length, 200);
  right.receive(datagram!, left.send(new Uint8Array(0)));
  assert.deepEqual(right.data.map((bytes) => bytes.length), [most, 0]);
});

test("a key lookup that takes long stops the timers of its own side, and the deadline goes on", () => {
  const left = client();
  const front = new Front({}, () => undefined);
  run(left, front);
  const right = front.last;
  assert.equal(right.engine.deadline, 30_000);
  const [again] = left.expire(1000);
  front.now = 1000;
  assert.deepEqual(front.receive(again!, "c:1"), []);
  right.now = 1500;
  const [answer] = right.answer(right.demands[0]!, knowing(right.demands[0]!)!);
  left.receive(answer!);
  assert.ok(left.session && right.session);

  const late = new Front({}, () => undefined);
  run(client(), late);
  late.expire(30_000);
  assert.equal(late.last.code, "timeout");
  assert.throws(() => late.last.answer(late.last.demands[0]!, { kind: "unknown" }), { code: "state" });
});

test("alerts in the clear end nothing; where the time runs out they are the likely reason", () => {
  const left = client();
  const hello = left.sent();
  for (const description of [0, 10, 20, 40, 47, 70]) left.receive(alertRecord(description));
  left.receive(alertRecord(100, 1), alertRecord(3, 9), Uint8Array.of(21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2));
  assert.equal(left.code, "open");
  run(left, new Front(), "c:1", hello);
  assert.ok(left.session);

  const refused = client({ suites: [GCM] });
  run(refused, new Front({ suites: [CCM_8] }));
  assert.equal(refused.code, "open");
  refused.expire(30_000);
  assert.equal(refused.code, "timeout");
  const { cause } = refused.closed!.error as SeccfError;
  assert.ok(cause instanceof SeccfError && cause.code === "unsupported");
});

test("close_notify is answered and ends both; in the clear it is nothing", () => {
  const { left, right, front } = established();
  left.receive(alertRecord(0, 1));
  assert.equal(left.code, "open");
  const [farewell] = left.close();
  assert.equal(left.code, "none");
  const [answer] = front.receive(farewell!, "c:1");
  assert.equal(right.code, "none");
  assert.deepEqual(left.receive(answer!.bytes), []);
  assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
  assert.throws(() => left.engine.send(toUtf8("x"), 0), { code: "state" });
});

test("data in the datagram of a farewell is still whole when it is polled", () => {
  const { left, right } = established();
  const data = left.send(toUtf8("last words"));
  const [farewell] = left.close();
  right.receive(concat(data, farewell!));
  assert.deepEqual(right.texts, ["last words"]);
  assert.equal(right.code, "none");
});

test("a replayed record is not handed out twice, a lost one is not missed [SEC_CF-AUTH-004]", () => {
  const { left, right } = established();
  const sent = Array.from({ length: 200 }, (_, i) => left.send(toUtf8(String(i))));
  right.receive(sent[0]!, sent[199]!, sent[199]!, sent[150]!, sent[136]!, sent[135]!, sent[0]!);
  assert.deepEqual(right.texts, ["0", "199", "150", "136"]);
  assert.equal(right.code, "open");
});

test("a wrong key and an unknown identity look alike to the peer, to the byte and to the millisecond [SEC_CF-AUTH-001]", () => {
  const seen = [
    unknowing,
    () => ({ kind: "psk" as const, identity: IDENTITY, key: secretFrom(fromHex("ff".repeat(16))) }),
  ]
    .map((answerer) => {
      const left = client();
      const front = new Front({}, answerer);
      const all = run(left, front).map(({ from, bytes }) => [from, shapeOf(bytes)]);
      for (let now = 250; now <= 30_000; now += 250) {
        front.now = now;
        left.now = now;
        if ((left.engine.deadline ?? Infinity) > now) continue;
        for (const bytes of left.expire(now)) {
          all.push(...front.receive(bytes, "c:1").map((each) => [now, each.to]) as never[]);
        }
      }
      front.expire(30_000);
      assert.equal(left.session, undefined);
      assert.equal(front.last.session, undefined);
      assert.equal(left.code, "timeout");
      assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
      return { all, code: front.last.code, cause: (front.last.closed?.error as SeccfError).cause };
    });
  assert.deepEqual(seen[0]!.all, seen[1]!.all);
  // The local side may know.
  assert.equal(seen[0]!.code, "auth-failed");
  assert.equal(seen[1]!.code, "timeout");
  assert.ok(seen[1]!.cause instanceof SeccfError && seen[1]!.cause.code === "auth-failed");
});

test("a client without a key says so at once, and an impostor without one gets no session [SEC_CF-AUTH-002]", () => {
  const left = client({}, unknowing);
  run(left, new Front());
  assert.equal(left.code, "key-unavailable");
  const wrong = client({}, () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(fromHex("ff".repeat(16))) }));
  run(wrong, new Front());
  wrong.expire(30_000);
  assert.equal(wrong.code, "timeout");
});

test("one key in both roles can not be reflected: what a client says, sent back to it, opens nothing", () => {
  const left = client();
  const [hello] = left.sent();
  left.receive(hello!);
  assert.equal(left.code, "reflected");

  const { left: open, right } = established();
  const record = open.send(toUtf8("mine"));
  open.receive(record);
  assert.deepEqual(open.texts, []);
  right.receive(right.send(toUtf8("mine")));
  assert.deepEqual(right.texts, []);

  const relayed = new Front({ ownIdentities: [IDENTITY] });
  const selfie = client();
  run(selfie, relayed);
  selfie.expire(30_000);
  relayed.expire(30_000);
  assert.equal(selfie.session, undefined);
  assert.equal(relayed.last.code, "reflected");
});

test("a client follows few cookies, and a HelloVerifyRequest of no version is nothing", () => {
  const left = client();
  left.sent();
  const verify = (seq: number, version: number): Uint8Array =>
    concat(
      Uint8Array.of(22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, seq, 0, 16),
      Uint8Array.of(3, 0, 0, 4, 0, seq, 0, 0, 0, 0, 0, 4, version >> 8, version & 255, 1, seq),
    );
  assert.deepEqual(left.receive(verify(0, 0x0303)), []);
  for (let seq = 0; seq < 4; seq++) assert.equal(left.receive(verify(seq, 0xfeff)).length, 1);
  assert.deepEqual(left.receive(verify(4, 0xfeff)), []);
  assert.equal(left.code, "open");
});

test("outputs must be polled, and a disposed engine is one", () => {
  const left = client();
  left.engine.expire(1000);
  assert.throws(() => left.engine.receive(new Uint8Array(0), 0), { code: "state" });
  left.sent();
  left.engine[Symbol.dispose]();
  left.engine[Symbol.dispose]();
  assert.throws(() => left.engine.receive(new Uint8Array(0), 0), { code: "state" });
  assert.throws(() => left.engine.send(new Uint8Array(0), 0), { code: "state" });
});

test("an idle session keeps no timer", () => {
  const { left, right } = established();
  assert.equal(left.engine.deadline, undefined);
  assert.equal(right.engine.deadline, undefined);
  assert.deepEqual(left.expire(1e9), []);
});

test("options that make no sense are a RangeError", () => {
  for (const mtu of [0, 127, 65_508, 1.5, NaN]) assert.throws(() => client({ mtu }), RangeError);
  for (const retransmitSeconds of [0, -1, NaN, Infinity]) {
    assert.throws(() => client({ retransmitSeconds }), RangeError);
  }
  assert.throws(() => client({ connectionId: new Uint8Array(256) }), RangeError);
  assert.throws(() => client({ serverName: "1.2.3.4" }), RangeError);
  for (const connectionIdLength of [1, 3, -1, 256, 4.5]) {
    assert.throws(() => new Front({ connectionIdLength }), RangeError);
  }
  assert.throws(() => new Front({ connectionIdLength: 8, nodeId: new Uint8Array(5) }), RangeError);
  assert.throws(() => new Front({ connectionIdLength: 0, nodeId: new Uint8Array(1) }), RangeError);
  assert.throws(() => new Front({ maxHandshakes: 0 }), RangeError);
  assert.throws(() => new Front({ suites: [] }), RangeError);
  assert.throws(() => new Front({ mtu: 3 }), RangeError);
});
