// What the driver owes an acceptor, shown with acceptors and engines that are worse than the real ones.
import assert from "node:assert/strict";
import test from "node:test";
import { acceptDatagrams, connectDatagrams, type Refusal } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import type { Acceptor, AcceptorOutput, Engine } from "../../lib/tls/mod.ts";
import { memoryNetwork } from "../../transports/memory/mod.ts";
import { VirtualClock } from "../support/virtual.ts";
import { next, pair, place, SERVER } from "./datagram_fixtures.ts";
import { code, readOne, testAssociation } from "./fixtures.ts";

/** Says nothing of itself; each datagram is one output that the test chose. */
class ScriptedAcceptor implements Acceptor {
  deadline: number | undefined;
  readonly calls: string[] = [];
  readonly #outputs: AcceptorOutput[] = [];
  readonly #onReceive: (from: string) => AcceptorOutput[];

  constructor(onReceive: (from: string) => AcceptorOutput[]) {
    this.#onReceive = onReceive;
  }

  receive(_datagram: Uint8Array, from: string): void {
    assert.equal(this.#outputs.length, 0, "received before everything was polled");
    this.calls.push(`receive ${from}`);
    this.#outputs.push(...this.#onReceive(from));
  }

  expire(): void {
    this.calls.push("expire");
    this.deadline = undefined;
  }

  poll(): AcceptorOutput | undefined {
    return this.#outputs.shift();
  }

  [Symbol.dispose](): void {
    this.calls.push("dispose");
  }
}

/** An engine that never says anything. */
function mute(): Engine & { disposed: number } {
  return {
    disposed: 0,
    deadline: undefined,
    ...{ receive() {}, send() {}, answer() {}, expire() {}, close() {}, poll: () => undefined },
    exportKey: () => assert.fail("it has no keys"),
    [Symbol.dispose]() {
      this.disposed++;
    },
  };
}

function scripted(onReceive: (from: string) => AcceptorOutput[]) {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, seed: 1 });
  const acceptor = new ScriptedAcceptor(onReceive);
  const refused: Refusal[] = [];
  const listener = acceptDatagrams({
    ...{ socket: network.bind(SERVER), acceptor, url: new URL(`dtls://${SERVER}`), clock, carrier: "dtls" },
    ...{ keys: testAssociation(), onRefused: (refusal: Refusal) => refused.push(refusal) },
  });
  return { clock, network, acceptor, refused, listener };
}

test("a datagram that makes the acceptor fail is that datagram's failure: the next one is served", async () => {
  const { clock, network, acceptor, refused, listener } = scripted((from) => {
    if (from === "10.0.0.1:1") throw new TypeError("a defect");
    return [{ kind: "transmit", bytes: Uint8Array.of(1), to: from }];
  });
  network.bind("10.0.0.1:1").send(new Uint8Array(1), SERVER);
  const other = network.bind("10.0.0.2:1");
  other.send(new Uint8Array(1), SERVER);
  await clock.settle();
  const answer = await other[Symbol.asyncIterator]().next();
  assert.deepEqual(answer.value?.bytes, Uint8Array.of(1));
  assert.equal(refused.length, 1);
  assert.equal((refused[0]?.error as Error).message, "a defect");
  await listener[Symbol.asyncDispose]();
  assert.deepEqual(acceptor.calls, ["receive 10.0.0.1:1", "receive 10.0.0.2:1", "dispose"]);
});

test("engines that nobody drives any more, and moves of engines that are gone, harm nothing", async () => {
  const gone = mute();
  const { clock, network, listener } = scripted(() => [
    { kind: "ready", engine: gone },
    { kind: "moved", engine: gone, to: "10.0.0.9:9" },
  ]);
  network.bind("10.0.0.1:1").send(new Uint8Array(1), SERVER);
  await clock.settle();
  await listener[Symbol.asyncDispose]();
});

test("a handshake that stands still is over after its time, and its engine is given back once", async () => {
  const engine = mute();
  const { clock, network, refused, listener } = scripted((from) => [{ kind: "accepted", engine, from }]);
  network.bind("10.0.0.1:1").send(new Uint8Array(1), SERVER);
  await clock.advance(29_999);
  assert.equal(engine.disposed, 0);
  await clock.advance(1);
  assert.equal(engine.disposed, 1);
  assert.equal((refused[0]?.error as SeccfError).code, "timeout");
  await listener[Symbol.asyncDispose]();
  assert.equal(engine.disposed, 1);
  assert.equal(clock.pending, 0);
});

test("the acceptor is called at its deadline", async () => {
  const { clock, network, acceptor, listener } = scripted(() => []);
  acceptor.deadline = 500;
  network.bind("10.0.0.1:1").send(new Uint8Array(1), SERVER);
  await clock.advance(499);
  assert.ok(!acceptor.calls.includes("expire"));
  await clock.advance(1);
  assert.ok(acceptor.calls.includes("expire"));
  await listener[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});

/** A socket that says once that nobody is there, at a time of the test's choice. */
function complaining(socket: DatagramSocket): { readonly socket: DatagramSocket; complain(): void } {
  let reject: (error: Error) => void = () => {};
  const inner = socket[Symbol.asyncIterator]();
  let arriving: ReturnType<typeof inner.next> | undefined;
  return {
    complain: () => reject(new SeccfError("unreachable", "ECONNREFUSED")),
    socket: {
      local: socket.local,
      send: (bytes, to) => socket.send(bytes, to),
      [Symbol.asyncDispose]: () => socket[Symbol.asyncDispose](),
      [Symbol.asyncIterator]: () => ({
        async next() {
          arriving ??= inner.next();
          const result = await Promise.race([arriving, new Promise<never>((_, no) => reject = no)]);
          arriving = undefined;
          return result;
        },
      }),
    },
  };
}

test("unreachable ends a handshake, and an open channel outlives it: anybody can say it", async () => {
  const clock = new VirtualClock();
  const network = memoryNetwork({ clock, seed: 1 });
  const early = complaining(network.bind("10.0.0.1:1"));
  const refused = connectDatagrams({
    ...{ engine: mute(), socket: early.socket, remote: SERVER, keys: testAssociation(), clock, carrier: "dtls" },
  });
  refused.catch(() => {});
  await clock.settle();
  early.complain();
  await assert.rejects(refused, code("unreachable"));
  assert.equal(clock.pending, 0);

  const at = place();
  const late = complaining(at.network.bind("10.0.0.2:1"));
  const { client, server } = await pair(at, "10.0.0.3:1", { channel: { socket: late.socket } });
  await at.clock.settle();
  late.complain();
  await at.clock.settle();
  await client.send(Uint8Array.of(1));
  assert.deepEqual(await readOne(server), Uint8Array.of(1));
  await server.send(Uint8Array.of(2));
  assert.deepEqual(await readOne(client), Uint8Array.of(2));
  for (const channel of [client, server]) await channel[Symbol.asyncDispose]();
  await at.listener[Symbol.asyncDispose]();
  await assert.rejects(next(at.listener), TypeError);
});
