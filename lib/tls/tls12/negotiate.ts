/** What the two hellos of TLS 1.2 agree on, decided by the server and checked by the client. Nothing here ever goes below its policy. @module */

import type { CipherSuite } from "../../crypto/mod.ts";
import { equal } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { checkConnectionIds, chooseConnectionIds, type ConnectionIds } from "../connection_ids.ts";
import type { ClientHello } from "../handshake/client_hello.ts";
import { notOffered, type ServerHello } from "../handshake/server_hello.ts";
import type { Policy } from "../options.ts";
import { TLS_1_2 } from "../record/content_type.ts";
import { checkSizes, chooseSizes, type RecordSizes } from "../record_sizes.ts";

/** What a handshake is about, once both hellos are there. */
export interface Parameters {
  readonly suite: CipherSuite;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  /** Server, with a suite of ECDHE_PSK: the named group that both sides know. */
  readonly group?: number;
  /** Only on datagrams, and only where both sides know of Connection IDs (RFC 9146 3). */
  readonly connectionIds?: ConnectionIds;
  /** Where less than the most was agreed on for each record. */
  readonly sizes?: RecordSizes;
}

/** The server's choice: its own best suite that the client offers and its policy allows. Throws `unsupported` or `downgrade`. */
export function chooseParameters(hello: ClientHello, policy: Policy): Parameters {
  checkExtendedMasterSecret(hello.extendedMasterSecret, policy);
  const group = chooseGroup(hello, policy);
  let weaker = false;
  for (const suite of policy.suites) {
    if (!hello.suites.includes(suite.id) || suite.exchange === "tls13") continue;
    // Without a group in common such a suite is as good as none.
    if (suite.exchange === "ecdhe_psk" && group === undefined) continue;
    const parameters = parametersWith(suite, hello, policy);
    if (parameters) {
      return { ...parameters, ...(suite.exchange === "ecdhe_psk" && group !== undefined && { group }) };
    }
    weaker = true;
  }
  if (weaker) throw macThenEncryptRefused();
  throw new TlsFailure("handshake_failure", "unsupported", "no cipher suite in common", { clause: "RFC 5246 7.4.1.3" });
}

/**
 * The server's choice where an earlier session with `suite` could go on: everything but the suite is agreed anew;
 * `undefined` where it can not. Throws `downgrade` for a hello that has lost its extended master secret (RFC 7627 5.3).
 */
export function chooseToGoOn(suite: number, hello: ClientHello, policy: Policy): Parameters | undefined {
  const found = policy.suites.find(({ id, exchange }) => id === suite && exchange !== "tls13");
  if (!hello.extendedMasterSecret) throw extendedMasterSecretLost();
  return found && hello.suites.includes(suite) ? parametersWith(found, hello, policy) : undefined;
}

/** `undefined` where that would be CBC as it is not allowed here. */
function parametersWith(suite: CipherSuite, hello: ClientHello, policy: Policy): Parameters | undefined {
  const block = suite.protection.kind === "cbc";
  if (block && !hello.encryptThenMac && !policy.macThenEncrypt) return undefined;
  const { extendedMasterSecret } = hello;
  // RFC 7366 3: only where the suite has a block cipher.
  const encryptThenMac = block && hello.encryptThenMac;
  // RFC 9146 5.1 has a MAC of the plaintext too; nobody needs that, and Lucky 13 is not worth fighting twice.
  const connectionIds = block && !encryptThenMac ? undefined : chooseConnectionIds(hello, policy);
  const sizes = chooseSizes(hello, policy, TLS_1_2)?.sizes;
  return {
    ...{ suite, extendedMasterSecret, encryptThenMac },
    ...(connectionIds && { connectionIds }),
    ...(sizes && { sizes }),
  };
}

/** Our own best; where the client names none, that of every stack (RFC 8422 4 leaves it to the server). */
function chooseGroup({ supportedGroups = [SECP256R1] }: ClientHello, { groups }: Policy): number | undefined {
  return groups.find((group) => supportedGroups.includes(group));
}

/** The client's check that the server chose from what `offer` had. Throws `downgrade`, `reflected`, `unsupported` or `malformed`. */
export function checkParameters(offer: ClientHello, hello: ServerHello, policy: Policy): Parameters {
  if (equal(hello.random, offer.random)) {
    throw new TlsFailure("illegal_parameter", "reflected", "the server's random is our own");
  }
  const suite = policy.suites.find((each) => each.id === hello.suite && each.exchange !== "tls13");
  if (!suite) {
    throw new TlsFailure("illegal_parameter", "downgrade", "a cipher suite that was not offered", {
      clause: "RFC 5246 7.4.1.3",
    });
  }
  checkOffered(offer, hello);
  checkRenegotiationInfo(hello);
  checkExtendedMasterSecret(hello.extendedMasterSecret, policy);
  checkEncryptThenMac(suite, hello, policy);
  const { extendedMasterSecret, encryptThenMac } = hello;
  const connectionIds = checkConnectionIds(offer, hello);
  if (connectionIds && suite.protection.kind === "cbc" && !encryptThenMac) {
    throw macThenEncryptRefused("CBC without encrypt-then-MAC under a Connection ID is not allowed here");
  }
  const sizes = checkSizes(offer, hello, TLS_1_2);
  return {
    ...{ suite, extendedMasterSecret, encryptThenMac },
    ...(connectionIds && { connectionIds }),
    ...(sizes && { sizes }),
  };
}

/**
 * The client's check of a server that goes on with `suite`, beside what holds of every choice. Throws `downgrade`: it is
 * the suite of the earlier session, and both hellos have the extended master secret (RFC 7627 5.3).
 */
export function checkGoingOn(suite: number, parameters: Parameters): void {
  if (parameters.suite.id !== suite) {
    throw new TlsFailure("illegal_parameter", "downgrade", "an earlier session with another cipher suite", {
      clause: "RFC 5246 7.4.1.3",
    });
  }
  if (!parameters.extendedMasterSecret) throw extendedMasterSecretLost();
}

function extendedMasterSecretLost(): TlsFailure {
  return new TlsFailure("handshake_failure", "downgrade", "an earlier session without its extended master secret", {
    clause: "RFC 7627 5.3",
  });
}

/** RFC 5246 7.4.1.4: a server says nothing that it was not asked, and nothing of another version. */
function checkOffered(offer: ClientHello, hello: ServerHello): void {
  const isUnasked = (hello.serverName && offer.serverName === undefined) ||
    (hello.encryptThenMac && !offer.encryptThenMac) ||
    (hello.recordSizeLimit !== undefined && offer.recordSizeLimit === undefined) ||
    (hello.maxFragmentLength !== undefined && offer.maxFragmentLength === undefined) ||
    (hello.sessionTicket && offer.sessionTicket === undefined) ||
    (hello.pointFormats && !offer.pointFormats);
  const isOfAnotherVersion = [
    hello.supportedVersion,
    hello.keyShare,
    hello.retryGroup,
    hello.retryCookie,
    hello.selectedIdentity,
  ].some((each) => each !== undefined);
  if (isUnasked || isOfAnotherVersion) throw notOffered();
}

function checkExtendedMasterSecret(present: boolean, policy: Policy): void {
  if (present || !policy.requireExtendedMasterSecret) return;
  throw new TlsFailure("handshake_failure", "downgrade", "the peer has no extended master secret", {
    clause: "RFC 7627 5.2",
  });
}

/** RFC 9325 3.5: a server that does not know of renegotiation attacks can be made to splice this connection onto another. */
function checkRenegotiationInfo(hello: ServerHello): void {
  if (hello.renegotiationInfo) return;
  throw new TlsFailure("handshake_failure", "downgrade", "the server does not indicate secure renegotiation", {
    clause: "RFC 9325 3.5",
  });
}

function checkEncryptThenMac(suite: CipherSuite, hello: ServerHello, policy: Policy): void {
  const block = suite.protection.kind === "cbc";
  if (hello.encryptThenMac && !block) {
    throw new TlsFailure("illegal_parameter", "malformed", "encrypt-then-MAC for a suite without a block cipher", {
      clause: "RFC 7366 3",
    });
  }
  if (block && !hello.encryptThenMac && !policy.macThenEncrypt) throw macThenEncryptRefused();
}

function macThenEncryptRefused(what = "CBC without encrypt-then-MAC is not allowed here"): TlsFailure {
  return new TlsFailure("insufficient_security", "downgrade", what, { clause: "RFC 7366 3" });
}

const SECP256R1 = 0x0017;
