/** What the two hellos of version 1.3 agree on, decided by the server and checked by the client. @module */

import type { CipherSuite, KeyShare, SecretBytes } from "../../crypto/mod.ts";
import { equal } from "../../bytes/mod.ts";
import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import type { ClientHello } from "../handshake/client_hello.ts";
import type { EncryptedExtensions } from "../handshake/encrypted_extensions.ts";
import type { KeyShareEntry } from "../handshake/key_share.ts";
import { type OfferedPsks, PSK_MODE } from "../handshake/pre_shared_key.ts";
import { notOffered, type ServerHello } from "../handshake/server_hello.ts";
import { MAX_IDENTITY } from "../limits.ts";
import type { Policy } from "../options.ts";
import type { Schedule } from "./key_schedule.ts";

/** The server's choice. Neither `share` nor `retryGroup`: the pre-shared key stands alone. */
export interface Terms {
  readonly suite: CipherSuite;
  readonly offered: OfferedPsks;
  /** The client's public value, where there is to be a fresh agreement. */
  readonly share?: KeyShareEntry;
  /** The group of which the client has to send one first. */
  readonly retryGroup?: number;
}

/** The server's own best of what `hello` offers and its policy allows. Throws `unsupported`, `downgrade` or `malformed`. */
export function chooseTerms(hello: ClientHello, policy: Policy): Terms {
  const { offeredPsks: offered, pskModes: modes } = hello;
  // There is never a certificate: a client without a key is nobody's.
  if (!offered) throw noneInCommon("the client offers no key", "RFC 8446 4.2.11");
  if (!modes) throw missing("psk_key_exchange_modes", "RFC 8446 4.2.9");
  const suite = suitesOf(policy).find(({ id }) => hello.suites.includes(id));
  if (!suite) throw noneInCommon("no cipher suite in common", "RFC 8446 4.1.1");
  checkShares(hello);
  if (modes.includes(PSK_MODE.pskWithKeyShare)) {
    const group = policy.groups.find((id) => hello.supportedGroups?.includes(id));
    const share = bestShare(hello, policy);
    if (share) return { suite, offered, share };
    if (group !== undefined) return { suite, offered, retryGroup: group };
  }
  if (modes.includes(PSK_MODE.pskOnly)) {
    if (policy.forwardSecrecy !== "required") return { suite, offered };
    throw new TlsFailure("handshake_failure", "downgrade", "the client wants no fresh agreement");
  }
  throw noneInCommon("no group in common", "RFC 8446 4.2.7");
}

/** The suites of version 1.3 in `policy`. */
export function suitesOf(policy: Policy): readonly CipherSuite[] {
  return policy.suites.filter(({ exchange }) => exchange === "tls13");
}

/** The labels of the transport, and the hash that all suites of version 1.3 in a policy share. */
export function scheduleOf(policy: Policy): Schedule {
  const hash = policy.suites.find(({ exchange }) => exchange === "tls13")?.prf ?? "sha-256";
  return { prefix: policy.transport === "datagram" ? "dtls13" : "tls13 ", hash };
}

/**
 * Which of the client's keys is asked for: the first that can be a name, and of those the first that does not look
 * like a ticket, whose age is never shown as 0 but by chance. What is too long to be a name is asked for in no case.
 */
export function chooseIdentity({ identities }: OfferedPsks): number {
  const isName = (each: OfferedPsks["identities"][number]) => each.identity.length <= MAX_IDENTITY;
  const external = identities.findIndex((each) => isName(each) && each.obfuscatedAge === 0);
  if (external >= 0) return external;
  return Math.max(identities.findIndex(isName), 0);
}

/** What the client finds in a ServerHello of version 1.3, or in a HelloRetryRequest. Throws `malformed`, `downgrade` or `reflected`. */
export function checkHello(offer: ClientHello, hello: ServerHello, policy: Policy): CipherSuite {
  if (equal(hello.random, offer.random)) {
    throw new TlsFailure("illegal_parameter", "reflected", "the server's random is our own");
  }
  if (hello.version !== offer.version) throw illegal("a legacy_version that is not 1.2", "RFC 8446 4.1.3");
  // RFC 9147 5: on datagrams it is not said back, also where a session of version 1.2 is offered beside.
  const isEcho = policy.transport === "datagram"
    ? hello.sessionId.length === 0
    : equal(hello.sessionId, offer.sessionId);
  if (!isEcho) throw illegal("another legacy_session_id", "RFC 8446 4.1.3");
  const suite = suitesOf(policy).find(({ id }) => id === hello.suite);
  if (!suite) {
    throw new TlsFailure("illegal_parameter", "downgrade", "a cipher suite that was not offered", {
      clause: "RFC 8446 4.1.3",
    });
  }
  checkPlace(hello);
  return suite;
}

/** Extensions of version 1.2 do not belong into a hello of 1.3 (RFC 8446 4.2). */
function checkPlace(hello: ServerHello): void {
  const isElsewhere = hello.serverName || hello.extendedMasterSecret || hello.encryptThenMac ||
    hello.renegotiationInfo || hello.pointFormats || hello.sessionTicket || hello.recordSizeLimit !== undefined ||
    hello.maxFragmentLength !== undefined;
  if (isElsewhere) throw illegal("an extension that belongs into another message", "RFC 8446 4.2");
}

/** The client's check that the server answers nothing that was not asked. Throws `malformed`. */
export function checkEncryptedExtensions(offer: ClientHello, answer: EncryptedExtensions): void {
  const isUnasked = (answer.serverName && offer.serverName === undefined) ||
    (answer.recordSizeLimit !== undefined && offer.recordSizeLimit === undefined) ||
    (answer.maxFragmentLength !== undefined && offer.maxFragmentLength === undefined) ||
    (answer.supportedGroups && offer.supportedGroups === undefined);
  if (isUnasked) throw notOffered();
}

/** What comes of both public values. Throws `malformed` for one that is none. */
export function agreeOn(share: KeyShare, publicKey: Uint8Array): SecretBytes {
  try {
    return share.agree(publicKey);
  } catch (cause) {
    if (!(cause instanceof SeccfError && cause.code === "malformed")) throw cause;
    throw new TlsFailure("illegal_parameter", "malformed", "a key share that is none", {
      clause: "RFC 8446 7.4.2",
      cause,
    });
  }
}

/** The failure of a peer whose fields contradict each other. */
export function illegal(message: string, clause: string): TlsFailure {
  return new TlsFailure("illegal_parameter", "malformed", message, { clause });
}

/** RFC 8446 9.2: the two come together; RFC 8446 4.2.8: shares are of groups that are offered, in their order. */
function checkShares({ supportedGroups, keyShares }: ClientHello): void {
  if ((supportedGroups === undefined) !== (keyShares === undefined)) {
    throw missing(keyShares ? "supported_groups" : "key_share", "RFC 8446 9.2");
  }
  let last = -1;
  for (const { group } of keyShares ?? []) {
    const at = supportedGroups?.indexOf(group) ?? -1;
    if (at <= last) throw illegal("a key share out of the order of groups", "RFC 8446 4.2.8");
    last = at;
  }
}

/** A share that is there saves a round trip, so it is taken though another group were liked better. */
function bestShare({ keyShares = [] }: ClientHello, { groups }: Policy): KeyShareEntry | undefined {
  for (const id of groups) {
    const share = keyShares.find(({ group }) => group === id);
    if (share) return share;
  }
  return undefined;
}

function noneInCommon(message: string, clause: string): TlsFailure {
  return new TlsFailure("handshake_failure", "unsupported", message, { clause });
}

function missing(extension: string, clause: string): TlsFailure {
  return new TlsFailure("missing_extension", "unsupported", `${extension} is missing`, { clause });
}
