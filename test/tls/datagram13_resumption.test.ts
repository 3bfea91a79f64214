// Tickets of DTLS 1.3: RFC 8446 4.6.1 as RFC 9147 5.8.4 says it again until it is acknowledged; RFC 9147 9: Connection IDs are agreed anew.
import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import {
  createResumption,
  type DtlsAcceptorOptions,
  type DtlsOptions,
  type Resumable,
  type Resumption,
} from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { Puppet13, words } from "./datagram13_puppet.ts";
import { BOTH_VERSIONS, client, Front, type Peer, run, VERSION_12, VERSION_13 } from "./datagrams.ts";
import { simulate } from "./network.ts";
import { type Answerer, client as streamClient, IDENTITY, PSK, run as runStream, server, unknowing } from "./pair.ts";

const END = 3_600_000;

const answering = (key: Uint8Array, expiresAt: number | undefined): Answerer => () => ({
  kind: "psk",
  identity: IDENTITY,
  key: secretFrom(key),
  ...(expiresAt !== undefined && { expiresAt }),
});
const lasting = answering(PSK, END);
const replaced = answering(PSK.map((byte) => byte ^ 1), END);

let seed = 7000;
const store = (): Resumption => createResumption({ random: seededRandom(seed++) });

interface Met {
  readonly near: Peer;
  readonly front: Front;
  readonly far: Peer;
  readonly left: Resumable | undefined;
}

/** One handshake after another, each with new randoms. */
function meet(
  left: Partial<DtlsOptions>,
  right: Partial<DtlsAcceptorOptions>,
  answers: { readonly left?: Answerer; readonly right?: Answerer; readonly now?: number } = {},
): Met {
  const now = answers.now ?? 0;
  const ours = { ...VERSION_13, resumable: true, now, random: seededRandom(seed++), ...left };
  const near = client(ours, answers.left ?? lasting);
  const front = new Front({ ...VERSION_13, random: seededRandom(seed++), ...right }, answers.right ?? lasting);
  front.now = now;
  run(near, front);
  return { near, front, far: front.last, left: near.resumable };
}

function carries({ near, far, front }: Met): void {
  run(near, front, "c:1", [near.send(toUtf8("there"))]);
  near.receive(far.send(toUtf8("back")));
  assert.deepEqual([far.texts.at(-1), near.texts.at(-1)], ["there", "back"]);
}

test("a session of DTLS 1.3 leaves a ticket, the next goes on with it under new keys, and leaves another [SEC_CF-AUTH-001]", () => {
  using resumption = store();
  const first = meet({ serverName: "a.example" }, { resumption });
  assert.equal(first.near.session?.resumed, undefined);
  assert.ok(first.left);
  assert.deepEqual(
    [first.left.version, first.left.suite, first.left.identity, first.left.serverName, first.left.expiresAt],
    [0xfefc, 0x1301, IDENTITY, "a.example", END],
  );
  const second = meet({ serverName: "a.example", resume: first.left }, { resumption }, { now: 1000 });
  for (const end of [second.near, second.far]) {
    assert.equal(end.session?.resumed, true);
    assert.equal(end.session?.forwardSecret, true);
    assert.deepEqual(end.session?.identity, IDENTITY);
  }
  // The server asks for the key all the same, by the name in the ticket.
  assert.deepEqual(second.far.demands.map(({ identity }) => identity), [IDENTITY]);
  carries(second);
  const third = meet({ serverName: "a.example", resume: second.left! }, { resumption }, { now: 2000 });
  assert.equal(third.far.session?.resumed, true);
  assert.equal(third.far.engine.deadline, 2000 + 240_000, "the ticket is acknowledged: nothing is said again");
});

test("Connection IDs are agreed anew with each ticket, in every mix of lengths, whatever the session had before", () => {
  const ids = [false, fromHex(""), fromHex("aa"), fromHex("a1a2a3a4")] as const;
  for (const [firstId, nextId] of ids.flatMap((one) => ids.map((other) => [one, other] as const))) {
    for (const connectionIdLength of [0, 8]) {
      using resumption = store();
      const first = meet({ connectionId: firstId }, { resumption, connectionIdLength });
      const again = meet({ connectionId: nextId, resume: first.left! }, { resumption, connectionIdLength });
      assert.ok(again.near.session?.resumed && again.far.session?.resumed);
      const agreed = again.near.session.connectionIds;
      assert.deepEqual(agreed, again.far.session.connectionIds);
      assert.deepEqual(agreed?.client, nextId === false ? undefined : nextId);
      assert.equal(agreed?.server.length, nextId === false ? undefined : connectionIdLength);
      carries(again);
      const isNamed = (again.near.send(toUtf8("x"))[0]! & 0x10) !== 0;
      assert.equal(isNamed, nextId !== false && connectionIdLength > 0);
      assert.ok(again.left, "and it leaves another");
    }
  }
});

test("what does not fit is a full handshake of DTLS 1.3, and no word is lost over it", () => {
  using resumption = store();
  using elsewhere = store();
  const { left } = meet({ serverName: "a.example" }, { resumption });
  const resume = left!;
  const later = answering(PSK, 2 * END);
  const cases: readonly [string, Partial<DtlsOptions>, Partial<DtlsAcceptorOptions>, Parameters<typeof meet>[2]?][] = [
    ["another server's key", {}, { resumption: elsewhere }],
    ["a server that keeps nothing", {}, {}],
    ["another name", { serverName: "b.example" }, { resumption }],
    ["after its end", {}, { resumption }, { now: END, left: later, right: later }],
    ["a suite of another hash", { suites: [0x1302] }, { suites: [0x1302], resumption }],
    ["a client of 1.2 alone", VERSION_12, { ...BOTH_VERSIONS, resumption }],
    ["a key that was replaced", {}, { resumption }, { left: replaced, right: replaced }],
    ["a key without an end", {}, { resumption }, { right: answering(PSK, undefined) }],
    ["a path too short for both", { mtu: 500 }, { resumption }],
  ];
  for (const [what, near, far, answers] of cases) {
    const met = meet({ serverName: "a.example", resume, ...near }, far, answers);
    assert.ok(met.near.session && met.far.session, `${what}: ${met.near.code}`);
    assert.equal(met.far.session.resumed, undefined, what);
    assert.equal(met.near.session.resumed, undefined, what);
    carries(met);
  }
  assert.equal(
    meet({ serverName: "a.example", resume }, { resumption }).far.session?.resumed,
    true,
    "and it is still good",
  );
});

test("a ticket of a stream is none on datagrams, and the other way round, also where one memory serves both", () => {
  using resumption = store();
  const near = streamClient({ versions: [0x0304], resumable: true, random: seededRandom(seed++) }, lasting);
  runStream(near, server({ versions: [0x0304], resumption, random: seededRandom(seed++) }, lasting));
  const ofStream = near.resumable!;
  const met = meet({ resume: ofStream }, { resumption });
  assert.equal(met.far.session?.resumed, undefined);
  carries(met);
  const { left } = meet({}, { resumption });
  const again = streamClient({ versions: [0x0304], resume: left!, random: seededRandom(seed++) }, lasting);
  const far = server({ versions: [0x0304], resumption, random: seededRandom(seed++) }, lasting);
  runStream(again, far);
  assert.ok(far.session && !far.session.resumed);
});

test("a client that has a session of DTLS 1.2 left, and finds a server of 1.3 by then, agrees on a new one (RFC 9147 5)", () => {
  using resumption = store();
  const of12 = meet(VERSION_12, { ...BOTH_VERSIONS, resumption });
  assert.equal(of12.left?.version, 0xfefd);
  const at13 = meet({ ...BOTH_VERSIONS, resume: of12.left! }, { ...BOTH_VERSIONS, resumption });
  assert.deepEqual([at13.far.session?.version, at13.far.session?.resumed], [0xfefc, undefined]);
  carries(at13);
  const back = meet({ ...BOTH_VERSIONS, resume: of12.left! }, { ...VERSION_12, resumption });
  assert.deepEqual([back.far.session?.version, back.far.session?.resumed], [0xfefd, true]);
});

test("a ticket of DTLS 1.3 is worth nothing without its key, nor under another identity, nor as our own", () => {
  using resumption = store();
  const { left } = meet({}, { resumption });
  const gone = meet({ resume: left! }, { resumption }, { right: unknowing });
  assert.equal(gone.far.code, "auth-failed");
  assert.equal(gone.near.session, undefined);
  assert.equal(meet({ resume: left! }, { resumption, ownIdentities: [IDENTITY] }).far.code, "reflected");
  const other: Answerer = () => ({
    ...{ kind: "psk", identity: toUtf8("another"), key: secretFrom(PSK.map((byte) => byte ^ 1)), expiresAt: END },
  });
  const byName: Answerer = (demand) => equal(demand.identity!, IDENTITY) ? lasting(demand) : other(demand);
  const met = meet({ resume: left! }, { resumption }, { left: other, right: byName });
  for (const { session } of [met.near, met.far]) {
    assert.deepEqual([session?.identity, session?.resumed], [toUtf8("another"), undefined]);
  }
});

test("a ticket is said again until it is acknowledged, ten times at most, and the session does not wait for it (RFC 9147 5.8.4)", () => {
  using resumption = store();
  const lines: string[] = [];
  const near = client({ ...VERSION_13, resumable: true, keyLog: (line) => lines.push(line) }, lasting);
  const front = new Front({ ...VERSION_13, resumption }, lasting);
  const [retry] = front.receive(near.sent()[0]!, "c:1");
  const flight = front.receive(near.receive(retry!.bytes)[0]!, "c:1").flatMap(({ bytes }) => near.receive(bytes));
  // The server's last words are lost.
  flight.flatMap((bytes) => front.receive(bytes, "c:1"));
  const puppet = new Puppet13({ lines, client: near }, "client");
  let said = 0;
  for (let now = front.last.engine.deadline!; now < 200_000 + 240_000; now = front.last.engine.deadline ?? Infinity) {
    const heard = puppet.hear(front.expire(now).map(({ bytes }) => bytes));
    said += words(heard).filter((word) => word === `3 message ${HANDSHAKE.newSessionTicket}`).length;
    if (said === 10) break;
  }
  assert.equal(said, 10);
  assert.equal(near.resumable, undefined);
  near.receive(front.last.send(toUtf8("data")));
  assert.deepEqual([front.last.code, near.texts], ["open", ["data"]]);
});

test("with loss and reorder, handshakes of DTLS 1.3 with tickets all complete", () => {
  using resumption = createResumption({ random: seededRandom(1) });
  for (let seed = 1; seed <= 60; seed++) {
    const { fates, left } = simulate({
      ...{ seed, ...VERSION_13, weather: { loss: 0.1, duplicates: 0.1, delay: [5, 120] } },
      ...{ client: { resumable: true }, server: { resumption } },
    });
    assert.deepEqual([fates.map(({ complete }) => complete), left], [[true], 0], `seed ${seed}`);
  }
});
