// The two manifests, the lockfile and the rules for what is packed; `npm run ok` builds and packs it for real.
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readTree, SHIPPED } from "../architecture/tree.ts";
import { type DenoManifest, type Lockfile, type Manifest, pinFaults, twinFaults } from "./manifest.ts";
import { tarballFaults } from "./tarball.ts";

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));

const good: Manifest = {
  name: "a",
  version: "1.0.0",
  license: "MIT",
  exports: { ".": { types: "./dist/mod.d.ts", default: "./dist/mod.js" } },
  bin: { a: "./dist/cli.js" },
  dependencies: { b: "2.0.0" },
};
const twin: DenoManifest = { name: "@a/a", version: "1.0.0", license: "MIT", exports: { ".": "./mod.ts" } };
const lock: Lockfile = {
  version: "1.0.0",
  packages: {
    "": { dependencies: { b: "2.0.0" } },
    "node_modules/b": { version: "2.0.0", integrity: "sha512-AA==" },
    "node_modules/c": { resolved: "test/c", link: true },
    "test/c": {},
  },
};
const files = new Map([
  ...["dist/mod.js", "dist/mod.d.ts", "package.json", "README.md", "LICENSE"].map((path) => [path, "x"] as const),
  ["dist/cli.js", "#!/usr/bin/env node\n"] as const,
]);

test("package.json and deno.json make the same package", () => {
  assert.deepEqual(twinFaults(read("package.json"), read("deno.json"), new Set(readTree(SHIPPED).keys())), []);
});

test("manifests that differ in name, version, licence or exports, or export what is not there, are found", () => {
  const sources = new Set(["mod.ts"]);
  const find = (change: Partial<DenoManifest>) => twinFaults(good, { ...twin, ...change }, sources);
  assert.deepEqual(find({}), []);
  for (const change of [{ name: "@b/a" }, { version: "1.0.1" }, { license: "ISC" }, { exports: {} }]) {
    assert.equal(find(change).length, 1, JSON.stringify(change));
  }
  assert.deepEqual(find({ exports: { ".": "./other.ts" } }), [". is not ./other.ts", ".: no ./other.ts"]);
  assert.equal(find({ exports: { ".": "./mod.ts", "./b": "./b.ts" } }).length, 1);
});

test("every dependency is pinned to one version, and the lockfile names no host", () => {
  assert.deepEqual(pinFaults(read("package.json"), read("package-lock.json")), []);
});

test("a range, an entry without integrity, a host and a stale lockfile are found", () => {
  assert.deepEqual(pinFaults(good, lock), []);
  assert.equal(pinFaults({ ...good, dependencies: { b: "^2.0.0" } }, lock).length, 2);
  assert.equal(pinFaults({ ...good, dependencies: { b: "2.0.1" } }, lock).length, 1);
  assert.equal(pinFaults({ ...good, version: "1.1.0" }, lock).length, 1);
  assert.deepEqual(
    pinFaults({ ...good, peerDependencies: { d: "1.0.0" } }, {
      ...lock,
      packages: { ...lock.packages, "": { ...lock.packages[""], peerDependencies: { d: "1.0.0" } } },
    }),
    ["d is not optional"],
  );
  const entry = (b: Lockfile["packages"][string]) =>
    pinFaults(good, { ...lock, packages: { ...lock.packages, "node_modules/b": b } });
  assert.equal(entry({ version: "2.0.0" }).length, 1);
  assert.equal(entry({ version: "2.0.0", integrity: "sha1-AA==" }).length, 1);
  assert.equal(entry({ ...lock.packages["node_modules/b"]!, resolved: "https://packages.example/b.tgz" }).length, 1);
  assert.equal(entry({ ...lock.packages["node_modules/b"]!, resolved: "git+ssh://git@host.example/b.git" }).length, 1);
});

test("a package holds what it promises and nothing of its workshop", () => {
  assert.deepEqual(tarballFaults(good, files), []);
  const find = (path: string, text: string) => tarballFaults(good, new Map([...files, [path, text]]));
  assert.match(find("test/a.test.ts", "x")[0]!, /does not belong/);
  assert.match(find("dist/mod.js.map", "x")[0]!, /does not belong/);
  for (const place of ['"/home/me/a.ts"', "at /root/a", "file:/tmp/a", "C:\\Users\\me"]) {
    assert.match(find("dist/a.js", place)[0]!, /names/, place);
  }
  assert.match(find("dist/a.js", "https://registry.example/a")[0]!, /registry/);
  assert.deepEqual(find("dist/a.js", '"/keys/a", https://example.org/home/a'), []);
  for (const path of ["dist/mod.js", "dist/mod.d.ts", "README.md", "LICENSE"]) {
    assert.deepEqual(find(path, "").map((fault) => fault.replace("./", "")), [`${path} is missing`]);
  }
  assert.match(find("dist/cli.js", "x")[0]!, /interpreter/);
});
