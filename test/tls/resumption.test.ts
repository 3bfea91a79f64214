// RFC 5246 7.3 (session ids), RFC 5077 (tickets), RFC 7627 5.3, on streams.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { type ClientHello, decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { frameMessage, HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { decodeServerHello, encodeServerHello, type ServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { type ClientOptions, createResumption, type Resumable, type ServerOptions } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { encodeSessionTicket } from "../../lib/tls/handshake/session_ticket.ts";
import { ResumableSession } from "../../lib/tls/tls12/resumable.ts";
import { asServer, Puppet } from "./puppet.ts";
import { ALL_SUITES, type Answerer, client, ECDHE_GCM, type End, GCM, IDENTITY, PSK, run, server } from "./pair.ts";
import { shapeOf, unknowing } from "./pair.ts";

const END = 3_600_000;
const TLS_1_2 = [0x0303];

/** The right key, and when it ends. */
const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: END });
/** Another one under the same identity. */
const replaced: Answerer = () => ({
  kind: "psk",
  identity: IDENTITY,
  key: secretFrom(PSK.map((byte) => byte ^ 1)),
  expiresAt: END,
});

let seed = 1000;
const store = (options: Partial<Parameters<typeof createResumption>[0]> = {}) =>
  createResumption({ random: seededRandom(seed++), ...options });

/** One handshake after another, each with new randoms. */
function meet(
  left: Partial<ClientOptions>,
  right: Partial<ServerOptions>,
  answers: { readonly left?: Answerer; readonly right?: Answerer; readonly now?: number } = {},
) {
  const now = answers.now ?? 0;
  const near = client(
    { versions: TLS_1_2, resumable: true, now, random: seededRandom(seed++), ...left },
    answers.left ?? lasting,
  );
  const far = server({ versions: TLS_1_2, now, random: seededRandom(seed++), ...right }, answers.right ?? lasting);
  near.now = far.now = now;
  const flights = run(near, far);
  return { near, far, flights, shapes: flights.map(({ from, bytes }) => [from, types(bytes)]) };
}

const types = (bytes: Uint8Array) => shapeOf(bytes).map((each) => each.split(":")[0]).join();

const FULL = [["client", "22"], ["server", "22,22,22"], ["client", "22,20,22"], ["server", "22,20,22"]];
const SHORT = [["client", "22"], ["server", "22,20,22"], ["client", "20,22"]];

function carries(near: End, far: End): void {
  far.receive(near.send(toUtf8("there")));
  near.receive(far.send(toUtf8("back")));
  assert.deepEqual([far.text, near.text], ["there", "back"]);
}

function resumed({ near, far, shapes }: ReturnType<typeof meet>): void {
  assert.deepEqual(shapes, SHORT);
  assert.ok(near.session?.resumed && far.session?.resumed);
  assert.equal(near.demands.length, 0);
  carries(near, far);
}

function notResumed({ near, far }: ReturnType<typeof meet>): void {
  assert.ok(near.session && far.session, `${near.code} ${far.code}`);
  assert.equal(near.session.resumed, undefined);
  assert.equal(far.session.resumed, undefined);
  assert.equal(near.demands.length, 1);
  carries(near, far);
}

test("a ticket brings a session back in one round trip, with every suite, and the client asks for no key", () => {
  for (const suite of ALL_SUITES) {
    using resumption = store();
    const options = { resumption, suites: [suite] };
    const first = meet({ suites: [suite] }, options);
    notResumed(first);
    using state = first.near.resumable!;
    assert.deepEqual(
      { suite: state.suite, version: state.version, identity: state.identity, expiresAt: state.expiresAt },
      { suite, version: 0x0303, identity: IDENTITY, expiresAt: END },
    );
    // As often as one likes.
    for (let i = 0; i < 3; i++) {
      const again = meet({ suites: [suite], resume: state }, options);
      resumed(again);
      const { session } = again.near;
      assert.deepEqual(session, again.far.session);
      assert.deepEqual(session?.identity, IDENTITY);
      assert.equal(session?.suite, suite);
      assert.equal(session?.encryptThenMac, suiteById(suite)!.protection.kind === "cbc");
      assert.equal(session?.forwardSecret, suiteById(suite)!.exchange === "ecdhe_psk");
      assert.deepEqual(again.far.demands, [{ kind: "psk", version: 0x0303, suite, identity: IDENTITY }]);
      // There is nothing new to go on with.
      assert.equal(again.near.resumable, undefined);
    }
    assert.equal(resumption.kept, 0);
  }
});

test("the flights of a full handshake with a ticket and of one that goes on are those of RFC 5077 3.1", () => {
  using resumption = store();
  const options = { resumption, suites: [ECDHE_GCM] };
  const first = meet({ suites: [ECDHE_GCM] }, options);
  assert.deepEqual(first.shapes, FULL);
  const again = meet({ suites: [ECDHE_GCM], resume: first.near.resumable! }, options);
  assert.deepEqual(again.shapes, SHORT);
  assert.deepEqual(again.near.order.filter((kind) => kind !== "transmit"), ["established"]);
  assert.deepEqual(first.near.order.filter((kind) => kind !== "transmit"), ["demand", "established", "resumable"]);
});

/** A client that knows of no tickets: the extension is cut out of its hello, and with it what its transcript would be. */
function idClient(options: Partial<ClientOptions> = {}): End {
  return client({ versions: TLS_1_2, resumable: false, random: seededRandom(seed++), ...options }, lasting);
}

test("who asks for nothing gets no ticket but an id, and without a keeper at the server neither", () => {
  using resumption = store();
  const left = idClient();
  const right = server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting);
  const flights = run(left, right);
  const hello = helloIn(flights[1]!.bytes);
  assert.equal(hello.sessionTicket, undefined);
  assert.equal(hello.sessionId.length, 32);
  assert.equal(resumption.kept, 1);
  assert.equal(left.resumable, undefined);

  const without = meet({}, {});
  const answer = helloIn(without.flights[1]!.bytes);
  assert.deepEqual([answer.sessionId.length, answer.sessionTicket, without.near.resumable], [0, undefined, undefined]);
});

function helloIn(bytes: Uint8Array): ServerHello {
  return decodeServerHello(bytes.subarray(9, 5 + ((bytes[3]! << 8) | bytes[4]!)));
}

test("a client without tickets goes on by its session id, and by another's or an altered one it begins anew", () => {
  using resumption = store();
  const make = () => server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting);
  const first = new Puppet("client");
  const right = make();
  const said = right.receive(first.clientHello());
  const { sessionId } = helloIn(new Uint8Array(said));
  first.hear(said);
  first.hear(right.receive(concat(first.clientKeyExchange(), first.changeCipherSpec(), first.finished())));
  assert.ok(right.session);

  const again = new Puppet("client", { earlier: first });
  const end = make();
  const answer = end.receive(again.clientHello({ sessionId }));
  assert.deepEqual(helloIn(answer).sessionId, sessionId);
  assert.equal(types(answer), "22,20,22");
  again.hear(answer);
  again.hear(end.receive(concat(again.changeCipherSpec(), again.finished())));
  assert.ok(end.session?.resumed);
  assert.deepEqual(end.session.identity, IDENTITY);

  for (const other of [sessionId.with(31, sessionId[31]! ^ 1), sessionId.subarray(0, 31), new Uint8Array(32)]) {
    const said = helloIn(make().receive(new Puppet("client").clientHello({ sessionId: other })));
    assert.equal(said.sessionId.length, 32);
    assert.notDeepEqual(said.sessionId, other);
  }
  // RFC 5077 3.4: beside a ticket, the id says nothing.
  const beside = make().receive(new Puppet("client").clientHello({ sessionId, sessionTicket: new Uint8Array(60) }));
  assert.equal(helloIn(beside).sessionId.length, 0);
});

test("a client goes on by the id of a server without tickets, and takes a new ticket where the server gives one", () => {
  const sessionId = new Uint8Array(32).fill(5);
  const options = { versions: TLS_1_2, resumable: true, suites: [GCM] };
  const near = client({ ...options, random: seededRandom(seed++) }, lasting);
  const first = new Puppet("server");
  asServer(first, near.sent(), (bytes) => near.receive(bytes), undefined, { sessionId });
  const state = near.resumable!;
  assert.equal(near.session?.resumed, undefined);

  const again = client({ ...options, resume: state, random: seededRandom(seed++) }, lasting);
  const puppet = new Puppet("server", { earlier: first });
  const hello = again.sent();
  assert.deepEqual(decodeClientHello(hello.subarray(9)).sessionId, sessionId);
  puppet.hear(hello);
  const ticket = encodeSessionTicket({ lifetime: 100, ticket: toUtf8("a ticket") });
  const flight = concat(
    puppet.serverHello({ sessionId, sessionTicket: true }),
    puppet.message(HANDSHAKE.newSessionTicket, ticket),
    puppet.changeCipherSpec(),
    puppet.finished(),
  );
  puppet.hear(again.receive(flight));
  assert.ok(again.session?.resumed);
  assert.equal(again.demands.length, 0);
  assert.equal(again.resumable?.expiresAt, 100_000);
  assert.equal((again.resumable as unknown as { ticket: Uint8Array }).ticket.length, 8);
});

test("a ticket that was promised has to come, in its place, and none that was not", () => {
  const options = { versions: TLS_1_2, resumable: true, suites: [GCM] };
  const begin = (promised: boolean) => {
    const near = client({ ...options, random: seededRandom(seed++) }, lasting);
    const puppet = new Puppet("server");
    puppet.hear(near.sent());
    const hello = puppet.serverHello(promised ? { sessionTicket: true } : {});
    puppet.hear(near.receive(concat(hello, puppet.serverHelloDone())));
    return { near, puppet };
  };
  const ticket = encodeSessionTicket({ lifetime: 0, ticket: toUtf8("t") });
  const alertOf = ({ near, puppet }: ReturnType<typeof begin>, bytes: Uint8Array) =>
    puppet.hear(near.receive(bytes)).map(({ payload }) => [...payload]);
  const without = begin(true);
  assert.deepEqual(alertOf(without, without.puppet.changeCipherSpec()), [[2, 10]]);
  const unasked = begin(false);
  assert.deepEqual(alertOf(unasked, unasked.puppet.message(HANDSHAKE.newSessionTicket, ticket)), [[2, 10]]);
  const twice = begin(true);
  twice.near.receive(twice.puppet.message(HANDSHAKE.newSessionTicket, ticket));
  assert.deepEqual(alertOf(twice, twice.puppet.message(HANDSHAKE.newSessionTicket, ticket)), [[2, 10]]);
  for (const body of [ticket.subarray(0, 6), concat(ticket, Uint8Array.of(0)), new Uint8Array(3)]) {
    const bad = begin(true);
    assert.deepEqual(alertOf(bad, bad.puppet.message(HANDSHAKE.newSessionTicket, body)), [[2, 50]]);
  }
  // What is empty, or longer than a hello could carry, is taken and not kept.
  for (const length of [0, 2049, 3000]) {
    const { near, puppet } = begin(true);
    const body = encodeSessionTicket({ lifetime: 0, ticket: new Uint8Array(length) });
    near.receive(puppet.message(HANDSHAKE.newSessionTicket, body));
    near.receive(concat(puppet.changeCipherSpec(), puppet.finished()));
    assert.ok(near.session);
    assert.equal(near.resumable, undefined);
  }
});

test("only of a key that says when it ends anything is made for later, at either end", () => {
  const endless: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK) });
  using resumption = store();
  const near = meet({}, { resumption }, { left: endless });
  notResumed(near);
  assert.equal(near.near.resumable, undefined);
  const far = meet({}, { resumption }, { right: endless });
  notResumed(far);
  // The ticket that was promised is empty (RFC 5077 3.3).
  assert.equal(far.near.resumable, undefined);
});

test("a session lives no longer than its key, its keeper's time or the server's hint, whichever is first", () => {
  const cases: readonly (readonly [number, number, number])[] = [
    // The key's end at the client, at the server; the server's limit in seconds.
    [50_000, 100_000, 1000],
    [100_000, 50_000, 1000],
    [100_000, 100_000, 50],
  ];
  for (const [client, server, lifetimeSeconds] of cases) {
    using resumption = store({ lifetimeSeconds });
    const until = (expiresAt: number): Answerer => () => ({
      kind: "psk",
      identity: IDENTITY,
      key: secretFrom(PSK),
      expiresAt,
    });
    const answers = { left: until(client), right: until(server) };
    using state = meet({}, { resumption }, answers).near.resumable!;
    assert.equal(state.expiresAt, 50_000);
    resumed(meet({ resume: state }, { resumption }, { ...answers, now: 49_999 }));
    // Not even offered.
    const late = meet({ resume: state }, { resumption }, { now: 50_000 });
    notResumed(late);
    assert.equal(decodeClientHello(late.flights[0]!.bytes.subarray(9)).sessionTicket?.length, 0);
  }
});

test("a server refuses what is over, even if its client still thinks otherwise", () => {
  using resumption = store({ lifetimeSeconds: 100 });
  const first = meet({}, { resumption });
  const state = first.near.resumable! as Resumable & { expiresAt: number };
  state.expiresAt = Infinity;
  for (const now of [100_000, 149_999, 150_000, 500_000]) notResumed(meet({ resume: state }, { resumption }, { now }));
});

test("a key that was replaced, revoked or has ended brings no session back: the handshake is a full one", () => {
  using resumption = store();
  using state = meet({}, { resumption }).near.resumable!;
  const another = meet({ resume: state }, { resumption }, { left: replaced, right: replaced });
  notResumed(another);
  assert.equal(another.far.demands.length, 2);
  assert.deepEqual(another.shapes, FULL);
  const revoked = meet({ resume: state }, { resumption }, { right: unknowing });
  assert.deepEqual([revoked.near.code, revoked.far.code], ["auth-failed", "auth-failed"]);
  for (const expiresAt of [undefined, 10]) {
    const answer: Answerer = () => ({
      kind: "psk",
      identity: IDENTITY,
      key: secretFrom(PSK),
      ...(expiresAt !== undefined && { expiresAt }),
    });
    notResumed(meet({ resume: state }, { resumption }, { right: answer, now: 20 }));
  }
  resumed(meet({ resume: state }, { resumption }));
});

test("a ticket with any bit altered, cut, lengthened, of another server or of another start, is no ticket", () => {
  using resumption = store();
  using other = store();
  const first = meet({}, { resumption });
  const state = first.near.resumable! as Resumable & { ticket: Uint8Array };
  const ticket = new Uint8Array(state.ticket);
  const wrong: Uint8Array[] = [new Uint8Array(1), ticket.subarray(0, 20), ticket.subarray(0, -1)];
  wrong.push(concat(ticket, Uint8Array.of(0)), new Uint8Array(2000).fill(7));
  for (let bit = 0; bit < 8 * ticket.length; bit += 7) {
    wrong.push(ticket.with(bit >> 3, ticket[bit >> 3]! ^ (1 << (bit & 7))));
  }
  for (const bytes of wrong) {
    state.ticket = bytes;
    const result = meet({ resume: state }, { resumption });
    notResumed(result);
    // What a stranger's ticket costs is not even a question.
    assert.equal(result.far.demands.length, 1);
    assert.deepEqual(result.shapes, FULL);
  }
  state.ticket = ticket;
  notResumed(meet({ resume: state }, { resumption: other }));
  notResumed(meet({ resume: state }, {}));
  resumed(meet({ resume: state }, { resumption }));
});

test("without its suite, under another name, or for an identity of its own, a server begins anew", () => {
  using resumption = store();
  const first = meet({ suites: [GCM, ECDHE_GCM], serverName: "a.example" }, { resumption, suites: [GCM, ECDHE_GCM] });
  using state = first.near.resumable!;
  assert.equal(state.suite, GCM);
  const offer = { resume: state, serverName: "a.example" };
  resumed(meet({ ...offer, suites: [ECDHE_GCM, GCM] }, { resumption }));
  notResumed(meet({ ...offer, suites: [GCM, ECDHE_GCM] }, { resumption, suites: [ECDHE_GCM] }));
  notResumed(meet({ ...offer, suites: [ECDHE_GCM] }, { resumption }));
  notResumed(meet({ resume: state, serverName: "b.example" }, { resumption }));
  notResumed(meet({ resume: state }, { resumption }));
  const own = meet(offer, { resumption, ownIdentities: [IDENTITY] });
  assert.equal(own.far.code, "reflected");
  // A client is held to it by itself; here it lies about the name of its session.
  (state as Resumable & { serverName: string }).serverName = "b.example";
  notResumed(meet({ resume: state, serverName: "b.example" }, { resumption }));
});

/** The client's hello, changed on its way; only ever to be refused, since both ends then saw another one. */
function changed(bytes: Uint8Array, change: (hello: ClientHello) => Partial<ClientHello>): Uint8Array {
  const hello = decodeClientHello(bytes.subarray(9));
  const framed = frameMessage(HANDSHAKE.clientHello, encodeClientHello({ ...hello, ...change(hello) }));
  return concat(Uint8Array.of(22, 3, 3, framed.length >> 8, framed.length), framed);
}

test("a hello that would go on without extended master secret is refused, and an answer without it too (RFC 7627 5.3)", () => {
  for (const requireExtendedMasterSecret of [true, false]) {
    using resumption = store();
    using state = meet({}, { resumption }).near.resumable!;
    const options = { versions: TLS_1_2, requireExtendedMasterSecret };
    const near = client({ ...options, resume: state, random: seededRandom(seed++) }, lasting);
    const far = server({ ...options, resumption, random: seededRandom(seed++) }, lasting);
    const answer = far.receive(changed(near.sent(), () => ({ extendedMasterSecret: false })));
    assert.deepEqual([...answer], [21, 3, 3, 0, 2, 2, 40]);
    assert.equal(far.code, "downgrade");
    assert.equal(far.demands.length, 0);

    const other = client({ ...options, resume: state, random: seededRandom(seed++) }, lasting);
    const right = server({ ...options, resumption, random: seededRandom(seed++) }, lasting);
    const said = right.receive(other.sent());
    const length = (said[3]! << 8) | said[4]!;
    const body = encodeServerHello({ ...helloIn(said), extendedMasterSecret: false });
    const framed = frameMessage(HANDSHAKE.serverHello, body);
    const lie = concat(Uint8Array.of(22, 3, 3, framed.length >> 8, framed.length), framed, said.subarray(5 + length));
    assert.equal(other.receive(lie)[6], 40);
    assert.equal(other.code, "downgrade");
  }
});

test("a session without extended master secret is not kept by either end", () => {
  using resumption = store();
  const options = { versions: TLS_1_2, requireExtendedMasterSecret: false };
  const near = client({ ...options, resumable: true, random: seededRandom(seed++) }, lasting);
  const far = server({ ...options, resumption, random: seededRandom(seed++) }, lasting);
  const answer = helloIn(far.receive(changed(near.sent(), () => ({ extendedMasterSecret: false }))));
  assert.deepEqual([answer.sessionId.length, answer.sessionTicket], [0, undefined]);
});

test("a server that goes on with another suite, or with what was not offered, is refused", () => {
  const lies: readonly (readonly [string, Partial<ServerHello>, number])[] = [
    ["another suite", { suite: ECDHE_GCM }, 47],
    ["a suite that was not offered", { suite: 0x002f }, 47],
  ];
  using resumption = store();
  using state = meet({ suites: [GCM, ECDHE_GCM] }, { resumption, suites: [GCM] }).near.resumable!;
  for (const [name, lie, alert] of lies) {
    const near = client({ versions: TLS_1_2, resume: state, random: seededRandom(seed++) }, lasting);
    const far = server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting);
    const said = helloIn(far.receive(near.sent()));
    const framed = frameMessage(HANDSHAKE.serverHello, encodeServerHello({ ...said, ...lie }));
    const sent = near.receive(concat(Uint8Array.of(22, 3, 3, framed.length >> 8, framed.length), framed));
    assert.equal(sent[6], alert, name);
    assert.equal(near.code, "downgrade", name);
  }
  // With version 1.3 in the offer there is an id that stands for nothing: who goes on with it lies.
  const near = client({ versions: [0x0304, 0x0303], random: seededRandom(seed++) }, lasting);
  const { sessionId } = decodeClientHello(near.sent().subarray(9));
  assert.equal(sessionId.length, 32);
  const hello = encodeServerHello({
    ...{ version: 0x0303, random: new Uint8Array(32), sessionId, suite: GCM, serverName: false },
    ...{ extendedMasterSecret: true, encryptThenMac: false, renegotiationInfo: true },
  });
  const framed = frameMessage(HANDSHAKE.serverHello, hello);
  assert.equal(near.receive(concat(Uint8Array.of(22, 3, 3, framed.length >> 8, framed.length), framed))[6], 47);
  assert.equal(near.code, "malformed");
});

test("a stranger that replays a hello with its ticket gets an answer that it can do nothing with", () => {
  using resumption = store();
  using state = meet({}, { resumption }).near.resumable!;
  const near = client({ versions: TLS_1_2, resume: state, random: seededRandom(seed++) }, lasting);
  const hello = near.sent();
  const far = server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting);
  const answer = far.receive(hello);
  const thief = server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting);
  const other = thief.receive(hello);
  assert.notDeepEqual(answer, other);
  // What the client says to the first is nothing to the second: other randoms, other keys.
  const finished = near.receive(answer);
  thief.receive(finished);
  assert.equal(thief.code, "auth-failed");
  far.receive(finished);
  assert.ok(far.session?.resumed);
});

test("of clients without tickets as many are kept as there is room for, the oldest first out; only those who proved themselves", () => {
  using resumption = store({ maxSessions: 3 });
  for (let i = 0; i < 10; i++) {
    run(idClient(), server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting));
    assert.equal(resumption.kept, Math.min(i + 1, 3));
  }
  using empty = store();
  run(idClient(), server({ versions: TLS_1_2, resumption: empty, random: seededRandom(seed++) }, unknowing));
  assert.equal(empty.kept, 0);
  assert.throws(() => store({ maxSessions: -1 }), RangeError);
  assert.throws(() => store({ lifetimeSeconds: 0 }), RangeError);
  assert.throws(() => store({ lifetimeSeconds: 604_801 }), RangeError);
});

test("what nobody took of an engine that is disposed is wiped with it", () => {
  const disposed: Resumable[] = [];
  const wipe = ResumableSession.prototype[Symbol.dispose];
  ResumableSession.prototype[Symbol.dispose] = function () {
    disposed.push(this);
    wipe.call(this);
  };
  try {
    const near = client({ resumable: true }, lasting);
    const far = server({ resumption: store() }, lasting);
    near.engine.receive(far.receive(near.receive(far.receive(near.sent()))), 0);
    assert.equal(near.engine.poll()?.kind, "established");
    assert.equal(disposed.length, 0);
    near.engine[Symbol.dispose]();
    assert.equal(disposed.length, 1);
    assert.throws(() => disposed[0] instanceof ResumableSession && disposed[0].copy(), { code: "state" });
  } finally {
    ResumableSession.prototype[Symbol.dispose] = wipe;
  }
});

test("a keeper that was disposed knows nobody, and engines that still have it go on without", () => {
  const resumption = store();
  using state = meet({}, { resumption }).near.resumable!;
  const far = server({ versions: TLS_1_2, resumption, random: seededRandom(seed++) }, lasting);
  const near = client({ versions: TLS_1_2, resumable: true, random: seededRandom(seed++) }, lasting);
  const answer = far.receive(near.sent());
  resumption[Symbol.dispose]();
  far.receive(near.receive(answer));
  near.receive(far.sent());
  notResumed(meet({ resume: state }, { resumption }));
  assert.throws(() => meet({ resume: {} as Resumable }, {}), TypeError);
  state[Symbol.dispose]();
  assert.throws(() => meet({ resume: state }, {}), { code: "state" });
});

test("keys for tickets change in time, and what was sealed under an old one is taken until its session is over", () => {
  using resumption = store({ lifetimeSeconds: 100 });
  const names = new Set<string>();
  for (let now = 0; now < 1_000_000; now += 20_000) {
    using state = meet({}, { resumption }, { now }).near.resumable! as Resumable & { ticket: Uint8Array };
    names.add(state.ticket.subarray(0, 8).join());
    resumed(meet({ resume: state }, { resumption }, { now: now + 99_999 }));
  }
  assert.ok(names.size >= 10, String(names.size));
});
