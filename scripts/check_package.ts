/**
 * Builds the package, packs it, installs the tarball in an empty project and uses it there as a stranger would: imported
 * by Node, Deno and Bun, compiled against in strict TypeScript, and with the README's own code.
 *
 * @module
 */

import { spawnSync } from "node:child_process";
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { blocksOf } from "../test/docs/markdown.ts";
import type { Manifest } from "../test/package/manifest.ts";
import { tarballFaults } from "../test/package/tarball.ts";

/** What a device with an agent over TLS has to carry, both versions, both roles: minified and compressed, noble's share included. */
const MOST_GZIP_BYTES = 120 * 1024;

const top = process.cwd();
const bin = (name: string): string => resolve(top, "node_modules/.bin", name);
const manifest: Manifest & Record<string, unknown> = JSON.parse(readFileSync("package.json", "utf8"));
/** What has no values, only types. */
const TYPES_ALONE = `${manifest.name}/ports`;
const subpaths = Object.keys(manifest.exports).map((path) => path.replace(/^\./, manifest.name));
const scratch = mkdtempSync(join(tmpdir(), "seccf-package-"));
try {
  build();
  install();
  checkFiles();
  checkImports();
  checkCode();
  checkSize();
} finally {
  rmSync(scratch, { recursive: true });
}

function build(): void {
  rmSync("dist", { recursive: true, force: true });
  run("npm", ["run", "--silent", "build"], top);
}

/** Installs what npm would publish, its dependencies out of npm's cache. */
function install(): void {
  run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", scratch], top);
  const [tarball] = readdirSync(scratch);
  writeFileSync(join(scratch, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  const quiet = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  run("npm", ["install", "--prefer-offline", ...quiet, `./${tarball}`], scratch);
}

function checkFiles(): void {
  const home = join(scratch, "node_modules", manifest.name);
  const paths = globSync("**/*", { cwd: home }).filter((path) => statSync(join(home, path)).isFile());
  const files = new Map(paths.map((path) => [path.replaceAll("\\", "/"), readFileSync(join(home, path), "utf8")]));
  const faults = tarballFaults(manifest, files);
  for (const [path, text] of files) if (text.includes(top)) faults.push(`${path} names the folder it was built in`);
  if (faults.length > 0) throw new Error(faults.join("\n"));
  console.log(`${files.size} files in the package`);
}

/** Every subpath loads, without a word, on each runtime, and has values unless it is known to have none. */
function checkImports(): void {
  const lines = subpaths.map((path) =>
    `if ((Object.keys(await import("${path}")).length === 0) !== ${
      path === TYPES_ALONE
    }) throw new Error("values of ${path}");`
  );
  writeFileSync(join(scratch, "load.mjs"), lines.join("\n"));
  const ways = [["node", "load.mjs"], ["deno", "run", "--node-modules-dir=manual", "-A", "load.mjs"], [
    "bun",
    "load.mjs",
  ]];
  for (const [name, ...args] of ways) {
    const said = run(bin(name!), args, scratch);
    if (said !== "") throw new Error(`${name}: importing prints ${said}`);
  }
  console.log(`${subpaths.length} subpaths load on three runtimes`);
}

/** The types of every subpath, and the code of the README: compiled, and run where it says so. */
function checkCode(): void {
  const imports = subpaths.map((path, i) =>
    `import type * as subpath${i} from "${path}";\nexport type Subpath${i} = keyof typeof subpath${i};`
  );
  writeFileSync(join(scratch, "types.ts"), imports.join("\n"));
  const blocks = blocksOf(readFileSync("README.md", "utf8")).filter(({ info }) => /^ts\b/.test(info));
  for (const { code, line } of blocks) writeFileSync(join(scratch, `readme_${line}.ts`), `${code}\nexport {};\n`);
  const options = {
    ...{
      target: "es2022",
      module: "nodenext",
      lib: ["es2023", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"],
    },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, noEmit: true, types: [] },
  };
  writeFileSync(join(scratch, "tsconfig.json"), JSON.stringify({ compilerOptions: options, include: ["*.ts"] }));
  run(bin("tsc"), ["-p", "."], scratch);
  const runnable = blocks.filter(({ info }) => info === "ts run");
  for (const { line } of runnable) run(bin("node"), [`readme_${line}.ts`], scratch);
  console.log(`${blocks.length} blocks of the README compile, ${runnable.length} of them run`);
}

/** A device's own share of the package: bundlers must be able to leave the servers out. */
function checkSize(): void {
  const [entry, bundle] = [join(scratch, "device.mjs"), join(scratch, "bundle.js")];
  writeFileSync(
    entry,
    `export { createAgent } from "${manifest.name}";\nexport { tls } from "${manifest.name}/tls";\n`,
  );
  run(bin("bun"), ["build", entry, "--minify", "--target=node", `--outfile=${bundle}`], scratch);
  const size = gzipSync(readFileSync(bundle), { level: 9 }).length;
  if (size > MOST_GZIP_BYTES) throw new Error(`${size} bytes for a device, at most ${MOST_GZIP_BYTES}`);
  console.log(`${size} bytes for a device, minified and compressed (at most ${MOST_GZIP_BYTES})`);
}

/** Runs a program and returns what it printed; throws with all of it when it fails. */
function run(program: string, args: readonly string[], cwd: string): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
  if (status !== 0) throw new Error(`${program} ${args.join(" ")}\n${stdout}${stderr}`);
  return stdout + stderr;
}
