/** A serial line as a byte stream: a terminal device read without blocking, so that no thread of the runtime hangs in it. @module */

import { execFile } from "node:child_process";
import { close, constants, open, read, write } from "node:fs";
import process from "node:process";
import { promisify } from "node:util";
import type { Clock } from "../../../lib/clock.ts";
import { unlessAborted } from "../../../lib/deadline.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { ByteStream } from "../../../lib/link.ts";
import type { Wait } from "../../../lib/platform.ts";

/** What {@link openSerial} takes. */
export interface SerialOptions {
  /** Such as /dev/ttyUSB2. */
  readonly path: string;
  /** Bits a second. Default: as the line is set; what is on USB does not care. */
  readonly baudRate?: number;
  readonly clock: Clock;
}

/** Opens a serial line and makes it transparent (`stty raw -echo`). Throws `unreachable`. */
export async function openSerial({ path, baudRate, clock }: SerialOptions, wait: Wait = {}): Promise<ByteStream> {
  wait.signal?.throwIfAborted();
  try {
    const flag = process.platform === "darwin" ? "-f" : "-F";
    const speed = baudRate === undefined ? [] : [String(baudRate)];
    await promisify(execFile)("stty", [flag, path, "raw", "-echo", "clocal", ...speed]);
    const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;
    return new SerialStream(await promisify(open)(path, flags), path, clock);
  } catch (cause) {
    throw new SeccfError("unreachable", "the serial line can not be opened", { cause });
  }
}

class SerialStream implements ByteStream {
  readonly remote: string;
  readonly #fd: number;
  readonly #clock: Clock;
  readonly #gone = new AbortController();
  /** Calls of the system that hold the descriptor: it is closed behind the last. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(fd: number, remote: string, clock: Clock) {
    this.#fd = fd;
    this.remote = remote;
    this.#clock = clock;
  }

  async write(bytes: Uint8Array, { signal }: Wait = {}): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      signal?.throwIfAborted();
      const count = await this.#call((fd, done) => write(fd, bytes, at, bytes.length - at, null, done));
      if (count === undefined) await this.#pause(LONGEST_PAUSE_MS, signal);
      else at += count;
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return { next: () => this.#read(), return: () => Promise.resolve({ done: true, value: undefined }) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(new SeccfError("closed", "the serial line was closed"));
    await this.#last;
    await promisify(close)(this.#fd).catch(() => undefined);
  }

  async #read(): Promise<IteratorResult<Uint8Array, undefined>> {
    const piece = new Uint8Array(PIECE);
    for (let pauseMs = 1;; pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS)) {
      const count = await this.#call((fd, done) => read(fd, piece, 0, PIECE, null, done));
      if (count !== undefined && count > 0) return { done: false, value: piece.subarray(0, count) };
      await this.#pause(pauseMs, undefined);
    }
  }

  /** What the system did; `undefined` when it would have had to wait. */
  async #call(
    operation: (fd: number, done: (error: Error | null, count: number) => void) => void,
  ): Promise<number | undefined> {
    this.#gone.signal.throwIfAborted();
    const result = new Promise<number | undefined>((resolve, reject) => {
      operation(this.#fd, (error, count) => {
        if (!error) resolve(count);
        else if ("code" in error && (error.code === "EAGAIN" || error.code === "EWOULDBLOCK")) resolve(undefined);
        else reject(new SeccfError("closed", "the serial line is gone", { cause: error }));
      });
    });
    this.#last = result.catch(() => undefined);
    return await result;
  }

  async #pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
    let alarm: Disposable | undefined;
    const over = new Promise<void>((resolve) => alarm = this.#clock.alarm(this.#clock.now() + ms, resolve));
    try {
      await unlessAborted(unlessAborted(over, signal), this.#gone.signal);
    } finally {
      alarm?.[Symbol.dispose]();
    }
  }
}

const PIECE = 1024;
const LONGEST_PAUSE_MS = 20;
