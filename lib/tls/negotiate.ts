/** What the two hellos agree on, decided by the server and checked by the client. Nothing here ever goes below its policy. @module */

import type { CipherSuite } from "../crypto/mod.ts";
import { equal } from "../bytes/mod.ts";
import { TlsFailure } from "./alert.ts";
import type { ClientHello } from "./handshake/client_hello.ts";
import { notOffered, type ServerHello } from "./handshake/server_hello.ts";
import type { Policy } from "./options.ts";
import { DTLS_1_2, TLS_1_2 } from "./record/content_type.ts";

/** What a handshake is about, once both hellos are there. */
export interface Parameters {
  readonly suite: CipherSuite;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  /** Only on datagrams, and only where both sides know of Connection IDs (RFC 9146 3). */
  readonly connectionIds?: ConnectionIds;
}

/** Each 0 to 255 bytes; empty: that side's records come without. Called by who wants to receive it. */
export interface ConnectionIds {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
  /** Either side may ask whether an address is reachable (RFC 9853 3). */
  readonly returnRoutability: boolean;
}

/** The server's choice: its own best suite that the client offers and its policy allows. Throws `unsupported` or `downgrade`. */
export function chooseParameters(hello: ClientHello, policy: Policy): Parameters {
  checkOfferedVersion(hello, policy);
  checkExtendedMasterSecret(hello.extendedMasterSecret, policy);
  let weaker = false;
  for (const suite of policy.suites) {
    if (!hello.suites.includes(suite.id)) continue;
    const block = suite.protection.kind === "cbc";
    if (!block || hello.encryptThenMac || policy.macThenEncrypt) {
      const { extendedMasterSecret } = hello;
      // RFC 7366 3: only where the suite has a block cipher.
      const encryptThenMac = block && hello.encryptThenMac;
      // RFC 9146 5.1 has a MAC of the plaintext too; nobody needs that, and Lucky 13 is not worth fighting twice.
      const connectionIds = block && !encryptThenMac ? undefined : chooseConnectionIds(hello, policy);
      return { suite, extendedMasterSecret, encryptThenMac, ...(connectionIds && { connectionIds }) };
    }
    weaker = true;
  }
  if (weaker) throw macThenEncryptRefused();
  throw new TlsFailure("handshake_failure", "unsupported", "no cipher suite in common", { clause: "RFC 5246 7.4.1.3" });
}

/** The client's check that the server chose from what `offer` had. Throws `downgrade`, `reflected`, `unsupported` or `malformed`. */
export function checkParameters(offer: ClientHello, hello: ServerHello, policy: Policy): Parameters {
  if (hello.version !== policy.version) throw otherVersion("the server chose another version");
  if (equal(hello.random, offer.random)) {
    throw new TlsFailure("illegal_parameter", "reflected", "the server's random is our own");
  }
  const suite = policy.suites.find((each) => each.id === hello.suite);
  if (!suite) {
    throw new TlsFailure("illegal_parameter", "downgrade", "a cipher suite that was not offered", {
      clause: "RFC 5246 7.4.1.3",
    });
  }
  if (hello.serverName && offer.serverName === undefined) throw notOffered();
  if (hello.encryptThenMac && !offer.encryptThenMac) throw notOffered();
  checkRenegotiationInfo(hello);
  checkExtendedMasterSecret(hello.extendedMasterSecret, policy);
  checkEncryptThenMac(suite, hello, policy);
  const { extendedMasterSecret, encryptThenMac } = hello;
  const connectionIds = checkConnectionIds(offer, hello);
  if (connectionIds && suite.protection.kind === "cbc" && !encryptThenMac) throw macThenEncryptRefused();
  return { suite, extendedMasterSecret, encryptThenMac, ...(connectionIds && { connectionIds }) };
}

function chooseConnectionIds(hello: ClientHello, policy: Policy): ConnectionIds | undefined {
  if (!hello.connectionId || !policy.connectionId) return undefined;
  const returnRoutability = hello.returnRoutability ?? false;
  return { client: new Uint8Array(hello.connectionId), server: policy.connectionId, returnRoutability };
}

function checkConnectionIds(offer: ClientHello, hello: ServerHello): ConnectionIds | undefined {
  if (hello.connectionId && !offer.connectionId) throw notOffered();
  if (hello.returnRoutability && !(offer.returnRoutability && hello.connectionId)) throw notOffered();
  if (!hello.connectionId || !offer.connectionId) return undefined;
  const returnRoutability = hello.returnRoutability ?? false;
  return { client: offer.connectionId, server: new Uint8Array(hello.connectionId), returnRoutability };
}

/**
 * TLS 1.2 serves whoever offers it, those included that could do more. There is no downgrade sentinel in the random
 * (RFC 8446 4.1.3): it marks a choice below what the server could do, and here 1.2 is the most. DTLS counts down.
 */
function checkOfferedVersion(hello: ClientHello, { version }: Policy): void {
  const enough = version === DTLS_1_2
    ? hello.version <= DTLS_1_2 && hello.version >> 8 === DTLS_1_2 >> 8
    : hello.version >= TLS_1_2;
  const offered = hello.supportedVersions?.includes(version) ?? enough;
  if (!offered) throw otherVersion("the client does not offer version 1.2");
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

function macThenEncryptRefused(): TlsFailure {
  return new TlsFailure("insufficient_security", "downgrade", "CBC without encrypt-then-MAC is not allowed here", {
    clause: "RFC 7366 3",
  });
}

function otherVersion(message: string): TlsFailure {
  return new TlsFailure("protocol_version", "unsupported", message, { clause: "RFC 5246 E.1" });
}
