/** The cookies of HelloVerifyRequest: a server's memory that its clients keep (RFC 6347 4.2.1). @module */

import { toUtf8, Writer } from "../bytes/mod.ts";
import { createHmac, type Hmac, secretRandom } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import type { ClientHello } from "./handshake/client_hello.ts";

/** Bytes of a cookie: a whole HMAC-SHA-256. */
const COOKIE_LENGTH = 32;

/**
 * Makes and checks cookies under a secret of its own that changes with time; the one before it is still good, so that
 * none dies on its way. A cookie is bound to the address and to what RFC 6347 4.2.1 names of the hello.
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
  make(hello: ClientHello, from: string, now: number): Uint8Array {
    const cookie = new Uint8Array(COOKIE_LENGTH);
    this.#turn(now).signInto(boundTo(hello, from), cookie);
    return cookie;
  }

  /** Whether `hello` brings a cookie that was made for it within the last one to two minutes. */
  check(hello: ClientHello, from: string, now: number): boolean {
    const { cookie } = hello;
    if (cookie?.length !== COOKIE_LENGTH) return false;
    const current = this.#turn(now);
    const message = boundTo(hello, from);
    return current.verify(message, cookie) || (this.#previous?.verify(message, cookie) ?? false);
  }

  [Symbol.dispose](): void {
    this.#current?.[Symbol.dispose]();
    this.#previous?.[Symbol.dispose]();
    this.#current = undefined;
    this.#previous = undefined;
  }

  #turn(now: number): Hmac {
    const age = now - this.#since;
    if (this.#current && age < LIFETIME) return this.#current;
    this.#previous?.[Symbol.dispose]();
    this.#previous = age < 2 * LIFETIME ? this.#current : undefined;
    if (!this.#previous) this.#current?.[Symbol.dispose]();
    using secret = secretRandom(COOKIE_LENGTH, this.#random);
    this.#current = createHmac("sha-256", secret);
    this.#since = now;
    return this.#current;
  }
}

function boundTo(hello: ClientHello, from: string): Uint8Array {
  const writer = new Writer().vector16(toUtf8(from)).u16(hello.version).bytes(hello.random).vector8(hello.sessionId);
  for (const suite of hello.suites) writer.u16(suite);
  return writer.done();
}

/** Milliseconds of one secret. */
const LIFETIME = 60_000;
