// What the driver owes an engine, shown with engines that are stricter or worse than the real one.
import assert from "node:assert/strict";
import test from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { connectChannel } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ByteStream } from "../../lib/link.ts";
import type { Engine, Output } from "../../lib/tls/engine.ts";
import { VirtualClock } from "../support/virtual.ts";
import { code, IDENTITY, readOne, testAssociation } from "./fixtures.ts";

/** Says what a test tells it to say. Every view that it gave is overwritten at its next call. */
class ScriptedEngine implements Engine {
  readonly deadline = undefined;
  readonly calls: string[] = [];
  readonly #outputs: Output[];
  readonly #given: Uint8Array[] = [];
  readonly #onSend: (plaintext: Uint8Array) => Output[];

  constructor(outputs: Output[], onSend: (plaintext: Uint8Array) => Output[] = () => []) {
    this.#outputs = outputs;
    this.#onSend = onSend;
  }

  poll(): Output | undefined {
    this.#spoil();
    const output = this.#outputs.shift();
    if (output?.kind === "transmit" || output?.kind === "data") this.#given.push(output.bytes);
    if (output?.kind === "demand") {
      const { hint, identity } = output.demand;
      for (const view of [hint, identity]) if (view) this.#given.push(view);
    }
    return output;
  }

  answer(): void {
    this.#call("answer");
    const session = { version: 0x0303, suite: 0x00a8, identity: IDENTITY, serverName: undefined };
    this.#outputs.push({
      kind: "established",
      session: { ...session, forwardSecret: false, extendedMasterSecret: true, encryptThenMac: false },
    });
  }

  send(plaintext: Uint8Array): void {
    this.#call("send");
    this.#outputs.push(...this.#onSend(plaintext));
  }

  receive(bytes: Uint8Array): void {
    this.#call("receive");
    this.#outputs.push({ kind: "data", bytes: bytes.slice() });
  }

  exportKey(): never {
    throw new TypeError("it has no keys");
  }

  expire(): void {
    this.#call("expire");
  }

  close(): void {
    this.#call("close");
    this.#outputs.push({ kind: "transmit", bytes: toUtf8("bye") }, { kind: "closed" });
  }

  [Symbol.dispose](): void {
    this.calls.push("dispose");
  }

  #call(name: string): void {
    assert.equal(this.#outputs.length, 0, `${name} before everything was polled`);
    this.calls.push(name);
    this.#spoil();
  }

  #spoil(): void {
    for (const bytes of this.#given.splice(0)) bytes.fill(0xee);
  }
}

/** A stream that keeps what is written and says nothing but `incoming`. */
function keeper(incoming: Uint8Array[] = []) {
  const written: string[] = [];
  let end = () => {};
  const ended = new Promise<void>((resolve) => end = resolve);
  const stream: ByteStream = {
    remote: "nowhere:1",
    async write(bytes) {
      await Promise.resolve();
      written.push(new TextDecoder().decode(bytes));
    },
    async *[Symbol.asyncIterator]() {
      yield* incoming;
      await ended;
    },
    [Symbol.asyncDispose]() {
      end();
      return Promise.resolve();
    },
  };
  return { written, stream };
}

/** Fresh bytes each time: an engine spoils what it gave. */
const asked = () => ({ identity: toUtf8("somebody"), hint: toUtf8("hint"), serverName: "meter.example.net" });
const demand = (): Output => ({ kind: "demand", demand: { kind: "psk", version: 0x0303, suite: 0x00a8, ...asked() } });

test("views are copied before the engine is called again, and everything is polled before that", async () => {
  const clock = new VirtualClock();
  const hello: Output[] = ["one", "two", "three"].map((text) => ({ kind: "transmit", bytes: toUtf8(text) }));
  const engine = new ScriptedEngine([...hello, demand()], (plaintext) => [
    { kind: "transmit", bytes: plaintext.slice() },
    { kind: "transmit", bytes: toUtf8("!") },
  ]);
  const { written, stream } = keeper([toUtf8("first"), toUtf8("second")]);
  const association = testAssociation();
  const channel = await connectChannel({ engine, stream, keys: association, clock, carrier: "tls" });
  await channel.send(toUtf8("hello"));
  assert.deepEqual(await readOne(channel), toUtf8("first"));
  assert.deepEqual(await readOne(channel), toUtf8("second"));
  await channel[Symbol.asyncDispose]();
  assert.deepEqual(written, ["one", "two", "three", "hello", "!", "bye"]);
  assert.deepEqual(association.requests, [{ use: { kind: "tls", suite: 0x00a8 }, ...asked() }]);
  assert.deepEqual(engine.calls.slice(-2), ["close", "dispose"]);
  assert.equal(engine.calls.filter((call) => call === "dispose").length, 1);
});

test("a send that the engine can not do is not said to be done", async () => {
  const clock = new VirtualClock();
  const engine = new ScriptedEngine([demand()], () => [
    { kind: "closed", error: new SeccfError("exhausted", "no record numbers left") },
  ]);
  const { stream } = keeper();
  const channel = await connectChannel({ engine, stream, keys: testAssociation(), clock, carrier: "tls" });
  await assert.rejects(channel.send(toUtf8("hello")), { code: "closed", message: "the channel is closed" });
  await assert.rejects(readOne(channel), code("exhausted"));
  await channel[Symbol.asyncDispose]();
});

test("after a write that failed nothing more is written", async () => {
  const clock = new VirtualClock();
  const engine = new ScriptedEngine(["one", "two", "three"].map((text) => ({ kind: "transmit", bytes: toUtf8(text) })));
  const { stream } = keeper();
  let writes = 0;
  const broken: ByteStream = {
    ...stream,
    write() {
      writes++;
      return Promise.reject(new SeccfError("closed", "the wire broke"));
    },
    [Symbol.asyncIterator]: () => stream[Symbol.asyncIterator](),
  };
  const options = { engine, stream: broken, keys: testAssociation(), clock, carrier: "tls" };
  await assert.rejects(connectChannel(options), { code: "closed", message: "the wire broke" });
  await clock.settle();
  assert.equal(writes, 1);
});

test("an engine without a deadline of its own is held to the driver's", async () => {
  const clock = new VirtualClock();
  const engine = new ScriptedEngine([]);
  const { stream } = keeper();
  const options = { engine, stream, keys: testAssociation(), clock, carrier: "tls" };
  const connecting = assert.rejects(connectChannel({ ...options, handshakeSeconds: 3 }), code("timeout"));
  await clock.advance(3000);
  await connecting;
  assert.equal(clock.pending, 0);
});

test("an engine that fails in itself ends the connection with what it threw", async () => {
  const clock = new VirtualClock();
  const engine = new ScriptedEngine([]);
  engine.receive = () => {
    throw new TypeError("a defect");
  };
  const { stream } = keeper([toUtf8("anything")]);
  await assert.rejects(
    connectChannel({ engine, stream, keys: testAssociation(), clock, carrier: "tls" }),
    { name: "TypeError", message: "a defect" },
  );
  assert.equal(clock.pending, 0);
});
