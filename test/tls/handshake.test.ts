import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { suiteById } from "../../lib/crypto/mod.ts";
import {
  ALL_SUITES,
  CBC_SHA,
  CBC_SHA256,
  client,
  type End,
  GCM,
  IDENTITY,
  join,
  run,
  server,
  shapeOf,
} from "./pair.ts";
import { asClient, asServer, Puppet } from "./puppet.ts";

const HELLO = toUtf8("hello");
const WORLD = toUtf8("world");

/** Both directions carry, and close_notify ends both in good order. */
function talk(left: End, right: End): void {
  assert.equal(left.code, "open");
  assert.equal(right.code, "open");
  right.receive(left.send(HELLO));
  left.receive(right.send(WORLD));
  assert.equal(right.text, "hello");
  assert.equal(left.text, "world");
  run(left, right);
  const goodbye = left.close();
  left.receive(right.receive(goodbye));
  assert.equal(left.code, "none");
  assert.equal(right.code, "none");
}

for (const suite of ALL_SUITES) {
  test(`suite ${suite.toString(16)}: both ends agree on everything [SEC_CF-AUTH-001, SEC_CF-AUTH-002]`, () => {
    const options = { suites: [suite] };
    const left = client({ ...options, serverName: "meter.example.net" });
    const right = server({ ...options, hint: toUtf8("3GPP-bootstrapping") });
    run(left, right);
    const session = {
      version: 0x0303,
      suite,
      identity: IDENTITY,
      serverName: "meter.example.net",
      forwardSecret: suiteById(suite)!.exchange === "ecdhe_psk",
      extendedMasterSecret: true,
      encryptThenMac: suite === CBC_SHA256 || suite === CBC_SHA,
    };
    assert.deepEqual(left.session, session);
    assert.deepEqual(right.session, session);
    assert.deepEqual(left.demands, [{ kind: "psk", version: 0x0303, suite, hint: toUtf8("3GPP-bootstrapping") }]);
    assert.deepEqual(right.demands, [{
      kind: "psk",
      version: 0x0303,
      suite,
      identity: IDENTITY,
      serverName: "meter.example.net",
    }]);
    talk(left, right);
  });
}

test("without hint and name there is no ServerKeyExchange, and demands say so (RFC 4279 2)", () => {
  const left = client();
  const right = server({ suites: [GCM] });
  const flights = run(left, right);
  // ServerHello and ServerHelloDone alone; the rest is ClientKeyExchange, two changes of keys, two Finished.
  assert.deepEqual(flights.map(({ from, bytes }) => [from, shapeOf(bytes).map((each) => each.split(":")[0]).join()]), [
    ["client", "22"],
    ["server", "22,22"],
    ["client", "22,20,22"],
    ["server", "20,22"],
  ]);
  assert.deepEqual(left.demands, [{ kind: "psk", version: 0x0303, suite: GCM }]);
  assert.deepEqual(right.demands, [{ kind: "psk", version: 0x0303, suite: GCM, identity: IDENTITY }]);
  assert.equal(right.session?.serverName, undefined);
  talk(left, right);
});

for (const suite of ALL_SUITES) {
  for (const extendedMasterSecret of [true, false]) {
    for (const encryptThenMac of suite === CBC_SHA256 || suite === CBC_SHA ? [true, false] : [false]) {
      const name = `suite ${suite.toString(16)}, extended master secret ${extendedMasterSecret}, ` +
        `encrypt-then-MAC ${encryptThenMac}`;
      const agreed = { suite, extendedMasterSecret, encryptThenMac };
      const lenient = { suites: [suite], requireExtendedMasterSecret: false, macThenEncrypt: true };

      test(`${name}: the server serves it where both are allowed`, () => {
        const end = server(lenient);
        const puppet = new Puppet("client", agreed);
        const heard = asClient(puppet, (bytes) => end.receive(bytes));
        assert.deepEqual(heard.map(({ type }) => type), [20, 22]);
        assert.deepEqual(pick(end), agreed);
        end.receive(puppet.record(23, HELLO));
        assert.equal(end.text, "hello");
        assert.deepEqual(puppet.hear(end.send(WORLD)), [{ type: 23, payload: WORLD }]);
      });

      test(`${name}: the client takes it where both are allowed`, () => {
        const end = client(lenient);
        const puppet = new Puppet("server", agreed);
        asServer(puppet, end.sent(), (bytes) => end.receive(bytes), toUtf8("hint1"));
        assert.deepEqual(pick(end), agreed);
        end.receive(puppet.record(23, HELLO));
        assert.equal(end.text, "hello");
        assert.deepEqual(puppet.hear(end.send(WORLD)), [{ type: 23, payload: WORLD }]);
      });
    }
  }
}

function pick(end: End): object | undefined {
  if (!end.session) return undefined;
  const { suite, extendedMasterSecret, encryptThenMac } = end.session;
  return { suite, extendedMasterSecret, encryptThenMac };
}

for (const suite of ALL_SUITES) {
  test(`suite ${suite.toString(16)}: a stream cut anywhere, down to single bytes, carries the same`, () => {
    const left = client({ suites: [suite] });
    const right = server({ suites: [suite], hint: toUtf8("hint1") });
    const trickle = (end: End, bytes: Uint8Array): Uint8Array =>
      join(Array.from(bytes, (byte) => end.receive(Uint8Array.of(byte))));
    const last = trickle(left, trickle(right, trickle(left, trickle(right, left.sent()))));
    assert.equal(last.length, 0);
    assert.ok(left.session && right.session);
    const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i);
    trickle(right, left.send(bytes));
    assert.deepEqual(join(right.data), bytes);
    talk2(left, right, trickle);
  });
}

function talk2(left: End, right: End, trickle: (end: End, bytes: Uint8Array) => Uint8Array): void {
  trickle(left, trickle(right, left.close()));
  assert.equal(left.code, "none");
  assert.equal(right.code, "none");
}

test("handshake messages may be cut into records of one byte, or all stand in one record (RFC 5246 6.2.1)", () => {
  const end = server();
  const puppet = new Puppet("client");
  const hello = puppet.clientHello();
  const body = hello.subarray(5);
  const cut = join(Array.from(body, (byte) => Uint8Array.of(22, 3, 1, 0, 1, byte)));
  puppet.hear(end.receive(cut));
  puppet.hear(end.receive(concat(puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished())));
  assert.ok(end.session);

  const other = client();
  const answer = new Puppet("server");
  answer.hear(other.sent());
  const messages = [answer.serverHello(), answer.serverKeyExchange(toUtf8("h")), answer.serverHelloDone()];
  const all = join(messages.map((record) => record.subarray(5)));
  answer.hear(other.receive(concat(Uint8Array.of(22, 3, 3, all.length >> 8, all.length), all)));
  other.receive(concat(answer.changeCipherSpec(), answer.finished()));
  assert.ok(other.session);
});

test("what is sent is cut into records of 2^14 and arrives whole, in order", () => {
  for (const suite of ALL_SUITES) {
    const left = client({ suites: [suite] });
    const right = server({ suites: [suite] });
    run(left, right);
    const bytes = Uint8Array.from({ length: 2 * 16_384 + 1 }, (_, i) => i * 7);
    const sent = left.send(bytes);
    assert.equal(shapeOf(sent).length, 3);
    right.receive(sent);
    assert.deepEqual(join(right.data), bytes);
    assert.deepEqual(right.data.map((part) => part.length), [16_384, 16_384, 1]);
  }
});

test("nothing to send is no record", () => {
  const left = client();
  const right = server();
  run(left, right);
  assert.equal(left.send(new Uint8Array(0)).length, 0);
});

test("data behind the peer's Finished in one piece comes after established", () => {
  const end = server();
  const puppet = new Puppet("client");
  puppet.hear(end.receive(puppet.clientHello()));
  const all = concat(
    puppet.clientKeyExchange(),
    puppet.changeCipherSpec(),
    puppet.finished(),
    puppet.record(23, HELLO),
  );
  end.receive(all);
  assert.deepEqual(end.order.slice(-3), ["transmit", "established", "data"]);
});

test("the input may be a view into memory that is used again at once", () => {
  // As Node's Buffer: slice gives a view, not a copy.
  class Shared extends Uint8Array<ArrayBuffer> {
    override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
      return this.subarray(start, end);
    }
  }
  for (const cut of [0, 0.5]) {
    const left = client();
    const right = server({ hint: toUtf8("hint1") });
    const give = (end: End, bytes: Uint8Array): Uint8Array => {
      const shared = Shared.from(bytes) as Shared;
      const at = Math.floor(cut * bytes.length);
      end.engine.receive(shared.subarray(0, at), 0);
      shared.fill(0xee, 0, at);
      const first = end.sent();
      end.engine.receive(shared.subarray(at), 0);
      shared.fill(0xee);
      return concat(first, end.sent());
    };
    give(left, give(right, give(left, give(right, left.sent()))));
    assert.deepEqual(left.session, right.session);
    assert.deepEqual(left.demands[0]?.hint, toUtf8("hint1"));
    assert.deepEqual(right.demands[0]?.identity, IDENTITY);
    talk(left, right);
  }
});

test("a message in two records arrives whole wherever the stream is cut, twice", () => {
  const hello = new Puppet("client").clientHello().subarray(5);
  const half = hello.length >> 1;
  const record = (part: Uint8Array) => concat(Uint8Array.of(22, 3, 3, 0, part.length), part);
  const stream = concat(record(hello.subarray(0, half)), record(hello.subarray(half)));
  for (let first = 1; first < 8; first++) {
    for (let second = first; second < stream.length; second++) {
      const end = server();
      end.receive(stream.subarray(0, first));
      end.receive(stream.subarray(first, second));
      assert.deepEqual(shapeOf(end.receive(stream.subarray(second))).length, 2, `cut at ${first} and ${second}`);
    }
  }
});

test("one seed, one run: the same bytes again", () => {
  const once = () => run(client(), server()).map(({ bytes }) => bytes);
  assert.deepEqual(once(), once());
});
