/**
 * What makes the session of an engine a durable one: a copy of its keys, from the handshake that makes them or from a save
 * of it, and the session itself, as soon as it is there.
 *
 * @module
 */

import type { SecretBytes } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import { DurableSession, type DurableSessionOptions } from "./durable_session.ts";
import type { Session } from "./engine.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import type { WindowState } from "./record/replay_window.ts";
import { checkOfKey, type KeptKeys, savedProtections, type SavedSession } from "./saved_session.ts";

/** The engine that it is part of. */
export interface DurabilityOptions extends Pick<DurableSessionOptions, "role" | "granted"> {
  readonly reader: DatagramReader;
  readonly writer: DatagramWriter;
}

/** Of one engine, from its first input on. */
export class Durability implements Disposable {
  readonly #options: DurabilityOptions;
  #check: Uint8Array = new Uint8Array(4);
  /** Until there is a session, whose they are then. */
  #keys: KeptKeys | undefined;
  #session: DurableSession | undefined;

  constructor(options: DurabilityOptions) {
    this.#options = options;
  }

  /** Once it is established. */
  get session(): DurableSession | undefined {
    return this.#session;
  }

  /** The pre-shared key that was answered, if one was; borrowed. */
  answered(key: SecretBytes | undefined): void {
    this.#check = checkOfKey(key);
  }

  /** Takes what the handshake has made of it. */
  keep(keys: KeptKeys): void {
    this.#keys?.[Symbol.dispose]();
    this.#keys = keys;
  }

  /** The handshake is over. */
  establish(session: Session, connectionIds: ConnectionIds | undefined, now: number): void {
    this.#begin({ session, connectionIds, above: 0, newest: this.#options.reader.newest, now });
  }

  /** Goes on with `saved`, whose keys are this one's from here on. */
  resume(saved: SavedSession, { random, now }: { readonly random: Random; readonly now: number }): void {
    const { role, reader, writer } = this.#options;
    const { session, connectionIds, sizes, above, window } = saved;
    const [sent, received] = savedProtections(saved, random);
    const { client = NOTHING, server = NOTHING } = connectionIds ?? {};
    writer.protect(sent, role === "client" ? server : client);
    reader.protect(received, role === "client" ? client : server);
    writer.limit(sizes.sent);
    reader.limit(sizes.received);
    this.#keys = saved.keys;
    this.#check = saved.check;
    this.#begin({ session, connectionIds, above, newest: window.highest, now }, window);
  }

  /** To be called when all is written; not before, because the last flight of a handshake is written after its end. */
  settle(): void {
    if (this.#session) this.#options.writer.endure(this.#session.numbers);
  }

  /** Wipes the keys. */
  [Symbol.dispose](): void {
    this.#keys?.[Symbol.dispose]();
    this.#session?.[Symbol.dispose]();
  }

  #begin(
    begun: Pick<DurableSessionOptions, "session" | "connectionIds" | "above" | "newest" | "now">,
    seen?: WindowState,
  ): void {
    if (!this.#keys) return;
    const { role, reader, writer, granted } = this.#options;
    this.#session = new DurableSession({
      ...{ ...begun, role, granted, keys: this.#keys, check: this.#check },
      sizes: { sent: writer.longestContent, received: reader.longestContent },
      window: () => reader.seenIn(1),
    });
    this.#keys = undefined;
    reader.endure(this.#session.numbers, seen);
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
