// DESIGN 4.7 and 4.11, RFC 4279 2: a peer without the right key learns nothing of why.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import {
  ALL_SUITES,
  type Answerer,
  client,
  type End,
  IDENTITY,
  knowing,
  PSK,
  run,
  server,
  shapeOf,
  unknowing,
} from "./pair.ts";
import { Puppet } from "./puppet.ts";

const wrong: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(new Uint8Array(32).fill(9)) });

/** The four ways to have no right key, as the server knows them. */
const REFUSALS: readonly { readonly name: string; readonly make: (suite: number) => End; readonly code: string }[] = [
  { name: "wrong key", make: (suite) => server({ suites: [suite], macThenEncrypt: true }, wrong), code: "auth-failed" },
  {
    name: "unknown identity",
    make: (suite) => server({ suites: [suite], macThenEncrypt: true }, unknowing),
    code: "auth-failed",
  },
  {
    name: "own identity, and the right key for it",
    make: (suite) => server({ suites: [suite], macThenEncrypt: true, ownIdentities: [IDENTITY] }, knowing),
    code: "reflected",
  },
  {
    name: "own identity, unknown",
    make: (suite) => server({ suites: [suite], macThenEncrypt: true, ownIdentities: [IDENTITY] }, unknowing),
    code: "reflected",
  },
];

test("unknown identity, wrong key and own identity give one and the same bytes, in the same order [SEC_CF-AUTH-001]", () => {
  for (const suite of ALL_SUITES) {
    const seen = REFUSALS.map(({ make, code, name }) => {
      const left = client({ suites: [suite] });
      const right = make(suite);
      const flights = run(left, right);
      assert.equal(right.code, code, name);
      assert.equal(left.code, "auth-failed", name);
      assert.equal(left.session ?? right.session, undefined, name);
      return flights;
    });
    for (const flights of seen) assert.deepEqual(flights, seen[0]);
    assert.deepEqual(shapeOf(seen[0]!.at(-1)!.bytes), ["21:2"]);
    // bad_record_mac, as RFC 5246 7.2.2 demands of a record that does not open.
    assert.deepEqual([...seen[0]!.at(-1)!.bytes], [21, 3, 3, 0, 2, 2, 20]);
  }
});

test("the refusal comes at the same moment: with the record that does not open, not with the answer", () => {
  for (const { make, name } of REFUSALS) {
    const end = make(ALL_SUITES[0]!);
    const puppet = new Puppet("client");
    puppet.hear(end.receive(puppet.clientHello()));
    assert.equal(end.receive(puppet.clientKeyExchange()).length, 0, name);
    assert.equal(end.receive(puppet.changeCipherSpec()).length, 0, name);
    assert.equal(end.code, "open", name);
    const finished = puppet.finished();
    assert.equal(end.receive(finished.subarray(0, finished.length - 1)).length, 0, name);
    assert.equal(end.receive(finished.subarray(-1)).length, 7, name);
  }
});

test("whatever a stranger sends as its Finished, of any length or type, the answer is the same", () => {
  for (const { make, name } of REFUSALS) {
    for (
      const [type, length] of [[22, 0], [22, 1], [22, 24], [22, 40], [22, 41], [23, 40], [21, 26], [20, 25]] as const
    ) {
      const end = make(ALL_SUITES[0]!);
      const puppet = new Puppet("client");
      puppet.hear(end.receive(puppet.clientHello()));
      end.receive(concat(puppet.clientKeyExchange(), puppet.changeCipherSpec()));
      const sent = end.receive(concat(Uint8Array.of(type, 3, 3, 0, length), new Uint8Array(length)));
      assert.deepEqual([...sent], [21, 3, 3, 0, 2, 2, 20], `${name}, type ${type}, ${length} bytes`);
    }
  }
});

test("a silent stranger times out alike", () => {
  for (const { make, name } of REFUSALS) {
    const end = make(ALL_SUITES[0]!);
    const puppet = new Puppet("client");
    puppet.hear(end.receive(puppet.clientHello()));
    end.receive(puppet.clientKeyExchange());
    assert.equal(end.engine.deadline, 10_000, name);
    assert.equal(end.expire(10_000).length, 0, name);
    assert.equal(end.code, "timeout", name);
  }
});

test("an answer draws the same from the source of randomness whether there is a key or not", () => {
  const draws = REFUSALS.map(({ make }) => make).concat((suite) => server({ suites: [suite] }, knowing)).map((make) => {
    const end = make(ALL_SUITES[0]!);
    const puppet = new Puppet("client");
    puppet.hear(end.receive(puppet.clientHello()));
    end.receive(puppet.clientKeyExchange());
    return end;
  });
  assert.ok(draws.every((end) => end.code === "open"));

  const counts = [knowing, unknowing, wrong].map((answerer) => {
    const lengths: number[] = [];
    const end = server({ random: (out) => void lengths.push(out.length) }, answerer);
    const puppet = new Puppet("client");
    puppet.hear(end.receive(puppet.clientHello()));
    end.receive(puppet.clientKeyExchange());
    return lengths;
  });
  assert.deepEqual(counts, [[32, 32], [32, 32], [32, 32]]);
});

test("no stranger gets in even where randomness has failed and the decoy is known", () => {
  // A source that gives zeros: the key that stands for none is then 32 zeros, and the stranger has it.
  for (const options of [{}, { ownIdentities: [IDENTITY] }]) {
    const end = server({ random: (out) => out.fill(0), ...options }, unknowing);
    const puppet = new Puppet("client", { psk: new Uint8Array(32) });
    puppet.hear(end.receive(puppet.clientHello()));
    const heard = puppet.hear(
      end.receive(concat(puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished())),
    );
    assert.deepEqual(heard.map(({ payload }) => [...payload]), [[2, 51]]);
    assert.equal(end.session, undefined);
    assert.equal(end.code, options.ownIdentities ? "reflected" : "auth-failed");
  }
});

test("a wrong key is noticed by the client too, where the server is the impostor [SEC_CF-AUTH-002]", () => {
  const end = client();
  const puppet = new Puppet("server", { psk: new Uint8Array(16) });
  puppet.hear(end.sent());
  end.receive(concat(puppet.serverHello(), puppet.serverHelloDone()));
  puppet.derive();
  const sent = end.receive(concat(puppet.changeCipherSpec(), puppet.finished()));
  // Under the client's own keys, which the impostor has not.
  assert.deepEqual(shapeOf(sent), ["21:26"]);
  assert.equal(end.code, "auth-failed");
  assert.equal(end.session, undefined);
});

test("a line that sends everything back gets no session at either end: our own messages are refused", () => {
  const mirrored = client();
  assert.deepEqual([...mirrored.receive(mirrored.sent())], [21, 3, 3, 0, 2, 2, 10]);
  assert.equal(mirrored.code, "reflected");

  const right = server();
  const puppet = new Puppet("client");
  const flight = right.receive(puppet.clientHello());
  assert.deepEqual([...right.receive(flight)], [21, 3, 3, 0, 2, 2, 10]);
  assert.equal(right.code, "malformed");
});

test("a server's random that is the client's own is refused, and the other way round", () => {
  const left = client();
  const hello = left.sent();
  const puppet = new Puppet("server");
  puppet.hear(hello);
  const sent = left.receive(puppet.serverHello({ random: hello.subarray(11, 43) }));
  assert.deepEqual([...sent], [21, 3, 3, 0, 2, 2, 47]);
  assert.equal(left.code, "reflected");

  const other = new Puppet("client");
  const right = server({ random: (out) => out.set(other.random.subarray(0, out.length)) });
  assert.deepEqual([...right.receive(other.clientHello())], [21, 3, 3, 0, 2, 2, 47]);
  assert.equal(right.code, "reflected");
});

test("a client's Finished, sent back to it, does not open", () => {
  const left = client();
  const right = server();
  const flight = left.receive(right.receive(left.sent()));
  const shape = shapeOf(flight);
  assert.deepEqual(shape.map((each) => each.split(":")[0]), ["22", "20", "22"]);
  const exchangeLength = 5 + Number(shape[0]!.split(":")[1]);
  left.receive(flight.subarray(exchangeLength));
  assert.equal(left.code, "auth-failed");
  assert.equal(left.session, undefined);
});

test("a record of data, sent back or sent twice, ends the connection without a byte of it [SEC_CF-AUTH-004]", () => {
  for (const suite of ALL_SUITES) {
    const left = client({ suites: [suite] });
    const right = server({ suites: [suite] });
    run(left, right);
    const sent = left.send(toUtf8("pay 100"));
    left.receive(sent);
    assert.equal(left.code, "auth-failed");
    assert.equal(left.text, "");
    right.receive(sent);
    right.receive(sent);
    assert.equal(right.text, "pay 100");
    assert.equal(right.code, "auth-failed");
  }
});

test("one key in both roles: a client led to its own server by a relay is refused there (Selfie)", () => {
  const left = client();
  const right = server({ ownIdentities: [toUtf8("another"), PSK, IDENTITY] }, knowing);
  run(left, right);
  assert.equal(right.code, "reflected");
  assert.equal(left.session, undefined);
});
