/** What `connect` and `serve` have in common: the URL's carrier and its options. @module */

import type { Carrier } from "../../lib/association/mod.ts";
import { cipherSuites } from "../../lib/crypto/mod.ts";
import { dtls, type DtlsCarrierOptions } from "../dtls/mod.ts";
import { tls, type TlsCarrierOptions } from "../tls/mod.ts";
import type { Address } from "./address.ts";
import { type Arguments, type OptionSpec, suggestion, UsageError } from "./arguments.ts";
import type { Console } from "./console.ts";

/** For the table of each command. */
export const TLS_OPTIONS: readonly OptionSpec[] = [
  { name: "--tls-version", value: "VERSION", repeated: true, help: "1.3 or 1.2, of DTLS as well (default both)" },
  { name: "--forward-secrecy", help: "only with a fresh key agreement: who learns the key later reads nothing" },
  { name: "--no-forward-secrecy", help: "without one, for a small peer: who learns the key later reads everything" },
  { name: "--suite", value: "NAME", repeated: true, help: "a cipher suite by IANA name, best first" },
  { name: "--allow", value: "WEAKNESS", repeated: true, help: "mac-then-encrypt or no-extended-master-secret" },
  { name: "--cid", help: "dtls: a Connection ID (RFC 9146) for this end as well; a server has one anyway" },
  { name: "--no-cid", help: "dtls: no Connection IDs" },
  { name: "--timeout", value: "SECONDS", help: "how long a handshake may take (default 10, over UDP 30)" },
  { name: "--mtu", value: "BYTES", help: "dtls: the longest datagram to send, 128 to 65507 (default 1232)" },
  {
    name: "--keylog",
    value: "FILE",
    help: "append session secrets, for a packet analyser; the file opens all traffic",
  },
];

/** The notes below them. */
export const TLS_NOTES: readonly string[] = [
  "Over dtls:// a line is a datagram, its line end included, and may get lost; one that is too long is an error.",
  "",
  "Cipher suites; the legacy ones take part only when named, and so does TLS_AES_256_GCM_SHA384:",
  ...cipherSuites.map(({ name, legacy }) => `  ${name}${legacy ? " (legacy)" : ""}`),
];

/** What the carriers share. */
type Shared = Pick<TlsCarrierOptions & DtlsCarrierOptions, "hint" | "onRefused">;

/** The carrier that `address` asks for. Throws {@link UsageError} for a suite or a weakness that does not exist, and for what is not the carrier's. */
export function carrierFor(address: Address, given: Arguments, console: Console, shared: Shared = {}): Carrier {
  const { scheme, host, port } = address;
  const options = { ...tlsOptions(given, console), ...shared, host, port };
  if (scheme === "dtls") return dtls({ ...options, ...dtlsOptions(given) });
  for (const name of DTLS_ONLY) if (given.has(name)) throw new UsageError(`${name} is for dtls://`);
  return tls(options);
}

/** What came of a carrier's begin. Options that exclude each other are found only there: a RangeError becomes a {@link UsageError}. */
export async function possible<T>(begin: Promise<T>): Promise<T> {
  try {
    return await begin;
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message) : error;
  }
}

function tlsOptions(
  given: Arguments,
  console: Console,
): Pick<
  TlsCarrierOptions,
  | "versions"
  | "forwardSecrecy"
  | "suites"
  | "macThenEncrypt"
  | "requireExtendedMasterSecret"
  | "keyLog"
  | "handshakeSeconds"
> {
  const versions = given.all("--tls-version");
  const suites = given.all("--suite");
  const weaknesses = given.all("--allow");
  const keyLog = given.one("--keylog");
  const timeout = given.one("--timeout");
  for (const name of versions) check("version", name, VERSIONS);
  for (const name of suites) check("cipher suite", name, cipherSuites.map((suite) => suite.name));
  for (const name of weaknesses) check("weakness", name, WEAKNESSES);
  return {
    ...(versions.length > 0 && { versions: VERSIONS.filter((version) => versions.includes(version)) }),
    ...secrecy(given),
    ...(suites.length > 0 && { suites: [...new Set(suites)] }),
    macThenEncrypt: weaknesses.includes("mac-then-encrypt"),
    requireExtendedMasterSecret: !weaknesses.includes("no-extended-master-secret"),
    ...(timeout !== undefined && { handshakeSeconds: toSeconds("--timeout", timeout) }),
    ...(keyLog !== undefined && { keyLog: (line: string) => console.appendLine(keyLog, line) }),
  };
}

function secrecy(given: Arguments): Pick<TlsCarrierOptions, "forwardSecrecy"> {
  const [isRequired, isLeftOut] = [given.has("--forward-secrecy"), given.has("--no-forward-secrecy")];
  if (isRequired && isLeftOut) throw new UsageError("--forward-secrecy and --no-forward-secrecy exclude each other");
  if (isRequired) return { forwardSecrecy: "required" };
  return isLeftOut ? { forwardSecrecy: "none" } : {};
}

function dtlsOptions(given: Arguments): Pick<DtlsCarrierOptions, "connectionId" | "mtu"> {
  const mtu = given.one("--mtu");
  if (mtu !== undefined && !(/^[0-9]{3,5}$/.test(mtu) && Number(mtu) >= 128 && Number(mtu) <= 65_507)) {
    throw new UsageError("--mtu is 128 to 65507");
  }
  if (given.has("--cid") && given.has("--no-cid")) throw new UsageError("--cid and --no-cid exclude each other");
  return {
    ...(given.has("--cid") && { connectionId: 8 }),
    ...(given.has("--no-cid") && { connectionId: false as const }),
    ...(mtu !== undefined && { mtu: Number(mtu) }),
  };
}

/** What `option` was given. Throws {@link UsageError} unless that is 0 to 86400. */
export function toSeconds(option: string, text: string): number {
  const seconds = Number(text);
  if (!/^[0-9]+(?:\.[0-9]+)?$/.test(text) || seconds > 86_400) {
    throw new UsageError(`${option} is a number of seconds, 0 to 86400`);
  }
  return seconds;
}

function check(what: string, name: string, known: readonly string[]): void {
  if (known.includes(name)) return;
  throw new UsageError(`no such ${what}: ${name}${suggestion(name, known) || `; there is ${known.join(", ")}`}`);
}

const VERSIONS = ["1.3", "1.2"] as const;
const DTLS_ONLY = ["--cid", "--no-cid", "--mtu"];
const WEAKNESSES = ["mac-then-encrypt", "no-extended-master-secret"];
