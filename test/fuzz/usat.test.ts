import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ApduChannel } from "../../lib/identity/mod.ts";
import { toolkitCard } from "../../lib/identity/usat_card.ts";
import {
  decodeFileList,
  decodeProactiveCommand,
  decodeSmsDownload,
  decodeTerminalResponse,
} from "../../lib/identity/usat_message.ts";
import { UsatSession } from "../../lib/identity/usat_session.ts";
import { readToolkitObjects, toolkitObject } from "../../lib/identity/usat_tlv.ts";
import { card } from "../identity/cards.ts";
import { usat } from "../identity/usat_vectors.ts";

const DECODERS = {
  readToolkitObjects,
  decodeFileList,
  decodeProactiveCommand,
  decodeSmsDownload,
  decodeTerminalResponse,
};
const CORPUS = [
  ...usat.refresh.flatMap(({ command, response }) => [command, response]),
  ...usat.download.map(({ envelope }) => envelope),
  usat.sendShortMessage.command,
].map(fromHex);

const material = fc.oneof(
  fc.uint8Array({ maxLength: 80 }),
  fc.tuple(fc.constantFrom(...CORPUS), fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 3 }), fc.nat(60)).map(
    ([message, changes, cut]) => {
      const changed = message.slice(0, Math.max(cut, message.length - cut));
      for (const [at, value] of changes) if (at < changed.length) changed[at] = value;
      return changed;
    },
  ),
);

test("toolkit messages of any bytes are read or refused as malformed, and left as they were", () => {
  fc.assert(
    fc.property(material, (bytes) => {
      const before = toHex(bytes);
      for (const decode of Object.values(DECODERS)) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof SeccfError && error.code === "malformed", String(error));
        }
      }
      assert.equal(toHex(bytes), before);
    }),
    { seed: 20_261_121, numRuns: 400 },
  );
});

test("toolkit objects come back as they were made, in both forms of a tag and of a length", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 0x7fff }),
      fc.boolean(),
      fc.uint8Array({ maxLength: 300 }),
      (tag, required, value) => {
        assert.deepEqual(readToolkitObjects(toolkitObject(tag, required, value)), [{ tag, required, value }]);
      },
    ),
    { seed: 20_261_122, numRuns: 200 },
  );
});

test("whatever a card answers, a session ends, and with no error but its own", async () => {
  const words = fc.constantFrom("9000", "9103", "910b", "9100", "6103", "6c0b", "9300", "6300", "6f00");
  const answers = fc.array(fc.tuple(material, words), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(answers, async (list) => {
      let at = 0;
      const hostile: ApduChannel = {
        transmit: () => {
          const [data, sw] = list[at++ % (list.length || 1)] ?? [new Uint8Array(0), "9000"];
          return Promise.resolve(Uint8Array.from([...data, ...fromHex(sw)]));
        },
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
      try {
        await new UsatSession(hostile).start();
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
      assert.ok(at < 3000);
    }),
    { seed: 20_261_123, numRuns: 150 },
  );
});

test("whatever a terminal sends, the virtual card answers with a status, and its card goes on", async () => {
  const command = fc.tuple(fc.constantFrom(0x10, 0x12, 0x14, 0xc2), material).map(([ins, data]) =>
    Uint8Array.from([0x80, ins, 0, 0, ...(data.length > 0 ? [data.length, ...data] : [])])
  );
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 10 }), async (commands) => {
      const more = fromHex(usat.moreTime.command);
      const channel = toolkitCard(card().connect(), {
        profile: (_, ask) => ask(more),
        download: ({ tpdu }) => Promise.resolve(tpdu.length % 2 === 0 ? tpdu.subarray(0, 20) : undefined),
      });
      for (const bytes of commands) {
        const answer = await channel.transmit(bytes);
        assert.ok(answer.length >= 2 && answer.length <= 258);
      }
      const selected = toHex(await channel.transmit(fromHex("00a4000c023f00")));
      assert.ok(selected === "9000" || selected === "910b");
    }),
    { seed: 20_261_124, numRuns: 60 },
  );
});
