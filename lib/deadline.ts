/** Waiting no longer than agreed, on a port's clock: whatever others do, what waits here ends and leaves nothing behind. @module */

import type { Clock } from "./clock.ts";
import { SeccfError } from "./error.ts";
import type { Wait } from "./platform.ts";

/** A signal that must be disposed of, so that no alarm and no listener stays behind. */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
}

/** What {@link deadline} takes. */
export interface DeadlineOptions {
  readonly clock: Clock;
  /** More than 0. */
  readonly seconds: number;
  /** Made when the time is over: the signal's reason. Default a `timeout`. */
  readonly reason?: () => unknown;
  /** Ends the wait as well, with its own reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A signal that aborts after `seconds`, or as soon as `signal` does. */
export function deadline(options: DeadlineOptions): Deadline {
  const { clock, seconds, signal } = options;
  const reason = options.reason ?? (() => new SeccfError("timeout", `no end within ${seconds} s`));
  const controller = new AbortController();
  const forward = () => controller.abort(signal?.reason);
  const alarm = clock.alarm(clock.now() + seconds * 1000, () => controller.abort(reason()));
  signal?.addEventListener("abort", forward);
  if (signal?.aborted) forward();
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      alarm[Symbol.dispose]();
      signal?.removeEventListener("abort", forward);
    },
  };
}

/** What `promise` gives, unless `signal` aborts before: then its reason is thrown and `promise` is left to itself. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

/** How long {@link withinDeadline} waits. */
export interface WithinOptions extends Wait {
  readonly clock: Clock;
  readonly seconds: number;
}

/**
 * Runs `work` until it settles, `seconds` pass (throws `timeout`), or the caller aborts (throws the signal's reason). `work` is
 * told by its own signal, and is left behind if it does not listen.
 */
export async function withinDeadline<T>(options: WithinOptions, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  options.signal?.throwIfAborted();
  using limit = deadline(options);
  return await unlessAborted(work(limit.signal), limit.signal);
}
