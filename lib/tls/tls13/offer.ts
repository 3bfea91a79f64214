/** What a client of version 1.3 offers: its key and perhaps an earlier session, each with its proof, and one public value at a time. @module */

import { equal } from "../../bytes/mod.ts";
import { createKeyShare, hashLength, type KeyShare, type SecretBytes } from "../../crypto/mod.ts";
import type { Answer } from "../engine.ts";
import { type ClientHello, encodeClientHello } from "../handshake/client_hello.ts";
import { HANDSHAKE } from "../handshake/message.ts";
import { bindersLength, PSK_MODE, type PskIdentity } from "../handshake/pre_shared_key.ts";
import { MAX_IDENTITY } from "../limits.ts";
import type { Policy } from "../options.ts";
import { checkKey } from "../psk.ts";
import { agreeOn, illegal, scheduleOf } from "./negotiate.ts";
import { binder, earlySecret, type Schedule } from "./key_schedule.ts";
import type { Resumable13 } from "./resumable.ts";
import { Transcript13 } from "./transcript.ts";

/** A hello that was made ready to be sent. */
export interface Saying {
  readonly offer: ClientHello;
  readonly body: Uint8Array;
}

/** Lives from the key's arrival to the server's choice. */
export class Offer13 implements Disposable {
  /** The key's owner. */
  readonly identity: Uint8Array;
  /** On the driver's clock, milliseconds; `undefined`: nothing is to be kept of it. */
  readonly keyEndsAt: number | undefined;
  /** Early Secrets, in the order in which they are offered. */
  readonly #earlies: readonly SecretBytes[];
  readonly #resume: Resumable13 | undefined;
  readonly #policy: Policy;
  readonly #schedule: Schedule;
  /** Missing where nothing is agreed on afresh. */
  #share: KeyShare | undefined;

  /** Copies what it needs; a session of another identity is not offered. RangeError where `answer` does not fit. */
  constructor(policy: Policy, answer: Answer & { readonly kind: "psk" }, resume?: Resumable13) {
    const { identity, key } = answer;
    if (identity.length < 1 || identity.length > MAX_IDENTITY) {
      throw new RangeError(`an identity is 1 to ${MAX_IDENTITY} bytes`);
    }
    checkKey(key);
    this.#policy = policy;
    this.#schedule = scheduleOf(policy);
    this.identity = new Uint8Array(identity);
    this.keyEndsAt = answer.expiresAt;
    this.#resume = resume && equal(resume.identity, identity) ? resume.copy() : undefined;
    const external = earlySecret(this.#schedule, key);
    this.#earlies = this.#resume ? [earlySecret(this.#schedule, this.#resume.key), external] : [external];
    const [group] = policy.groups;
    if (group !== undefined) this.#share = createKeyShare(group, policy.random);
  }

  /**
   * `hello` with all that version 1.3 adds, and its body with the binder in its place (RFC 8446 4.2.11.2). `before` has
   * what was said before it: nothing, or a first hello and its HelloRetryRequest.
   */
  say(hello: ClientHello, before: Transcript13 = new Transcript13(this.#schedule.hash)): Saying {
    const binders = this.#earlies.map(() => new Uint8Array(hashLength(this.#schedule.hash)));
    const offer: ClientHello = {
      ...hello,
      ...this.#exchange(),
      offeredPsks: { identities: this.#identities(), binders },
    };
    const body = encodeClientHello(offer);
    const missing = bindersLength(binders);
    const truncated = before.digestTruncated(HANDSHAKE.clientHello, body, missing);
    let at = body.length - missing + 2;
    for (const [index, early] of this.#earlies.entries()) {
      const proof = binder(this.#schedule, early, this.isEarlier(index) ? "resumption" : "external", truncated);
      body.set(proof, at + 1);
      at += 1 + proof.length;
    }
    return { offer, body };
  }

  /** Early Secret of the key that the server chose, this object's; `undefined` where there is none of that number. */
  early(selected: number): SecretBytes | undefined {
    return this.#earlies[selected];
  }

  /** Whether that is the earlier session's. */
  isEarlier(selected: number): boolean {
    return this.#resume !== undefined && selected === 0;
  }

  /** The server wants a public value of another group. */
  changeGroup(group: number): void {
    this.#share?.[Symbol.dispose]();
    this.#share = createKeyShare(group, this.#policy.random);
  }

  /** What comes of both public values. Throws `malformed`, also where this end has sent none. */
  agree(publicKey: Uint8Array): SecretBytes {
    if (!this.#share) throw illegal("a key share that nobody asked for", "RFC 8446 4.2.8");
    return agreeOn(this.#share, publicKey);
  }

  /** Wipes. */
  [Symbol.dispose](): void {
    for (const early of this.#earlies) early[Symbol.dispose]();
    this.#resume?.[Symbol.dispose]();
    this.#share?.[Symbol.dispose]();
  }

  /** RFC 8446 4.2.9, 9.2: without a share there are no groups either. */
  #exchange(): Pick<ClientHello, "supportedGroups" | "keyShares" | "pskModes"> {
    const { groups, forwardSecrecy } = this.#policy;
    if (!this.#share) return { pskModes: [PSK_MODE.pskOnly] };
    const { group, publicKey } = this.#share;
    const pskModes = [PSK_MODE.pskWithKeyShare, ...(forwardSecrecy === "preferred" ? [PSK_MODE.pskOnly] : [])];
    return { supportedGroups: groups, keyShares: [{ group, publicKey }], pskModes };
  }

  #identities(): readonly PskIdentity[] {
    const external = { identity: this.identity, obfuscatedAge: 0 };
    if (!this.#resume) return [external];
    const { ticket } = this.#resume;
    return [{ identity: ticket, obfuscatedAge: this.#resume.obfuscatedAge(this.#policy.bornAt) }, external];
  }
}
