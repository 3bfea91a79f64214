/** Both ends of a byte stream. @module */

import type { ByteStream } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";
import { Pipe, type PipeOptions } from "./pipe.ts";

/** How a pair of streams behaves, and what its ends are called. */
export interface PairOptions extends PipeOptions {
  readonly client: string;
  readonly server: string;
  /** Both directions end when this many bytes of both were written; the rest is lost. */
  readonly cutAfterBytes: number;
}

/** The two ends of one connection. */
export function streamPair(options: PairOptions): { readonly client: ByteStream; readonly server: ByteStream } {
  const up = new Pipe(options);
  const down = new Pipe(options);
  let left = options.cutAfterBytes;
  const end = (remote: string, out: Pipe, into: Pipe): ByteStream => ({
    remote,
    async write(bytes: Uint8Array, wait?: Wait) {
      const uncut = bytes.subarray(0, left);
      left -= uncut.length;
      await out.write(uncut, wait);
      if (left > 0) return;
      up.end();
      down.end();
      // The rest of what was cut: it finds the pipe closed.
      await out.write(bytes.subarray(uncut.length), wait);
    },
    async *[Symbol.asyncIterator]() {
      for (let piece = await into.read(); piece; piece = await into.read()) yield piece;
    },
    [Symbol.asyncDispose]() {
      out.end();
      into.break();
      return Promise.resolve();
    },
  });
  return { client: end(options.server, up, down), server: end(options.client, down, up) };
}
