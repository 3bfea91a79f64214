/**
 * What a DTLS server says to a stranger without keeping anything: who brings back a cookie is at its address (RFC 6347
 * 4.2.1, RFC 9147 5.1). No answer is longer than what it answers.
 *
 * Of a hello in pieces the first one is enough for that, where it reaches to the cookie. It is not for a first hello of
 * version 1.3: its answer has to bring the hash of all of it (RFC 9147 5.1), and nobody keeps the rest until it is there.
 *
 * @module
 */

import { Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { type AlertName, alertOf, encodeAlert } from "./alert.ts";
import { CookieJar } from "./cookie.ts";
import type { Retried } from "./handshake.ts";
import { type ClientHello, decodeClientHello } from "./handshake/client_hello.ts";
import { encodeFragment, type Fragment, readFragment } from "./handshake/fragment.ts";
import { decodeHelloFront, type HelloFront } from "./handshake/hello_front.ts";
import { encodeHelloVerifyRequest } from "./handshake/hello_verify_request.ts";
import { HANDSHAKE } from "./handshake/message.ts";
import { MAX_EARLY_MESSAGE } from "./limits.ts";
import { isVersion13, type Policy } from "./options.ts";
import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_0, DTLS_1_2, DTLS_1_3 } from "./record/content_type.ts";
import { writeNumber } from "./record/datagram_header.ts";
import type { RawRecord } from "./record/datagram_reader.ts";
import { encodeRetryRequest, hashOfFirstHello, retryFor } from "./tls13/retry.ts";
import { chooseVersion } from "./versions.ts";

/** A ClientHello or the first piece of one, with the record it came in. */
export interface Hello {
  readonly record: RawRecord;
  readonly fragment: Fragment;
  readonly front: HelloFront;
  /** Undefined where this is only a piece. */
  readonly whole: ClientHello | undefined;
}

/** What is to be done with a hello. */
export type Greeting =
  | { readonly kind: "reply"; readonly bytes: Uint8Array }
  /** Its sender is where it says; `retried` in version 1.3. */
  | { readonly kind: "welcome"; readonly retried?: Retried }
  | { readonly kind: "nothing" };

/** Holds two secrets, and nothing of anybody. */
export class Greeter implements Disposable {
  readonly #policy: Policy;
  readonly #cookies: CookieJar;

  /** Of `policy` what is chosen from hellos counts. */
  constructor(policy: Policy) {
    this.#policy = policy;
    this.#cookies = new CookieJar(policy.random);
  }

  /** Answers `found`, which came from `from` in a datagram of `length` bytes. */
  greet(found: Hello, length: number, from: string, now: number): Greeting {
    const greeting = this.#is13(found) ? this.#greet13(found, from, now) : this.#greet12(found, from, now);
    return greeting.kind === "reply" && greeting.bytes.length > length ? NOTHING : greeting;
  }

  [Symbol.dispose](): void {
    this.#cookies[Symbol.dispose]();
  }

  #is13({ front, whole }: Hello): boolean {
    if (!whole) return this.#seems13(front);
    try {
      return isVersion13(chooseVersion(whole, this.#policy));
    } catch {
      // Refused where its sender is known to be there.
      return false;
    }
  }

  /**
   * A client that names version 1.3 in a piece that is not there yet gets a cookie of 1.2, with which 1.3 can not be had
   * (RFC 9147 5.3), and comes to nothing as it would by silence. Suites of 1.3 (RFC 8446 B.4) mostly stand first.
   */
  #seems13({ supportedVersions, suites, cookie, retryCookie }: HelloFront): boolean {
    const { versions } = this.#policy;
    if (cookie?.length || !versions.some(isVersion13)) return false;
    if (retryCookie || !versions.includes(DTLS_1_2)) return true;
    return supportedVersions?.includes(DTLS_1_3) ?? suites.some((suite) => suite >> 8 === 0x13);
  }

  #greet12(found: Hello, from: string, now: number): Greeting {
    const { front } = found;
    if (this.#cookies.check(front, from, now)) return { kind: "welcome" };
    const message = encodeHelloVerifyRequest({ cookie: this.#cookies.make(front, from, now) });
    return reply(found, DTLS_1_0, HANDSHAKE.helloVerifyRequest, message);
  }

  #greet13(found: Hello, from: string, now: number): Greeting {
    const { front, whole } = found;
    const { retryCookie: cookie } = front;
    if (!cookie) return whole ? this.#askAgain(found, whole, from, now) : NOTHING;
    const what = this.#cookies.recall(front, from, now);
    // RFC 9147 5.1: so that the client can begin anew.
    if (!what) return refuse(found, "illegal_parameter");
    const { suite, group, firstHello } = what;
    const retryRequest = encodeRetryRequest({ suite, group, cookie }, this.#policy, NO_SESSION_ID);
    return { kind: "welcome", retried: { firstHello: new Uint8Array(firstHello), retryRequest, suite, group } };
  }

  #askAgain(found: Hello, hello: ClientHello, from: string, now: number): Greeting {
    const { fragment } = found;
    let choice;
    try {
      choice = retryFor(hello, this.#policy);
    } catch (error) {
      return error instanceof SeccfError ? refuse(found, alertOf(error)) : NOTHING;
    }
    const what = { ...choice, firstHello: hashOfFirstHello(this.#policy, fragment.body) };
    const cookie = this.#cookies.remember(hello, what, from, now);
    const message = encodeRetryRequest({ ...choice, cookie }, this.#policy, NO_SESSION_ID);
    return reply(found, DTLS_1_2, HANDSHAKE.serverHello, message);
  }
}

/**
 * A ClientHello in the clear, or the first piece of one that is not too long; `no hello` for all that is meant for an
 * engine, and so is a `later piece` of a hello; undefined for what is for nobody.
 */
export function helloIn(record: RawRecord): Hello | "no hello" | "later piece" | undefined {
  const { type, epoch, body, version } = record;
  if (type !== CONTENT.handshake || epoch !== 0 || body[0] !== HANDSHAKE.clientHello) return "no hello";
  if (version !== DTLS_1_0 && version !== DTLS_1_2) return undefined;
  try {
    const fragment = readFragment(new Reader(body));
    if (fragment.length > MAX_EARLY_MESSAGE) return undefined;
    if (fragment.offset > 0) return "later piece";
    const isWhole = fragment.body.length === fragment.length;
    const whole = isWhole ? decodeClientHello(fragment.body, "datagram") : undefined;
    return { record, fragment, front: whole ?? decodeHelloFront(fragment.body), whole };
  } catch {
    return undefined;
  }
}

/** RFC 6347 4.2.1: message_seq and record number are the hello's, so that nothing has to be counted here. */
function reply({ record, fragment: { messageSeq } }: Hello, version: number, type: number, body: Uint8Array): Greeting {
  const framed = encodeFragment({ type, length: body.length, messageSeq, offset: 0, body });
  return { kind: "reply", bytes: inClear(CONTENT.handshake, version, record.number, framed) };
}

function refuse({ record }: Hello, alert: AlertName): Greeting {
  return { kind: "reply", bytes: inClear(CONTENT.alert, DTLS_1_2, record.number, encodeAlert(alert)) };
}

function inClear(type: number, version: number, number: number, content: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(DATAGRAM_HEADER_LENGTH + content.length);
  bytes.set([type, version >> 8, version & 0xff]);
  writeNumber(bytes, 3, 0, number);
  bytes[11] = content.length >> 8;
  bytes[12] = content.length;
  bytes.set(content, DATAGRAM_HEADER_LENGTH);
  return bytes;
}

const NOTHING: Greeting = { kind: "nothing" };
/** RFC 9147 5.3. */
const NO_SESSION_ID: Uint8Array = new Uint8Array(0);
