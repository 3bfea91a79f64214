import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex } from "../../../lib/bytes/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { ByteStream } from "../../../lib/link.ts";
import { virtualReader } from "../../../transports/cards/virtual/mod.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { streamPair, Taker } from "./doubles.ts";
import { near } from "./home.ts";

/** vpcd's end: what connects to it, one after the other. */
function vpcd() {
  const clock = new VirtualClock();
  const arrived: ByteStream[] = [];
  let refuse = 0;
  return {
    clock,
    arrived,
    refuse: (times: number) => void (refuse = times),
    open: () => {
      if (refuse-- > 0) return Promise.reject(new SeccfError("unreachable", "nobody listens there"));
      const [client, server] = streamPair();
      arrived.push(server);
      return Promise.resolve(client);
    },
  };
}

async function tell(stream: ByteStream, hex: string): Promise<void> {
  const bytes = fromHex(hex);
  await stream.write(concat(Uint8Array.of(bytes.length >> 8, bytes.length & 255), bytes));
}

async function hear(taker: Taker): Promise<string> {
  const length = (await taker.take(2))!;
  return toHex((await taker.take(length[0]! * 256 + length[1]!))!);
}

test("vpcd asks for the answer to reset, powers, resets and exchanges commands", async () => {
  const double = vpcd();
  const usim = near();
  await using reader = virtualReader({ card: usim, ...double });
  await double.clock.settle();
  assert.ok(reader.inserted);
  const [stream] = double.arrived as [ByteStream];
  const taker = new Taker(stream);
  await tell(stream, "04");
  assert.equal(await hear(taker), toHex(usim.atr));
  await tell(stream, "01");
  await tell(stream, "00a4000c022f00");
  assert.equal(await hear(taker), "9000");
  await tell(stream, "00b2010400");
  assert.match(await hear(taker), /^61.*9000$/);
  await tell(stream, "02");
  await tell(stream, "00b2010400");
  assert.equal(await hear(taker), "6986");
  await tell(stream, "00");
  await tell(stream, "00200001");
  assert.equal(await hear(taker), "63c3");
});

test("a message in two pieces and two in one are the same to the card", async () => {
  const double = vpcd();
  await using _reader = virtualReader({ card: near(), ...double });
  await double.clock.settle();
  const [stream] = double.arrived as [ByteStream];
  const taker = new Taker(stream);
  await stream.write(fromHex("00010100"));
  await stream.write(fromHex("0400200001000400200001"));
  assert.equal(await hear(taker), "63c3");
  assert.equal(await hear(taker), "63c3");
});

test("an answer to reset is what ISO 7816-3 lets a reader make sense of", () => {
  const t1 = near().atr;
  assert.equal(t1.slice(1).reduce((sum, byte) => sum ^ byte, 0), 0, "TCK");
  assert.equal(t1.length, 4 + (t1[1]! & 15));
  const t0 = near({ protocol: "T=0" }).atr;
  assert.deepEqual([t0[0], t0[1]! >> 4, t0.length], [0x3b, 0, 2 + (t0[1]! & 15)]);
});

test("a vpcd that is not there yet, or not any more, is tried again, ever less often; dispose pulls the card", async () => {
  const double = vpcd();
  const changes: boolean[] = [];
  double.refuse(3);
  const reader = virtualReader({ card: near(), ...double, onChange: (inserted) => changes.push(inserted) });
  await double.clock.advance(650);
  assert.equal(double.arrived.length, 0);
  await double.clock.advance(100);
  assert.equal(double.arrived.length, 1);
  await double.arrived[0]![Symbol.asyncDispose]();
  await double.clock.advance(200);
  assert.equal(double.arrived.length, 2);
  double.refuse(1000);
  await double.arrived[1]![Symbol.asyncDispose]();
  await double.clock.advance(60_000);
  double.refuse(0);
  await double.clock.advance(2000);
  assert.equal(double.arrived.length, 3);
  assert.deepEqual(changes, [true, false, true, false, true]);
  await reader[Symbol.asyncDispose]();
  assert.deepEqual([reader.inserted, double.clock.pending], [false, 0]);
  assert.equal(await new Taker(double.arrived[2]!).take(1), undefined);
});

test("after vpcd comes back the card is one that was just powered: its PIN is to be verified again", async () => {
  const double = vpcd();
  const usim = near();
  await using _reader = virtualReader({ card: usim, ...double });
  await double.clock.settle();
  const verify = "0020000108" + "32343638ffffffff";
  const first = new Taker(double.arrived[0]!);
  await tell(double.arrived[0]!, verify);
  assert.equal(await hear(first), "9000");
  await double.arrived[0]![Symbol.asyncDispose]();
  await double.clock.advance(200);
  await tell(double.arrived[1]!, "00200001");
  assert.equal(await hear(new Taker(double.arrived[1]!)), "63c3");
});
