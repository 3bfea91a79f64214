/**
 * What makes the session of an engine a durable one: a copy of its keys, from the handshake that makes them or from a save
 * of it, and the session itself, as soon as it is there.
 *
 * @module
 */

import type { SecretBytes } from "../crypto/mod.ts";
import type { Random } from "../platform.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import { DurableSession, type DurableSessionOptions, type Standing } from "./durable_session.ts";
import type { Session } from "./engine.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import type { EpochPair } from "./record/durable_numbers.ts";
import type { WindowState } from "./record/replay_window.ts";
import { checkOfKey, type SavedFields } from "./saved_fields.ts";
import { encodeSavedSession, type KeptKeys, savedProtections, type SavedSession } from "./saved_session.ts";
import { encodeSavedSession13, type Progress13, type SavedSession13 } from "./saved_session13.ts";

/** The engine that it is part of. */
export interface DurabilityOptions extends Pick<DurableSessionOptions, "granted"> {
  readonly role: "client" | "server";
  readonly reader: DatagramReader;
  readonly writer: DatagramWriter;
}

/** What a session goes on with. */
interface Beginning extends Pick<DurableSessionOptions, "session" | "above" | "newest" | "now"> {
  readonly connectionIds: ConnectionIds | undefined;
  readonly epochs?: EpochPair;
  /** What was read before, where it was saved. */
  readonly seen?: WindowState;
}

/** Of one engine, from its first input on. */
export class Durability implements Disposable {
  readonly #options: DurabilityOptions;
  #check: Uint8Array = new Uint8Array(4);
  /** Version 1.2: what the handshake has made, or a save had. */
  #keys: KeptKeys | undefined;
  /** Version 1.3, once the handshake is over. */
  #progress: (() => Progress13) | undefined;
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

  /** Takes what the handshake of version 1.2 has made of it. */
  keep(keys: KeptKeys): void {
    this.#keys?.[Symbol.dispose]();
    this.#keys = keys;
  }

  /** The handshake is over; `progress` says how far a session of version 1.3 is. */
  establish(
    session: Session,
    { connectionIds, progress }: {
      readonly connectionIds: ConnectionIds | undefined;
      readonly progress: (() => Progress13) | undefined;
    },
    now: number,
  ): void {
    const { role, reader } = this.#options;
    this.#progress = progress;
    if (!progress) {
      this.#begin({ session, connectionIds, above: 0, newest: reader.newest, now });
      return;
    }
    // A peer with new keys already goes on under the old ones until it is heard under the new; a client says its Finished again.
    const received = Math.max(role === "server" ? HANDSHAKE_EPOCH : HANDSHAKE_EPOCH + 1, reader.heardEpoch);
    const epochs = { sent: progress().sent.epoch, received };
    this.#begin({ session, connectionIds, above: 0, newest: reader.seenIn(received).highest, now, epochs });
  }

  /** Goes on with `saved`, whose keys are this one's from here on. */
  resume(saved: SavedSession, { random, now }: { readonly random: Random; readonly now: number }): void {
    const { role, reader, writer } = this.#options;
    const { session, connectionIds, sizes, above, window: seen } = saved;
    const [sent, received] = savedProtections(saved, random);
    const { client = NOTHING, server = NOTHING } = connectionIds ?? {};
    writer.protect(sent, role === "client" ? server : client);
    reader.protect(received, role === "client" ? client : server);
    writer.limit(sizes.sent);
    reader.limit(sizes.received);
    this.#keys = saved.keys;
    this.#check = saved.check;
    this.#begin({ session, connectionIds, above, newest: seen.highest, now, seen });
  }

  /** Goes on with `saved`, of version 1.3, whose keys are the record layer's by now. */
  resume13(saved: SavedSession13, progress: () => Progress13, now: number): void {
    const { reader, writer } = this.#options;
    const { session, connectionIds, sizes, above, window: seen, keys: { sent, received } } = saved;
    writer.limit(sizes.sent);
    reader.limit(sizes.received);
    this.#progress = progress;
    this.#check = saved.check;
    const epochs = { sent: sent.epoch, received: received.epoch };
    this.#begin({ session, connectionIds, above, newest: seen.highest, now, seen, epochs });
    this.settle();
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

  #begin({ connectionIds, seen, ...begun }: Beginning): void {
    if (!this.#keys && !this.#progress) return;
    const { role, reader, writer, granted } = this.#options;
    const { session } = begun;
    const fields = {
      ...{ role, session, connectionIds, check: this.#check },
      sizes: { sent: writer.longestContent, received: reader.longestContent },
    };
    this.#session = new DurableSession({
      ...{ ...begun, check: this.#check, granted },
      window: (epoch) => reader.seenIn(epoch),
      encode: (standing) => this.#encode(fields, standing),
    });
    reader.endure(this.#session.numbers, seen);
  }

  #encode(fields: Omit<SavedFields, "above" | "window">, { above, window, epochs }: Standing): SecretBytes {
    const saved = { ...fields, above, window };
    if (this.#progress) return encodeSavedSession13(saved, this.#progress(), epochs);
    return encodeSavedSession({ ...saved, keys: this.#keys! });
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** RFC 9147 6.1. */
const HANDSHAKE_EPOCH = 2;
