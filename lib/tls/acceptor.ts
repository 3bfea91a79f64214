/**
 * The front of a DTLS server: strangers get a cookie and leave nothing behind (RFC 6347 4.2.1, RFC 9147 5.1), everybody
 * else reaches an engine, by address or by Connection ID (RFC 9146, RFC 9147 9).
 *
 * Who is at an address can change in two ways. A client that began anew (RFC 6347 4.2.8) has a second engine, and the
 * first one stays until that has proved itself. A client that turns up elsewhere is asked there (RFC 9853), and until it
 * answers, nothing but the question goes there. One that can not be asked stays where it was, unless its application
 * asks it, and says so.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import { DatagramEngine } from "./datagram_engine.ts";
import {
  type AcceptorPolicy,
  type DtlsAcceptorOptions,
  toAcceptorPolicy,
  toDatagramPolicy,
  toServerPolicy,
} from "./dtls_options.ts";
import { NO_HANDSHAKE } from "./durable_session.ts";
import type { Acceptor, AcceptorOutput, Engine, RevivedSession, Session } from "./engine.ts";
import type { Watcher } from "./engine_birth.ts";
import { Greeter, type Hello, helloIn } from "./greeter.ts";
import type { Retried } from "./handshake.ts";
import { keyOf } from "./key_of.ts";
import { OutputQueue } from "./output_queue.ts";
import { PathChecks } from "./path_checks.ts";
import { type Peer, PeerTable } from "./peer_table.ts";
import { CONTENT } from "./record/content_type.ts";
import { recordAt } from "./record/datagram_reader.ts";
import { findRecord, RecordPlace } from "./record/record_place.ts";
import { sessionName } from "./saved_fields.ts";
import { type AnySavedSession, decodeSavedSession } from "./saved_session.ts";
import { ServerHandshake } from "./server.ts";
import { SpentHellos } from "./spent_hellos.ts";

/**
 * A PSK server of DTLS 1.3 and 1.2, on one port, for any number of peers. After each input, `poll` until `undefined`; it
 * may also have outputs after an input to one of its engines. An engine is its driver's to dispose, and is forgotten here
 * when it ends.
 *
 * A hello may come in pieces of any order behind the first one: that alone gets the answer of a whole hello, and when it
 * brings a good cookie an engine, which takes the others; what of them came before is not kept, and comes again. The
 * first piece has to reach to the cookie, in version 1.3 to the end of that extension. A first hello of 1.3 has to
 * come in one piece, since its answer holds its hash (RFC 9147 5.1): in pieces it gets no answer. No hello is
 * longer than 4096 bytes. Throws RangeError for options that make no sense.
 */
export function createDtlsAcceptor(options: DtlsAcceptorOptions): Acceptor {
  return new DatagramAcceptor(options);
}

class DatagramAcceptor implements Acceptor {
  readonly #options: DtlsAcceptorOptions;
  readonly #policy: AcceptorPolicy;
  readonly #greeter: Greeter;
  readonly #peers = new PeerTable();
  readonly #paths: PathChecks;
  readonly #spent: SpentHellos;
  readonly #watcher: Watcher = this.#watch();
  readonly #outputs = new OutputQueue<AcceptorOutput>();
  /** Where the datagram in hand came from. */
  #from = "";
  #disposed = false;

  constructor(options: DtlsAcceptorOptions) {
    this.#options = options;
    this.#policy = toAcceptorPolicy(options);
    // Throws now what would otherwise be thrown at the first client.
    toDatagramPolicy(options);
    this.#greeter = new Greeter(toServerPolicy(options, 0, NOTHING));
    this.#paths = new PathChecks(this.#policy.random, (bytes, to) => {
      this.#outputs.push({ kind: "transmit", bytes, to });
    });
    // Never more than there may be handshakes.
    this.#spent = new SpentHellos(this.#policy.maxHandshakes);
  }

  get deadline(): number | undefined {
    return this.#paths.deadline;
  }

  /** How many engines, entries in all tables, and handshakes there are: for tests that count. */
  get counts(): { readonly engines: number; readonly entries: number; readonly handshakes: number } {
    const { size: engines, entries, handshakes } = this.#peers;
    return { engines, entries: entries + this.#paths.size, handshakes: handshakes.size };
  }

  receive(datagram: Uint8Array, from: string, now: number): void {
    this.#enter();
    this.#from = from;
    const idLength = this.#policy.connectionIdLength;
    if (datagram.length === 0 || !findRecord(datagram, 0, datagram.length, idLength, PLACE)) return;
    const { hasId, idAt, isUnified, epoch } = PLACE;
    if (hasId) this.#giveTo(this.#peers.withIdAt(datagram, idAt, idLength), datagram, now);
    else if (isUnified || epoch > 0) this.#giveByAddress(false, datagram, now);
    else this.#clear(datagram, now);
  }

  missing(datagram: Uint8Array, from: string): string | undefined {
    const idLength = this.#policy.connectionIdLength;
    if (datagram.length === 0 || !findRecord(datagram, 0, datagram.length, idLength, PLACE)) return undefined;
    const { hasId, idAt, isUnified, epoch, type } = PLACE;
    if (!isUnified && epoch !== 1) return undefined;
    const id = datagram.subarray(idAt, hasId ? idAt + idLength : idAt);
    if (id.length > 0) return this.#peers.withId(id) ? undefined : sessionName(id, from);
    const isRecord = isUnified || (type >= CONTENT.alert && type <= CONTENT.applicationData);
    const isHere = this.#peers.at(from) || this.#peers.rivalAt(from);
    return isHere || !isRecord ? undefined : sessionName(undefined, from);
  }

  revive({ state, from: at }: RevivedSession, datagram: Uint8Array, from: string, now: number): boolean {
    this.#enter();
    this.#from = from;
    const saved = decodeSavedSession(state);
    const id = saved.connectionIds?.server ?? NOTHING;
    const isOurs = saved.role === "server" && (id.length === 0 || id.length === this.#policy.connectionIdLength);
    if (!isOurs || this.#peers.withId(id)) {
      saved.keys[Symbol.dispose]();
      if (!isOurs) throw new SeccfError("malformed", "not a session of this server");
      return false;
    }
    const peer = this.#revived(saved, at, now);
    const { engine } = peer;
    const { newest } = engine;
    engine.receive(datagram, now);
    // Not so: nothing that its key vouches for, from a stranger, or a copy of what was there before.
    const isProved = engine.newest > newest;
    // Asked last: who has proved nothing costs nobody the handshake.
    if (!isProved || (this.#peers.size >= this.#policy.maxEngines && !this.#evict())) {
      engine[Symbol.dispose]();
      return false;
    }
    this.#peers.addEstablished(peer);
    this.#outputs.push({ kind: "accepted", engine, from: at, revived: saved.session });
    if (peer.from !== from) this.#paths.begin(peer, from, datagram.length, now);
    return true;
  }

  elsewhere(engine: Engine): string | undefined {
    const peer = this.#peers.of(engine);
    return peer && this.#paths.elsewhere(peer);
  }

  sendElsewhere(engine: Engine, plaintext: Uint8Array): boolean {
    this.#enter();
    const peer = this.#peers.of(engine);
    if (!peer || !this.#paths.say(peer, plaintext)) return false;
    this.#outputs.push({ kind: "ready", engine });
    return true;
  }

  follow(engine: Engine, to: string): boolean {
    this.#enter();
    const peer = this.#peers.of(engine);
    if (!peer || this.#paths.elsewhere(peer) !== to) return false;
    this.#paths.drop(peer);
    this.#move(peer, to);
    return true;
  }

  expire(now: number): void {
    this.#enter();
    this.#paths.expire(now);
  }

  poll(): AcceptorOutput | undefined {
    return this.#outputs.poll();
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#greeter[Symbol.dispose]();
    for (const each of [this.#outputs, this.#peers, this.#paths, this.#spent]) each.clear();
  }

  #enter(): void {
    if (this.#disposed) throw new SeccfError("state", "the acceptor was disposed");
  }

  /** Nobody answers for what it says. */
  #clear(datagram: Uint8Array, now: number): void {
    const record = recordAt(datagram, 0, 0);
    const hello = record && helloIn(record);
    if (hello === "no hello") this.#giveByAddress(true, datagram, now);
    else if (hello === "later piece") this.#laterPiece(datagram, now);
    else if (hello) this.#hello(hello, datagram, now);
  }

  #giveTo(peer: Peer | undefined, datagram: Uint8Array, now: number): void {
    if (peer) this.#give(peer, datagram, now);
  }

  #giveByAddress(isClear: boolean, datagram: Uint8Array, now: number): void {
    const peer = this.#peers.at(this.#from);
    const rival = this.#peers.rivalAt(this.#from);
    if (!rival) {
      if (peer) this.#give(peer, datagram, now);
      return;
    }
    const newest = rival.engine.newest;
    this.#give(rival, datagram, now);
    // Which of the two a protected record is for, only the keys tell.
    const isRivals = isClear || rival.engine.newest > newest;
    if (!isRivals && peer && this.#isHere(peer)) this.#give(peer, datagram, now);
  }

  #give(peer: Peer, datagram: Uint8Array, now: number): void {
    const newest = peer.engine.newest;
    peer.engine.receive(datagram, now);
    this.#outputs.push({ kind: "ready", engine: peer.engine });
    // RFC 9146 6: authenticated, and newer than all before it; a copy of an old record says nothing of its sender.
    if (peer.identity === undefined || peer.engine.newest <= newest || !this.#isHere(peer)) return;
    if (peer.from === this.#from) this.#paths.back(peer);
    else this.#paths.begin(peer, this.#from, datagram.length, now);
  }

  #isHere(peer: Peer): boolean {
    return this.#peers.of(peer.engine) !== undefined;
  }

  /** A session that was saved, not yet to be found by anybody. */
  #revived(saved: AnySavedSession, at: string, now: number): Peer {
    const { session, connectionIds } = saved;
    const id = connectionIds?.server ?? NOTHING;
    const engine = new DatagramEngine({
      ...{ role: "server", now, saved, watcher: this.#watcher },
      policy: toServerPolicy(this.#options, now, id),
      datagrams: toDatagramPolicy({ ...this.#options, durable: true }),
      start: () => NO_HANDSHAKE,
    });
    return {
      ...{ engine, identity: keyOf(session.identity), hello: "", host: "" },
      idKey: id.length > 0 ? keyOf(id) : undefined,
      from: this.#peers.at(at) ? undefined : at,
    };
  }

  /** One for all: each engine says who it is. One that is not to be found by anybody yet, or no more, is nobody. */
  #watch(): Watcher {
    const heard = <T>(act: (peer: Peer, said: T) => void) => (engine: Engine, said: T): void => {
      const peer = this.#peers.of(engine);
      if (peer) act(peer, said);
    };
    return {
      established: heard<Session>((peer, session) => {
        this.#spend(peer);
        this.#displace(this.#peers.establish(peer, session), peer);
      }),
      ended: heard<void>((peer) => {
        if (peer.identity === undefined) this.#spend(peer);
        this.#forget(peer);
      }),
      pathAnswered: heard<Uint8Array>((peer, cookie) => this.#pathAnswered(peer, cookie)),
      issueIds: (engine, count) => {
        const peer = this.#peers.of(engine);
        if (!peer) return [];
        return Array.from({ length: count }, () => {
          const id = this.#newId();
          this.#peers.name(peer, keyOf(id));
          return id;
        });
      },
      withdrawId: heard<Uint8Array>((peer, id) => this.#peers.unname(peer, keyOf(id))),
      granted: heard<number>((peer, now) => this.#paths.resume(peer, now)),
    };
  }

  /** Its cookie is good for a minute more, and whoever saw it could have another engine where its client no longer is. */
  #spend({ from, hello }: Peer): void {
    if (from !== undefined) this.#spent.add(from, hello);
  }

  #pathAnswered(peer: Peer, cookie: Uint8Array): void {
    const to = this.#from;
    if (this.#paths.settle(peer, to, cookie)) this.#move(peer, to);
  }

  #move(peer: Peer, to: string): void {
    this.#displace(this.#peers.move(peer, to), peer);
    peer.engine.moved();
    this.#outputs.push({ kind: "moved", engine: peer.engine, to });
  }

  /** Where `before` was, `peer` is now, which has proved itself. */
  #displace(before: Peer | undefined, peer: Peer): void {
    if (!before) return;
    // Another subscriber that has a Connection ID may only have moved on; all else can never be heard again.
    const isElsewhere = before.identity !== undefined && before.idKey !== undefined;
    if (!isElsewhere || before.identity === peer.identity) {
      this.#abort(before, new SeccfError("closed", "the peer began anew"));
    }
  }

  #hello(found: Hello, datagram: Uint8Array, now: number): void {
    const from = this.#from;
    const { front } = found;
    const random = keyOf(front.random);
    const known = this.#peers.rivalAt(from) ?? this.#peers.at(from);
    if (known?.hello === random) {
      // The hello that its engine was made for, once more, or the one before the cookie on a long way.
      const isSecond = (front.cookie?.length ?? 0) > 0 || front.retryCookie !== undefined;
      if (known.identity === undefined && isSecond) this.#give(known, datagram, now);
      return;
    }
    if (this.#spent.has(from, random)) return;
    const greeting = this.#greeter.greet(found, datagram.length, from, now);
    if (greeting.kind === "reply") this.#outputs.push({ kind: "transmit", bytes: greeting.bytes, to: from });
    else if (greeting.kind === "welcome") this.#admit(found, greeting.retried, datagram, now);
  }

  /** Of a hello whose first piece has made an engine; of others nothing is kept. */
  #laterPiece(datagram: Uint8Array, now: number): void {
    const known = this.#peers.rivalAt(this.#from) ?? this.#peers.at(this.#from);
    if (known && known.identity === undefined) this.#give(known, datagram, now);
  }

  #admit({ record, fragment, front }: Hello, retried: Retried | undefined, datagram: Uint8Array, now: number): void {
    const from = this.#from;
    const known = this.#peers.at(from);
    const unproven = this.#peers.rivalAt(from) ?? (known?.identity !== undefined ? undefined : known);
    if (unproven) this.#abort(unproven, new SeccfError("closed", "the peer began anew"));
    const host = this.#policy.hostOf(from);
    if (!this.#makeRoom(host)) return;
    const connectionId = this.#newId();
    const engine = new DatagramEngine({
      role: "server",
      policy: toServerPolicy(this.#options, now, connectionId),
      datagrams: toDatagramPolicy(this.#options),
      now,
      start: (link, policy) => new ServerHandshake(link, policy, this.#options, retried),
      first: { messageSeq: fragment.messageSeq, recordNumber: record.number },
      watcher: this.#watcher,
    });
    const idKey = connectionId.length > 0 ? keyOf(connectionId) : undefined;
    this.#peers.add({ engine, host, hello: keyOf(front.random), idKey, from, identity: undefined }, from);
    engine.receive(datagram, now);
    this.#outputs.push({ kind: "accepted", engine, from });
  }

  #newId(): Uint8Array {
    const { connectionIdLength, nodeId, random } = this.#policy;
    const id = new Uint8Array(connectionIdLength);
    if (connectionIdLength === 0) return id;
    id.set(nodeId);
    do random(id.subarray(nodeId.length)); while (this.#peers.withId(id));
    return id;
  }

  /**
   * The oldest handshake that waits for its peer gives way, so that a flood has to be faster than honest handshakes
   * are. One whose key is being looked up keeps its place, and nobody who is established ever loses it.
   */
  #makeRoom(host: string): boolean {
    const { maxHandshakes, maxHandshakesPerHost, maxEngines } = this.#policy;
    if (this.#peers.handshakesOf(host) >= maxHandshakesPerHost && !this.#evict(host)) return false;
    const isFull = this.#peers.handshakes.size >= maxHandshakes || this.#peers.size >= maxEngines;
    return !isFull || this.#evict();
  }

  #evict(host?: string): boolean {
    for (const peer of this.#peers.handshakes) {
      if (!peer.engine.awaitsPeer || (host !== undefined && peer.host !== host)) continue;
      this.#abort(peer, new SeccfError("exhausted", "gave way to a newer handshake"));
      return true;
    }
    return false;
  }

  #abort(peer: Peer, error: SeccfError): void {
    const { engine } = peer;
    this.#forget(peer);
    engine.abort(error);
    this.#outputs.push({ kind: "ready", engine });
  }

  #forget(peer: Peer): void {
    this.#peers.remove(peer);
    this.#paths.drop(peer);
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);
/** One for all: nothing of it outlives the look that it is for. */
const PLACE = new RecordPlace();
