import type { Clock } from "../clock.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";

/** A {@link Wait} with an end. */
export interface Deadline extends Wait {
  readonly clock: Clock;
  readonly seconds: number;
}

/**
 * Runs `work` until it settles, `seconds` pass (throws `timeout`), or the caller aborts (throws the signal's reason). `work` is
 * told by its own signal, and is left behind if it does not listen.
 */
export async function withinDeadline<T>(deadline: Deadline, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { clock, seconds, signal } = deadline;
  signal?.throwIfAborted();
  const inner = new AbortController();
  let stop: (reason: unknown) => void = () => {};
  const gone = new Promise<never>((_, reject) => {
    stop = (reason) => {
      reject(reason);
      inner.abort(reason);
    };
  });
  const onAbort = (): void => stop(signal?.reason);
  signal?.addEventListener("abort", onAbort, { once: true });
  using _alarm = clock.alarm(
    clock.now() + seconds * 1000,
    () => stop(new SeccfError("timeout", `no end within ${seconds} s`)),
  );
  try {
    return await Promise.race([work(inner.signal), gone]);
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}
