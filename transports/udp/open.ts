/** Sockets bound to a place of this machine, or connected to one elsewhere. @module */

import { createSocket, type Socket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { isIPv4 } from "node:net";
import type { DatagramSocket } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";
import { joinAddress } from "../../lib/channel/mod.ts";
import { unlessAborted } from "../../lib/deadline.ts";
import { systemCode, unreachable } from "./failure.ts";
import { UdpSocket } from "./socket.ts";

/** A socket for one peer. */
export interface ConnectedDatagrams {
  /** For this peer alone; the caller's to dispose. */
  readonly socket: DatagramSocket;
  /** The peer, as the socket calls it in `from`: `host:port` with its address. */
  readonly remote: string;
}

/**
 * Binds to `host`, a name or an address without brackets, and `port`, a free one if 0; without `host` to every address
 * of the machine, IPv4 and IPv6. Throws `unreachable`.
 */
export async function bindUdp(host: string | undefined, port: number): Promise<DatagramSocket> {
  if (host !== undefined) return new UdpSocket(await bound(await resolve(host), port), false);
  try {
    return new UdpSocket(await bound({ address: "::", family: 6 }, port), false);
  } catch (error) {
    // A machine without IPv6.
    if (!NO_IPV6.has(systemCode((error as Error).cause) ?? "")) throw error;
    return new UdpSocket(await bound({ address: "0.0.0.0", family: 4 }, port), false);
  }
}

/** What {@link connectUdp} takes beside host and port. */
export interface ConnectOptions extends Wait {
  /** The port of this end. Default: a free one. `unreachable` where another has it. */
  readonly localPort?: number;
}

/**
 * A socket that sends to the first address of `host` and, where the runtime can, hears from it alone. Iterating it
 * throws `unreachable` each time that the network says so, and can go on after that; Deno never says it.
 */
export async function connectUdp(
  host: string,
  port: number,
  { signal, localPort }: ConnectOptions = {},
): Promise<ConnectedDatagrams> {
  signal?.throwIfAborted();
  // An IPv4 address has no other form, and needs no turn of its own.
  const { address, family } = isIPv4(host) ? { address: host, family: 4 } : await unlessAborted(resolve(host), signal);
  const socket = createSocket({ type: family === 6 ? "udp6" : "udp4" });
  try {
    if (localPort !== undefined) await settled(socket, "can not bind", (done) => socket.bind(localPort, done));
    await unlessAborted(settled(socket, "no way", (done) => socket.connect(port, address, done)), signal);
    const remote = socket.remoteAddress();
    return { socket: new UdpSocket(socket, true), remote: joinAddress(remote.address, remote.port) };
  } catch (error) {
    giveUp(socket);
    throw error;
  }
}

interface Address {
  readonly address: string;
  readonly family: number;
}

async function resolve(host: string): Promise<Address> {
  try {
    const { address, family } = await lookup(host);
    return { address: family === 6 ? shortest(address) : address, family };
  } catch (error) {
    throw unreachable("no such host", error);
  }
}

/** As the system writes it in a sender's address (RFC 5952), which Deno's lookup and sockets do not of themselves. */
function shortest(address: string): string {
  return /[%.]/.test(address) ? address : new URL(`udp://[${address}]`).hostname.slice(1, -1);
}

async function bound({ address, family }: Address, port: number): Promise<Socket> {
  const socket = createSocket({
    type: family === 6 ? "udp6" : "udp4",
    // Peers are addresses already: none is looked up again for each datagram.
    lookup: (host, _options, found) => found(null, host, family),
  });
  try {
    await settled(socket, "can not listen", (done) => socket.bind({ address, port }, done));
    return socket;
  } catch (error) {
    giveUp(socket);
    throw error;
  }
}

function settled(socket: Socket, what: string, begin: (done: () => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(unreachable(what, error));
    socket.once("error", fail);
    begin(() => {
      socket.off("error", fail);
      resolve();
    });
  });
}

function giveUp(socket: Socket): void {
  socket.on("error", () => {});
  try {
    socket.close();
  } catch {
    // It never was open.
  }
}

const NO_IPV6 = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL", "EPROTONOSUPPORT"]);
