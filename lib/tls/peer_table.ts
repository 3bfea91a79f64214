/**
 * Who is where, behind one port: each engine by its peer's address and by the Connection ID it gave out (RFC 9146), and
 * the handshakes in the order of their arrival. Two may be at one address: one that is established, and its *rival*,
 * which began anew there (RFC 6347 4.2.8) and has not proved itself yet.
 *
 * @module
 */

import type { DatagramEngine } from "./datagram_engine.ts";
import type { Engine, Session } from "./engine.ts";
import { keyAt, keyOf } from "./key_of.ts";

/** One engine and where its peer is found. */
export interface Peer {
  readonly engine: DatagramEngine;
  /** Its peer's; empty once established. */
  host: string;
  /** The random of the hello it was made for, as {@link keyOf} writes it; empty for one that was saved. */
  readonly hello: string;
  /** The Connection ID it gave out, as {@link keyOf} writes it; undefined where it gave none, or the peer does not use it. */
  idKey: string | undefined;
  /** Those that it gave out later, a few at most. */
  idKeys?: readonly string[];
  /** Its peer's address; undefined where somebody else has it now. */
  from: string | undefined;
  /** Once established, whose it is: the identity, as {@link keyOf} writes it. All that is kept of a session here. */
  identity: string | undefined;
}

/** All that there are. */
export class PeerTable {
  readonly #peers = new Map<Engine, Peer>();
  readonly #byAddress = new Map<string, Peer>();
  readonly #rivals = new Map<string, Peer>();
  readonly #byId = new Map<string, Peer>();
  /** In the order of arrival. */
  readonly #handshakes = new Set<Peer>();
  readonly #perHost = new Map<string, number>();

  /** Engines. A count. */
  get size(): number {
    return this.#peers.size;
  }

  /** Entries beside that, in all tables. A count. */
  get entries(): number {
    return this.#byAddress.size + this.#rivals.size + this.#byId.size + this.#perHost.size;
  }

  /** Those that are not established, oldest first. */
  get handshakes(): ReadonlySet<Peer> {
    return this.#handshakes;
  }

  /** How many of them are with `host`. A count. */
  handshakesOf(host: string): number {
    return this.#perHost.get(host) ?? 0;
  }

  /** Whose `engine` is; undefined for one that is not to be found by anybody yet, or no more. */
  of(engine: Engine): Peer | undefined {
    return this.#peers.get(engine);
  }

  /** Who is at `from`. */
  at(from: string): Peer | undefined {
    return this.#byAddress.get(from);
  }

  /** Who began anew at `from`. */
  rivalAt(from: string): Peer | undefined {
    return this.#rivals.get(from);
  }

  /** To whom a Connection ID was given. */
  withId(connectionId: Uint8Array): Peer | undefined {
    return this.#byId.get(keyOf(connectionId));
  }

  /** The same of the one of `length` bytes at `at` in `datagram`. */
  withIdAt(datagram: Uint8Array, at: number, length: number): Peer | undefined {
    return this.#byId.get(keyAt(datagram, at, length));
  }

  /** `peer` is found by `idKey` as well, which is nobody's. */
  name(peer: Peer, idKey: string): void {
    this.#byId.set(idKey, peer);
    peer.idKeys = [...peer.idKeys ?? [], idKey];
  }

  /** `peer` is not found by `idKey` any more. */
  unname(peer: Peer, idKey: string): void {
    if (this.#byId.get(idKey) === peer) this.#byId.delete(idKey);
    if (peer.idKeys) peer.idKeys = peer.idKeys.filter((each) => each !== idKey);
  }

  /** Takes in a handshake, the rival of whoever is at `from` already. */
  add(peer: Peer, from: string): void {
    this.#name(peer);
    this.#handshakes.add(peer);
    this.#perHost.set(peer.host, this.handshakesOf(peer.host) + 1);
    (this.#byAddress.has(from) ? this.#rivals : this.#byAddress).set(from, peer);
  }

  /** Takes in who is established, where it says that it is. */
  addEstablished(peer: Peer): void {
    this.#name(peer);
    if (peer.from !== undefined) this.#byAddress.set(peer.from, peer);
  }

  /** The handshake is over. A rival gets the address for its own: who was there is returned, and is not to be found there. */
  establish(peer: Peer, session: Session): Peer | undefined {
    peer.identity = keyOf(session.identity);
    if (peer.idKey !== undefined && !session.connectionIds?.server.length) {
      this.unname(peer, peer.idKey);
      peer.idKey = undefined;
    }
    this.#handshakeIsOver(peer);
    peer.host = "";
    const { from } = peer;
    if (from === undefined || this.#rivals.get(from) !== peer) return undefined;
    this.#rivals.delete(from);
    return this.#take(peer, from);
  }

  /** `peer` is at `to` now; who was there is returned, and is not to be found there. */
  move(peer: Peer, to: string): Peer | undefined {
    this.#leave(peer);
    return this.#take(peer, to);
  }

  /** Forgets it. */
  remove(peer: Peer): void {
    if (!this.#peers.delete(peer.engine)) return;
    this.#handshakeIsOver(peer);
    for (const idKey of [peer.idKey, ...peer.idKeys ?? []]) if (idKey !== undefined) this.unname(peer, idKey);
    this.#leave(peer);
  }

  /** Forgets all. */
  clear(): void {
    for (const each of [this.#peers, this.#byAddress, this.#rivals, this.#byId, this.#handshakes, this.#perHost]) {
      each.clear();
    }
  }

  #name(peer: Peer): void {
    this.#peers.set(peer.engine, peer);
    if (peer.idKey !== undefined) this.#byId.set(peer.idKey, peer);
  }

  #handshakeIsOver(peer: Peer): void {
    if (!this.#handshakes.delete(peer)) return;
    const left = this.handshakesOf(peer.host) - 1;
    if (left > 0) this.#perHost.set(peer.host, left);
    else this.#perHost.delete(peer.host);
  }

  #take(peer: Peer, from: string): Peer | undefined {
    const before = this.#byAddress.get(from);
    peer.from = from;
    this.#byAddress.set(from, peer);
    if (!before || before === peer) return undefined;
    before.from = undefined;
    return before;
  }

  #leave(peer: Peer): void {
    const { from } = peer;
    if (from === undefined) return;
    peer.from = undefined;
    const rival = this.#rivals.get(from);
    if (rival === peer) {
      this.#rivals.delete(from);
    } else if (this.#byAddress.get(from) === peer) {
      this.#byAddress.delete(from);
      // The first one is gone: the second has the address for its own.
      this.#rivals.delete(from);
      if (rival) this.#byAddress.set(from, rival);
    }
  }
}
