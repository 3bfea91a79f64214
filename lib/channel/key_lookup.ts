/** A handshake's question to a {@link KeySource}, bounded in time whatever the source does. @module */

import { SeccfError } from "../error.ts";
import type { Clock } from "../clock.ts";
import type { FoundKey, KeyRequest, KeySource } from "../association/ports.ts";
import { deadline, unlessAborted } from "./deadline.ts";

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
  // In an async function a source that throws at once is the same as one that rejects.
  const asked = (async () => await keys.find(request, { signal: limit.signal }))();
  try {
    return await unlessAborted(asked, limit.signal);
  } catch (error) {
    asked.then((late) => late?.key[Symbol.dispose](), () => {});
    if (error instanceof SeccfError || error === signal.reason) throw error;
    // A source that passes the limit's abort on in its own words has timed out all the same.
    if (limit.signal.aborted) throw limit.signal.reason;
    throw new SeccfError("key-unavailable", "the key source failed", { cause: error });
  }
}
