import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { ApduChannel } from "../../lib/identity/mod.ts";
import { decodeDataDirectory, decodeObjectDirectory } from "../../lib/identity/pkcs15.ts";
import { conditionOf, decodeFileParameters, issuerAlone } from "../../lib/identity/pkcs15_access.ts";
import { readDataObjects } from "../../lib/identity/pkcs15_card.ts";
import { decodeOid, readDer, readDerFile } from "../../lib/identity/pkcs15_der.ts";
import { bootstrapFiles, cardWith, dodfOf, p15 } from "../identity/pkcs15_card.ts";

const DECODERS = {
  readDer,
  readDerFile,
  decodeOid,
  decodeObjectDirectory,
  decodeDataDirectory,
  decodeFileParameters,
  updates: (bytes: Uint8Array) => issuerAlone(conditionOf(bytes, "update")),
  reads: (bytes: Uint8Array) => issuerAlone(conditionOf(bytes, "read")),
};
const CORPUS = [
  ...[p15.odf, p15.odfTwo, p15.dodf, p15.odfFcp, p15.applicationFcp, ...p15.arr.map(({ record }) => record)].map(
    fromHex,
  ),
  dodfOf("672b0701", "6432", "0c0141030206c0"),
];

const changed = (bytes: Uint8Array) =>
  fc.tuple(fc.array(fc.tuple(fc.nat(60), fc.nat(255)), { maxLength: 3 }), fc.nat(60)).map(([changes, cut]) => {
    const copy = bytes.slice(0, Math.max(cut, bytes.length - cut));
    for (const [at, value] of changes) if (at < copy.length) copy[at] = value;
    return copy;
  });
const material = fc.oneof(fc.uint8Array({ maxLength: 80 }), fc.constantFrom(...CORPUS).chain(changed));

test("directories, rules and parameters of any bytes are read or refused as malformed, and left as they were", () => {
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
    { seed: 20_261_125, numRuns: 500 },
  );
});

test("whatever a card answers on the way to its objects, reading ends, and with no error but its own", async () => {
  const word = fc.constantFrom("9000", "9000", "9000", "6a82", "6982", "6110", "6c08", "6a83");
  const strange = fc.array(fc.tuple(fc.nat(25), material, word), { maxLength: 3 });
  await fc.assert(
    fc.asyncProperty(strange, async (list) => {
      await using usim = cardWith(bootstrapFiles(new Uint8Array(300).fill(5)));
      const inner = usim.connect();
      let at = 0;
      const hostile: ApduChannel = {
        async transmit(command, options) {
          const mine = at++;
          const answer = await inner.transmit(command, options);
          const other = list.find(([index]) => index === mine);
          return other ? Uint8Array.from([...other[1], ...fromHex(other[2])]) : answer;
        },
        [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
      };
      try {
        await readDataObjects(hostile, { oids: ["2.23.43.7.1", "2.23.43.9.1"] });
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
      assert.ok(at < 600);
    }),
    { seed: 20_261_126, numRuns: 150 },
  );
});
