/**
 * The front of a DTLS server: strangers get a cookie and leave nothing behind (RFC 6347 4.2.1, RFC 9147 5.1), everybody
 * else reaches an engine, by address or by Connection ID (RFC 9146, RFC 9147 9).
 *
 * Who is at an address can change in two ways. A client that began anew (RFC 6347 4.2.8) has a second engine, and the
 * first one stays until that has proved itself. A client that turns up elsewhere is asked there (RFC 9853), and until it
 * answers, nothing but the question goes there.
 *
 * @module
 */

import { equal } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { DatagramEngine, type Watcher } from "./datagram_engine.ts";
import {
  type AcceptorPolicy,
  type DtlsAcceptorOptions,
  toAcceptorPolicy,
  toDatagramPolicy,
  toServerPolicy,
} from "./dtls_options.ts";
import { NO_HANDSHAKE } from "./durable_session.ts";
import type { Acceptor, AcceptorOutput, Engine, RevivedSession, Session } from "./engine.ts";
import { Greeter, type Hello, helloIn } from "./greeter.ts";
import type { Retried } from "./handshake.ts";
import { PathCheck } from "./path_check.ts";
import { CONTENT } from "./record/content_type.ts";
import { recordAt } from "./record/datagram_reader.ts";
import { isUnified, unifiedAt } from "./record/unified_header.ts";
import { decodeSavedSession, type SavedSession, sessionName } from "./saved_session.ts";
import { ServerHandshake } from "./server.ts";

/**
 * A PSK server of DTLS 1.3 and 1.2, on one port, for any number of peers. After each input, `poll` until `undefined`; it
 * may also have outputs after an input to one of its engines. An engine is its driver's to dispose, and is forgotten here
 * when it ends.
 *
 * Hellos have to come in one piece each, as they do from all who know their path. Throws RangeError for options that
 * make no sense.
 */
export function createDtlsAcceptor(options: DtlsAcceptorOptions): Acceptor {
  return new DatagramAcceptor(options);
}

/** One engine and where it is found. */
interface Entry {
  readonly engine: DatagramEngine;
  readonly host: string;
  /** The random of the hello it was made for, as {@link keyOf} writes it. */
  readonly hello: string;
  readonly idKey: string | undefined;
  /** Its peer's address; undefined where somebody else has it now. */
  from: string | undefined;
  /** Once established. */
  session: Session | undefined;
  path: PathCheck | undefined;
}

class DatagramAcceptor implements Acceptor {
  readonly #options: DtlsAcceptorOptions;
  readonly #policy: AcceptorPolicy;
  readonly #greeter: Greeter;
  readonly #entries = new Map<Engine, Entry>();
  readonly #byAddress = new Map<string, Entry>();
  /** Handshakes from addresses that have an established engine. */
  readonly #rivals = new Map<string, Entry>();
  readonly #byId = new Map<string, Entry>();
  /** In the order of arrival. */
  readonly #handshakes = new Set<Entry>();
  readonly #perHost = new Map<string, number>();
  readonly #asked = new Set<Entry>();
  /** By address the hello whose handshake failed last; oldest first, never more than there may be handshakes. */
  readonly #refused = new Map<string, string>();
  readonly #watcher: Watcher = this.#watch();
  readonly #outputs: AcceptorOutput[] = [];
  #polled = 0;
  /** Where the datagram in hand came from. */
  #from = "";
  #disposed = false;

  constructor(options: DtlsAcceptorOptions) {
    this.#options = options;
    this.#policy = toAcceptorPolicy(options);
    // Throws now what would otherwise be thrown at the first client.
    toDatagramPolicy(options);
    this.#greeter = new Greeter(toServerPolicy(options, 0, new Uint8Array(0)));
  }

  get deadline(): number | undefined {
    let first: number | undefined;
    for (const { path } of this.#asked) if (path && (first === undefined || path.dueAt < first)) first = path.dueAt;
    return first;
  }

  /** How many engines, entries in all tables, and handshakes there are: for tests that count. */
  get counts(): { readonly engines: number; readonly entries: number; readonly handshakes: number } {
    const entries = this.#byAddress.size + this.#rivals.size + this.#byId.size + this.#perHost.size + this.#asked.size;
    return { engines: this.#entries.size, entries, handshakes: this.#handshakes.size };
  }

  receive(datagram: Uint8Array, from: string, now: number): void {
    this.#enter();
    this.#from = from;
    if (datagram.length > 0 && isUnified(datagram[0]!)) {
      this.#unified(datagram, now);
      return;
    }
    const record = recordAt(datagram, 0, this.#policy.connectionIdLength);
    if (!record) return;
    if (record.type === CONTENT.connectionId) {
      this.#giveById(record.connectionId, datagram, now);
      return;
    }
    const hello = helloIn(record);
    if (hello === "no hello") this.#giveByAddress(record.epoch === 0, datagram, now);
    else if (hello) this.#hello(hello, datagram, now);
  }

  missing(datagram: Uint8Array, from: string): string | undefined {
    const record = recordAt(datagram, 0, this.#policy.connectionIdLength);
    if (record?.epoch !== 1) return undefined;
    const { type, connectionId } = record;
    if (type === CONTENT.connectionId) {
      return this.#byId.has(keyOf(connectionId)) ? undefined : sessionName(connectionId, from);
    }
    const isHere = this.#byAddress.has(from) || this.#rivals.has(from);
    return isHere || type < CONTENT.alert || type > CONTENT.applicationData ? undefined : sessionName(undefined, from);
  }

  revive({ state, from: at }: RevivedSession, datagram: Uint8Array, from: string, now: number): boolean {
    this.#enter();
    this.#from = from;
    const saved = decodeSavedSession(state);
    const id = saved.connectionIds?.server ?? NOTHING;
    const isOurs = saved.role === "server" && (id.length === 0 || id.length === this.#policy.connectionIdLength);
    const isFull = this.#entries.size >= this.#policy.maxEngines && !this.#evict();
    if (!isOurs || isFull || this.#byId.has(keyOf(id))) {
      saved.keys[Symbol.dispose]();
      if (!isOurs) throw new SeccfError("malformed", "not a session of this server");
      return false;
    }
    const entry = this.#revived(saved, at, now);
    const { engine } = entry;
    const { newest } = engine;
    engine.receive(datagram, now);
    // Nothing that its key vouches for: a stranger, or a copy of what was there before.
    if (engine.newest <= newest) {
      engine[Symbol.dispose]();
      return false;
    }
    this.#entries.set(engine, entry);
    if (entry.idKey !== undefined) this.#byId.set(entry.idKey, entry);
    if (entry.from !== undefined) this.#byAddress.set(entry.from, entry);
    this.#outputs.push({ kind: "accepted", engine, from: at, revived: saved.session });
    if (entry.from !== from) this.#cameFromElsewhere(entry, datagram.length, now);
    return true;
  }

  expire(now: number): void {
    this.#enter();
    for (const entry of [...this.#asked]) {
      const { path } = entry;
      if (!path || now < path.dueAt) continue;
      if (path.isGivenUp) this.#stopAsking(entry);
      else this.#ask(entry, path, now);
    }
  }

  poll(): AcceptorOutput | undefined {
    const output = this.#outputs[this.#polled];
    if (output) {
      this.#polled++;
      return output;
    }
    this.#outputs.length = 0;
    this.#polled = 0;
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#greeter[Symbol.dispose]();
    this.#outputs.length = 0;
    this.#polled = 0;
    for (const each of [this.#entries, this.#byAddress, this.#rivals, this.#byId, this.#handshakes]) each.clear();
    this.#perHost.clear();
    this.#asked.clear();
    this.#refused.clear();
  }

  #enter(): void {
    if (this.#disposed) throw new SeccfError("state", "the acceptor was disposed");
    if (this.#polled < this.#outputs.length) return;
    this.#outputs.length = 0;
    this.#polled = 0;
  }

  /** Version 1.3, under keys. */
  #unified(datagram: Uint8Array, now: number): void {
    const record = unifiedAt(datagram, 0, this.#policy.connectionIdLength);
    if (record?.connectionId) this.#giveById(record.connectionId, datagram, now);
    else if (record) this.#giveByAddress(false, datagram, now);
  }

  #giveById(connectionId: Uint8Array, datagram: Uint8Array, now: number): void {
    const entry = this.#byId.get(keyOf(connectionId));
    if (entry) this.#give(entry, datagram, now);
  }

  #giveByAddress(isClear: boolean, datagram: Uint8Array, now: number): void {
    const entry = this.#byAddress.get(this.#from);
    const rival = this.#rivals.get(this.#from);
    if (!rival) {
      if (entry) this.#give(entry, datagram, now);
      return;
    }
    const newest = rival.engine.newest;
    this.#give(rival, datagram, now);
    // Which of the two a protected record is for, only the keys tell.
    const isRivals = isClear || rival.engine.newest > newest;
    if (!isRivals && entry && this.#entries.has(entry.engine)) this.#give(entry, datagram, now);
  }

  #give(entry: Entry, datagram: Uint8Array, now: number): void {
    const newest = entry.engine.newest;
    entry.engine.receive(datagram, now);
    this.#outputs.push({ kind: "ready", engine: entry.engine });
    const isElsewhere = entry.from !== this.#from && entry.session !== undefined && this.#entries.has(entry.engine);
    // RFC 9146 6: authenticated, and newer than all before it; a copy of an old record says nothing of its sender.
    if (isElsewhere && entry.engine.newest > newest) this.#cameFromElsewhere(entry, datagram.length, now);
  }

  #cameFromElsewhere(entry: Entry, length: number, now: number): void {
    if (entry.path?.to !== this.#from) entry.path = new PathCheck(this.#from, this.#policy.random);
    entry.path.received(length);
    this.#asked.add(entry);
    this.#ask(entry, entry.path, now);
  }

  /** A session that was saved, not yet to be found by anybody. */
  #revived(saved: SavedSession, at: string, now: number): Entry {
    const { session, connectionIds } = saved;
    const id = connectionIds?.server ?? NOTHING;
    const engine = new DatagramEngine({
      ...{ role: "server", now, saved, watcher: this.#watcher },
      policy: toServerPolicy(this.#options, now, id),
      datagrams: toDatagramPolicy({ ...this.#options, durable: true }),
      start: () => NO_HANDSHAKE,
    });
    const entry: Entry = {
      ...{ engine, session, hello: "", path: undefined },
      host: this.#policy.hostOf(at),
      idKey: id.length > 0 ? keyOf(id) : undefined,
      from: this.#byAddress.has(at) ? undefined : at,
    };
    return entry;
  }

  /** One for all: each engine says who it is. One that is not to be found by anybody yet, or no more, is nobody. */
  #watch(): Watcher {
    const heard = <T>(act: (entry: Entry, said: T) => void) => (engine: Engine, said: T): void => {
      const entry = this.#entries.get(engine);
      if (entry) act(entry, said);
    };
    return {
      established: heard<Session>((entry, session) => this.#established(entry, session)),
      ended: heard<void>((entry) => {
        if (!entry.session) this.#refuse(entry);
        this.#forget(entry);
      }),
      pathAnswered: heard<Uint8Array>((entry, cookie) => this.#pathAnswered(entry, cookie)),
      granted: heard<number>((entry, now) => this.#granted(entry, now)),
    };
  }

  /** What could not be asked before there were numbers to ask with. */
  #granted(entry: Entry, now: number): void {
    if (entry.path && this.#asked.has(entry)) this.#ask(entry, entry.path, now);
  }

  #ask(entry: Entry, path: PathCheck, now: number): void {
    if (entry.engine.awaitsNumbers) return;
    const bytes = entry.engine.checkPath(path.cookie);
    if (!bytes) this.#stopAsking(entry);
    else if (path.mayAsk(bytes.length, now)) this.#outputs.push({ kind: "transmit", bytes, to: path.to });
  }

  #stopAsking(entry: Entry): void {
    entry.path = undefined;
    this.#asked.delete(entry);
  }

  #pathAnswered(entry: Entry, cookie: Uint8Array): void {
    const { path } = entry;
    if (!path || path.to !== this.#from || !equal(path.cookie, cookie)) return;
    this.#stopAsking(entry);
    this.#leaveAddress(entry);
    this.#takeAddress(entry, path.to);
    this.#outputs.push({ kind: "moved", engine: entry.engine, to: path.to });
  }

  /** `entry`, which has proved itself, is at `from` now; whoever was there is not. */
  #takeAddress(entry: Entry, from: string): void {
    const before = this.#byAddress.get(from);
    entry.from = from;
    this.#byAddress.set(from, entry);
    if (!before || before === entry) return;
    before.from = undefined;
    // Another subscriber that has a Connection ID may only have moved on; all else can never be heard again.
    const hasId = (before.session?.connectionIds?.server.length ?? 0) > 0;
    const isSame = before.session && entry.session && equal(before.session.identity, entry.session.identity);
    if (!hasId || isSame) this.#abort(before, new SeccfError("closed", "the peer began anew"));
  }

  #hello(found: Hello, datagram: Uint8Array, now: number): void {
    const { hello } = found;
    const rival = this.#rivals.get(this.#from);
    const known = rival ?? this.#byAddress.get(this.#from);
    if (known && known.hello === keyOf(hello.random)) {
      // The hello that its engine was made for, once more, or the one before the cookie on a long way.
      const isSecond = (hello.cookie?.length ?? 0) > 0 || hello.retryCookie !== undefined;
      if (!known.session && isSecond) this.#give(known, datagram, now);
      return;
    }
    if (this.#refused.size > 0 && this.#refused.get(this.#from) === keyOf(hello.random)) return;
    const greeting = this.#greeter.greet(found, datagram.length, this.#from, now);
    if (greeting.kind === "reply") this.#outputs.push({ kind: "transmit", bytes: greeting.bytes, to: this.#from });
    else if (greeting.kind === "welcome") this.#admit(found, greeting.retried, datagram, now);
  }

  #admit({ record, fragment, hello }: Hello, retried: Retried | undefined, datagram: Uint8Array, now: number): void {
    const from = this.#from;
    const known = this.#byAddress.get(from);
    const unproven = this.#rivals.get(from) ?? (known?.session ? undefined : known);
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
    const entry: Entry = {
      ...{ engine, host, hello: keyOf(hello.random), idKey, from },
      ...{ session: undefined, path: undefined },
    };
    this.#remember(entry, from);
    engine.receive(datagram, now);
    this.#outputs.push({ kind: "accepted", engine, from });
  }

  #remember(entry: Entry, from: string): void {
    this.#entries.set(entry.engine, entry);
    this.#handshakes.add(entry);
    this.#perHost.set(entry.host, (this.#perHost.get(entry.host) ?? 0) + 1);
    if (entry.idKey !== undefined) this.#byId.set(entry.idKey, entry);
    (this.#byAddress.has(from) ? this.#rivals : this.#byAddress).set(from, entry);
  }

  #newId(): Uint8Array {
    const { connectionIdLength, nodeId, random } = this.#policy;
    const id = new Uint8Array(connectionIdLength);
    if (connectionIdLength === 0) return id;
    id.set(nodeId);
    do random(id.subarray(nodeId.length)); while (this.#byId.has(keyOf(id)));
    return id;
  }

  #established(entry: Entry, session: Session): void {
    entry.session = session;
    this.#handshakeIsOver(entry);
    const { from } = entry;
    if (from === undefined || this.#rivals.get(from) !== entry) return;
    this.#rivals.delete(from);
    this.#takeAddress(entry, from);
  }

  #handshakeIsOver(entry: Entry): void {
    if (!this.#handshakes.delete(entry)) return;
    const left = (this.#perHost.get(entry.host) ?? 1) - 1;
    if (left > 0) this.#perHost.set(entry.host, left);
    else this.#perHost.delete(entry.host);
  }

  #forget(entry: Entry): void {
    if (!this.#entries.delete(entry.engine)) return;
    this.#handshakeIsOver(entry);
    this.#stopAsking(entry);
    if (entry.idKey !== undefined) this.#byId.delete(entry.idKey);
    this.#leaveAddress(entry);
  }

  /** Whoever repeats a hello that was answered with an alert gets no other answer, and no second look at its key. */
  #refuse({ from, hello }: Entry): void {
    if (from === undefined) return;
    this.#refused.delete(from);
    this.#refused.set(from, hello);
    if (this.#refused.size <= this.#policy.maxHandshakes) return;
    for (const oldest of this.#refused.keys()) {
      this.#refused.delete(oldest);
      return;
    }
  }

  #leaveAddress(entry: Entry): void {
    const { from } = entry;
    if (from === undefined) return;
    entry.from = undefined;
    const rival = this.#rivals.get(from);
    if (rival === entry) {
      this.#rivals.delete(from);
    } else if (this.#byAddress.get(from) === entry) {
      this.#byAddress.delete(from);
      // The first one is gone: the second has the address for its own.
      this.#rivals.delete(from);
      if (rival) this.#byAddress.set(from, rival);
    }
  }

  /**
   * The oldest handshake that waits for its peer gives way, so that a flood has to be faster than honest handshakes
   * are. One whose key is being looked up keeps its place, and nobody who is established ever loses it.
   */
  #makeRoom(host: string): boolean {
    const { maxHandshakes, maxHandshakesPerHost, maxEngines } = this.#policy;
    if ((this.#perHost.get(host) ?? 0) >= maxHandshakesPerHost && !this.#evict(host)) return false;
    const isFull = this.#handshakes.size >= maxHandshakes || this.#entries.size >= maxEngines;
    return !isFull || this.#evict();
  }

  #evict(host?: string): boolean {
    for (const entry of this.#handshakes) {
      if (!entry.engine.awaitsPeer || (host !== undefined && entry.host !== host)) continue;
      this.#abort(entry, new SeccfError("exhausted", "gave way to a newer handshake"));
      return true;
    }
    return false;
  }

  #abort(entry: Entry, error: SeccfError): void {
    const { engine } = entry;
    this.#forget(entry);
    engine.abort(error);
    this.#outputs.push({ kind: "ready", engine });
  }
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** A string of as many characters: smaller than an array where there are thousands, and a key of maps. */
function keyOf(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
