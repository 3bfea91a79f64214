// The pages' commands and links; `npm run ok` compiles and runs their code against the built package.
import test from "node:test";
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { fromUtf8 } from "../../lib/bytes/mod.ts";
import { main } from "../../transports/console/mod.ts";
import { virtualPlatform } from "../support/virtual.ts";
import { blocksOf, commandFaults, linkFaults } from "./markdown.ts";

const PAGES = ["README.md", "SECURITY.md", "CHANGELOG.md", "CONFORMANCE.md"];
const at = (path: string) => new URL(`../../${path}`, import.meta.url);
const read = (path: string) => readFileSync(at(path), "utf8");

/** What `seccf --help` lists. */
async function commandsThereAre(): Promise<string[]> {
  let help = "";
  const status = await main(["--help"], {
    platform: virtualPlatform(),
    input: (async function* () {})(),
    write: (bytes) => {
      help += fromUtf8(bytes);
      return Promise.resolve();
    },
    say: (line) => assert.fail(line),
    env: () => undefined,
    readText: () => Promise.reject(new TypeError("no files here")),
    appendLine: () => assert.fail("writes a file"),
    interrupted: new AbortController().signal,
  });
  assert.equal(status, 0);
  return [...help.matchAll(/^ {2}([a-z-]+) {2}/gm)].map(([, name]) => name!);
}

test("every command that a page shows is one that there is", async () => {
  const { scripts } = JSON.parse(read("package.json"));
  const commands = await commandsThereAre();
  assert.ok(commands.includes("connect"));
  for (const page of PAGES) assert.deepEqual(commandFaults(read(page), Object.keys(scripts), commands), [], page);
});

test("every file that a page points at is there", () => {
  for (const page of PAGES) assert.deepEqual(linkFaults(read(page), (path) => existsSync(at(path))), [], page);
});

test("blocks, commands and links are read from a page, and what is not there is found", () => {
  const page =
    "a\n```ts run\nlet b = 1;\n```\n[c](d.md) [e](https://f.example) [g](#h)\n```sh\nnpm ci && npm run demo\n" +
    "seccf connect tls-psk://localhost | seccf fly\nnpm test -- test/tls\nnpm run --silent seccf -- serve x\n```\n";
  assert.deepEqual(blocksOf(page)[0], { info: "ts run", code: "let b = 1;\n", line: 2 });
  assert.deepEqual(commandFaults(page, ["demo", "test", "seccf"], ["connect", "serve"]), ["line 8: no command fly"]);
  assert.deepEqual(commandFaults(page, ["test", "seccf"], ["connect", "fly"]), [
    "line 7: no script demo",
    "line 10: no command serve",
  ]);
  assert.deepEqual(linkFaults(page, (path) => path !== "d.md"), ["no d.md"]);
  assert.throws(() => blocksOf("```ts\nlet a"), /line 1: a block without an end/);
});
