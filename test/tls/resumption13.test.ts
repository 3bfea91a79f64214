// Tickets of version 1.3: RFC 8446 4.6.1, 4.2.11; on streams.
import assert from "node:assert/strict";
import { test } from "node:test";
import { equal, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { type ClientOptions, createResumption, type Resumable, type ServerOptions } from "../../lib/tls/mod.ts";
import { ticketsOf } from "../../lib/tls/resumption.ts";
import { seededRandom } from "../support/virtual.ts";
import {
  type Answerer,
  BOTH,
  client,
  type End,
  type Flight,
  IDENTITY,
  ONLY_13,
  PSK,
  run,
  server,
  unknowing,
} from "./pair.ts";

const END = 3_600_000;

const answering = (key: Uint8Array, expiresAt: number | undefined): Answerer => () => ({
  kind: "psk",
  identity: IDENTITY,
  key: secretFrom(key),
  ...(expiresAt !== undefined && { expiresAt }),
});
const lasting = answering(PSK, END);
const replaced = answering(PSK.map((byte) => byte ^ 1), END);

let seed = 5000;
const store = (options: Partial<Parameters<typeof createResumption>[0]> = {}) =>
  ticketsOf(createResumption({ random: seededRandom(seed++), ...options }));

interface Met {
  readonly near: End;
  readonly far: End;
  readonly flights: readonly Flight[];
  readonly left: Resumable | undefined;
}

/** One handshake after another, each with new randoms. */
function meet(
  left: Partial<ClientOptions>,
  right: Partial<ServerOptions>,
  answers: { readonly left?: Answerer; readonly right?: Answerer; readonly now?: number } = {},
): Met {
  const now = answers.now ?? 0;
  const ours = { ...BOTH, resumable: true, now, random: seededRandom(seed++), ...left };
  const near = client(ours, answers.left ?? lasting);
  const far = server({ ...BOTH, now, random: seededRandom(seed++), ...right }, answers.right ?? lasting);
  near.now = far.now = now;
  const flights = run(near, far);
  return { near, far, flights, left: near.resumable };
}

/** What the client's last hello of a meeting offers. */
function offered({ flights }: Met) {
  const hello = flights.filter(({ from }) => from === "client").map(({ bytes }) => bytes).find((bytes) =>
    bytes[0] === 22
  );
  return decodeClientHello(hello!.subarray(9)).offeredPsks!.identities;
}

function carries({ near, far }: Met): void {
  far.receive(near.send(toUtf8("there")));
  near.receive(far.send(toUtf8("back")));
  assert.deepEqual([far.text, near.text], ["there", "back"]);
}

test("a session leaves a ticket, the next goes on with it under new keys, and leaves another [SEC_CF-AUTH-001]", () => {
  const resumption = store();
  const first = meet({ serverName: "a.example" }, { resumption });
  assert.equal(first.near.session?.resumed, undefined);
  assert.ok(first.left);
  assert.deepEqual(
    [first.left.version, first.left.suite, first.left.identity, first.left.serverName, first.left.expiresAt],
    [0x0304, 0x1301, IDENTITY, "a.example", END],
  );
  assert.equal(first.near.order.filter((kind) => kind === "resumable").length, 1);
  const second = meet({ serverName: "a.example", resume: first.left }, { resumption }, { now: 1000 });
  for (const end of [second.near, second.far]) {
    assert.equal(end.session?.resumed, true);
    assert.equal(end.session?.forwardSecret, true);
    assert.deepEqual(end.session?.identity, IDENTITY);
  }
  // The server asks for the key all the same, by the name in the ticket.
  assert.deepEqual(second.far.demands.map(({ identity }) => identity), [IDENTITY]);
  carries(second);
  assert.ok(second.left);
  const third = meet({ serverName: "a.example", resume: second.left }, { resumption }, { now: 2000 });
  assert.equal(third.far.session?.resumed, true);
  // The first ticket is still good: to be used once is a client's affair.
  assert.equal(meet({ serverName: "a.example", resume: first.left }, { resumption }).far.session?.resumed, true);
});

test("a hello that offers a ticket offers the key beside it, and hides the ticket's age", () => {
  const resumption = store();
  const { left } = meet({}, { resumption });
  const second = meet({ resume: left! }, { resumption }, { now: 5000 });
  const third = meet({ resume: left! }, { resumption }, { now: 5001 });
  const [ticket, name] = offered(second);
  assert.ok(equal(name!.identity, IDENTITY));
  assert.equal(name!.obfuscatedAge, 0);
  assert.ok(ticket!.identity.length > 48);
  const [later] = offered(third);
  assert.equal((later!.obfuscatedAge - ticket!.obfuscatedAge + 2 ** 32) % 2 ** 32, 1);
  assert.notEqual(ticket!.obfuscatedAge, 5000);
});

test("what does not fit is a full handshake, and no word is lost over it", () => {
  const resumption = store();
  const { left } = meet({ serverName: "a.example" }, { resumption });
  const resume = left!;
  const cases: readonly [string, Partial<ClientOptions>, Partial<ServerOptions>, Parameters<typeof meet>[2]?][] = [
    ["another server's key", {}, { resumption: store() }],
    ["a server that keeps nothing", {}, {}],
    ["another name", { serverName: "b.example" }, { resumption }],
    ["after its end", {}, { resumption }, { now: END, left: answering(PSK, 2 * END), right: answering(PSK, 2 * END) }],
    ["a suite of another hash", { suites: [0x1302], ...ONLY_13 }, { suites: [0x1302], ...ONLY_13, resumption }],
    ["a client of 1.2 alone", { versions: [0x0303] }, { resumption }],
    ["a key that was replaced", {}, { resumption }, { left: replaced, right: replaced }],
    ["a key without an end", {}, { resumption }, { right: answering(PSK, undefined) }],
  ];
  for (const [what, near, far, answers] of cases) {
    const met = meet({ serverName: "a.example", resume, ...near }, far, answers);
    assert.ok(met.near.session && met.far.session, `${what}: ${met.far.closed?.error?.message}`);
    assert.equal(met.far.session.resumed, undefined, what);
    assert.equal(met.near.session.resumed, undefined, what);
    carries(met);
  }
});

test("a ticket is worth nothing without its key: unknown by now, or our own, it is refused as any stranger is", () => {
  const resumption = store();
  const { left } = meet({}, { resumption });
  const gone = meet({ resume: left! }, { resumption }, { right: unknowing });
  assert.equal(gone.far.code, "auth-failed");
  assert.equal(gone.near.code, "auth-failed");
  assert.equal(gone.far.session, undefined);
  const own = meet({ resume: left! }, { resumption, ownIdentities: [IDENTITY] });
  assert.equal(own.far.code, "reflected");
});

test("a ticket goes with the identity that it was given to: under another one it is not offered", () => {
  const resumption = store();
  const { left } = meet({}, { resumption });
  const other: Answerer = () => ({
    ...{ kind: "psk", identity: toUtf8("another"), key: secretFrom(PSK.map((byte) => byte ^ 1)), expiresAt: END },
  });
  // A server that still knows both: whoever goes on would be the one to the client and the other to the server.
  const byName: Answerer = (demand) => equal(demand.identity!, IDENTITY) ? lasting(demand) : other(demand);
  for (const versions of [ONLY_13, BOTH]) {
    const met = meet({ ...versions, resume: left! }, { resumption }, { left: other, right: byName });
    assert.deepEqual(offered(met).map(({ identity }) => identity), [toUtf8("another")]);
    for (const { session } of [met.near, met.far]) {
      assert.deepEqual([session?.identity, session?.resumed], [toUtf8("another"), undefined]);
    }
    carries(met);
  }
});

test("a server marks every key alike: nobody's, another one, our own identity's, with a ticket or without", () => {
  for (const versions of [[0x0304], [0x0303]]) {
    for (const resumes of [false, true]) {
      const marks = [lasting, replaced, unknowing].flatMap((right) =>
        [[], [IDENTITY]].map((ownIdentities) => {
          const resumption = store();
          const { left } = meet({ versions }, { resumption });
          const mark = resumption.mark.bind(resumption);
          let count = 0;
          resumption.mark = (...of) => {
            count++;
            return mark(...of);
          };
          // A stranger's answer: the session is looked for, and the key asked for, whoever shows the ticket.
          meet({ versions, ...(resumes && { resume: left! }) }, { resumption, ownIdentities }, { right });
          return count;
        })
      );
      const isGoingOn = versions[0] === 0x0303 && resumes;
      // In version 1.2 a session that can not go on leads to a second question; in 1.3 there is but one.
      if (!isGoingOn) assert.deepEqual(marks, marks.map(() => 1));
      else assert.deepEqual(marks, [1, 1, 2, 1, 2, 1]);
    }
  }
});

test("every bit of a ticket, flipped, leads to a full handshake; of its binder, to decrypt_error", () => {
  const resumption = store();
  const { left } = meet({}, { resumption });
  const near = () => client({ ...ONLY_13, resume: left!, random: seededRandom(1) }, lasting);
  const hello = near().sent();
  const [ticket] = decodeClientHello(hello.subarray(9)).offeredPsks!.identities;
  const at = ticket!.identity.byteOffset - hello.byteOffset;
  for (let bit = 0; bit < 8 * ticket!.identity.length; bit += 3) {
    const changed = new Uint8Array(hello);
    changed[at + (bit >> 3)]! ^= 1 << (bit & 7);
    const end = server({ ...ONLY_13, resumption }, lasting);
    // Both binders cover the ticket: nobody but the client changes it.
    assert.deepEqual([...end.receive(changed)], [21, 3, 3, 0, 2, 2, 51]);
    assert.equal(end.session, undefined);
  }
  const binders = hello.length - 66;
  for (let bit = 0; bit < 8 * 32; bit += 5) {
    const changed = new Uint8Array(hello);
    changed[binders + 1 + (bit >> 3)]! ^= 1 << (bit & 7);
    const end = server({ ...ONLY_13, resumption }, lasting);
    assert.deepEqual([...end.receive(changed)], [21, 3, 3, 0, 2, 2, 51]);
  }
});

test("a ticket of version 1.2 is none of 1.3, nor the other way round", () => {
  const resumption = store();
  const of12 = meet({ versions: [0x0303] }, { resumption });
  assert.equal(of12.left?.version, 0x0303);
  const at13 = meet({ resume: of12.left! }, { resumption });
  assert.equal(at13.far.session?.version, 0x0304);
  assert.equal(at13.far.session?.resumed, undefined);
  const of13 = meet({}, { resumption });
  const at12 = meet({ resume: of13.left!, versions: [0x0303] }, { resumption });
  assert.equal(at12.far.session?.version, 0x0303);
  assert.equal(at12.far.session?.resumed, undefined);
  // A ticket of 1.2 shown as a key of 1.3 opens, and is no key all the same.
  assert.ok(of13.left && of12.left);
});

test("who did not ask for it keeps nothing, and neither does who does not know when its key ends", () => {
  const resumption = store();
  assert.equal(meet({ resumable: false }, { resumption }).left, undefined);
  assert.equal(meet({}, { resumption }, { left: answering(PSK, undefined) }).left, undefined);
  assert.equal(meet({}, { resumption }, { right: answering(PSK, undefined) }).left, undefined);
  assert.equal(meet({}, {}).left, undefined);
});

test("with HelloRetryRequest a ticket is as good, its binder over both hellos", () => {
  const resumption = store();
  const { left } = meet({}, { resumption });
  const met = meet({ resume: left! }, { resumption, groups: [0x17] });
  assert.equal(met.flights.length >= 5, true);
  assert.equal(met.far.session?.resumed, true);
  carries(met);
});

test("with the key alone, which has no fresh agreement, a ticket is passed over", () => {
  const resumption = store();
  const { left } = meet({}, { resumption });
  const met = meet({ resume: left!, groups: [0x1d] }, { resumption, groups: [0x17] });
  assert.equal(met.far.session?.forwardSecret, false);
  assert.equal(met.far.session?.resumed, undefined);
  carries(met);
});
