// RFC 5077, RFC 5246 7.3 over RFC 6347 4.2.4: who says the last flight says it again; RFC 9146 3: Connection IDs are agreed anew.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { createResumption, type DtlsAcceptorOptions, type DtlsOptions, type Resumable } from "../../lib/tls/mod.ts";
import { ticketsOf } from "../../lib/tls/resumption.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, Front, type Peer, run, shapeOf } from "./datagrams.ts";
import { simulate } from "./network.ts";
import { ALL_SUITES, type Answerer, CBC_SHA256, ECDHE_GCM, GCM, IDENTITY, PSK } from "./pair.ts";

const END = 3_600_000;
const V12 = [0xfefd];

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: END });

let seed = 5000;
const store = (maxSessions = 1000) => ticketsOf(createResumption({ random: seededRandom(seed++), maxSessions }));

function near(options: Partial<DtlsOptions> = {}): Peer {
  return client({ versions: V12, resumable: true, random: seededRandom(seed++), ...options }, lasting);
}

function far(options: Partial<DtlsAcceptorOptions>): Front {
  return new Front({ versions: V12, random: seededRandom(seed++), ...options }, lasting);
}

function carries(left: Peer, right: Peer): void {
  right.receive(left.send(toUtf8("there")));
  left.receive(right.send(toUtf8("back")));
  assert.deepEqual([right.texts.at(-1), left.texts.at(-1)], ["there", "back"]);
}

function isResumed(left: Peer, right: Peer): void {
  assert.ok(left.session?.resumed && right.session?.resumed, `${left.code} ${right.code}`);
  assert.equal(left.demands.length, 0);
  carries(left, right);
}

test("a ticket brings a session back in five datagrams, with every suite", () => {
  for (const suite of ALL_SUITES) {
    using resumption = store();
    const options = { suites: [suite] };
    const first = near(options);
    run(first, far({ resumption, ...options }));
    using state = first.resumable!;
    const again = near({ resume: state, ...options });
    const front = far({ resumption, ...options });
    const all = run(again, front);
    assert.deepEqual(
      all.map(({ from, bytes }) => [from, shapeOf(bytes, from === "client" ? 8 : 0).join(" ")]).slice(3),
      [
        ["server", "22:0:1 20:0:2 22:1:0"],
        ["client", "20:0:2 25:1:0"],
      ],
    );
    isResumed(again, front.last);
    assert.deepEqual(front.last.demands, [{ kind: "psk", version: 0xfefd, suite, identity: IDENTITY }]);
  }
});

test("Connection IDs are agreed anew each time, in every mix of lengths, whatever the session had before (RFC 9146 3)", () => {
  const ids = [false, fromHex(""), fromHex("aa"), fromHex("a1a2a3a4")] as const;
  for (const [firstId, nextId] of ids.flatMap((one) => ids.map((other) => [one, other] as const))) {
    for (const length of [0, 8]) {
      for (const suite of [GCM, CBC_SHA256]) {
        using resumption = store();
        const options = { suites: [suite] };
        const first = near({ connectionId: firstId, ...options });
        run(first, far({ resumption, connectionIdLength: length, ...options }));
        using state = first.resumable!;
        const again = near({ resume: state, connectionId: nextId, ...options });
        const front = far({ resumption, connectionIdLength: length, ...options });
        run(again, front);
        isResumed(again, front.last);
        const agreed = again.session!.connectionIds;
        assert.deepEqual(agreed, front.last.session!.connectionIds);
        assert.deepEqual(agreed?.client, nextId === false ? undefined : nextId);
        assert.equal(agreed?.server.length, nextId === false ? undefined : length);
        if (firstId !== false && nextId !== false && length > 0) {
          assert.notDeepEqual(agreed!.server, first.session!.connectionIds!.server);
        }
        assert.equal(again.send(toUtf8("x"))[0], nextId !== false && length > 0 ? 25 : 23);
      }
    }
  }
});

/** A handshake that goes on, with one datagram lost; every quarter of a second the timers are looked at. */
function losing(lost: number, lookup = false): { left: Peer; right: Peer; took: number } {
  using resumption = store();
  const first = near();
  run(first, far({ resumption }));
  using state = first.resumable!;
  const left = near({ resume: state });
  const front = new Front(
    { versions: V12, resumption, random: seededRandom(seed++) },
    lookup ? () => undefined : lasting,
  );
  let count = 0;
  let now = 0;
  let toServer = left.sent();
  const passes = () => count++ !== lost;
  while ((!left.session || !front.peers.size || !front.last.session) && now < 20_000) {
    const toClient = toServer.filter(passes).flatMap((bytes) => front.receive(bytes, "c:1").map((each) => each.bytes));
    toServer = toClient.filter(passes).flatMap((bytes) => left.receive(bytes));
    if (toServer.length > 0) continue;
    now += 250;
    front.now = now;
    if (lookup && now === 3000) {
      const { last } = front;
      toServer = last.answer(last.demands[0]!, lasting(last.demands[0]!)!).filter(passes)
        .flatMap((bytes) => left.receive(bytes));
    }
    for (const { bytes } of front.expire(now)) if (passes()) toServer.push(...left.receive(bytes));
    left.now = now;
    if ((left.engine.deadline ?? Infinity) <= now) toServer.push(...left.expire(now));
  }
  return { left, right: front.last, took: now };
}

test("any one datagram of a handshake that goes on may be lost, its last one too, which its client says again", () => {
  for (let lost = 0; lost < 5; lost++) {
    const { left, right, took } = losing(lost);
    isResumed(left, right);
    assert.ok(took <= 1250, `datagram ${lost}: ${took}`);
  }
});

test("a key that takes three seconds to find makes the server silent, and the hello that is said again meanwhile does no harm", () => {
  for (const lost of [-1, 6, 7]) {
    const { left, right } = losing(lost, true);
    isResumed(left, right);
    assert.equal(right.demands.length, 1);
  }
});

test("each datagram may come twice, and nothing is said or established twice", () => {
  using resumption = store();
  const first = near();
  run(first, far({ resumption }));
  const left = near({ resume: first.resumable! });
  const front = far({ resumption });
  let toServer = left.sent();
  let datagrams = 0;
  while (toServer.length > 0) {
    datagrams += toServer.length;
    const toClient = toServer.flatMap((bytes) => [bytes, bytes]).flatMap((bytes) => front.receive(bytes, "c:1"));
    toServer = toClient.flatMap(({ bytes }) => [...left.receive(bytes), ...left.receive(bytes)]);
  }
  assert.equal(datagrams, 3);
  assert.equal(front.peers.size, 1);
  isResumed(left, front.last);
});

test("a server that has no answer to its last flight says it again, and its client answers until it hears data", () => {
  using resumption = store();
  const first = near();
  run(first, far({ resumption }));
  const left = near({ resume: first.resumable!, connectionId: false });
  const front = far({ resumption });
  const [cookie] = front.receive(left.sent()[0]!, "c:1");
  const [hello] = left.receive(cookie!.bytes);
  const [flight] = front.receive(hello!, "c:1");
  const [last] = left.receive(flight!.bytes);
  assert.ok(left.session && !front.last.session);
  left.now = 1000;
  const [again] = front.expire(1000);
  const [repeated] = left.receive(again!.bytes);
  assert.notDeepEqual(repeated, last);
  front.receive(repeated!, "c:1");
  assert.ok(front.last.session);
  // The first one, late: its Finished has come before.
  assert.deepEqual(front.receive(last!, "c:1"), []);
  left.receive(front.last.send(toUtf8("data")));
  left.now = 9000;
  assert.deepEqual(left.receive(again!.bytes), []);
  carries(left, front.last);
});

test("a ticket that makes the hello longer than a datagram is not shown", () => {
  using resumption = store();
  const options = { suites: [GCM] };
  const first = near(options);
  run(first, far({ resumption, ...options }));
  using state = first.resumable!;
  const lengths: number[] = [];
  for (let mtu = 128; mtu < 400; mtu += 4) {
    const left = near({ resume: state, mtu, ...options });
    const front = far({ resumption, ...options });
    for (const { from, bytes } of run(left, front)) assert.ok(from === "server" || bytes.length <= mtu);
    assert.ok(left.session && front.last.session, String(mtu));
    if (left.session.resumed) lengths.push(mtu);
  }
  assert.deepEqual(lengths, Array.from({ length: lengths.length }, (_, i) => lengths[0]! + 4 * i));
  assert.ok(lengths[0]! > 200 && lengths[0]! < 350, String(lengths[0]));
});

test("a ticket of a stream is none on datagrams, and the other way round", () => {
  using resumption = store();
  const first = near();
  run(first, far({ resumption }));
  const state = first.resumable! as Resumable & { version: number };
  assert.equal(state.version, 0xfefd);
  const ticket = (state as unknown as { ticket: Uint8Array }).ticket;
  assert.equal(resumption.open(ticket, "stream", 0), undefined);
  resumption.open(ticket, "datagram", 0)![Symbol.dispose]();
  state.version = 0x0303;
  const left = near({ resume: state });
  const front = far({ resumption });
  run(left, front);
  assert.equal(left.session!.resumed, undefined);
});

test("a session that goes on is lost, repeated, delayed and moved like any other, and ends well", () => {
  for (const suite of [ECDHE_GCM, GCM]) {
    using resumption = store();
    const options = { suites: [suite], versions: V12 };
    const first = near(options);
    run(first, far({ resumption, ...options }));
    using resume = first.resumable!;
    let complete = 0;
    for (let i = 0; i < 60; i++) {
      const { fates, left } = simulate({
        ...{ seed: i + 1, versions: V12, weather: { loss: 0.2, duplicates: 0.1, delay: [10, 400], rebindings: 4000 } },
        ...{ client: { resume, ...options }, server: { resumption, ...options }, lookup: i % 3 === 0 ? 700 : 0 },
      });
      assert.equal(left, 0);
      // Whose word is the last only knows by an answer whether it was heard: a NAT that forgets in between leaves it open.
      for (const { code } of fates) assert.ok(["none", "timeout", "open"].includes(code), code);
      complete += fates.filter((fate) => fate.complete).length;
    }
    assert.ok(complete >= 57, String(complete));
  }
});
