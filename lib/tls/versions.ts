/** Which version a handshake is in: decided by the server, checked by the client (RFC 5246 E.1, RFC 8446 4.2.1). @module */

import { equal, toUtf8 } from "../bytes/mod.ts";
import { TlsFailure } from "./alert.ts";
import type { ClientHello } from "./handshake/client_hello.ts";
import { isVersion13, type Policy } from "./options.ts";
import { DTLS_1_2, TLS_1_2 } from "./record/content_type.ts";

/** The server's choice: the highest of its policy that `hello` offers. Throws `unsupported` or `downgrade`. */
export function chooseVersion(hello: ClientHello, policy: Policy): number {
  checkFallback(hello, policy);
  const version = policy.versions.find((each) => isOffered(hello, each));
  if (version === undefined) throw otherVersion("the client offers no version that is allowed here");
  return version;
}

/**
 * RFC 7507 3: a client that was brought down to an older version by failures says so. Where this end knows a newer one
 * than it offers, those failures were somebody's doing.
 */
function checkFallback(hello: ClientHello, { versions: [newest] }: Policy): void {
  if (!hello.fallback || newest === undefined || isOffered(hello, newest)) return;
  throw new TlsFailure("inappropriate_fallback", "downgrade", "the client could have had a newer version here", {
    clause: "RFC 7507 3",
  });
}

/** The client's check of what a server chose. Throws `unsupported`. */
export function checkVersion(version: number, policy: Policy): void {
  if (!policy.versions.includes(version)) throw otherVersion("the server chose a version that was not offered");
}

/**
 * RFC 8446 4.1.3: marks the random of a ServerHello of version 1.2 where this end knows 1.3, so that a client that knows
 * it too sees that somebody in between took it out of its hello.
 */
export function markDowngrade(random: Uint8Array, policy: Policy): void {
  if (policy.versions.some(isVersion13)) random.set(DOWNGRADE_TO_1_2, random.length - DOWNGRADE_TO_1_2.length);
}

/** The client's side of that, for a ServerHello of version 1.2 where 1.3 was offered. Throws `downgrade`. */
export function checkDowngrade(random: Uint8Array, policy: Policy): void {
  if (!policy.versions.some(isVersion13)) return;
  const end = random.subarray(-8);
  if (!equal(end, DOWNGRADE_TO_1_2) && !equal(end, DOWNGRADE_TO_1_1)) return;
  throw new TlsFailure("illegal_parameter", "downgrade", "the server knows version 1.3 and was not asked for it", {
    clause: "RFC 8446 4.1.3",
  });
}

/** Without supported_versions a hello offers all up to its own; datagram versions count down. */
function isOffered(hello: ClientHello, version: number): boolean {
  if (hello.supportedVersions) return hello.supportedVersions.includes(version);
  if (version === DTLS_1_2) return hello.version <= DTLS_1_2 && hello.version >> 8 === DTLS_1_2 >> 8;
  return version === TLS_1_2 && hello.version >= TLS_1_2;
}

function otherVersion(message: string): TlsFailure {
  return new TlsFailure("protocol_version", "unsupported", message, { clause: "RFC 5246 E.1" });
}

const DOWNGRADE_TO_1_2: Uint8Array = toUtf8("DOWNGRD\x01");
const DOWNGRADE_TO_1_1: Uint8Array = toUtf8("DOWNGRD\x00");
