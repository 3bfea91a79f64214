/** The cookies of HelloVerifyRequest and HelloRetryRequest: a server's memory that its clients keep (RFC 6347 4.2.1, RFC 9147 5.1). @module */

import { concat, equal, Reader, toUtf8, Writer } from "../bytes/mod.ts";
import { createHmac, type Hmac, secretRandom } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import type { HelloFront } from "./handshake/hello_front.ts";

/** What the server has to know again of a first hello of version 1.3. */
export interface Recollection {
  /** IANA cipher suite that was chosen. */
  readonly suite: number;
  /** The group that was asked for, if any. */
  readonly group: number | undefined;
  /** The hash of the first hello. */
  readonly firstHello: Uint8Array;
}

/**
 * Makes and checks cookies under a secret of its own that changes with time; the one before it is still good, so that
 * none dies on its way.
 *
 * A cookie is bound to the address and to what stands before it in every hello: version, random and session id. So the
 * first piece of a hello is enough to make it and to check it. Of the suites, which RFC 6347 4.2.1 would have in it as
 * well, that is not so, and nothing hangs on them: of the first hello nothing is used in version 1.2, the second one is
 * what Finished covers from its first byte to its last, and who is at an address can have cookies for as many first
 * hellos as it likes. In version 1.3 the cookie brings back the first hello's hash, which Finished covers too.
 */
export class CookieJar implements Disposable {
  readonly #random: Random;
  #current: Hmac | undefined;
  #previous: Hmac | undefined;
  #since = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** The cookie for `hello` from `from`, 32 bytes. */
  make(hello: HelloFront, from: string, now: number): Uint8Array {
    const cookie = new Uint8Array(COOKIE_LENGTH);
    this.#turn(now).signInto(boundTo(hello, from), cookie);
    return cookie;
  }

  /** Whether `hello` brings a cookie that was made for it within the last one to two minutes. */
  check(hello: HelloFront, from: string, now: number): boolean {
    const { cookie } = hello;
    if (cookie?.length !== COOKIE_LENGTH) return false;
    const current = this.#turn(now);
    const message = boundTo(hello, from);
    return current.verify(message, cookie) || (this.#previous?.verify(message, cookie) ?? false);
  }

  /** The cookie that brings back `what` of the first `hello` from `from`: 20 bytes more than the hash. */
  remember(hello: HelloFront, what: Recollection, from: string, now: number): Uint8Array {
    const content = new Writer().u16(what.suite).u16(what.group ?? NO_GROUP).bytes(what.firstHello).done();
    return new Writer().bytes(content).bytes(this.#proof(this.#turn(now), hello, content, from)).done();
  }

  /** What the cookie in the second `hello` brings back, if it was made for its sender within the last one to two minutes. */
  recall(hello: HelloFront, from: string, now: number): Recollection | undefined {
    const { retryCookie } = hello;
    if (!retryCookie || retryCookie.length <= 4 + PROOF_LENGTH || retryCookie.length > MOST) return undefined;
    const content = retryCookie.subarray(0, -PROOF_LENGTH);
    const proof = retryCookie.subarray(-PROOF_LENGTH);
    const current = this.#turn(now);
    const isOurs = [current, this.#previous].some((hmac) =>
      hmac && equal(this.#proof(hmac, hello, content, from), proof)
    );
    if (!isOurs) return undefined;
    const reader = new Reader(content);
    const suite = reader.u16();
    const group = reader.u16();
    return { suite, group: group === NO_GROUP ? undefined : group, firstHello: reader.take(reader.remaining) };
  }

  [Symbol.dispose](): void {
    this.#current?.[Symbol.dispose]();
    this.#previous?.[Symbol.dispose]();
    this.#current = undefined;
    this.#previous = undefined;
  }

  #proof(hmac: Hmac, hello: HelloFront, content: Uint8Array, from: string): Uint8Array {
    const tag = new Uint8Array(COOKIE_LENGTH);
    // A version that no hello has: what is made for one kind of cookie is worth nothing as the other.
    hmac.signInto(concat(boundTo({ ...hello, version: 0 }, from), content), tag);
    return tag.subarray(0, PROOF_LENGTH);
  }

  #turn(now: number): Hmac {
    const age = now - this.#since;
    if (this.#current && age < LIFETIME) return this.#current;
    // First what may fail: what is disposed must not stay in use.
    using secret = secretRandom(COOKIE_LENGTH, this.#random);
    const next = createHmac("sha-256", secret);
    this.#previous?.[Symbol.dispose]();
    this.#previous = age < 2 * LIFETIME ? this.#current : undefined;
    if (!this.#previous) this.#current?.[Symbol.dispose]();
    this.#current = next;
    // From when it was due, not from when somebody came: else the one before it would be good for a third minute.
    this.#since = this.#previous ? this.#since + LIFETIME : now;
    return this.#current;
  }
}

function boundTo(hello: HelloFront, from: string): Uint8Array {
  return new Writer().vector16(toUtf8(from)).u16(hello.version).bytes(hello.random).vector8(hello.sessionId).done();
}

/** Bytes of a cookie of version 1.2: a whole HMAC-SHA-256. */
const COOKIE_LENGTH = 32;
/** Bytes of the HMAC in one of version 1.3, which is long enough already. */
const PROOF_LENGTH = 16;
/** Bytes of a cookie with the longest hash. */
const MOST = 4 + 48 + PROOF_LENGTH;
/** IANA reserves it. */
const NO_GROUP = 0;
/** Milliseconds of one secret. */
const LIFETIME = 60_000;
