// Whatever pcscd or vpcd sends, in whatever pieces: SeccfError or an answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { pcsc, pcscIdentity } from "../../transports/cards/pcsc/mod.ts";
import { virtualReader } from "../../transports/cards/virtual/mod.ts";
import { card } from "../identity/cards.ts";
import { VirtualClock } from "../support/virtual.ts";
import { PcscdDouble, streamPair } from "../transports/cards/doubles.ts";
import { near, passing, PIN, pin } from "../transports/cards/home.ts";
import { corpus, edited, parse } from "./corpus.ts";

async function onlySeccfError(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof SeccfError, String(error));
  }
}

const AGREED = fromHex("040000000400000000000000");

test("whatever comes out of pcscd's socket is refused with SeccfError or taken for readers", async () => {
  await fc.assert(
    fc.asyncProperty(fc.boolean(), fc.uint8Array({ maxLength: 3200, size: "max" }), async (agreed, bytes) => {
      const clock = new VirtualClock();
      const open = async () => {
        const [client, server] = streamPair();
        if (agreed) await server.write(AGREED);
        await server.write(bytes.subarray(0, 100));
        await server.write(bytes.subarray(100));
        return client;
      };
      await onlySeccfError(passing(clock, pcsc({ open, clock, timeoutSeconds: 1 }).readers(), 5000));
      assert.equal(clock.pending, 0);
    }),
    { seed: 44, numRuns: 60 },
  );
});

test("an entry of the readers' table with any bytes turned is refused with SeccfError or taken", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 183 }),
      fc.uint8Array({ minLength: 1, maxLength: 8 }),
      async (at, bytes) => {
        const double = new PcscdDouble(near());
        const open = async () => {
          const stream = await double.open();
          const turned = async function* () {
            for await (const piece of stream) {
              if (piece.length === 16 * 184) piece.set(bytes.subarray(0, 184 - at), at);
              yield piece;
            }
          };
          return { ...stream, [Symbol.asyncIterator]: turned };
        };
        const clock = new VirtualClock();
        const cards = pcsc({ open, clock, timeoutSeconds: 1 });
        await onlySeccfError(
          cards.readers().then((readers) => assert.ok(readers.every(({ atr }) => atr.length <= 33))),
        );
        await onlySeccfError(cards.connect().then((channel) => channel[Symbol.asyncDispose]()));
      },
    ),
    { seed: 45, numRuns: 80 },
  );
});

test("whatever cards answer through pcscd, an identity is opened or refused with SeccfError", async () => {
  const answer = fc.oneof(
    fc.constantFrom("9000", "6a82", "6a83", "6103", "6c04", "6982", "63c2", "6d00", "9862", "61189000", "90"),
    fc.oneof(fc.uint8Array({ minLength: 2, maxLength: 40 }), edited(corpus("apdu")).filter(({ length }) => length > 0))
      .map(toHex),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(answer, { minLength: 1, maxLength: 12 }), async (answers) => {
      const double = new PcscdDouble(near());
      let turn = 0;
      double.intercept = () => answers[turn++ % answers.length];
      const clock = new VirtualClock();
      const opening = pcscIdentity({ open: double.open, clock, pin: pin(PIN), timeoutSeconds: 1 });
      await onlySeccfError(passing(clock, opening.then((identity) => identity[Symbol.asyncDispose]()), 10_000));
      assert.equal(double.clients, 0);
    }),
    { seed: 46, numRuns: 60 },
  );
});

test("whatever vpcd sends, the card stays in its hands or is taken out, and nothing is thrown", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.uint8Array({ maxLength: 20 }), { maxLength: 8 }), async (messages) => {
      const clock = new VirtualClock();
      const [client, server] = streamPair();
      let opened = 0;
      const open = () =>
        opened++ === 0 ? Promise.resolve(client) : Promise.reject(new SeccfError("unreachable", "gone"));
      const reader = virtualReader({ card: card(), clock, open });
      for (const message of messages) {
        await server.write(concat(Uint8Array.of(0, message.length), message)).catch(() => undefined);
      }
      await clock.advance(10);
      await server[Symbol.asyncDispose]();
      await clock.settle();
      await reader[Symbol.asyncDispose]();
      assert.deepEqual([reader.inserted, clock.pending], [false, 0]);
    }),
    { seed: 47, numRuns: 60 },
  );
});

test("edits of the corpus are refused with SeccfError or taken by every parser of its kind", async () => {
  for (const file of ["apdu", "at", "pcsc"] as const) {
    const entries = corpus(file);
    const parsers = fc.constantFrom(...new Set(entries.map(({ parser }) => parser)));
    await fc.assert(
      fc.asyncProperty(parsers, edited(entries), async (parser, bytes) => {
        await onlySeccfError(parse(parser, bytes));
      }),
      { seed: 48, numRuns: 500 },
    );
  }
});
