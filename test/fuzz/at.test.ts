// Whatever a modem says, in whatever pieces: SeccfError or an answer, in bounded time and memory.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { modem, modemIdentity } from "../../transports/cards/modem/mod.ts";
import { VirtualClock } from "../support/virtual.ts";
import { streamPair, Taker } from "../transports/cards/doubles.ts";
import { passing } from "../transports/cards/home.ts";
import { corpus, edited } from "./corpus.ts";

const phrase = fc.constantFrom(
  ...[
    "OK",
    "ERROR",
    "+CME ERROR: 10",
    "+CME ERROR: 11",
    "+CME ERROR: x",
    "+CMS ERROR: 1",
    "RING",
    "AT+CUAD",
    "> ",
    "1",
  ],
  ...[
    "+CCHO: 1",
    "+CCHO: 99999999999",
    "+CUAD: ",
    '+CUAD: "61024F00"',
    '+CUAD: "61184F10A0000000871002FFFFFFFF8900000100"',
  ],
  ...['+CGLA: 4,"9000"', '+CGLA: 4,"6103"', "+CGLA: 4,9000", '+CGLA: 04, "9000"', '+CGLA: 2,"90"', '+CGLA: -4,"9000"'],
  ...['+CSIM: 4,"9000"', '+CSIM: 4,"6A82"', `+CSIM: 520,"${"00".repeat(258)}9000"`, '+CSIM: 4,"', "\u0000\u0001", "\r"],
);
const noise = fc.oneof(
  phrase.map(toUtf8),
  edited(corpus("at")),
  fc.uint8Array({ maxLength: 40 }),
  fc.constant(toUtf8("\r\n")),
  fc.constant(toUtf8("\r\nOK\r\n")),
);

/** A modem that answers each line with the next of `answers`, and ends after the last. */
function opening(answers: readonly Uint8Array[]) {
  return async () => {
    const [client, server] = streamPair();
    const taker = new Taker(server);
    void (async () => {
      for (const answer of answers) {
        if (await nextLine(taker) === undefined) return;
        for (const piece of [answer.subarray(0, 3), answer.subarray(3)]) await server.write(piece);
      }
      await server[Symbol.asyncDispose]();
    })().catch(() => undefined);
    return await Promise.resolve(client);
  };
}

async function nextLine(taker: Taker): Promise<string | undefined> {
  return await taker.line();
}

async function onlySeccfError(work: Promise<AsyncDisposable>): Promise<void> {
  try {
    await (await work)[Symbol.asyncDispose]();
  } catch (error) {
    assert.ok(error instanceof SeccfError, String(error));
  }
}

test("a modem's answers to opening a channel are taken or refused with SeccfError, never anything else", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(noise, { maxLength: 5 }), { maxLength: 6 }), async (said) => {
      const clock = new VirtualClock();
      const open = opening(said.map((pieces) => concat(...pieces)));
      await onlySeccfError(passing(clock, modem({ open, clock, timeoutSeconds: 1 }), 30_000));
      await clock.settle();
      assert.equal(clock.pending, 0);
    }),
    { seed: 27007, numRuns: 60 },
  );
});

test("a modem's answers to APDUs, behind a channel that opened well, are taken or refused with SeccfError", async () => {
  const good = ["OK\r\n", "OK\r\n", "ERROR\r\n", "+CCHO: 1\r\nOK\r\n"].map(toUtf8);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(noise, { maxLength: 4 }), { maxLength: 10 }), async (said) => {
      const clock = new VirtualClock();
      const open = opening([...good, ...said.map((pieces) => concat(...pieces, toUtf8("\r\nOK\r\n")))]);
      await onlySeccfError(passing(clock, modemIdentity({ open, clock, timeoutSeconds: 1 }), 60_000));
    }),
    { seed: 27007, numRuns: 60 },
  );
});
