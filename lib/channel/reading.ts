/** Datagrams from a socket to whoever takes them, by the shorter way where the socket has one. @module */

import { SeccfError } from "../error.ts";
import type { DatagramSocket, DatagramTaker } from "../link.ts";

/** Gives all that comes to `socket` to `taker`, until it wants no more. */
export function readInto(socket: DatagramSocket, taker: DatagramTaker): void {
  if (socket.handTo) socket.handTo(taker);
  else void iterate(socket, taker);
}

async function iterate(socket: DatagramSocket, taker: DatagramTaker): Promise<void> {
  for (let goesOn = true; goesOn;) {
    let reason: unknown = new SeccfError("closed", "the socket is closed");
    try {
      for await (const { bytes, from } of socket) taker.take(bytes, from);
    } catch (error) {
      reason = error;
    }
    goesOn = taker.fail(reason);
  }
}
