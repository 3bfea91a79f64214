/**
 * Ub as the BSF speaks it: a `fetch` handler that authenticates subscribers by HTTP Digest AKA and keeps their Ks (TS 24.109
 * clause 4, TS 33.220 4.5.2, RFC 3310).
 *
 * Whoever fails to authenticate, for whatever reason, gets the 401 that a stranger gets who asks for that name. What it can not
 * hide: a subscriber's challenge changes when he has answered it, a false one only with its period. RES is as short as the
 * operator made it, and guesses are not counted, since counting would let strangers use up a subscriber's vector.
 *
 * @module
 */

import type { AuthenticationCentre, AuthenticationVector } from "../aka/mod.ts";
import { fromBase64 } from "../bytes/mod.ts";
import type { Clock } from "../clock.ts";
import { type SecretBytes, secretConcat, secretFrom, secretSlice } from "../crypto/mod.ts";
import { withinDeadline } from "../deadline.ts";
import { type ErrorCode, SeccfError } from "../error.ts";
import {
  authenticationInfo,
  type DigestClaim,
  digestResponse,
  formatAuthItem,
  parseCredentials,
  passwordHash,
  type Qop,
  readClaim,
  sameResponse,
} from "../http/mod.ts";
import type { Random, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { akaPassword } from "./aka_password.ts";
import type { AkaAlgorithmName } from "./bootstrap.ts";
import { encodeBootstrappingInfo } from "./bootstrapping_info.ts";
import { makeBtid } from "./btid.ts";
import { type ChallengeBook, createChallengeBook, NOBODY, type ShownChallenge } from "./challenge_book.ts";
import { canonicalFqdn } from "./fqdn.ts";
import { createKeyLookup, type KeyLookup } from "./key_lookup.ts";
import { KsShelf } from "./ks_shelf.ts";

/** What {@link createBootstrapServer} takes. */
export interface BootstrapServerOptions {
  /** The BSF's name: the realm on Ub and the domain of its B-TIDs, at most 84 bytes. */
  readonly name: string;
  /** Where subscribers' vectors come from. */
  readonly centre: AuthenticationCentre;
  /** Where challenges and Ks are kept, sealed. */
  readonly store: RecordStore;
  /** 32 bytes, the same in every process that shares the store. Copied. */
  readonly wrappingKey: SecretBytes;
  /** Times of challenges and lifetimes. */
  readonly clock: Clock;
  /** What no stranger may guess. */
  readonly random: Random;
  /** Default AKAv1-MD5, which every device speaks. */
  readonly algorithm?: AkaAlgorithmName;
  /** Default `auth-int`: the digests cover the bodies. */
  readonly qop?: Qop;
  /** How long a Ks lasts. Default 86,400. */
  readonly lifetimeSeconds?: number;
  /** How long one challenge is given to all who ask for a name; it can be answered for as long again. Default 300. */
  readonly challengeSeconds?: number;
  /** For one request. Default 10. */
  readonly timeoutSeconds?: number;
  /** Whether this subscriber's card runs GBA_U (the GUSS's uiccType). Default: none does. */
  readonly gbaU?: (impi: string) => boolean;
  /** What true challenges have in common, so that false ones have it too. Default 2 zero bytes of AMF and 8 bytes of RES. */
  readonly looks?: { readonly amf?: Uint8Array; readonly resLength?: number };
  /** Hears of everything that belongs into an audit record. What it throws is lost. */
  readonly onEvent?: (event: BootstrapEvent) => void;
}

/** What happened on Ub. Identities are as claimed, until `bootstrapped`; secrets never appear. */
export type BootstrapEvent =
  | { readonly kind: "challenged" | "resynchronised"; readonly identity: string }
  | {
    readonly kind: "bootstrapped";
    readonly identity: string;
    readonly btid: string;
    /** Milliseconds since 1970. */
    readonly expiresAtWall: number;
  }
  | { readonly kind: "refused"; readonly code: ErrorCode; readonly identity?: string }
  | { readonly kind: "failed"; readonly error: unknown };

/** A BSF: its face to devices, and what its face to enablers stands on. */
export interface BootstrapServer extends Disposable {
  readonly name: string;
  /** Answers a request on Ub; never rejects. */
  handle(request: Request): Promise<Response>;
  /** The key of one NAF_Id under a B-TID. Throws what the store throws. */
  readonly lookup: KeyLookup;
}

/** A BSF. A name that is none throws `malformed`; one too long and a wrapping key of other than 32 bytes are RangeErrors. */
// req: SEC_CF-HLF-003
// req: SEC_CF-AUTH-001
export function createBootstrapServer(options: BootstrapServerOptions): BootstrapServer {
  if (options.wrappingKey.byteLength !== 32) throw new RangeError("a wrapping key is 32 bytes");
  const name = canonicalFqdn(options.name);
  makeBtid(new Uint8Array(16), name); // a name too long is refused now, not at the first subscriber
  const wrappingKey = secretSlice(options.wrappingKey, 0);
  const { centre, store, clock, random, looks = {}, gbaU = () => false } = options;
  const { challengeSeconds: periodSeconds = 300, timeoutSeconds = 10 } = options;
  const book = createChallengeBook({
    centre,
    store,
    wrappingKey,
    clock,
    random,
    periodSeconds,
    timeoutSeconds,
    looks,
    gbaU,
  });
  const shelf = new KsShelf({ store, wrappingKey, random });
  const face = new UbFace({ ...options, name, gbaU }, book, shelf);
  return {
    name,
    handle: (request) => face.handle(request, timeoutSeconds),
    lookup: createKeyLookup({ name, store, wrappingKey, clock }),
    [Symbol.dispose]() {
      book[Symbol.dispose]();
      shelf[Symbol.dispose]();
      wrappingKey[Symbol.dispose]();
    },
  };
}

/** The exchange on Ub, from its requests' side. */
class UbFace {
  readonly #options: BootstrapServerOptions & { readonly gbaU: (impi: string) => boolean };
  readonly #book: ChallengeBook;
  readonly #shelf: KsShelf;
  readonly #algorithm: AkaAlgorithmName;
  readonly #qop: Qop;

  constructor(
    options: BootstrapServerOptions & { readonly gbaU: (impi: string) => boolean },
    book: ChallengeBook,
    shelf: KsShelf,
  ) {
    this.#options = options;
    this.#book = book;
    this.#shelf = shelf;
    this.#algorithm = options.algorithm ?? "AKAv1-MD5";
    this.#qop = options.qop ?? "auth-int";
  }

  async handle(request: Request, seconds: number): Promise<Response> {
    const { clock } = this.#options;
    try {
      return await withinDeadline(
        { clock, seconds, signal: request.signal },
        (signal) => this.#respond(request, { signal }),
      );
    } catch (error) {
      this.#tell({ kind: "failed", error });
      return empty(503);
    }
  }

  async #respond(request: Request, wait: Wait): Promise<Response> {
    if (request.method !== "GET") return empty(405, { allow: "GET" });
    const field = request.headers.get("authorization");
    const identity = field === null ? undefined : claimedIdentity(field);
    if (field === null || identity === undefined) {
      this.#tell({ kind: "refused", code: "malformed" });
      return empty(400);
    }
    if (identity.first) {
      const response = await this.#challenge(identity.username);
      this.#tell({ kind: "challenged", identity: identity.username });
      return response;
    }
    const claim = readClaim(field);
    const { pathname, search } = new URL(request.url);
    if (!claim || claim.uri !== pathname + search) return await this.#refuse("malformed", identity.username);
    const { name } = this.#options;
    if (claim.realm !== name) return await this.#refuse("wrong-realm", claim.username);
    if (claim.algorithm !== this.#algorithm || claim.qop !== this.#qop) {
      return await this.#refuse("downgrade", claim.username);
    }
    return claim.auts === undefined
      ? await this.#answered(claim, wait)
      : await this.#resynchronise(claim, claim.auts, wait);
  }

  async #answered(claim: DigestClaim, wait: Wait): Promise<Response> {
    const shown = await this.#book.shown(claim.username, wait);
    using challenge = shown.challenge;
    using password = akaPassword(this.#algorithm === "AKAv2-MD5" ? "akav2" : "akav1", challenge);
    using ha1 = passwordHash(claim, password);
    const code = judge(shown, claim, ha1);
    if (code) return await this.#refuse(code, claim.username);
    if (!await this.#book.take(claim.username, shown.version, wait)) {
      return await this.#refuse("replayed", claim.username);
    }
    return await this.#succeed(claim, shown, ha1, wait);
  }

  async #succeed(claim: DigestClaim, { challenge }: ShownChallenge, ha1: SecretBytes, wait: Wait): Promise<Response> {
    const { name, clock, lifetimeSeconds: ttlSeconds = 86_400 } = this.#options;
    const { impi, rand, gbaU } = challenge;
    const bootstrappedAtWall = clock.wall();
    // Whole seconds, as the document has them.
    const expiresAtWall = Math.floor(bootstrappedAtWall / 1000 + ttlSeconds) * 1000;
    using ks = secretConcat(challenge.ck, challenge.ik);
    const record = { impi, ks, bootstrappedAtWall, expiresAtWall, gbaU };
    const added = await this.#shelf.add(rand, record, { ...wait, ttlSeconds });
    if (!added) return await this.#refuse("replayed", claim.username);
    const btid = makeBtid(rand, name);
    const body = encodeBootstrappingInfo({ btid, expiresAtWall, writtenAtWall: bootstrappedAtWall });
    this.#tell({ kind: "bootstrapped", identity: impi, btid, expiresAtWall });
    return new Response(body.slice(), {
      headers: {
        "content-type": "application/vnd.3gpp.bsf+xml",
        "authentication-info": authenticationInfo(claim, ha1, body),
        "cache-control": "no-store",
      },
    });
  }

  /** RFC 3310 3.4: the response is computed with an empty password and proves nothing; MAC-S in AUTS does. */
  async #resynchronise(claim: DigestClaim, auts: string, wait: Wait): Promise<Response> {
    const shown = await this.#book.shown(claim.username, wait);
    using challenge = shown.challenge;
    using password = secretFrom(new Uint8Array());
    using ha1 = passwordHash(claim, password);
    const token = readAuts(auts);
    const code = token ? judge(shown, claim, ha1) : "malformed";
    // Asked for in any case, so that its time does not tell a true challenge from a false one.
    const target = code === undefined ? claim.username : NOBODY;
    const vector = await this.#resyncVector(target, challenge.rand, token ?? new Uint8Array(14), wait);
    if (code || !vector) {
      vector?.[Symbol.dispose]();
      return await this.#refuse(code ?? "auth-failed", claim.username);
    }
    // Only for the RAND just issued, and once: the version of its record decides (TS 33.102 6.3.5).
    const nonce = await this.#book.replace(claim.username, shown.version, vector, wait);
    if (nonce === undefined) return await this.#refuse("replayed", claim.username);
    this.#tell({ kind: "resynchronised", identity: claim.username });
    return this.#unauthorized(nonce);
  }

  /** The vector that follows a resynchronisation; an AUTS refused costs one vector more, whoever is named and whatever is wrong. */
  async #resyncVector(
    impi: string,
    rand: Uint8Array,
    auts: Uint8Array,
    wait: Wait,
  ): Promise<AuthenticationVector | undefined> {
    const { centre, gbaU } = this.#options;
    try {
      const vector = await centre.vector(impi, { ...wait, resync: { rand, auts }, gbaU: gbaU(impi) });
      if (vector) return vector;
    } catch (error) {
      if (!(error instanceof SeccfError) || error.code !== "auth-failed") throw error;
    }
    // The response of a resynchronisation proves nothing, so a stranger gets this far with any name he likes.
    (await centre.vector(NOBODY, wait))?.[Symbol.dispose]();
    return undefined;
  }

  async #refuse(code: ErrorCode, identity: string): Promise<Response> {
    this.#tell({ kind: "refused", code, identity });
    return await this.#challenge(identity);
  }

  async #challenge(identity: string): Promise<Response> {
    return this.#unauthorized(await this.#book.ask(identity));
  }

  #unauthorized(nonce: string): Response {
    const challenge = formatAuthItem("Digest", [
      { name: "realm", value: this.#options.name, quoted: true },
      { name: "nonce", value: nonce, quoted: true },
      { name: "algorithm", value: this.#algorithm, quoted: false },
      { name: "qop", value: this.#qop, quoted: true },
    ]);
    return empty(401, { "www-authenticate": challenge });
  }

  #tell(event: BootstrapEvent): void {
    try {
      this.#options.onEvent?.(event);
    } catch {
      // An audit that fails must not turn into an answer that strangers can tell apart.
    }
  }
}

/** Why the answer is refused; `undefined` for a right one. All is computed before anything is decided. */
function judge({ challenge, version }: ShownChallenge, claim: DigestClaim, ha1: SecretBytes): ErrorCode | undefined {
  const expected = digestResponse(claim.algorithm, ha1, { ...claim, method: "GET", body: new Uint8Array() });
  const right = sameResponse(expected, claim.response);
  if (version === 0 || claim.nonce !== challenge.nonce) return "replayed";
  return right ? undefined : "auth-failed";
}

/** Whom a request names, and whether it only asks for a challenge (empty nonce and response). TS 24.109 A.3. */
function claimedIdentity(field: string): { readonly username: string; readonly first: boolean } | undefined {
  try {
    const { scheme, parameters } = parseCredentials(field);
    const username = parameters.get("username") ?? "";
    if (scheme !== "digest" || username === "" || username.length > MAX_IDENTITY) return undefined;
    return { username, first: !parameters.get("nonce") && !parameters.get("response") };
  } catch (error) {
    if (error instanceof SeccfError) return undefined;
    throw error;
  }
}

function readAuts(text: string): Uint8Array | undefined {
  try {
    const auts = fromBase64(text);
    return auts.length === 14 ? auts : undefined;
  } catch {
    return undefined; // a stranger's text
  }
}

function empty(status: number, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(null, { status, headers: { ...headers, "cache-control": "no-store" } });
}

/** Characters; a NAI has at most 253 bytes (RFC 7542 2.3). */
const MAX_IDENTITY = 253;
