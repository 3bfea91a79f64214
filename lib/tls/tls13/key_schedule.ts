/**
 * From the pre-shared key to the keys of records, one function a step, under the names of RFC 8446 7.1 to 7.5, which
 * DTLS 1.3 changes in the labels' prefix alone (RFC 9147 5.9). What is returned belongs to the caller, who disposes it;
 * what is given stays the caller's.
 *
 * @module
 */

import { toHex } from "../../bytes/mod.ts";
import {
  type CipherSuite,
  createHmac,
  digest,
  hashLength,
  hkdfExpandLabel,
  hkdfExtract,
  type SecretBytes,
  secretFrom,
} from "../../crypto/mod.ts";
import { expose } from "../../crypto/secret.ts";

/** What every label begins with: on streams, and on datagrams. */
export type LabelPrefix = "tls13 " | "dtls13";

/** What all steps of one connection have in common. */
export interface Schedule {
  readonly prefix: LabelPrefix;
  /** The hash of the suite, or of the pre-shared key before there is one. */
  readonly hash: CipherSuite["prf"];
}

/** Where a pre-shared key comes from: given to both ends, or made by an earlier session of theirs. */
export type KeyOrigin = "external" | "resumption";

/** One secret for each direction. */
export interface SecretPair extends Disposable {
  readonly client: SecretBytes;
  readonly server: SecretBytes;
}

/** The keys of what one side sends in one epoch. */
export interface RecordKeys extends Disposable {
  readonly key: SecretBytes;
  /** 12 bytes that every record's number is xored into. It never goes over the wire, but is no key either. */
  readonly iv: Uint8Array;
  /** Only on datagrams: what hides record numbers (RFC 9147 4.2.3). */
  readonly sn?: SecretBytes;
}

/** Early Secret. */
export function earlySecret({ hash }: Schedule, psk: SecretBytes): SecretBytes {
  return hkdfExtract(hash, NOTHING, psk);
}

/** RFC 8446 4.2.11.2: the proof that whoever said the hello up to its binders, `truncated` being the hash, has the key. */
export function binder(schedule: Schedule, early: SecretBytes, origin: KeyOrigin, truncated: Uint8Array): Uint8Array {
  const label = origin === "external" ? "ext binder" : "res binder";
  using key = deriveSecret(schedule, early, label, digest(schedule.hash));
  return finishedData(schedule, key, truncated);
}

/** Handshake Secret; without a fresh agreement its place is taken by zeros. */
export function handshakeSecret(schedule: Schedule, early: SecretBytes, shared: SecretBytes | undefined): SecretBytes {
  using salt = deriveSecret(schedule, early, "derived", digest(schedule.hash));
  if (shared) return hkdfExtract(schedule.hash, expose(salt), shared);
  using zeros = secretFrom(new Uint8Array(hashLength(schedule.hash)));
  return hkdfExtract(schedule.hash, expose(salt), zeros);
}

/** client_ and server_handshake_traffic_secret; `hellos` is the hash up to ServerHello. */
export function handshakeTraffic(schedule: Schedule, handshake: SecretBytes, hellos: Uint8Array): SecretPair {
  return pair(
    deriveSecret(schedule, handshake, "c hs traffic", hellos),
    deriveSecret(schedule, handshake, "s hs traffic", hellos),
  );
}

/** Main Secret. */
export function mainSecret(schedule: Schedule, handshake: SecretBytes): SecretBytes {
  using salt = deriveSecret(schedule, handshake, "derived", digest(schedule.hash));
  using zeros = secretFrom(new Uint8Array(hashLength(schedule.hash)));
  return hkdfExtract(schedule.hash, expose(salt), zeros);
}

/** client_ and server_application_traffic_secret_0; `upToServer` is the hash up to the server's Finished. */
export function applicationTraffic(schedule: Schedule, main: SecretBytes, upToServer: Uint8Array): SecretPair {
  return pair(
    deriveSecret(schedule, main, "c ap traffic", upToServer),
    deriveSecret(schedule, main, "s ap traffic", upToServer),
  );
}

/** exporter_master_secret; `upToServer` is the hash up to the server's Finished. */
export function exporterSecret(schedule: Schedule, main: SecretBytes, upToServer: Uint8Array): SecretBytes {
  return deriveSecret(schedule, main, "exp master", upToServer);
}

/** resumption_master_secret; `upToClient` is the hash up to the client's Finished. */
export function resumptionSecret(schedule: Schedule, main: SecretBytes, upToClient: Uint8Array): SecretBytes {
  return deriveSecret(schedule, main, "res master", upToClient);
}

/** RFC 8446 4.6.1: the key that goes with the ticket of this nonce. */
export function resumptionKey(schedule: Schedule, resumption: SecretBytes, nonce: Uint8Array): SecretBytes {
  return expandLabel(schedule, resumption, "resumption", nonce, hashLength(schedule.hash));
}

/** RFC 8446 4.4.4: what the holder of the traffic secret `base` sends in its Finished, as long as the hash. */
export function finishedData(schedule: Schedule, base: SecretBytes, transcript: Uint8Array): Uint8Array {
  using key = expandLabel(schedule, base, "finished", NOTHING, hashLength(schedule.hash));
  using hmac = createHmac(schedule.hash, key);
  const out = new Uint8Array(hmac.length);
  hmac.signInto(transcript, out);
  return out;
}

/** RFC 8446 7.3, RFC 9147 4.2.3: the keys of records under one traffic secret. */
// req: SEC_CF-KEM-001
export function trafficKeys(prefix: LabelPrefix, suite: CipherSuite, secret: SecretBytes): RecordKeys {
  const schedule: Schedule = { prefix, hash: suite.prf };
  const { keyLength } = suite.protection;
  const key = expandLabel(schedule, secret, "key", NOTHING, keyLength);
  using nonce = expandLabel(schedule, secret, "iv", NOTHING, IV_LENGTH);
  const sn = prefix === "dtls13" ? expandLabel(schedule, secret, "sn", NOTHING, keyLength) : undefined;
  // Exposed: an AEAD takes its nonce as bytes, and this goes into each.
  const iv = expose(nonce).slice();
  return {
    key,
    iv,
    ...(sn && { sn }),
    [Symbol.dispose]() {
      key[Symbol.dispose]();
      sn?.[Symbol.dispose]();
      iv.fill(0);
    },
  };
}

/** RFC 8446 7.2: the traffic secret after a KeyUpdate. */
export function nextTrafficSecret(schedule: Schedule, secret: SecretBytes): SecretBytes {
  return expandLabel(schedule, secret, "traffic upd", NOTHING, hashLength(schedule.hash));
}

/** RFC 8446 7.5: a key for somebody else's use, bound to this session, `label` and `context`; `length` in bytes. */
export function exportedKey(
  schedule: Schedule,
  exporter: SecretBytes,
  use: { readonly label: string; readonly context: Uint8Array; readonly length: number },
): SecretBytes {
  using derived = deriveSecret(schedule, exporter, use.label, digest(schedule.hash));
  return expandLabel(schedule, derived, "exporter", digest(schedule.hash, use.context), use.length);
}

/** One line of an NSS key log. Here a secret becomes visible, because the options asked for it by name. */
export function keyLogLine(name: string, clientRandom: Uint8Array, secret: SecretBytes): string {
  return `${name} ${toHex(clientRandom)} ${toHex(expose(secret))}`;
}

/** Derive-Secret, over a transcript that is hashed already. */
function deriveSecret(schedule: Schedule, secret: SecretBytes, label: string, transcript: Uint8Array): SecretBytes {
  return expandLabel(schedule, secret, label, transcript, hashLength(schedule.hash));
}

function expandLabel(
  { prefix, hash }: Schedule,
  secret: SecretBytes,
  label: string,
  context: Uint8Array,
  length: number,
): SecretBytes {
  return hkdfExpandLabel(hash, secret, prefix + label, context, length);
}

function pair(client: SecretBytes, server: SecretBytes): SecretPair {
  return {
    client,
    server,
    [Symbol.dispose]() {
      client[Symbol.dispose]();
      server[Symbol.dispose]();
    },
  };
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** RFC 8446 5.3: every cipher of version 1.3 has nonces of this length. */
const IV_LENGTH = 12;
