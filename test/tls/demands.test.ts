import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type Answer, createTlsEngine } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, End, GCM, IDENTITY, PSK, run, server, unknowing } from "./pair.ts";
import { Puppet } from "./puppet.ts";

const never = () => undefined;
const rightAnswer = (): Answer => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK) });

/** A server that has asked for the key; what the client goes on with is at hand. */
function asking(): { end: End; puppet: Puppet; rest: Uint8Array } {
  const end = server({}, never);
  const puppet = new Puppet("client");
  puppet.hear(end.receive(puppet.clientHello()));
  end.receive(puppet.clientKeyExchange());
  return { end, puppet, rest: concat(puppet.changeCipherSpec(), puppet.finished()) };
}

/** A client that has asked for the key. */
function askingClient(): End {
  const end = client({}, never);
  const puppet = new Puppet("server");
  puppet.hear(end.sent());
  end.receive(concat(puppet.serverHello(), puppet.serverHelloDone()));
  assert.equal(end.demands.length, 1);
  return end;
}

test("a late answer finds what came meanwhile, held, and the handshake goes on [SEC_CF-KEM-001]", () => {
  const { end, puppet, rest } = asking();
  assert.deepEqual(end.demands, [{ kind: "psk", version: 0x0303, suite: GCM, identity: IDENTITY }]);
  assert.equal(end.receive(rest.subarray(0, 20)).length, 0);
  assert.equal(end.receive(rest.subarray(20)).length, 0);
  end.now = 9999;
  const heard = puppet.hear(end.answer(end.demands[0]!, rightAnswer()));
  assert.deepEqual(heard.map(({ type }) => type), [20, 22]);
  assert.ok(end.session);
  assert.equal(end.engine.deadline, undefined);
});

test("a demand comes out once, after what is sent before it, and nothing is sent while it is open", () => {
  const { end, rest } = asking();
  assert.deepEqual(end.order, ["transmit", "demand"]);
  assert.equal(end.receive(rest).length, 0);
  assert.equal(end.demands.length, 1);
});

test("a second answer throws state and changes nothing", () => {
  for (const end of [asking().end, askingClient()]) {
    const demand = end.demands[0]!;
    end.answer(demand, rightAnswer());
    assert.equal(end.code, "open");
    assert.throws(() => end.answer(demand, rightAnswer()), { code: "state" });
    assert.throws(() => end.answer(demand, { kind: "unknown" }), { code: "state" });
    assert.equal(end.sent().length, 0);
    assert.equal(end.code, "open");
  }
});

test("an answer to another engine's demand, to a copy or to none throws state; the right one still counts", () => {
  const { end, rest } = asking();
  const foreign = asking().end.demands[0]!;
  assert.throws(() => end.answer(foreign, rightAnswer()), { code: "state" });
  assert.throws(() => end.answer({ ...end.demands[0]! }, rightAnswer()), { code: "state" });
  assert.throws(() => server().answer(foreign, rightAnswer()), { code: "state" });
  end.answer(end.demands[0]!, rightAnswer());
  end.receive(rest);
  assert.ok(end.session);
});

test("an answer that does not fit is a misuse, changes nothing and can be mended", () => {
  const empty = secretFrom(new Uint8Array(0));
  const long = secretFrom(new Uint8Array(513));
  const spent = secretFrom(PSK);
  spent[Symbol.dispose]();
  for (const end of [asking().end, askingClient()]) {
    const demand = end.demands[0]!;
    for (const key of [empty, long]) {
      assert.throws(() => end.answer(demand, { kind: "psk", identity: IDENTITY, key }), RangeError);
    }
    assert.throws(() => end.answer(demand, { kind: "psk", identity: IDENTITY, key: spent }), { code: "state" });
    end.answer(demand, rightAnswer());
    assert.equal(end.code, "open");
  }
  const end = askingClient();
  const identity = new Uint8Array(129);
  assert.throws(
    () => end.answer(end.demands[0]!, { kind: "psk", identity, key: secretFrom(PSK) }),
    RangeError,
  );
  end.answer(end.demands[0]!, { kind: "psk", identity: identity.subarray(1), key: secretFrom(PSK) });
  assert.equal(end.code, "open");
});

test("the key may be disposed, and the identity overwritten, as soon as answer has returned", () => {
  const right = server();
  const left = client({}, () => undefined);
  left.receive(right.receive(left.sent()));
  const identity = new Uint8Array(IDENTITY);
  const key = secretFrom(PSK);
  const sent = left.answer(left.demands[0]!, { kind: "psk", identity, key });
  key[Symbol.dispose]();
  identity.fill(0);
  left.receive(right.receive(sent));
  assert.deepEqual(left.session?.identity, IDENTITY);
});

test("no answer ends in timeout at the deadline, at both ends, without a word to the peer", () => {
  for (const end of [asking().end, askingClient()]) {
    assert.equal(end.engine.deadline, 10_000);
    assert.equal(end.expire(9999).length, 0);
    assert.equal(end.code, "open");
    assert.equal(end.expire(10_000).length, 0);
    assert.equal(end.code, "timeout");
    assert.equal(end.engine.deadline, undefined);
    assert.throws(() => end.answer(end.demands[0]!, rightAnswer()), { code: "state" });
  }
});

test("an answer after the deadline that nobody called ends in timeout as well", () => {
  const { end } = asking();
  end.now = 10_000;
  assert.equal(end.answer(end.demands[0]!, rightAnswer()).length, 0);
  assert.equal(end.code, "timeout");
});

test("a client without a key says handshake_failure and reports key-unavailable", () => {
  const end = askingClient();
  assert.deepEqual([...end.answer(end.demands[0]!, { kind: "unknown" })], [21, 3, 3, 0, 2, 2, 40]);
  assert.equal(end.code, "key-unavailable");
});

test("an answer after the end throws state", () => {
  const { end } = asking();
  end.close();
  assert.equal(end.code, "none");
  assert.throws(() => end.answer(end.demands[0]!, rightAnswer()), { code: "state" });
});

test("what the peer sends while a key is looked up is held up to 4096 bytes and not one more", () => {
  const { end } = asking();
  // As records of data, to be read later; nothing is read now.
  const record = concat(Uint8Array.of(23, 3, 3, 2, 0), new Uint8Array(512));
  for (let i = 0; i < 7; i++) assert.equal(end.receive(record).length, 0);
  assert.equal(end.receive(record.subarray(0, 4096 - 7 * 517)).length, 0);
  assert.equal(end.code, "open");
  assert.deepEqual([...end.receive(Uint8Array.of(0))], [21, 3, 3, 0, 2, 2, 10]);
  assert.equal(end.code, "too-large");
  assert.throws(() => end.answer(end.demands[0]!, rightAnswer()), { code: "state" });
});

test("what came behind the question in one piece counts as held", () => {
  const end = server({}, never);
  const puppet = new Puppet("client");
  puppet.hear(end.receive(puppet.clientHello()));
  end.receive(concat(puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished()));
  assert.equal(end.demands.length, 1);
  puppet.hear(end.answer(end.demands[0]!, rightAnswer()));
  assert.ok(end.session);

  for (const [length, code] of [[4096, "open"], [4097, "too-large"], [1 << 20, "too-large"]] as const) {
    const flooded = server({}, never);
    const other = new Puppet("client");
    other.hear(flooded.receive(other.clientHello()));
    flooded.receive(concat(other.clientKeyExchange(), new Uint8Array(length)));
    assert.equal(flooded.code, code);
  }
});

test("undrained outputs make the next input throw state, whichever it is, and change nothing", () => {
  const engine = createTlsEngine({ role: "client", now: 0, random: seededRandom(1), versions: [0x0303] });
  const inputs = [
    () => engine.receive(new Uint8Array(1), 0),
    () => engine.send(new Uint8Array(1), 0),
    () => engine.expire(0),
    () => engine.close(0),
    () => engine.answer({ kind: "psk", version: 0x0303, suite: GCM }, { kind: "unknown" }, 0),
  ];
  for (const input of inputs) assert.throws(input, { code: "state" });
  const end = new End(engine);
  run(end, server());
  assert.ok(end.session);
});

test("the last output may be followed by the next input at once", () => {
  const right = server();
  const engine = createTlsEngine({ role: "client", now: 0, random: seededRandom(1), versions: [0x0303] });
  const first = engine.poll();
  assert.ok(first?.kind === "transmit");
  engine.receive(right.receive(first.bytes), 0);
  const demand = engine.poll();
  assert.ok(demand?.kind === "demand");
  engine.answer(demand.demand, rightAnswer(), 0);
  const last = engine.poll();
  assert.ok(last?.kind === "transmit");
  engine.receive(right.receive(last.bytes), 0);
  assert.equal(engine.poll()?.kind, "established");
  engine.send(toUtf8("hi"), 0);
  const data = engine.poll();
  assert.ok(data?.kind === "transmit");
  right.receive(data.bytes);
  assert.equal(right.text, "hi");
  assert.equal(engine.poll(), undefined);
});

test("a disposed engine throws state at every input, gives nothing and awaits nothing", () => {
  const left = client();
  run(left, server());
  const { engine } = left;
  engine.send(toUtf8("x"), 0);
  engine[Symbol.dispose]();
  engine[Symbol.dispose]();
  assert.equal(engine.poll(), undefined);
  assert.equal(engine.deadline, undefined);
  assert.throws(() => engine.receive(new Uint8Array(1), 0), { code: "state" });
  assert.throws(() => engine.send(new Uint8Array(1), 0), { code: "state" });
  assert.throws(() => engine.close(0), { code: "state" });
  assert.throws(() => engine.expire(0), { code: "state" });
});

test("send before the session throws state and does not end the handshake", () => {
  const left = client();
  assert.throws(() => left.send(toUtf8("x")), { code: "state" });
  const right = server();
  assert.throws(() => right.send(toUtf8("x")), { code: "state" });
  run(left, right);
  assert.ok(left.session && right.session);
});

test("close before the session is silent", () => {
  for (const end of [server(), askingClient(), asking().end]) {
    end.sent();
    assert.equal(end.close().length, 0);
    assert.equal(end.code, "none");
  }
});

test("randomness that fails ends the engine with a reason and does not escape from receive", () => {
  let calls = 0;
  const end = server({
    random: () => {
      calls++;
      throw new TypeError("no entropy");
    },
  });
  const sent = end.receive(new Puppet("client").clientHello());
  assert.equal(calls, 1);
  assert.deepEqual([...sent], [21, 3, 3, 0, 2, 2, 80]);
  assert.equal(end.code, "state");
  assert.ok((end.closed?.error as Error).cause instanceof TypeError);
});

test("a server that knows nobody ends in auth-failed only when the client's Finished has come", () => {
  const right = server({}, unknowing);
  const left = client();
  run(left, right);
  assert.equal(right.code, "auth-failed");
  assert.equal(left.code, "auth-failed");
});
