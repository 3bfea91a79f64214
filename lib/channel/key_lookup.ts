/** A handshake's question to a {@link KeySource}, bounded in time whatever the source does. @module */

import { SeccfError } from "../error.ts";
import type { Clock } from "../clock.ts";
import type { FoundKey, KeyRequest, KeySource } from "../association/ports.ts";
import type { Demand } from "../tls/engine.ts";
import { deadline, unlessAborted } from "../deadline.ts";

/** What an engine demands, as a key source is asked it; copied, because a demand's bytes live only until the engine is called again. */
export function requestOf(demand: Demand): KeyRequest {
  const { suite, identity, hint, serverName } = demand;
  return {
    use: { kind: "tls", suite },
    ...(identity && { identity: new Uint8Array(identity) }),
    ...(hint && { hint: new Uint8Array(hint) }),
    ...(serverName !== undefined && { serverName }),
  };
}

/** What {@link lookUp} takes. */
export interface LookUpOptions {
  readonly clock: Clock;
  /** How long the source may take. */
  readonly seconds: number;
  /** Aborted when nobody needs the answer any more. */
  readonly signal: AbortSignal;
}

/**
 * Asks `keys` once; `undefined` means that the source knows no such key. The caller disposes the key it gets; one that
 * comes too late is disposed of here.
 *
 * Throws what the source throws if it is a {@link SeccfError}, else `key-unavailable`: the source failed, or did not
 * answer within `seconds`.
 */
export async function lookUp(
  keys: KeySource,
  request: KeyRequest,
  options: LookUpOptions,
): Promise<FoundKey | undefined> {
  const { clock, seconds, signal } = options;
  using limit = deadline({
    clock,
    seconds,
    signal,
    reason: () => new SeccfError("key-unavailable", `the key source gave no answer within ${seconds} s`),
  });
  // In a turn of its own: a source that throws at once rejects as well, and none runs in the middle of an engine's outputs.
  const asked = Promise.resolve().then(() => keys.find(request, { signal: limit.signal }));
  try {
    return await unlessAborted(asked, limit.signal);
  } catch (error) {
    asked.then((late) => late?.key[Symbol.dispose](), () => {});
    if (error instanceof SeccfError || error === signal.reason) throw error;
    throw new SeccfError("key-unavailable", "the key source failed", { cause: error });
  }
}
