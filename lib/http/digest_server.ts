/**
 * The server's side of Digest: RFC 7616 with nonces that it does not keep.
 *
 * One 401 for an unknown user and a wrong password, after the same work. A nonce that is not ours or too old is answered with
 * `stale=true` before any password is looked for, so that a stranger without a fresh nonce causes no look-up.
 *
 * @module
 */

import type { Clock } from "../clock.ts";
import { type SecretBytes, secretRandom } from "../crypto/mod.ts";
import type { Random, Wait } from "../platform.ts";
import { formatAuthItem } from "./auth_field.ts";
import { type DigestAlgorithm, digestResponse, passwordHash, type Qop, sameResponse } from "./digest.ts";
import { authenticationInfo, readClaim } from "./digest_claim.ts";
import { NonceCounts } from "./nonce_counts.ts";
import { createNonceMint } from "./nonce.ts";

/** What {@link createDigestServer} takes. `F` is what its caller wants back of whom it found. */
export interface DigestServerOptions<F> {
  readonly realm: string;
  /** Offered in this order, the most wanted first. Default SHA-256, then MD5. */
  readonly algorithms?: readonly DigestAlgorithm[];
  /** Offered. Default both. */
  readonly qop?: readonly Qop[];
  /** How long a nonce is good. Default 300. */
  readonly nonceSeconds?: number;
  /** How many nonces are remembered against replay, beyond which the oldest become stale. Default 10,000. */
  readonly capacity?: number;
  readonly clock: Clock;
  readonly random: Random;
  /** The password of a username, which the server disposes; `undefined` for none. Asked only with a nonce that is ours and fresh. */
  find(username: string, options: Wait): Promise<(F & { readonly password: SecretBytes }) | undefined>;
}

/** A request as Digest sees it. */
export interface DigestAttempt {
  /** The `Authorization` field. */
  readonly authorization: string | null;
  readonly method: string;
  /** The request target: path and query. */
  readonly uri: string;
  readonly body: Uint8Array;
  /** What nonces are bound to besides the realm, such as a TLS session; the same when asked and when answered. Default empty. */
  readonly binding?: string;
}

/** A request that proved its password; disposing forgets that. */
export interface Authenticated<F> extends Disposable {
  readonly kind: "authenticated";
  readonly username: string;
  readonly found: F;
  /** The `Authentication-Info` field for a response with this body. */
  info(body: Uint8Array): string;
}

/** A request that did not. */
export interface Challenged {
  readonly kind: "challenge";
  /** For our own log; the peer sees `challenges` alone. */
  readonly reason: "missing" | "malformed" | "stale" | "replayed" | "auth-failed";
  /** One `WWW-Authenticate` field each. */
  readonly challenges: readonly string[];
}

/** What became of a {@link DigestAttempt}. */
export type DigestOutcome<F> = Authenticated<F> | Challenged;

/** A protection space. */
export interface DigestServer<F> extends Disposable {
  /** Throws nothing of the peer's doing; what `find` throws passes through. */
  verify(attempt: DigestAttempt, options?: Wait): Promise<DigestOutcome<F>>;
}

/** Checks credentials for one realm. */
export function createDigestServer<F>(options: DigestServerOptions<F>): DigestServer<F> {
  const { realm, algorithms = ["SHA-256", "MD5"], qop = ["auth", "auth-int"], clock, random } = options;
  const { nonceSeconds = 300, capacity = 10_000 } = options;
  if (algorithms.length === 0 || qop.length === 0) throw new RangeError("nothing to offer");
  const mint = createNonceMint({ clock, random, seconds: nonceSeconds });
  const counts = new NonceCounts(capacity);
  const decoy = secretRandom(DECOY_LENGTH, random);

  const challenge = (
    binding: string,
    reason: (DigestOutcome<F> & { kind: "challenge" })["reason"],
  ): DigestOutcome<F> => {
    const stale = reason === "stale" || reason === "replayed";
    const challenges = algorithms.map((algorithm) =>
      formatAuthItem("Digest", [
        { name: "realm", value: realm, quoted: true },
        { name: "nonce", value: mint.mint(nonceContext(realm, algorithm, binding)), quoted: true },
        { name: "algorithm", value: algorithm, quoted: false },
        { name: "qop", value: qop.join(","), quoted: true },
        ...(stale ? [{ name: "stale", value: "true", quoted: false }] : []),
      ])
    );
    return { kind: "challenge", reason, challenges };
  };

  return {
    async verify(attempt, wait = {}) {
      const { authorization, binding = "" } = attempt;
      if (authorization === null) return challenge(binding, "missing");
      const claim = readClaim(authorization);
      if (
        !claim || claim.realm !== realm || claim.uri !== attempt.uri || !algorithms.includes(claim.algorithm) ||
        !qop.includes(claim.qop)
      ) return challenge(binding, "malformed");
      const { algorithm, username, response } = claim;
      const mintedAt = mint.mintedAt(claim.nonce, nonceContext(realm, algorithm, binding));
      if (mintedAt === undefined) return challenge(binding, "stale");
      const found = await options.find(username, wait);
      const ha1 = passwordHash({ algorithm, username, realm }, found?.password ?? decoy);
      found?.password[Symbol.dispose]();
      const { method, body } = attempt;
      const right = sameResponse(digestResponse(algorithm, ha1, { ...claim, method, body }), response);
      if (!right || !found) {
        ha1[Symbol.dispose]();
        return challenge(binding, "auth-failed");
      }
      // Each user has his own counts, or one who saw another's nonce could use them up.
      const counted = { nonce: `${claim.nonce} ${username}`, count: claim.count };
      if (!counts.use(counted, mintedAt, clock.now() - nonceSeconds * 1000)) {
        ha1[Symbol.dispose]();
        return challenge(binding, "replayed");
      }
      return {
        kind: "authenticated",
        username,
        found,
        info: (responseBody) => authenticationInfo(claim, ha1, responseBody),
        [Symbol.dispose]: () => ha1[Symbol.dispose](),
      };
    },
    [Symbol.dispose]() {
      mint[Symbol.dispose]();
      decoy[Symbol.dispose]();
    },
  };
}

function nonceContext(realm: string, algorithm: DigestAlgorithm, binding: string): string {
  return `${algorithm}\n${realm}\n${binding}`;
}

/** As long as the base64 of a Ks_NAF (TS 33.222), so that hashing it takes as long. */
const DECOY_LENGTH = 44;
