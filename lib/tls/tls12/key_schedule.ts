/**
 * From the pre-shared key to the keys of records, one function a step, under the names of the standards
 * (RFC 4279 2, RFC 5489 2, RFC 5246 8.1 and 6.3, RFC 7627 4). What is returned belongs to the caller, who disposes it.
 *
 * @module
 */

import { concat, toHex } from "../../bytes/mod.ts";
import { type CipherSuite, prf, prfPublic, type SecretBytes, secretConcat, secretSlice } from "../../crypto/mod.ts";
import { expose } from "../../crypto/secret.ts";
import { VERIFY_DATA_LENGTH } from "../handshake/finished.ts";

/** Both sides' 32 bytes. */
export interface Randoms {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
}

/** The keys of what one side sends. */
export interface DirectionKeys extends Disposable {
  /** Only with CBC suites. */
  readonly macKey: SecretBytes | undefined;
  readonly key: SecretBytes;
  /** The fixed part of AEAD nonces; empty with CBC suites. It never goes over the wire, but is no key either. */
  readonly iv: Uint8Array;
}

/** RFC 4279 2: as many zeros as the key has bytes, then the key, each behind its length. */
export function pskPremaster(key: SecretBytes): SecretBytes {
  const length = Uint8Array.of(key.byteLength >> 8, key.byteLength);
  return secretConcat(length, new Uint8Array(key.byteLength), length, key);
}

/** RFC 5489 2: what was freshly agreed, of full length, then the key, each behind its length. */
export function ecdhePskPremaster(agreed: SecretBytes, key: SecretBytes): SecretBytes {
  const lengths = [agreed.byteLength, key.byteLength].map((length) => Uint8Array.of(length >> 8, length));
  return secretConcat(lengths[0]!, agreed, lengths[1]!, key);
}

/** RFC 5246 8.1: 48 bytes that depend on the hellos' randoms alone. */
export function masterSecret(suite: CipherSuite, premaster: SecretBytes, randoms: Randoms): SecretBytes {
  return prf(suite.prf, premaster, "master secret", concat(randoms.client, randoms.server), MASTER_LENGTH);
}

/** RFC 7627 4: 48 bytes that depend on every message up to and with ClientKeyExchange. */
export function extendedMasterSecret(suite: CipherSuite, premaster: SecretBytes, sessionHash: Uint8Array): SecretBytes {
  return prf(suite.prf, premaster, "extended master secret", sessionHash, MASTER_LENGTH);
}

/** RFC 5246 6.3: the key block, cut: no direction and no purpose shares a key with another. */
// req: SEC_CF-KEM-001
export function trafficKeys(
  suite: CipherSuite,
  master: SecretBytes,
  randoms: Randoms,
): { readonly client: DirectionKeys; readonly server: DirectionKeys } {
  const { protection } = suite;
  const macLength = protection.kind === "cbc" ? protection.macLength : 0;
  const ivLength = protection.kind === "aead" ? protection.fixedIvLength : 0;
  const { keyLength } = protection;
  const seed = concat(randoms.server, randoms.client);
  using block = prf(suite.prf, master, "key expansion", seed, 2 * (macLength + keyLength + ivLength));
  const cut = (side: 0 | 1): DirectionKeys => {
    const keyAt = 2 * macLength + side * keyLength;
    const ivAt = 2 * (macLength + keyLength) + side * ivLength;
    const macKey = macLength > 0 ? secretSlice(block, side * macLength, (side + 1) * macLength) : undefined;
    const key = secretSlice(block, keyAt, keyAt + keyLength);
    // Exposed: an AEAD takes its nonce as bytes, and this is the first part of each.
    const iv = expose(block).slice(ivAt, ivAt + ivLength);
    return {
      macKey,
      key,
      iv,
      [Symbol.dispose]() {
        macKey?.[Symbol.dispose]();
        key[Symbol.dispose]();
        iv.fill(0);
      },
    };
  };
  return { client: cut(0), server: cut(1) };
}

/** RFC 5246 7.4.9: the 12 bytes that `side` sends in its Finished, over everything before it. */
export function verifyData(
  suite: CipherSuite,
  master: SecretBytes,
  side: "client" | "server",
  handshakeHash: Uint8Array,
): Uint8Array {
  return prfPublic(suite.prf, master, `${side} finished`, handshakeHash, VERIFY_DATA_LENGTH);
}

/** One line of an NSS key log. Here the master secret becomes visible, because the options asked for it by name. */
export function keyLogLine(clientRandom: Uint8Array, master: SecretBytes): string {
  return `CLIENT_RANDOM ${toHex(clientRandom)} ${toHex(expose(master))}`;
}

const MASTER_LENGTH = 48;
