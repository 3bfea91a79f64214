/**
 * Our own program on wolfSSL, `wolfssl_peer.c`, built on import: on Debian's libwolfssl-dev, which has no DTLS 1.3, no
 * Connection ID and of plain PSK the suite with ChaCha20 alone; or, where SECCF_WOLFSSL names the folder that one built by
 * hand was installed to, on that: with --enable-dtls --enable-dtls13 --enable-dtlscid --enable-psk --enable-aesccm
 * --enable-session-ticket --enable-hrrcookie --enable-curve25519 --enable-keying-material, and in CFLAGS
 * -DWOLFSSL_STATIC_PSK -DHAVE_SERVER_RENEGOTIATION_INFO -DDTLS_CID_MAX_SIZE=20.
 *
 * wolfSSL 5.5.4 masks record numbers of ChaCha20 wrongly where BIG_ENDIAN is defined, which glibc does on every machine;
 * in src/dtls13.c that is to be BIG_ENDIAN_ORDER.
 */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Running, start } from "../support/spawn.ts";
import type { PeerSuite } from "./suites.ts";

/** What the library can do, as it was built. */
export interface WolfsslBuild {
  readonly library: string;
  readonly dtls13: boolean;
  readonly cid: boolean;
  /** wolfSSL's names. */
  readonly suites: readonly string[];
}

/** The words of one run. */
export interface WolfsslOptions {
  /** `tls` and `dtls`: 1.3 or 1.2, as the other side knows. */
  readonly version: "tls1.2" | "tls1.3" | "tls" | "dtls1.2" | "dtls1.3" | "dtls";
  /** wolfSSL's names, joined by colons. Default: all it has. */
  readonly suite?: string;
  readonly identity?: string;
  /** Hexadecimal. */
  readonly psk: string;
  readonly hint?: string;
  /** psk_ke in version 1.3. */
  readonly noDhe?: boolean;
  readonly group?: "x25519" | "p256";
  /** The Connection ID it wants to receive; empty for none of its own. */
  readonly cid?: string;
  /** A server of version 1.3 answers everybody with a cookie first. */
  readonly cookie?: boolean;
  /** How many, each resuming the one before; a client's. */
  readonly connections?: number;
}

/** What it says that was agreed. */
export interface WolfsslAgreed {
  readonly version: string;
  /** IANA's number, four hexadecimal digits. */
  readonly suite: string;
  readonly resumed: boolean;
  /** 16 bytes for "EXPERIMENTAL seccf" without a context, hexadecimal; wolfSSL 5.5 has none in DTLS 1.3. */
  readonly exporter?: string;
  /** Hexadecimal. */
  readonly cidIn?: string;
  readonly cidOut?: string;
}

const program = build();

/** Of this run. */
export const wolfsslBuild: WolfsslBuild = (() => {
  const { status, stdout } = spawnSync(program, ["build"], { encoding: "utf8" });
  assert.equal(status, 0);
  const { suites, ...rest } = JSON.parse(stdout) as Omit<WolfsslBuild, "suites"> & { readonly suites: string };
  return { ...rest, suites: suites.split(":") };
})();

/** Why `suite` can not be tried, if so. */
export function wolfsslGap({ wolfssl, version }: PeerSuite, transport: "tls" | "dtls"): string | undefined {
  if (wolfssl === undefined) return "wolfSSL knows no such suite";
  if (transport === "dtls" && version === "1.3" && !wolfsslBuild.dtls13) return "it is built without WOLFSSL_DTLS13";
  return wolfsslBuild.suites.includes(wolfssl) ? undefined : "it is built without WOLFSSL_STATIC_PSK";
}

/** A server on a free port of 127.0.0.1 that echoes, to one client after another. */
export async function wolfsslServer(
  options: WolfsslOptions,
): Promise<{ readonly running: Running; readonly port: number }> {
  const running = start(program, ["server", "0", ...wordsOf(options)]);
  const [, port] = await running.until(/"listening","port":([0-9]+)/);
  return { running, port: Number(port) };
}

/** A client of the server on a port of 127.0.0.1. */
export function wolfsslClient(port: number, options: WolfsslOptions): Running {
  return start(program, ["client", String(port), ...wordsOf(options)]);
}

/** Waits for the line of its connection, the first or a later one. */
export async function wolfsslAgreed(running: Running, nth = 1): Promise<WolfsslAgreed> {
  await running.until(new RegExp(`(?:"event":"connected"[^]*?){${nth}}\n`));
  const lines = running.errText.split("\n").filter((line) => line.includes('"event":"connected"'));
  return JSON.parse(lines[nth - 1] ?? assert.fail()) as WolfsslAgreed;
}

function wordsOf(
  { version, psk, suite, identity, hint, noDhe, group, cid, cookie, connections }: WolfsslOptions,
): string[] {
  const words = ["--version", version, "--psk", psk];
  if (noDhe) words.push("--no-dhe");
  if (cookie) words.push("--cookie");
  for (const [name, value] of Object.entries({ suite, identity, hint, group, cid, connections })) {
    if (value !== undefined) words.push(`--${name}`, String(value));
  }
  return words;
}

function build(): string {
  const folder = mkdtempSync(join(tmpdir(), "seccf-wolfssl-"));
  const remove = () => rmSync(folder, { recursive: true, force: true });
  process.once("exit", remove);
  // What Deno's test runner has in its place.
  globalThis.addEventListener?.("unload", remove);
  const output = join(folder, "wolfssl_peer");
  const source = fileURLToPath(new URL("./wolfssl_peer.c", import.meta.url));
  const tree = process.env["SECCF_WOLFSSL"];
  const where = tree ? [`-I${tree}/include`, `-L${tree}/lib`, `-Wl,-rpath,${tree}/lib`] : [];
  const words = [
    "-std=gnu11",
    "-O1",
    "-Wall",
    "-Wextra",
    ...where,
    "-o",
    output,
    source,
    "-lwolfssl",
    "-lm",
    "-lpthread",
  ];
  const { status, stderr } = spawnSync("cc", words, { encoding: "utf8" });
  assert.equal(status, 0, stderr);
  return output;
}
