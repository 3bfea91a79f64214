// Two engines of version 1.3 with each other: RFC 8446 2 and 4.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import {
  BOTH,
  client,
  type End,
  GCM,
  IDENTITY,
  join,
  knowing,
  ONLY_13,
  PSK,
  run,
  server,
  shapeOf,
  unknowing,
} from "./pair.ts";
import { asServer13, Puppet13 } from "./puppet13.ts";

const HELLO = toUtf8("hello");
const WORLD = toUtf8("world");
const SUITES = [0x1301, 0x1303, 0x1304, 0x1305];

/** Both directions carry, and close_notify ends both in good order. */
function talk(left: End, right: End): void {
  assert.equal(left.code, "open", left.closed?.error?.message);
  assert.equal(right.code, "open", right.closed?.error?.message);
  right.receive(left.send(HELLO));
  left.receive(right.send(WORLD));
  assert.equal(right.text, "hello");
  assert.equal(left.text, "world");
  left.receive(right.receive(left.close()));
  assert.equal(left.code, "none");
  assert.equal(right.code, "none");
}

for (const suite of [...SUITES, 0x1302]) {
  test(`suite ${suite.toString(16)}: both ends agree on everything [SEC_CF-AUTH-001, SEC_CF-AUTH-002]`, () => {
    const left = client({ ...ONLY_13, suites: [suite], serverName: "meter.example.net" });
    const right = server({ ...ONLY_13, suites: [suite] });
    run(left, right);
    const session = {
      version: 0x0304,
      suite,
      identity: IDENTITY,
      serverName: "meter.example.net",
      forwardSecret: true,
      extendedMasterSecret: true,
      encryptThenMac: false,
    };
    assert.deepEqual(left.session, session);
    assert.deepEqual(right.session, session);
    assert.deepEqual(left.demands, [{ kind: "psk", version: 0x0304, suite }]);
    const asked = { kind: "psk", version: 0x0304, suite, identity: IDENTITY, serverName: "meter.example.net" };
    assert.deepEqual(right.demands, [asked]);
    talk(left, right);
  });
}

test("flights are as RFC 8446 2 and D.4 draw them: one round trip, a ChangeCipherSpec from each, and no type in sight", () => {
  const flights = run(client(ONLY_13), server(ONLY_13));
  assert.deepEqual(flights.map(({ from, bytes }) => [from, ...shapeOf(bytes).map((each) => each.split(":")[0])]), [
    ["client", "22"],
    ["server", "22", "20", "23", "23"],
    ["client", "20", "23"],
  ]);
});

test("versions: the highest that both know; who knows one alone gets that one or none", () => {
  const only12 = { versions: [0x0303] };
  for (
    const [ours, theirs, version] of [
      [BOTH, BOTH, 0x0304],
      [BOTH, ONLY_13, 0x0304],
      [ONLY_13, BOTH, 0x0304],
      [only12, only12, 0x0303],
      [BOTH, only12, 0x0303],
      [only12, BOTH, 0x0303],
      [only12, ONLY_13, undefined],
      [ONLY_13, only12, undefined],
    ] as const
  ) {
    const left = client(ours);
    const right = server(theirs);
    run(left, right);
    assert.equal(left.session?.version, version);
    assert.equal(right.session?.version, version);
    if (version) {
      talk(left, right);
      continue;
    }
    assert.equal(right.code, "unsupported");
    assert.equal(left.code, "unsupported");
  }
});

test("a client that has no key for 1.3 offers 1.2 alone, and asks for that key; with 1.3 alone it says nothing", () => {
  const for12 = client(BOTH, (demand) => demand.version === 0x0304 ? { kind: "unknown" } : knowing(demand));
  const right = server(BOTH);
  run(for12, right);
  assert.equal(for12.session?.version, 0x0303);
  assert.deepEqual(for12.demands.map(({ version }) => version), [0x0304, 0x0303]);
  talk(for12, right);
  const none = client(ONLY_13, unknowing);
  assert.deepEqual([...none.sent()], [21, 3, 3, 0, 2, 2, 40]);
  assert.equal(none.code, "key-unavailable");
});

test("a server that knows 1.3 marks its 1.2, and a client that was robbed of its 1.3 sees it (RFC 8446 4.1.3)", () => {
  const left = client({ versions: [0x0303] });
  const right = server(BOTH);
  const hello = right.receive(left.sent());
  assert.deepEqual(hello.subarray(5 + 4 + 2 + 24, 5 + 4 + 2 + 32), concat(toUtf8("DOWNGRD"), Uint8Array.of(1)));
  for (const last of [0, 1]) {
    const robbed = client(BOTH);
    robbed.sent();
    const marked = new Uint8Array(hello);
    marked[5 + 4 + 2 + 31] = last;
    assert.deepEqual([...robbed.receive(marked)], [21, 3, 3, 0, 2, 2, 47]);
    assert.equal(robbed.code, "downgrade");
  }
  // A server that knows 1.2 alone has no mark.
  const plain = server().receive(client({ versions: [0x0303] }).sent());
  assert.notDeepEqual(plain.subarray(35, 42), toUtf8("DOWNGRD"));
});

test("groups: a missing share is asked for once, whichever both know; without one in common the handshake ends", () => {
  for (
    const [ours, theirs, flights] of [
      [[0x1d, 0x17], [0x1d, 0x17], 3],
      [[0x17, 0x1d], [0x1d, 0x17], 3],
      [[0x1d, 0x17], [0x17], 5],
      [[0x17, 0x1d], [0x1d], 5],
      [[0x17], [0x17, 0x1d], 3],
    ] as const
  ) {
    const left = client({ ...BOTH, groups: ours });
    const right = server({ ...BOTH, groups: theirs });
    assert.equal(run(left, right).length, flights);
    assert.equal(left.session?.version, 0x0304);
    talk(left, right);
  }
  const left = client({ ...ONLY_13, groups: [0x1d], forwardSecrecy: "required" });
  const right = server({ ...ONLY_13, groups: [0x17] });
  run(left, right);
  assert.equal(right.code, "unsupported");
  assert.equal(left.code, "unsupported");
});

test("without a group in common the key stands alone where both ends allow it, and the session says so", () => {
  const left = client({ ...ONLY_13, groups: [0x1d] });
  const right = server({ ...ONLY_13, groups: [0x17] });
  assert.equal(run(left, right).length, 3);
  assert.equal(left.session?.forwardSecret, false);
  assert.equal(right.session?.forwardSecret, false);
  talk(left, right);
});

test("who wants no fresh agreement has none with anybody, and nothing with who requires it, at both ends", () => {
  const policies = ["none", "preferred", "required"] as const;
  for (const [one, other] of policies.flatMap((each) => [["none", each], [each, "none"]] as const)) {
    const left = client({ ...BOTH, forwardSecrecy: one });
    const right = server({ ...BOTH, forwardSecrecy: other });
    run(left, right);
    if (one === "required" || other === "required") {
      assert.deepEqual([left.session, right.session], [undefined, undefined]);
      assert.deepEqual([left.code, right.code], ["unsupported", one === "required" ? "unsupported" : "downgrade"]);
      continue;
    }
    assert.deepEqual([left.session?.version, left.session?.forwardSecret], [0x0304, false]);
    assert.deepEqual([right.session?.version, right.session?.forwardSecret], [0x0304, false]);
    talk(left, right);
  }
});

test("a server that brings a share, or asks for one, where none was offered is refused", () => {
  for (const isRetry of [false, true]) {
    const left = client({ ...ONLY_13, forwardSecrecy: "none" });
    const puppet = new Puppet13("server");
    puppet.hear(left.sent());
    const said = isRetry ? puppet.retryRequest({ retryGroup: 0x1d }) : puppet.serverHello();
    assert.deepEqual([...left.receive(said)], [21, 3, 3, 0, 2, 2, 47]);
    assert.deepEqual([left.code, left.session], ["malformed", undefined]);
  }
});

test("a peer that leaves out the fresh agreement is taken or refused by policy, at both ends", () => {
  for (const forwardSecrecy of ["preferred", "required"] as const) {
    const right = server({ ...ONLY_13, forwardSecrecy });
    const asking = new Puppet13("client", { pskOnly: true });
    const heard = asking.hear(right.receive(asking.clientHello()));
    if (heard.at(-1)?.type === 22) right.receive(asking.finished());
    else assert.deepEqual(heard.map(({ payload }) => [...payload]), [[2, 40]]);
    assert.equal(right.session?.forwardSecret, forwardSecrecy === "preferred" ? false : undefined);
    assert.equal(right.code, forwardSecrecy === "preferred" ? "open" : "downgrade");
    const left = client({ ...ONLY_13, forwardSecrecy });
    const puppet = new Puppet13("server", { pskOnly: true });
    puppet.hear(left.sent());
    left.receive(concat(puppet.serverHello(), puppet.encryptedExtensions(), puppet.finished()));
    assert.equal(left.session?.forwardSecret, forwardSecrecy === "preferred" ? false : undefined);
    assert.equal(left.code, forwardSecrecy === "preferred" ? "open" : "downgrade");
  }
});

test("a byte at a time, or with all records of a flight in one piece, it is the same handshake", () => {
  const left = client(BOTH);
  const right = server({ ...BOTH, groups: [0x17] });
  const slowly = (end: End, bytes: Uint8Array) => join([...bytes].map((byte) => end.receive(Uint8Array.of(byte))));
  let toRight = left.sent();
  for (let i = 0; i < 4 && toRight.length > 0; i++) toRight = slowly(left, slowly(right, toRight));
  assert.ok(left.session && right.session);
  talk(left, right);
});

test("with an empty session id nobody sends ChangeCipherSpec, and with one both do (RFC 8446 D.4)", () => {
  for (const [length, types] of [[0, [22, 22, 22]], [32, [22, 20, 22, 22]]] as const) {
    const puppet = new Puppet13("client");
    puppet.sessionId = new Uint8Array(length);
    const end = server(ONLY_13);
    const heard = puppet.hear(end.receive(puppet.clientHello()));
    assert.deepEqual(heard.map(({ type }) => type), types);
  }
});

test("the key log has the five secrets of a session, the same at both ends and in the order they come about", () => {
  const lines: string[][] = [[], []];
  const left = client({ ...ONLY_13, keyLog: (line) => lines[0]!.push(line) });
  const right = server({ ...ONLY_13, keyLog: (line) => lines[1]!.push(line) });
  run(left, right);
  assert.deepEqual(lines[0], lines[1]);
  assert.deepEqual(lines[0]!.map((line) => line.split(" ")[0]), [
    ...["CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET"],
    ...["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0", "EXPORTER_SECRET"],
  ]);
  for (const line of lines[0]!) assert.match(line, /^[A-Z_0-9]+ [0-9a-f]{64} [0-9a-f]{64}$/);
});

test("an identity of our own is decrypt_error to the peer and reflected to us; our own hello is reflected", () => {
  const left = client(ONLY_13);
  const right = server({ ...ONLY_13, ownIdentities: [IDENTITY] });
  run(left, right);
  assert.equal(right.code, "reflected");
  assert.equal(left.code, "auth-failed");
  const mirror = client(ONLY_13);
  mirror.receive(mirror.sent());
  assert.equal(mirror.code, "reflected");
});

test("an unknown name, a wrong key, an own name and a name too long are answered alike, to the byte", () => {
  const long = new Uint8Array(129).fill(0x41);
  const cases: readonly [Puppet13, Parameters<typeof server>][] = [
    [new Puppet13("client", { psk: new Uint8Array(32) }), [ONLY_13]],
    [new Puppet13("client"), [ONLY_13, unknowing]],
    [new Puppet13("client"), [{ ...ONLY_13, ownIdentities: [IDENTITY] }]],
    [new Puppet13("client", { identity: long }), [ONLY_13, unknowing]],
    // Even where the beginning of it is somebody's, whose key this is.
    [new Puppet13("client", { identity: long }), [ONLY_13, knowing]],
  ];
  for (const [puppet, options] of cases) {
    const end = server(...options);
    assert.deepEqual([...end.receive(puppet.clientHello())], [21, 3, 3, 0, 2, 2, 51]);
    assert.equal(end.demands.length, 1);
    assert.ok(["auth-failed", "reflected"].includes(end.code));
    assert.equal(end.session, undefined);
  }
});

test("of several keys the first that can be a name is asked for, and its binder alone counts", () => {
  const end = server(ONLY_13, (demand) => {
    assert.deepEqual(demand.identity, IDENTITY);
    return { kind: "psk", identity: IDENTITY, key: secretFrom(PSK) };
  });
  const ticket = { identity: new Uint8Array(200).fill(7), obfuscatedAge: 123_456 };
  const small = { identity: new Uint8Array(16).fill(7), obfuscatedAge: 99 };
  const name = { identity: IDENTITY, obfuscatedAge: 0 };
  const binders = [1, 2, 3, 4].map((fill) => new Uint8Array(32).fill(fill));
  const puppet = new Puppet13("client");
  const offeredPsks = { identities: [ticket, small, name, { ...name, identity: toUtf8("another") }], binders };
  end.receive(puppet.clientHello({ offeredPsks }));
  assert.equal(end.code, "auth-failed");
  assert.equal(end.demands.length, 1);
});

test("tickets of a server are passed over, and what follows them is read", () => {
  const left = client(ONLY_13);
  const puppet = new Puppet13("server");
  asServer13(puppet, left.sent(), (bytes) => left.receive(bytes));
  left.receive(concat(puppet.newSessionTicket(), puppet.newSessionTicket(), puppet.record(23, WORLD)));
  assert.equal(left.text, "world");
});

test("a sender takes its next key after so many records, and the other side follows (RFC 8446 5.5)", () => {
  const left = client({ ...ONLY_13, recordsPerKey: 3 });
  const right = server({ ...ONLY_13, recordsPerKey: 5 });
  run(left, right);
  let updates = 0;
  for (let i = 0; i < 20; i++) {
    const sent = left.send(HELLO);
    updates += shapeOf(sent).length - 1;
    assert.equal(right.receive(sent).length, 0);
    left.receive(right.send(WORLD));
  }
  assert.equal(updates, 6);
  assert.equal(right.text, "hello".repeat(20));
  assert.equal(left.text, "world".repeat(20));
});

test("data that a client sends too early is passed over within bounds, and the handshake goes on (RFC 8446 4.2.10)", () => {
  const early = (length: number) =>
    concat(Uint8Array.of(23, 3, 3, length >> 8, length), new Uint8Array(length).fill(3));
  const withEarlyData = (puppet: Puppet13, overrides: Parameters<Puppet13["clientHelloBody"]>[0] = {}) =>
    puppet.clientHello({ earlyData: true, ...overrides });
  const puppet = new Puppet13("client");
  const end = server(ONLY_13);
  const first = end.receive(concat(withEarlyData(puppet), early(1000), early(17)));
  puppet.hear(first);
  end.receive(early(2000));
  assert.equal(end.code, "open");
  end.receive(concat(puppet.changeCipherSpec(), puppet.finished()));
  assert.ok(end.session);
  // Who has said it once has no excuse after.
  end.receive(early(100));
  assert.equal(end.code, "auth-failed");

  const flood = server(ONLY_13);
  flood.receive(withEarlyData(new Puppet13("client")));
  for (let i = 0; i < 8 && flood.code === "open"; i++) flood.receive(early(4000));
  assert.equal(flood.code, "too-large");

  // Records that say nothing at all have a header still.
  const nothing = server(ONLY_13);
  nothing.receive(new Puppet13("client").clientHello({ earlyData: true, keyShares: [] }));
  for (let i = 0; i < 4000 && nothing.code === "open"; i++) nothing.receive(early(0));
  assert.equal(nothing.code, "too-large");

  const unsaid = server(ONLY_13);
  unsaid.receive(concat(new Puppet13("client").clientHello(), early(100)));
  assert.equal(unsaid.code, "auth-failed");
});

test("early data in front of a second hello is passed over too", () => {
  const early = concat(Uint8Array.of(23, 3, 3, 0, 100), new Uint8Array(100).fill(3));
  const puppet = new Puppet13("client");
  const end = server(ONLY_13);
  puppet.hear(end.receive(concat(puppet.clientHello({ earlyData: true, keyShares: [] }), early)));
  assert.equal(end.code, "open");
  puppet.hear(end.receive(concat(early, puppet.changeCipherSpec(), puppet.clientHello())));
  end.receive(puppet.finished());
  assert.ok(end.session, end.closed?.error?.message);
});

test("the same key in both versions makes two sessions that have nothing in common", () => {
  const left = client({ suites: [GCM], versions: [0x0303] });
  const right = server({ versions: [0x0303, 0x0304] });
  run(left, right);
  assert.equal(left.session?.suite, GCM);
  talk(left, right);
});

test("one PSK in both roles cannot be reflected: what either end says, sent back to it, opens nothing [SEC_CF-AUTH-004]", () => {
  // A mirror before the keys: the client's hello to itself, the server's flight to itself.
  const mirrored = client(ONLY_13);
  assert.deepEqual([...mirrored.receive(mirrored.sent())], [21, 3, 3, 0, 2, 2, 10]);
  assert.equal(mirrored.code, "reflected");
  const near = client(ONLY_13);
  const far = server(ONLY_13);
  const flight = far.receive(near.sent());
  far.receive(flight);
  assert.equal(far.session, undefined);
  assert.equal(far.code, "malformed");

  // Under the keys: each direction has its own, so a Finished or data of one's own is a record of nobody's.
  const finished = near.receive(flight);
  near.receive(finished.subarray(6));
  assert.deepEqual([shapeOf(finished)[0], near.code], ["20:1", "auth-failed"]);
  for (const side of ["client", "server"] as const) {
    const ends = { client: client(ONLY_13), server: server(ONLY_13) };
    run(ends.client, ends.server);
    ends[side].receive(ends[side].send(HELLO));
    assert.deepEqual([ends[side].code, ends[side].text], ["auth-failed", ""], side);
  }

  // The Selfie attack: a relay to the client's own server, which has the same key, under the name of the client.
  const selfie = client(BOTH);
  const own = server({ ...BOTH, ownIdentities: [toUtf8("another"), IDENTITY] });
  run(selfie, own);
  assert.deepEqual([selfie.session, own.session, own.code], [undefined, undefined, "reflected"]);
});

test("nothing of a session is left behind by disposal at any moment", () => {
  for (let steps = 0; steps < 3; steps++) {
    const left = client(ONLY_13);
    const right = server(ONLY_13);
    let bytes = left.sent();
    for (let i = 0; i < steps; i++) bytes = i % 2 === 0 ? right.receive(bytes) : left.receive(bytes);
    left.engine[Symbol.dispose]();
    right.engine[Symbol.dispose]();
    assert.throws(() => left.engine.receive(bytes, 0), { code: "state" });
    assert.equal(left.engine.deadline, undefined);
  }
});
