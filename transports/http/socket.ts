/** A secure channel in the shape that node:http wants of a socket. @module */

import { Duplex } from "node:stream";
import type { SecureChannel } from "../../lib/association/ports.ts";

/** A Duplex over a channel that may still be connecting; what is written meanwhile waits. Destroying it disposes the channel. */
export function channelSocket(connecting: Promise<SecureChannel>): Duplex {
  let pieces: AsyncIterator<{ readonly payload: Uint8Array }> | undefined;
  const socket = new Duplex({
    read() {
      connecting
        .then((channel) => (pieces ??= channel[Symbol.asyncIterator]()).next())
        .then(({ done, value }) => socket.push(done ? null : value.payload))
        .catch((error: unknown) => socket.destroy(asError(error)));
    },
    write(bytes: Uint8Array, _encoding, done) {
      connecting.then((channel) => channel.send(bytes)).then(() => done(), (error: unknown) => done(asError(error)));
    },
    final(done) {
      // A channel has no half-close: ending our side ends it, once what was written is gone.
      done();
    },
    destroy(error, done) {
      connecting.then((channel) => channel[Symbol.asyncDispose]()).then(() => done(error), () => done(error));
    },
  });
  // node:http sets these on what it takes for a TCP socket.
  return Object.assign(socket, {
    setTimeout: () => socket,
    setNoDelay: () => socket,
    setKeepAlive: () => socket,
    ref: () => socket,
    unref: () => socket,
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error("the channel failed", { cause: error });
}
