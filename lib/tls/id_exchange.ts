/**
 * Connection IDs beyond the first (RFC 9147 9): those that this end has given out and is known by, and those of the peer
 * that are spare. Few of either: what a peer asks for, or says unasked, must fill nobody's tables.
 *
 * @module
 */

import { equal } from "../bytes/mod.ts";
import { TlsFailure } from "./alert.ts";
import type { ConnectionIds } from "./connection_ids.ts";
import {
  decodeNewConnectionId,
  decodeRequestConnectionId,
  encodeNewConnectionId,
} from "./handshake/connection_id_update.ts";
import { unexpected } from "./handshake/message.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";

/** Who gives out names, so that each has one engine alone. */
export interface IdSource {
  /** At most `count` names, as long as the first one; none where no more can be had. Called by each until it is given back. */
  issue(count: number): readonly Uint8Array[];
  /** The peer does not use `id` any more. */
  withdraw(id: Uint8Array): void;
}

/** What it is part of; all of it stays its owner's. */
export interface IdExchangeOptions {
  readonly role: "client" | "server";
  readonly reader: DatagramReader;
  readonly writer: DatagramWriter;
  readonly connectionIds: ConnectionIds | undefined;
  readonly ids: IdSource;
}

/** Of one established session of version 1.3. What it throws ends the association. */
export class IdExchange {
  readonly #options: IdExchangeOptions;
  /** Names of this end, the first one first. */
  #own: Uint8Array[];
  /** Names of the peer that it was not called by yet. */
  #spare: Uint8Array[] = [];
  /** Requests since the peer began to use another name. A count. */
  #requests = 0;

  constructor(options: IdExchangeOptions) {
    const { connectionIds, role } = options;
    this.#options = options;
    this.#own = connectionIds?.[role].length ? [connectionIds[role]] : [];
  }

  /** Names of the peer that it was not called by yet. A count. */
  get spare(): number {
    return this.#spare.length;
  }

  /** The peer has other names: it is called by the first at once, where it says so. */
  newConnectionId(body: Uint8Array): void {
    const { role, connectionIds, writer } = this.#options;
    if (!connectionIds?.[role === "client" ? "server" : "client"].length) throw unexpected("NewConnectionId");
    const { ids, isImmediate } = decodeNewConnectionId(body);
    // Names that it gave before may be gone with the one that it will not be called by any more.
    const known = isImmediate ? [] : this.#spare;
    this.#spare = [...known, ...ids.slice(isImmediate ? 1 : 0)].slice(0, MOST_IDS);
    if (isImmediate) writer.address(ids[0]!);
  }

  /** The answer to a peer that wants other names of this end: as many as it may have, perhaps none. */
  requestConnectionId(body: Uint8Array): Uint8Array {
    const { reader, ids } = this.#options;
    if (this.#own.length === 0) throw unexpected("RequestConnectionId");
    const wanted = decodeRequestConnectionId(body);
    if (++this.#requests > MOST_REQUESTS) {
      throw new TlsFailure("too_many_cids_requested", "too-large", "too many requests for Connection IDs", {
        clause: "RFC 9147 9",
      });
    }
    const issued = ids.issue(Math.min(wanted, MOST_IDS - this.#own.length));
    for (const id of issued) reader.answerTo(id);
    this.#own.push(...issued);
    return encodeNewConnectionId({ ids: issued, isImmediate: false });
  }

  /** One of the two is somewhere else: nobody who sees both places is to know it again by its name (RFC 9147 11). False where there is no other. */
  useSpare(): boolean {
    const next = this.#spare.shift();
    if (next) this.#options.writer.address(next);
    return next !== undefined;
  }

  /** A record came: names before the one that the peer uses are given back, but for the last, by which more may be on its way. */
  refresh(): void {
    const { reader, ids } = this.#options;
    const { calledBy } = reader;
    if (!calledBy || this.#own.length < 2) return;
    const at = this.#own.findIndex((id) => equal(id, calledBy));
    if (at < 1) return;
    this.#requests = 0;
    for (const id of this.#own.splice(0, at - 1)) {
      reader.ignore(id);
      ids.withdraw(id);
    }
  }
}

/** Names of one side at a time. A count. */
const MOST_IDS = 4;
/** Requests by one name. A count. */
const MOST_REQUESTS = 8;
