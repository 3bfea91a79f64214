/** The client's side of Digest: one challenge answered as often as its nonce lasts, and the server's proof checked. RFC 7616 3.3 to 3.5. @module */

import { toHex } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import { type AuthItem, type AuthParameter, formatAuthItem, parseChallenges, parseParameters } from "./auth_field.ts";
import {
  type DigestAlgorithm,
  digestAlgorithm,
  digestResponse,
  type DigestTerms,
  passwordHash,
  type Qop,
  sameResponse,
} from "./digest.ts";

/** A Digest challenge that can be answered here. */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: DigestAlgorithm;
  /** What the server offers; never empty. */
  readonly qop: readonly Qop[];
  readonly opaque?: string;
  /** The nonce alone was refused: the same password may be tried again. */
  readonly stale: boolean;
}

/** What one response is for. */
export interface DigestRequest {
  readonly method: string;
  /** The request target: path and query. */
  readonly uri: string;
  readonly body: Uint8Array;
}

/** One answer, and the check of what comes back for it. */
export interface DigestAnswer {
  /** The value of the `Authorization` field. */
  readonly authorization: string;
  /**
   * Checks the `Authentication-Info` field of the response with this body: that the server knows the password too. Takes over
   * its next nonce. Throws `auth-failed`, also where there is no such field.
   */
  verify(info: string | null, body: Uint8Array): void;
}

/** Answers requests in one protection space; disposing forgets the password. */
export interface DigestClient extends Disposable {
  /** Each call uses the next nonce count. Throws `exhausted` after 2^32 - 1 of them. */
  authorize(request: DigestRequest): DigestAnswer;
  /** Goes on with the nonce of a new challenge; false, and nothing changed, where it is for another realm or algorithm. */
  renew(challenge: DigestChallenge): boolean;
}

/** What {@link createDigestClient} takes. */
export interface DigestClientOptions {
  readonly challenge: DigestChallenge;
  readonly username: string;
  /** Read at once; the caller keeps it. */
  readonly password: SecretBytes;
  /** The one protection to use; a challenge without it is a `downgrade`. Default `auth-int`. */
  readonly qop?: Qop;
  readonly random: Random;
  /** RFC 3310 3.4: a card's resynchronisation token, 14 bytes in base64, sent with an empty password. */
  readonly auts?: string;
}

/**
 * The Digest challenges of a `WWW-Authenticate` field, in its order. Other schemes, unknown algorithms and challenges without
 * qop are left out. Throws `malformed`, `too-large`.
 */
export function readDigestChallenges(field: string | null): DigestChallenge[] {
  if (field === null) return [];
  return parseChallenges(field).flatMap((item) => readChallenge(item) ?? []);
}

/** A client for one challenge. Throws `downgrade` where the challenge does not offer the wanted qop. */
export function createDigestClient(options: DigestClientOptions): DigestClient {
  const { challenge, username, qop = "auth-int", random, auts } = options;
  const { algorithm, realm } = challenge;
  if (!challenge.qop.includes(qop)) throw new SeccfError("downgrade", `the challenge does not offer qop ${qop}`);
  const ha1 = passwordHash({ algorithm, username, realm }, options.password);
  let { nonce, opaque } = challenge;
  let count = 0;

  const authorize = (request: DigestRequest): DigestAnswer => {
    if (count === 0xffffffff) throw new SeccfError("exhausted", "no nonce counts left");
    const cnonce = new Uint8Array(16);
    random(cnonce);
    const nc = (++count).toString(16).padStart(8, "0");
    const terms: DigestTerms = { nonce, nc, cnonce: toHex(cnonce), qop, ...request };
    const response = digestResponse(algorithm, ha1, terms);
    const authorization = formatAuthItem("Digest", [
      { name: "username", value: username, quoted: true },
      { name: "realm", value: realm, quoted: true },
      { name: "nonce", value: nonce, quoted: true },
      { name: "uri", value: request.uri, quoted: true },
      { name: "response", value: response, quoted: true },
      { name: "algorithm", value: algorithm, quoted: false },
      { name: "cnonce", value: terms.cnonce, quoted: true },
      { name: "qop", value: qop, quoted: false },
      { name: "nc", value: nc, quoted: false },
      ...optional("opaque", opaque),
      ...optional("auts", auts),
    ]);
    const verify = (info: string | null, body: Uint8Array): void => {
      const nextNonce = checkInfo(info, algorithm, ha1, { ...terms, method: "", body });
      // An AKA nonce holds a RAND: only a new challenge can bring one that the card has answered.
      if (nextNonce === undefined || algorithm.startsWith("AKA")) return;
      nonce = nextNonce;
      count = 0;
    };
    return { authorization, verify };
  };
  const renew = (next: DigestChallenge): boolean => {
    if (next.realm !== realm || next.algorithm !== algorithm || !next.qop.includes(qop)) return false;
    ({ nonce, opaque } = next);
    count = 0;
    return true;
  };
  return { authorize, renew, [Symbol.dispose]: () => ha1[Symbol.dispose]() };
}

/** Returns `nextnonce`, if any. Throws `auth-failed` unless the server proved that it knows the password. */
function checkInfo(
  info: string | null,
  algorithm: DigestAlgorithm,
  ha1: SecretBytes,
  terms: DigestTerms,
): string | undefined {
  if (info === null) throw notProven("the server gave no proof");
  const parameters = parseParameters(info);
  const echoed = (name: string, ours: string): boolean => (parameters.get(name) ?? ours) === ours;
  // A weaker qop here would leave the body unproven; another cnonce or nc would belong to another request.
  if (!echoed("qop", terms.qop) || !echoed("cnonce", terms.cnonce) || !echoed("nc", terms.nc)) {
    throw notProven("the server's proof is for another request");
  }
  const expected = digestResponse(algorithm, ha1, terms);
  if (!sameResponse(expected, parameters.get("rspauth") ?? "")) throw notProven("the server's proof is wrong");
  return parameters.get("nextnonce");
}

function readChallenge({ scheme, parameters }: AuthItem): DigestChallenge | undefined {
  if (scheme !== "digest") return undefined;
  const realm = parameters.get("realm");
  const nonce = parameters.get("nonce");
  if (realm === undefined || nonce === undefined) {
    throw new SeccfError("malformed", "a Digest challenge without realm or nonce", { clause: "RFC 7616 3.3" });
  }
  const algorithm = digestAlgorithm(parameters.get("algorithm"));
  const offered = (parameters.get("qop") ?? "").split(",").map((one) => one.trim().toLowerCase());
  const qop = QOPS.filter((known) => offered.includes(known));
  if (algorithm === undefined || qop.length === 0) return undefined;
  const opaque = parameters.get("opaque");
  const stale = parameters.get("stale")?.toLowerCase() === "true";
  return { realm, nonce, algorithm, qop, stale, ...(opaque === undefined ? {} : { opaque }) };
}

function optional(name: string, value: string | undefined): AuthParameter[] {
  return value === undefined ? [] : [{ name, value, quoted: true }];
}

function notProven(message: string): SeccfError {
  return new SeccfError("auth-failed", message, { clause: "RFC 7616 3.5" });
}

const QOPS: readonly Qop[] = ["auth", "auth-int"];
