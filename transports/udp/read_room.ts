/**
 * How much memory a runtime takes for each datagram before it has come. Deno takes as much as the socket's receive buffer
 * is said to have, 64 KiB, which it clears and the collector has to find again: with small datagrams that is more than half
 * of all that they cost. Node and Bun take what the datagram needs, and are left alone.
 *
 * @module
 */

import type { Socket } from "node:dgram";

/** Of one bound socket. */
export class ReadRoom {
  readonly #socket: Socket;
  #state: "unknown" | "usual" | "settled" = "unknown";

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** False for what may have been cut short: lost, as any datagram may be, and the next one of its length is not. */
  holds(bytes: Uint8Array): boolean {
    if (this.#state === "usual" && bytes.length === USUAL) {
      this.widen();
      return false;
    }
    if (this.#state === "unknown") this.#see(bytes);
    return true;
  }

  /** Something longer has come, and others may. */
  widen(): void {
    if (this.#state !== "usual") return;
    this.#state = "settled";
    this.#set(MOST);
  }

  /** By the first datagram, not by the runtime's name: where the number means the system's own buffer, it has to stay. */
  #see({ buffer, length }: Uint8Array): void {
    this.#state = "settled";
    if (length === buffer.byteLength || buffer.byteLength !== MOST || this.#socket.getRecvBufferSize() !== MOST) return;
    this.#state = "usual";
    this.#set(USUAL);
  }

  #set(bytes: number): void {
    // Twice what is asked for on Linux, socket(7), and Deno does as the system does.
    this.#socket.setRecvBufferSize(bytes / 2);
    if (this.#socket.getRecvBufferSize() < bytes) this.#socket.setRecvBufferSize(bytes);
  }
}

/** More than any datagram. */
const MOST = 65_536;
/** The longest record of DTLS, with the longest Connection ID: 13 + 255 + 2^14 + 2048 (RFC 6347 4.1, RFC 9146 3), and a little. */
const USUAL = 18_944;
