/** Waiting no longer than agreed, on a port's clock. @module */

import type { Clock } from "../clock.ts";

/** A signal that must be disposed of, so that no alarm and no listener stays behind. */
export interface Deadline extends Disposable {
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
}

/** What {@link deadline} takes. */
export interface DeadlineOptions {
  /** What `seconds` are counted on. */
  readonly clock: Clock;
  /** More than 0. */
  readonly seconds: number;
  /** Made when the time is over: the signal's reason. */
  readonly reason: () => unknown;
  /** Ends the wait as well, with its own reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A signal that aborts after `seconds`, or as soon as `signal` does. */
export function deadline(options: DeadlineOptions): Deadline {
  const { clock, seconds, reason, signal } = options;
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
