/**
 * Which way imports may point, and what a file may not hold. Each rule is a function of sources alone, so that a test
 * can feed it a source that breaks it.
 *
 * @module
 */

import { posix } from "node:path";
import { ambientUses } from "./ambient.ts";
import { type Import, importsOf, lex, type Lexed, type Token } from "./tokens.ts";

/** Sources by path from the top of the repository. */
export type Sources = ReadonlyMap<string, string>;

/** A rule: what breaks it, each as `path:line: why`. */
export type Rule = (sources: Sources) => string[];

const ground = ["error", "clock", "platform", "deadline", "link", "store", "bytes"];
const primitives = [...ground, "crypto"];
const formats = [...primitives, "cose", "xml", "aka"];
const engines = [...formats, "identity", "association", "tls", "http"];
const protocols = [...engines, "channel", "gba", "sip", "push"];
const rooms = [...protocols, "dm", "roles"];

/** Folder -> folders it may import. Rooms of `lib/` stand under their own name; what is not in the table may not be there. */
export const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "error": [],
  "clock": [],
  "platform": ["clock"],
  "deadline": ["error", "clock", "platform"],
  "link": ["platform"],
  "store": ["platform"],
  "bytes": ["error"],
  "crypto": ground,
  "cose": primitives,
  "xml": primitives,
  "aka": primitives,
  "identity": formats,
  "association": formats,
  "tls": formats,
  "http": formats,
  "channel": engines,
  "gba": engines,
  "sip": engines,
  "push": engines,
  "dm": protocols,
  "roles": [...protocols, "dm"],
  "transports/memory": rooms,
  "transports/tcp": rooms,
  "transports/udp": rooms,
  "transports/tls": [...rooms, "transports/tcp"],
  "transports/dtls": [...rooms, "transports/udp"],
  "transports/sip": rooms,
  "transports/http": rooms,
  "transports/cards": [...rooms, "web_platform.ts"],
  "transports/files": [...rooms, "web_platform.ts"],
  "transports/stores": rooms,
  "transports/roots": [...rooms, "web_platform.ts"],
  "transports/trusted_party": rooms,
  "transports/console": [
    ...rooms,
    ...["memory", "tcp", "udp", "tls", "dtls", "sip", "http", "cards", "files", "stores", "roots", "trusted_party"]
      .map((name) => `transports/${name}`),
    "mod.ts",
    "web_platform.ts",
  ],
  "web_platform.ts": ground,
  "mod.ts": [...rooms, "web_platform.ts"],
  "ports.ts": rooms,
  "cli.ts": ["transports/console"],
};

/** Besides a folder's `mod.ts`: files of types alone, which nobody needs a whole room for. */
export const TYPE_DOORS: readonly string[] = ["lib/association/ports.ts", "lib/identity/ports.ts", "lib/tls/engine.ts"];

/** Folders of kinds of one port: each file is a door, so that who wants one kind does not load the others. */
export const KINDS: readonly string[] = ["transports/stores", "transports/cards", "transports/roots"];

/** Third-party package -> the one folder that may import it. */
export const PACKAGES: Readonly<Record<string, string>> = {
  "@noble/hashes": "crypto",
  "@noble/ciphers": "crypto",
  "@noble/curves": "crypto",
  "cbor-x": "transports/stores",
  "saxes": "xml",
  "node-dtls-client": "transports/dtls",
  "sip.js": "transports/sip",
};

/** Who may see the bytes of a secret outside of `lib/crypto`, and why nothing less would do. */
export const EXPOSERS: Readonly<Record<string, string>> = {
  "lib/aka/conversion.ts": "c2, c3 and c5 of TS 33.102 6.8 are exclusive ors of key bytes",
  "lib/aka/gba_u.ts": "GBA_U changes bits of RES (TS 31.102 7.1.1.2)",
  "lib/aka/milenage.ts": "the algorithm itself: OPc goes into every block (TS 35.206)",
  "lib/aka/tuak.ts": "the algorithm itself: K and TOPc go into the sponge (TS 35.231)",
  "lib/association/snapshot_state.ts": "what is sealed into a snapshot",
  "lib/channel/saved_sessions.ts": "what is sealed of a session for the store",
  "lib/cose/oscore.ts": "the Common IV is derived as a key is and is public from there on (RFC 8613 5.2)",
  "lib/gba/pseudonym.ts": "a TMPI and an A-TID are derived as keys are and are names from there on",
  "lib/gba/sbi.ts": "the key crosses to the enabler in the answer of the GBA service (TS 29.309)",
  "lib/gba/sealed_record.ts": "what is sealed for the store",
  "lib/identity/card_aka.ts": "what a card answers to AUTHENTICATE is bytes on a wire (TS 31.102 7.1.2)",
  "lib/identity/file_content.ts": "what is sealed into the identity file",
  "lib/identity/usim_card.ts": "VERIFY carries the PIN to the card (TS 102 221 11.1.9)",
  "transports/roots/pkcs11_session.ts": "C_Login carries the PIN to the token",
  "transports/roots/tpm2.ts": "the authorization value goes to the TPM's tools by their standard input",
  "lib/tls/tls12/key_schedule.ts":
    "a record's fixed IV is bytes; the key log writes the master secret when it is asked for",
  "lib/tls/tls13/key_schedule.ts":
    "salts and IVs are bytes; the key log writes the secrets of a session when it is asked for",
  "lib/tls/resumption.ts": "what is sealed into a ticket",
  "lib/tls/saved_session.ts": "record keys are cut out of the bytes that were saved of a session",
  "transports/dtls/node_dtls_client.ts": "node-dtls-client takes the key as bytes",
};

const SECRET = "lib/crypto/secret.ts";

/** `error` for `lib/error.ts`, `crypto` for a file in `lib/crypto`, `transports/tcp`, `mod.ts`. */
export function folderOf(path: string): string {
  const [top, second, third] = path.split("/");
  if (top === "lib") return third === undefined ? second!.replace(/\.ts$/, "") : second!;
  return top === "transports" ? `${top}/${second}` : path;
}

/** Inward only, by {@link MAY_IMPORT}. */
export const inward: Rule = (sources) =>
  eachImport(sources, (path, { specifier }, target) => {
    const from = folderOf(path);
    const allowed = MAY_IMPORT[from];
    if (!allowed) return `${from} has no row in the table of imports`;
    if (specifier === undefined) return "imports what only running it would tell";
    if (target === undefined) return undefined;
    const to = folderOf(target);
    if (!sources.has(target)) return `imports ${specifier}, which is not there`;
    return to === from || allowed.includes(to) ? undefined : `${from} may not import ${to}`;
  });

/** From outside a folder is entered by its `mod.ts`, or by another door of {@link TYPE_DOORS} or {@link KINDS}. */
export const byTheDoor: Rule = (sources) =>
  eachImport(sources, (path, { names, typeOnly }, target) => {
    if (target === undefined || folderOf(path) === folderOf(target)) return undefined;
    if (!target.includes("/") || /^lib\/[^/]+$/.test(target) || target.endsWith("/mod.ts")) return undefined;
    if (KINDS.includes(folderOf(target))) return undefined;
    if (target === SECRET && names.join() === "expose") return undefined;
    if (!TYPE_DOORS.includes(target)) return `enters ${folderOf(target)} by ${target}, not by its mod.ts`;
    return typeOnly ? undefined : `takes more than types from ${target}`;
  });

/** No folder reaches itself through others, and no file does at run time. */
export const noCycles: Rule = (sources) => {
  const folders = new Map<string, Set<string>>();
  const files = new Map<string, Set<string>>();
  const edge = (graph: Map<string, Set<string>>, from: string, to: string): void => {
    if (from !== to) graph.set(from, (graph.get(from) ?? new Set()).add(to));
  };
  eachImport(sources, (path, { typeOnly }, target) => {
    if (target === undefined) return undefined;
    edge(folders, folderOf(path), folderOf(target));
    if (!typeOnly) edge(files, path, target);
    return undefined;
  });
  return [...cyclesOf(folders), ...cyclesOf(files)].map((cycle) => `a cycle: ${cycle.join(" -> ")}`);
};

/** Packages by {@link PACKAGES}; `node:*` at the rim alone. */
export const packages: Rule = (sources) =>
  eachImport(sources, (path, { specifier }, target) => {
    if (specifier === undefined || target !== undefined) return undefined;
    if (specifier.startsWith("node:")) {
      return /^(?:transports\/|cli\.ts$)/.test(path) ? undefined : `imports ${specifier}`;
    }
    const name = specifier.split("/").slice(0, specifier.startsWith("@") ? 2 : 1).join("/");
    const home = PACKAGES[name];
    if (home === undefined) return `imports ${name}, which no folder may`;
    return folderOf(path) === home ? undefined : `imports ${name}, which only ${home} may`;
  });

/** `expose` stays behind crypto's door but for {@link EXPOSERS}, and no reason outlives its file. */
export function exposing(reasons: Readonly<Record<string, string>>): Rule {
  return (sources) => {
    const seen = new Set<string>();
    const found = eachImport(sources, (path, { names }, target) => {
      if (target === "lib/crypto/mod.ts" && names.includes("expose")) return "takes expose by the door";
      if (target !== SECRET) return undefined;
      if (path === "lib/crypto/mod.ts") {
        return names.includes("expose") || names.includes("*") ? "lets expose out of the door" : undefined;
      }
      if (folderOf(path) === "crypto" || !names.includes("expose")) return undefined;
      seen.add(path);
      return reasons[path] ? undefined : "sees the bytes of a secret without a reason in the list";
    });
    const stale = Object.keys(reasons).filter((path) => !seen.has(path));
    return [...found, ...stale.map((path) => `${path}: has a reason to expose secrets and does not`)];
  };
}

/** `lib/` has no clock, timer, randomness, network or machine of its own: they come in as `Platform`. */
export const pure: Rule = (sources) => {
  const inside = [...sources].filter(([path]) => path.startsWith("lib/") && path !== "lib/crypto/native.ts");
  return inside.flatMap(([path, source]) =>
    ambientUses(lexed(source).tokens).map(({ name, line }) => `${path}:${line}: uses ${name}`)
  );
};

/** At most 500 lines; tables and generated code are named so. */
export const size: Rule = (sources) =>
  [...sources].flatMap(([path, source]) => {
    const lines = source.split("\n").length - 1;
    return lines > 500 && !/(?:_table|\.gen)\.ts$/.test(path) ? [`${path}: ${lines} lines, at most 500`] : [];
  });

/** Nothing is left for later, and nothing is exported without a name. */
export const finished: Rule = (sources) =>
  [...sources].flatMap(([path, source]) => {
    const { tokens, comments } = lexed(source);
    const notes = comments.filter(({ text }) => /\b(?:TODO|FIXME|XXX|HACK)\b/.test(text))
      .map(({ line }) => `${path}:${line}: left for later`);
    const defaults = tokens.filter(({ text }, i) => text === "default" && tokens[i - 1]?.text === "export")
      .map(({ line }) => `${path}:${line}: a default export`);
    return [...notes, ...defaults];
  });

/** Tests are top-level `test()` calls, none left out: other forms are counted differently on each runtime. */
export const plainTests: Rule = (sources) =>
  [...sources].flatMap(([path, source]) => {
    const code = lexed(source);
    const { tokens } = code;
    const other = importsOf(code).filter(({ specifier, names }) => specifier === "node:test" && names.join() !== "test")
      .map(({ line }) => `${path}:${line}: takes more than test from node:test`);
    const calls = tokens.flatMap(({ kind, text, line }, i) => {
      const form = kind === "word" && text === "test" ? testForm(tokens, i) : undefined;
      return form === undefined ? [] : [`${path}:${line}: ${form}`];
    });
    return [...other, ...calls];
  });

/** What is wrong with the call of `test` at `i`. Options could only skip it, hurry it or leave it for later. */
function testForm(tokens: readonly Token[], i: number): string | undefined {
  const left = tokens[i + 1]?.text === "." ? tokens[i + 2]?.text : undefined;
  if (left !== undefined && /^(?:skip|only|todo)$/.test(left)) return `test.${left}`;
  if (tokens[i + 1]?.text !== "(") return undefined;
  let end = i + 2;
  while (tokens[end]?.kind === "string" || tokens[end]?.kind === "template") end++;
  if (end === i + 2 || tokens[end]?.text !== ",") return undefined;
  if (tokens[i - 1]?.text === ".") return "a test in a test";
  return tokens[end + 1]?.text === "{" ? "a test with options" : undefined;
}

/** Runs `check` on each import; `target` is the path of a relative one. */
function eachImport(
  sources: Sources,
  check: (path: string, found: Import, target: string | undefined) => string | undefined,
): string[] {
  return [...sources].flatMap(([path, source]) =>
    importsOf(lexed(source)).flatMap((found) => {
      const relative = found.specifier?.startsWith(".");
      const target = relative ? posix.join(posix.dirname(path), found.specifier!) : undefined;
      const why = check(path, found, target);
      return why === undefined ? [] : [`${path}:${found.line}: ${why}`];
    })
  );
}

const known = new Map<string, Lexed>();

function lexed(source: string): Lexed {
  let result = known.get(source);
  if (!result) known.set(source, result = lex(source));
  return result;
}

/** Each cycle once, as the nodes on it. */
function cyclesOf(graph: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (node: string, path: string[]): void => {
    const start = path.indexOf(node);
    if (start >= 0) cycles.push([...path.slice(start), node]);
    if (start >= 0 || done.has(node)) return;
    for (const next of graph.get(node) ?? []) visit(next, [...path, node]);
    done.add(node);
  };
  for (const node of graph.keys()) visit(node, []);
  return cycles;
}
