/**
 * The front of a DTLS server: strangers get a cookie and leave nothing behind (RFC 6347 4.2.1), everybody else reaches
 * an engine, by address or by Connection ID (RFC 9146).
 *
 * Who is at an address can change in two ways. A client that began anew (RFC 6347 4.2.8) has a second engine, and the
 * first one stays until that has proved itself. A client that turns up elsewhere is asked there (RFC 9853), and until it
 * answers, nothing but the question goes there.
 *
 * @module
 */

import { equal, Reader } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { CookieJar } from "./cookie.ts";
import { DatagramEngine } from "./datagram_engine.ts";
import {
  type AcceptorPolicy,
  type DtlsAcceptorOptions,
  toAcceptorPolicy,
  toDatagramPolicy,
  toServerPolicy,
} from "./dtls_options.ts";
import type { Acceptor, AcceptorOutput, Session } from "./engine.ts";
import { type ClientHello, decodeClientHello } from "./handshake/client_hello.ts";
import { encodeFragment, type Fragment, readFragment } from "./handshake/fragment.ts";
import { encodeHelloVerifyRequest } from "./handshake/hello_verify_request.ts";
import { HANDSHAKE } from "./handshake/message.ts";
import { PathCheck } from "./path_check.ts";
import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_0, DTLS_1_2 } from "./record/content_type.ts";
import { type RawRecord, recordAt } from "./record/datagram_reader.ts";
import { writeNumber } from "./record/datagram_header.ts";
import { ServerHandshake } from "./server.ts";

/**
 * A DTLS 1.2 PSK server for any number of peers. After each input, `poll` until `undefined`; it may also have outputs
 * after an input to one of its engines. An engine is its driver's to dispose, and is forgotten here when it ends.
 *
 * The second ClientHello has to come in one piece, as it does from all who know their path. Throws RangeError for
 * options that make no sense.
 */
export function createDtlsAcceptor(options: DtlsAcceptorOptions): Acceptor {
  return new DatagramAcceptor(options);
}

/** One engine and where it is found. */
interface Entry {
  readonly engine: DatagramEngine;
  readonly host: string;
  /** Of the hello it was made for. */
  readonly random: Uint8Array;
  readonly idKey: string | undefined;
  /** Its peer's address; undefined where somebody else has it now. */
  from: string | undefined;
  /** Once established. */
  session?: Session;
  path?: PathCheck;
}

/** A ClientHello in one piece, with the record it came in. */
interface Hello {
  readonly record: RawRecord;
  readonly fragment: Fragment;
  readonly hello: ClientHello;
}

class DatagramAcceptor implements Acceptor {
  readonly #options: DtlsAcceptorOptions;
  readonly #policy: AcceptorPolicy;
  readonly #cookies: CookieJar;
  readonly #entries = new Set<Entry>();
  readonly #byAddress = new Map<string, Entry>();
  /** Handshakes from addresses that have an established engine. */
  readonly #rivals = new Map<string, Entry>();
  readonly #byId = new Map<string, Entry>();
  /** In the order of arrival. */
  readonly #handshakes = new Set<Entry>();
  readonly #perHost = new Map<string, number>();
  readonly #asked = new Set<Entry>();
  readonly #outputs: AcceptorOutput[] = [];
  #polled = 0;
  /** Where the datagram in hand came from. */
  #from = "";
  #disposed = false;

  constructor(options: DtlsAcceptorOptions) {
    this.#options = options;
    this.#policy = toAcceptorPolicy(options);
    // Throw now what would otherwise be thrown at the first client.
    toDatagramPolicy(options);
    toServerPolicy(options, 0, new Uint8Array(0));
    this.#cookies = new CookieJar(options.random);
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
    const record = recordAt(datagram, 0, this.#policy.connectionIdLength);
    if (!record) return;
    if (record.type === CONTENT.connectionId) {
      const entry = this.#byId.get(keyOf(record.connectionId));
      if (entry) this.#give(entry, datagram, now);
      return;
    }
    const hello = helloIn(record);
    if (hello === "no hello") this.#giveByAddress(record, datagram, now);
    else if (hello) this.#hello(hello, datagram, now);
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
    this.#cookies[Symbol.dispose]();
    this.#outputs.length = 0;
    this.#polled = 0;
    for (const each of [this.#entries, this.#byAddress, this.#rivals, this.#byId, this.#handshakes]) each.clear();
    this.#perHost.clear();
    this.#asked.clear();
  }

  #enter(): void {
    if (this.#disposed) throw new SeccfError("state", "the acceptor was disposed");
    if (this.#polled < this.#outputs.length) return;
    this.#outputs.length = 0;
    this.#polled = 0;
  }

  #giveByAddress(record: RawRecord, datagram: Uint8Array, now: number): void {
    const entry = this.#byAddress.get(this.#from);
    const rival = this.#rivals.get(this.#from);
    if (!rival) {
      if (entry) this.#give(entry, datagram, now);
      return;
    }
    const newest = rival.engine.newest;
    this.#give(rival, datagram, now);
    // Which of the two a protected record is for, only the keys tell.
    const isRivals = record.epoch === 0 || rival.engine.newest > newest;
    if (!isRivals && entry && this.#entries.has(entry)) this.#give(entry, datagram, now);
  }

  #give(entry: Entry, datagram: Uint8Array, now: number): void {
    const newest = entry.engine.newest;
    entry.engine.receive(datagram, now);
    this.#outputs.push({ kind: "ready", engine: entry.engine });
    const isElsewhere = entry.from !== this.#from && entry.session !== undefined && this.#entries.has(entry);
    // RFC 9146 6: authenticated, and newer than all before it; a copy of an old record says nothing of its sender.
    if (isElsewhere && entry.engine.newest > newest) this.#cameFromElsewhere(entry, datagram.length, now);
  }

  #cameFromElsewhere(entry: Entry, length: number, now: number): void {
    if (entry.path?.to !== this.#from) entry.path = new PathCheck(this.#from, this.#policy.random);
    entry.path.received(length);
    this.#asked.add(entry);
    this.#ask(entry, entry.path, now);
  }

  #ask(entry: Entry, path: PathCheck, now: number): void {
    const bytes = entry.engine.checkPath(path.cookie);
    if (!bytes) this.#stopAsking(entry);
    else if (path.mayAsk(bytes.length, now)) this.#outputs.push({ kind: "transmit", bytes, to: path.to });
  }

  #stopAsking(entry: Entry): void {
    delete entry.path;
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
    if (known && equal(known.random, hello.random)) {
      // The hello that its engine was made for, once more, or the one before the cookie on a long way.
      if (!known.session && hello.cookie?.length) this.#give(known, datagram, now);
      return;
    }
    if (!this.#cookies.check(hello, this.#from, now)) this.#verify(found, datagram.length, now);
    else this.#admit(found, datagram, now);
  }

  /** RFC 6347 4.2.1: message_seq and record number are the hello's, so that nothing has to be counted here. */
  #verify({ record, fragment, hello }: Hello, most: number, now: number): void {
    const message = encodeHelloVerifyRequest({ cookie: this.#cookies.make(hello, this.#from, now) });
    const { messageSeq } = fragment;
    const type = HANDSHAKE.helloVerifyRequest;
    const framed = encodeFragment({ type, length: message.length, messageSeq, offset: 0, body: message });
    const bytes = new Uint8Array(DATAGRAM_HEADER_LENGTH + framed.length);
    bytes.set([CONTENT.handshake, DTLS_1_0 >> 8, DTLS_1_0 & 0xff]);
    writeNumber(bytes, 3, 0, record.number);
    bytes[12] = framed.length;
    bytes.set(framed, DATAGRAM_HEADER_LENGTH);
    if (bytes.length <= most) this.#outputs.push({ kind: "transmit", bytes, to: this.#from });
  }

  #admit({ record, fragment, hello }: Hello, datagram: Uint8Array, now: number): void {
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
      start: (link, policy) => new ServerHandshake(link, policy, this.#options),
      first: { messageSeq: fragment.messageSeq, recordNumber: record.number },
      watcher: {
        established: (session) => this.#established(entry, session),
        ended: () => this.#forget(entry),
        pathAnswered: (cookie) => this.#pathAnswered(entry, cookie),
      },
    });
    const idKey = connectionId.length > 0 ? keyOf(connectionId) : undefined;
    const entry: Entry = { engine, host, random: new Uint8Array(hello.random), idKey, from };
    this.#remember(entry, from);
    engine.receive(datagram, now);
    this.#outputs.push({ kind: "accepted", engine, from });
  }

  #remember(entry: Entry, from: string): void {
    this.#entries.add(entry);
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
    if (!this.#entries.delete(entry)) return;
    this.#handshakeIsOver(entry);
    this.#stopAsking(entry);
    if (entry.idKey !== undefined) this.#byId.delete(entry.idKey);
    this.#leaveAddress(entry);
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

/** A ClientHello in one piece and in the clear; `no hello` for all that is meant for an engine, undefined for what is for nobody. */
function helloIn(record: RawRecord): Hello | "no hello" | undefined {
  const { type, epoch, body, version } = record;
  if (type !== CONTENT.handshake || epoch !== 0 || body[0] !== HANDSHAKE.clientHello) return "no hello";
  try {
    const fragment = readFragment(new Reader(body));
    const isWhole = fragment.body.length === fragment.length;
    if (!isWhole || (version !== DTLS_1_0 && version !== DTLS_1_2)) return undefined;
    return { record, fragment, hello: decodeClientHello(fragment.body, "datagram") };
  } catch {
    return undefined;
  }
}

function keyOf(connectionId: Uint8Array): string {
  return String.fromCharCode(...connectionId);
}
