/** A client's half of a session of version 1.3 that it may go on with (RFC 8446 4.6.1). @module */

import { type SecretBytes, secretSlice, suiteById } from "../../crypto/mod.ts";
import type { Resumable } from "../engine.ts";
import type { ClientOptions, Policy } from "../options.ts";
import { scheduleOf } from "./negotiate.ts";

/** What a client remembers. */
export interface Remembered13 {
  /** 0x0304 or 0xfefc. */
  readonly version: number;
  readonly suite: number;
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  readonly expiresAt: number;
  /** On the driver's clock, milliseconds. */
  readonly madeAt: number;
  /** What its age is hidden by. */
  readonly ageAdd: number;
  readonly ticket: Uint8Array;
  /** As long as the hash. */
  readonly key: SecretBytes;
}

/** One that was made here: nothing else is one. */
export class Resumable13 implements Resumable {
  readonly version: number;
  readonly suite: number;
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  readonly expiresAt: number;
  readonly ticket: Uint8Array;
  readonly #madeAt: number;
  readonly #ageAdd: number;
  readonly #key: SecretBytes;

  /** Copies. */
  constructor({ version, suite, identity, serverName, expiresAt, madeAt, ageAdd, ticket, key }: Remembered13) {
    this.version = version;
    this.suite = suite;
    this.identity = new Uint8Array(identity);
    this.serverName = serverName;
    this.expiresAt = expiresAt;
    this.ticket = new Uint8Array(ticket);
    this.#madeAt = madeAt;
    this.#ageAdd = ageAdd;
    this.#key = secretSlice(key, 0);
  }

  /** As long as the hash, this object's. */
  get key(): SecretBytes {
    return this.#key;
  }

  /** What the ticket is shown with at `now` (RFC 8446 4.2.11.1). */
  obfuscatedAge(now: number): number {
    return (Math.max(Math.floor(now - this.#madeAt), 0) + this.#ageAdd) % 2 ** 32;
  }

  /** The same once more, for an owner of its own. Throws `state` after disposal. */
  copy(): Resumable13 {
    const { version, suite, identity, serverName, expiresAt, ticket } = this;
    const hidden = { madeAt: this.#madeAt, ageAdd: this.#ageAdd, key: this.#key };
    return new Resumable13({ version, suite, identity, serverName, expiresAt, ticket, ...hidden });
  }

  /** Wipes the secret. */
  [Symbol.dispose](): void {
    this.#key[Symbol.dispose]();
  }
}

/** A copy of `resume` where a hello under `policy` can offer it, the caller's to dispose. */
export function earlierFor13(
  policy: Policy,
  { resume, serverName }: Pick<ClientOptions, "resume" | "serverName">,
): Resumable13 | undefined {
  // That of the other transport is none of the policy's.
  if (!(resume instanceof Resumable13) || !policy.versions.includes(resume.version)) return undefined;
  const isFitting = suiteById(resume.suite)?.prf === scheduleOf(policy).hash && resume.serverName === serverName &&
    resume.expiresAt > policy.bornAt;
  return isFitting ? resume.copy() : undefined;
}
