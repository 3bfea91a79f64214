// The one table of parsers against its kept inputs and a few mutations of each; `npm run fuzz` goes on for longer.
import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { fuzzKept, fuzzRound } from "./fuzzer.ts";
import { keptInputs, readKept } from "./kept.ts";
import { PARSERS } from "./parsers/mod.ts";

for (const [room, parsers] of Object.entries(PARSERS)) {
  test(`the parsers of ${room} keep to the rules on every kept input`, async () => {
    const kept = readKept(room);
    for (const parser of parsers) assert.equal(await fuzzKept(parser, keptInputs(kept, parser)), undefined);
  });

  test(`the parsers of ${room} keep to the rules on mutations of the kept inputs`, async () => {
    const kept = readKept(room);
    for (const parser of parsers) {
      const broken = await fuzzRound(parser, keptInputs(kept, parser), { seed: 20_261_121, runs: 60 });
      assert.equal(broken, undefined);
    }
  });

  test(`each parser of ${room} has a name of its own, and no input is kept for one that is gone`, () => {
    const names = new Set(parsers.map(({ name }) => name));
    assert.equal(names.size, parsers.length);
    const { inputs, source } = readKept(room);
    assert.deepEqual(Object.keys(inputs).filter((name) => !names.has(name)), []);
    assert.ok(source.length > 0);
  });
}

/** Exported functions that have a parser's name and no row, and why. */
const WITHOUT_ROW: Readonly<Record<string, string>> = {
  decodeCoseMessage: "decodeEncrypt0 and decodeMac0 are all it has",
  decodeDeviceSide: "its objects are proven by a key: test/identity/card_store.test.ts",
  parseAddress: "what the user types, and UsageError",
  parseArguments: "what the user types, and UsageError",
  read: "the extensions of both hellos",
  readCard: "a dialogue with a card: test/fuzz/apdu_readers.test.ts",
  readDataObjects: "a dialogue with a card: test/fuzz/pkcs15.test.ts",
  readSecretText: "a file of the user's",
  readSubscriber: "a dialogue with a card: test/fuzz/apdu_readers.test.ts",
};

test("each exported decode, parse or read of lib and transports has a row, or a reason for having none", () => {
  const rows = Object.values(PARSERS).flat().map(({ name }) => name);
  const corpora = readFileSync(new URL("./corpus.ts", import.meta.url), "utf8");
  const exported = /^export (?:async )?function ((?:decode|parse|read)(?:[A-Z]\w*)?)\b/gm;
  const missing = new Set<string>();
  for (const path of [...globSync("lib/**/*.ts"), ...globSync("transports/**/*.ts")]) {
    for (const [, name = ""] of readFileSync(path, "utf8").matchAll(exported)) {
      const has = rows.some((row) => row.split(/[ ,]/).includes(name)) || corpora.includes(`${name}(`);
      if (!has && !(name in WITHOUT_ROW) && !corpora.includes(`: ${name},`)) missing.add(`${name} of ${path}`);
    }
  }
  assert.deepEqual([...missing], []);
});
