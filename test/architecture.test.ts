// The shape of the house (imports, names, sizes), and for each rule a source that breaks it.
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as rules from "./architecture/rules.ts";
import { importsOf, lex } from "./architecture/tokens.ts";
import { PROVING, readTree, SHIPPED } from "./architecture/tree.ts";

const shipped = readTree(SHIPPED);
const proving = readTree(PROVING);
const tests = new Map([...proving].filter(([path]) => /\.(?:test|interop)\.ts$/.test(path)));

const broken = (rule: rules.Rule, ...files: [path: string, source: string][]): string[] => rule(new Map(files));

test("imports point inward only, by the one table", () => {
  assert.deepEqual(rules.inward(shipped), []);
});

test("an import outward, sideways, computed, of a missing file or from an unknown folder is found", () => {
  const tls: [string, string] = ["lib/tls/mod.ts", "export const a = 1;"];
  const find = (path: string, source: string) => broken(rules.inward, [path, source], tls);
  assert.deepEqual(find("lib/crypto/a.ts", 'import { a } from "../tls/mod.ts";'), [
    "lib/crypto/a.ts:1: crypto may not import tls",
  ]);
  assert.match(
    find("lib/association/a.ts", 'import type { A } from "../tls/mod.ts";')[0]!,
    /association may not import tls/,
  );
  assert.match(find("lib/gba/a.ts", 'const a = await import("../../transports/tcp/mod.ts");')[0]!, /is not there/);
  assert.match(find("lib/gba/a.ts", "\n\nawait import(name);")[0]!, /^lib\/gba\/a\.ts:3: imports what only running it/);
  assert.match(find("lib/utils/a.ts", 'import "../tls/mod.ts";')[0]!, /no row/);
  assert.deepEqual(find("lib/channel/a.ts", 'export { a } from "../tls/mod.ts";'), []);
});

test("lib never imports a transport, and a transport another one only as the table says", () => {
  const tcp: [string, string] = ["transports/tcp/mod.ts", ""];
  const find = (path: string) =>
    broken(rules.inward, [path, 'import { tcp } from "../../transports/tcp/mod.ts";'], tcp);
  assert.match(find("lib/channel/a.ts")[0]!, /channel may not import transports\/tcp/);
  assert.match(find("transports/sip/a.ts")[0]!, /transports\/sip may not import transports\/tcp/);
  assert.deepEqual(find("transports/tls/a.ts"), []);
  assert.deepEqual(find("transports/console/a.ts"), []);
});

test("the table itself names rooms only to the left", () => {
  const order = Object.keys(rules.MAY_IMPORT);
  for (const [folder, targets] of Object.entries(rules.MAY_IMPORT)) {
    for (const target of targets) {
      assert.ok(order.includes(target), `${folder} may import ${target}, which has no row`);
      const inLib = !folder.includes(".") && !folder.startsWith("transports/");
      assert.ok(!inLib || order.indexOf(target) < order.indexOf(folder), `${folder} may import ${target}`);
    }
  }
});

test("a room is entered by its door", () => {
  assert.deepEqual(rules.byTheDoor(shipped), []);
});

test("an import past the door, or of values from a file of types, is found", () => {
  const find = (source: string) => broken(rules.byTheDoor, ["lib/channel/a.ts", source]);
  assert.match(find('import { derive } from "../crypto/kdf.ts";')[0]!, /enters crypto by lib\/crypto\/kdf\.ts/);
  assert.match(find('import { Use } from "../association/ports.ts";')[0]!, /more than types/);
  assert.deepEqual(
    find('import type { Use } from "../association/ports.ts";\nimport { SeccfError } from "../error.ts";'),
    [],
  );
  assert.deepEqual(find('import { digest } from "../crypto/mod.ts";\nimport { queue } from "./queue.ts";'), []);
});

test("the files that are doors for types hold nothing else", () => {
  for (const path of rules.TYPE_DOORS) {
    const words = lex(shipped.get(path)!).tokens.filter(({ kind }) => kind === "word").map(({ text }) => text);
    for (const value of ["const", "let", "function", "class"]) {
      assert.ok(!words.includes(value), `${path} has a ${value}`);
    }
  }
});

test("no folder and no file reaches itself through others", () => {
  assert.deepEqual(rules.noCycles(shipped), []);
});

test("a cycle of folders or of files is found, one of types within a folder is not", () => {
  assert.deepEqual(
    broken(rules.noCycles, ["lib/a/mod.ts", 'import "../b/mod.ts";'], [
      "lib/b/mod.ts",
      'import type { A } from "../a/mod.ts";',
    ]),
    ["a cycle: a -> b -> a"],
  );
  const files = (word: string): [string, string][] => [
    ["lib/a/x.ts", 'import { y } from "./y.ts";'],
    ["lib/a/y.ts", `import ${word} { x } from "./x.ts";`],
  ];
  assert.deepEqual(broken(rules.noCycles, ...files("")), ["a cycle: lib/a/x.ts -> lib/a/y.ts -> lib/a/x.ts"]);
  assert.deepEqual(broken(rules.noCycles, ...files("type")), []);
});

test("a third-party package is imported in one place, and the machine only at the rim", () => {
  assert.deepEqual(rules.packages(shipped), []);
});

test("a package out of its place, an unknown one and node in lib are found", () => {
  const find = (path: string, specifier: string) => broken(rules.packages, [path, `import "${specifier}";`]);
  assert.match(find("lib/tls/a.ts", "@noble/hashes/sha2.js")[0]!, /only crypto may/);
  assert.match(find("transports/sip/a.ts", "cbor-x/index-no-eval")[0]!, /only transports\/stores may/);
  assert.match(find("lib/crypto/a.ts", "left-pad")[0]!, /no folder may/);
  assert.match(find("lib/crypto/native.ts", "node:crypto")[0]!, /imports node:crypto/);
  assert.deepEqual(find("transports/tcp/a.ts", "node:net"), []);
  assert.deepEqual(find("lib/crypto/a.ts", "@noble/hashes/sha2.js"), []);
});

test("what is depended on is what the table of packages names", () => {
  const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));
  const names = [...Object.keys(manifest.dependencies), ...Object.keys(manifest.peerDependencies)].sort();
  assert.deepEqual(names, Object.keys(rules.PACKAGES).sort());
});

test("the bytes of a secret are seen only where a reason stands", () => {
  assert.deepEqual(rules.exposing(rules.EXPOSERS)(shipped), []);
});

test("exposing without a reason, by the door, or a reason without exposing is found", () => {
  const rule = rules.exposing({ "lib/gba/sbi.ts": "the key crosses in the answer" });
  const good: [string, string] = ["lib/gba/sbi.ts", 'import { expose } from "../crypto/secret.ts";'];
  assert.deepEqual(broken(rule, good), []);
  assert.match(broken(rule, good, ["lib/tls/a.ts", good[1]])[0]!, /without a reason/);
  assert.match(broken(rule, good, ["lib/tls/a.ts", 'import { expose } from "../crypto/mod.ts";'])[0]!, /by the door/);
  assert.match(broken(rule, good, ["lib/crypto/mod.ts", 'export * from "./secret.ts";'])[0]!, /out of the door/);
  assert.match(broken(rule)[0]!, /lib\/gba\/sbi\.ts: has a reason/);
  assert.match(
    broken(rules.byTheDoor, ["lib/tls/a.ts", 'import { expose, wipe } from "../crypto/secret.ts";'])[0]!,
    /enters/,
  );
});

test("lib has no clock, timer, randomness, network or machine of its own", () => {
  assert.deepEqual(rules.pure(shipped), []);
});

test("each way to the machine is found, and what only shares its name is not", () => {
  const find = (source: string, path = "lib/tls/a.ts") => broken(rules.pure, [path, source]);
  const ambient = [
    ...["setTimeout(f, 1)", "const n = Date.now()", "new Date()", "Math.random()", "performance.now()", "fetch(url)"],
    ...[
      "crypto.subtle",
      "console.log(1)",
      "process.env",
      "globalThis.fetch(url)",
      "self.crypto",
      "AbortSignal.timeout(5)",
    ],
    ...["a ? fetch : b", "[...crypto.getRandomValues(a)]", "`${ performance.now() }`", "if (a) { fetch(url); }"],
  ];
  for (const source of ambient) assert.equal(find(source).length, 1, source);
  const elsewhere = [
    ...["function f(fetch: Fetch) { fetch(a); } fetch(b);", "{ const { fetch } = platform; } fetch(url);"],
    ...["if (fetch) { }", "f({ fetch });", "const f = (a) => fetch(a);", "const a = { fetch };"],
  ];
  for (const source of elsewhere) assert.equal(find(source).length, 1, source);
  const roundabout = [
    ...[
      'Date["now"]()',
      "const { now } = Date;",
      "const d = Date; d.now();",
      "f(Date);",
      "new Date;",
      "new Date(...a);",
    ],
    ...[
      'Math["random"]()',
      "const { random } = Math;",
      'AbortSignal["timeout"](5);',
      "const { timeout } = AbortSignal;",
    ],
    ...["({ fetch }) => 0; fetch(url);", "f(({ fetch }) => 0, fetch(url));", "const { a = fetch } = b;"],
    ...[
      'const c = f.constructor("return 1");',
      "import.meta.url;",
      "global.a;",
      "queueMicrotask(f);",
      "new MessageChannel();",
    ],
    ...["new SharedWorker(a);", "new BroadcastChannel(a);", "indexedDB.open(a);", "caches.open(a);", "location.href;"],
    ...[
      "Temporal.Now.instant();",
      "new Intl.DateTimeFormat().format();",
      'new Event("a").timeStamp;',
      "scheduler.yield();",
    ],
  ];
  for (const source of roundabout) assert.ok(find(source).length > 0, source);
  const own = [
    ...[
      "platform.fetch(url)",
      "const a = { fetch: handler }",
      "interface A { fetch?: Fetch; process(a: string): void }",
    ],
    ...[
      "class A { async fetch(a: Request): Promise<Response> { return b; } }",
      "new Date(seconds)",
      "Date.UTC(2026, 0)",
    ],
    ...[
      "const { fetch, random } = this.#platform; fetch(url); f({ fetch });",
      "function f(fetch: Fetch) { fetch(a); }",
    ],
    ...[
      "function f({ fetch }: Platform): Promise<void> { if (a) { fetch(url); } }",
      "const f = (fetch) => fetch(url);",
    ],
    ...["a.map(({ id, window }) => ({ id, ...window.state() }))"],
    ...[
      "type T = Date | AbortSignal;",
      "f(a as Date);",
      "const t: Date[] = [];",
      "a instanceof Date;",
      "Math.max(a, b);",
    ],
    ...["const { platform: { fetch, random } } = options; fetch(url);"],
    ...["const f = (fetch: Fetch) => g({ a, fetch });", "a ? new Date(b) : Date.parse(c);"],
    ...["// setTimeout(f)", '"process.env"', "`crypto.subtle`", "/console/.test(a)"],
  ];
  for (const source of own) assert.deepEqual(find(source), [], source);
  assert.deepEqual(find("process.getBuiltinModule(name)", "lib/crypto/native.ts"), []);
  assert.deepEqual(find("setTimeout(f, 1)", "transports/tcp/a.ts"), []);
});

test("no file is longer than 500 lines", () => {
  assert.deepEqual(rules.size(shipped), []);
  assert.deepEqual(rules.size(proving), []);
  assert.equal(broken(rules.size, ["lib/a.ts", "\n".repeat(501)], ["lib/b_table.ts", "\n".repeat(501)]).length, 1);
});

test("nothing is left for later and nothing is exported without a name", () => {
  assert.deepEqual(rules.finished(shipped), []);
  assert.deepEqual(rules.finished(proving), []);
  const later = ["// TO" + "DO: later", "/* FIX" + "ME */ a;", "export default 1;"];
  for (const source of later) assert.equal(broken(rules.finished, ["lib/a.ts", source]).length, 1, source);
  assert.deepEqual(broken(rules.finished, ["lib/a.ts", 'const a = "TO' + 'DO"; switch (a) { default: }']), []);
});

test("tests are plain, top-level and all run", () => {
  assert.ok(tests.size > 0);
  assert.deepEqual(rules.plainTests(tests), []);
});

test("a test left out, alone, nested or with options is found", () => {
  const find = (source: string) => broken(rules.plainTests, ["test/a.test.ts", source]);
  for (const form of ["skip", "only", "todo"]) assert.match(find(`test.${form}("a", f);`)[0]!, new RegExp(form));
  assert.match(find('test("a", async (t) => { await t.test("b", f); });')[0]!, /a test in a test/);
  assert.match(find('test("a", { skip: true }, f);')[0]!, /options/);
  assert.match(find('import { describe, it } from "node:test";')[0]!, /more than test/);
  assert.deepEqual(find('import test from "node:test";\ntest("a", () => assert.ok(/b/.test("c")));'), []);
});

test("the tokens of a source: templates in templates, divisions, regular expressions, quotes in each", () => {
  const words = (source: string) =>
    lex(source).tokens.filter(({ kind }) => kind === "word").map(({ text }) => text).join(" ");
  assert.equal(words("`a ${b ? `c ${d}` : e} f`; g / h / i; j = /k['\"`]/; // l\n'm' /* n */ \"o\""), "b d e g h i j");
  assert.equal(lex("a\n`b\n${c}`\nd").tokens.at(-1)!.line, 4);
  assert.throws(() => lex("`a ${b}"), /line 1: a template without an end/);
  assert.throws(() => lex("a\n'b"), /line 2: a string without an end/);
  assert.throws(() => lex("\\u0066etch(url)"), /line 1: an escape in a name/);
});

test("every form of import is seen with its names", () => {
  const all = importsOf(lex(`
    import a, { b as c, type D } from "1";
    import type { E } from "2";
    import * as f from "3";
    import "4";
    await import("5");
    export { g } from "6";
    export * from "7";
    export type { H } from "8";
    export type I = { from: "9" };
    export { j };
    // import k from "10";
    const l = 'import m from "11"';
  `));
  assert.deepEqual(all.map(({ specifier, names }) => [specifier, ...names].join(" ")), [
    ...["1 a b D", "2 E", "3 *", "4", "5 *", "6 g", "7 *", "8 H"],
  ]);
  assert.deepEqual(all.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier), ["2", "8"]);
});
