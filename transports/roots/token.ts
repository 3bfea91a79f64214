/** What every token here is to the library: named keys that stay inside, and HMAC-SHA-256 under them, one at a time. @module */

import { equal } from "../../lib/bytes/mod.ts";
import type { Clock } from "../../lib/clock.ts";
import { type SecretBytes, secretFrom, wipe } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type IdentityModule, provisionedInput } from "../../lib/identity/mod.ts";
import type { Wait } from "../../lib/platform.ts";
import { webPlatform } from "../../web_platform.ts";

/** A key in a token, under the name that both sides know it by. */
export interface TokenKey {
  /** That name. */
  readonly identity: Uint8Array;
}

/** What the tokens have in common. */
export interface TokenTime {
  /** How long one program of a derivation may take, a person who is asked for a PIN or a touch included. Default 60. */
  readonly timeoutSeconds?: number;
  /** What {@link timeoutSeconds} is counted on. Default: the runtime's. */
  readonly clock?: Clock;
}

/** {@link TokenTime} with its defaults. */
export function tokenTime({ timeoutSeconds = 60, clock = webPlatform.clock }: TokenTime): Required<TokenTime> {
  if (!(timeoutSeconds > 0)) throw new RangeError("a token needs some time");
  return { timeoutSeconds, clock };
}

/** What makes a token of a way to compute HMAC-SHA-256. */
export interface TokenOptions<Key extends TokenKey> {
  readonly keys: readonly Key[];
  /** HMAC-SHA-256 of `message` under the key in the token: 32 bytes, taken over and wiped. */
  readonly hmac: (key: Key, message: Uint8Array, options: Wait) => Promise<Uint8Array>;
  /** Called once, when it is disposed of and nothing runs any more. */
  readonly end?: () => void;
}

/**
 * An identity module whose provisioned keys are in a token; it derives what `deriveProvisioned` would from the same key.
 * One derivation after another: a TPM without a resource manager takes one program at a time, and a wrong PIN must be
 * known before the next try. An identity named twice is a RangeError. Disposal stops what runs.
 */
// req: SEC_CF-SEC-001
export function tokenIdentity<Key extends TokenKey>({ keys, hmac, end }: TokenOptions<Key>): IdentityModule {
  const own = keys.map((key) => ({ ...key, identity: key.identity.slice() }));
  own.forEach(({ identity }, i) => {
    if (own.slice(0, i).some((other) => equal(other.identity, identity))) {
      throw new RangeError("an identity named twice");
    }
  });
  const stop = new AbortController();
  const disposed = () => new SeccfError("state", "the module was disposed of");
  let last: Promise<unknown> = Promise.resolve();
  return {
    provisioned: {
      get identities() {
        return own.map(({ identity }) => identity.slice());
      },
      async derive(identity, label, options = {}) {
        if (stop.signal.aborted) throw disposed();
        const key = own.find((candidate) => equal(candidate.identity, identity));
        if (!key) throw new SeccfError("identity-unavailable", "no key in this token has this identity");
        const message = provisionedInput(label);
        const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
        const turn = last.then(() => {
          signal.throwIfAborted();
          return hmac(key, message, { signal });
        });
        last = turn.catch(() => {});
        return await keyOf(turn, signal);
      },
    },
    async [Symbol.asyncDispose]() {
      if (stop.signal.aborted) return;
      stop.abort(disposed());
      await last;
      end?.();
    },
  };
}

/**
 * The key out of `turn`, or the reason of `signal`, at once: who waits for its turn need not wait for the turn of others to
 * be told. What comes too late is wiped.
 */
function keyOf(turn: Promise<Uint8Array>, signal: AbortSignal): Promise<SecretBytes> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    const done = (bytes: Uint8Array) => {
      signal.removeEventListener("abort", abort);
      if (signal.aborted) wipe(bytes);
      else if (bytes.length === 32) resolve(taken(bytes));
      else reject(new SeccfError("identity-unavailable", `the token answered with ${bytes.length} bytes, not with 32`));
    };
    const failed = (reason: unknown) => {
      signal.removeEventListener("abort", abort);
      reject(reason);
    };
    turn.then(done, failed);
  });
}

function taken(bytes: Uint8Array): SecretBytes {
  const key = secretFrom(bytes);
  wipe(bytes);
  return key;
}
