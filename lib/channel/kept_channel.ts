/** A client's channel whose session outlives it: goes on where it was, or begins anew. @module */

import type { SecurityAssociation } from "../association/ports.ts";
import type { DatagramSocket } from "../link.ts";
import type { Wait } from "../platform.ts";
import type { Engine } from "../tls/engine.ts";
import { restoreDtlsEngine } from "../tls/mod.ts";
import { splitAddress } from "./address.ts";
import { connectDatagrams, type DatagramChannel, type DatagramChannelOptions } from "./datagram_channel.ts";
import type { Keep } from "./driver_options.ts";
import { clientPlace, type SavedSessions, type Shelf, shelfOf, type ShelfPlatform } from "./saved_sessions.ts";

/** What {@link connectKept} joins. */
export interface KeptChannelOptions
  extends Omit<DatagramChannelOptions, "engine" | "socket" | "remote" | "keys" | "clock" | "keep" | "revived"> {
  readonly saved: SavedSessions;
  readonly association: SecurityAssociation;
  readonly platform: ShelfPlatform;
  /** What the server is called, `host:port`: each has sessions of its own. */
  readonly address: string;
  /** A socket for the server, at this port of this end where it is given. */
  readonly connect: (localPort?: number) => Promise<{ readonly socket: DatagramSocket; readonly remote: string }>;
  /** A fresh durable engine. */
  readonly create: () => Engine;
  /** As `restoreDtlsEngine` takes it. */
  readonly mtu?: number;
}

/**
 * The channel of the session that `association` has with the server at `address`; where there is none that can go on, of a
 * new one. Throws as `connectDatagrams` does, and what the store throws.
 */
export async function connectKept(options: KeptChannelOptions, wait: Wait = {}): Promise<DatagramChannel> {
  const shelf = shelfOf(options.saved);
  const name = clientPlace(shelf, options.association, options.address);
  try {
    return await wake(shelf, name, options, wait) ?? await agree(shelf, name, options, wait);
  } catch (error) {
    shelf.awake.delete(name);
    throw error;
  }
}

async function wake(
  shelf: Shelf,
  name: string,
  options: KeptChannelOptions,
  wait: Wait,
): Promise<DatagramChannel | undefined> {
  const { association, platform, connect, mtu } = options;
  const { clock, random } = platform;
  const found = await shelf.find(name, platform, wait);
  if (!found) return undefined;
  const { record, place } = found;
  using state = found.state;
  let engine: Engine | undefined;
  try {
    // First, since it may be of a later version: then nobody would have the socket.
    engine = restoreDtlsEngine(state, { now: clock.now(), random, ...(mtu !== undefined && { mtu }) });
    const wire = await connect(place === "" ? undefined : splitAddress(place).port);
    const { session } = engine.durable!;
    const revived = { session, association, record };
    const keep = keepAt(shelf, name, options, wire.socket);
    return await connectDatagrams({ ...options, ...wire, engine, clock, keys: association, keep, revived }, wait);
  } catch (error) {
    engine?.[Symbol.dispose]();
    if (wait.signal?.aborted) throw error;
    // Its place on the network is taken, or another goes on with it: a new one can still be agreed.
    return undefined;
  }
}

async function agree(
  shelf: Shelf,
  name: string,
  options: KeptChannelOptions,
  wait: Wait,
): Promise<DatagramChannel> {
  const { association, platform: { clock } } = options;
  shelf.awake.add(name);
  const wire = await options.connect();
  const keep = keepAt(shelf, name, options, wire.socket);
  return await connectDatagrams(
    { ...options, ...wire, engine: options.create(), clock, keys: association, keep },
    wait,
  );
}

function keepAt(
  shelf: Shelf,
  name: string,
  { association, platform }: KeptChannelOptions,
  socket: DatagramSocket,
): Keep {
  return {
    place: () => shelf.place(name, association, platform),
    // Who gave out no Connection ID knows this end by its address alone.
    where: ({ connectionIds }) => connectionIds && connectionIds.server.length > 0 ? "" : socket.local,
  };
}
