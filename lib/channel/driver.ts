/**
 * Joins one engine, one wire, one key source and one clock. It knows no roles and no TLS: what an engine says it does.
 * Everything that can end a connection comes to one place, `#end`, which leaves nothing behind.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { Clock } from "../clock.ts";
import type { Wait } from "../platform.ts";
import type { FoundKey, KeySource, SecurityAssociation } from "../association/ports.ts";
import type { Demand, Durable, Engine, Output, Resumable, Session } from "../tls/engine.ts";
import { lookUp, requestOf } from "./key_lookup.ts";
import type { SessionRecord } from "./saved_sessions.ts";
import { SessionKeeper } from "./session_keeper.ts";
import type { Intake, Wire } from "./wire.ts";

/** What the driver joins. It owns `engine` and `wire` from the start and gives both back. */
export interface DriverOptions {
  readonly engine: Engine;
  readonly wire: Wire;
  readonly intake: Intake;
  readonly keys: KeySource;
  readonly clock: Clock;
  readonly keySeconds: number;
  readonly handshakeSeconds: number;
  /** How long a peer that is known by its address alone may say nothing. Default: for as long as the association lives. */
  readonly idleSeconds?: number | undefined;
  /** The engine was given an answer: what stands around it may have outputs. */
  readonly answered?: () => void;
  /** Where the session is kept, if it is. */
  readonly keep?: Keep | undefined;
  /** Client: for engines that may go on with an earlier session, and leave one to go on with. */
  readonly earlier?: Earlier | undefined;
  /** Instead of a handshake: the engine goes on with a session of this association, which is at this place. */
  readonly revived?: (Agreed & { readonly record: SessionRecord }) | undefined;
}

/** Whose sessions an engine goes on with. */
export interface Earlier {
  /** A session that goes on asks for no key: it is this one's. */
  readonly association: SecurityAssociation;
  /** Takes `state`, and owns it from here. */
  keep(state: Resumable): void;
}

/** How a session is kept. */
export interface Keep {
  /** A place for a new session. */
  place(session: Session, association: SecurityAssociation): Promise<SessionRecord>;
  /** What a restore has to know of the wire: `host:port`, or nothing. */
  where(session: Session): string;
  /** The engine had an input: what stands around it may have outputs. */
  granted?(): void;
}

/** How far a handshake came, and with whom. */
export interface Agreed {
  readonly session: Session;
  readonly association: SecurityAssociation;
}

/** One connection from its first byte to its last. */
// req: SEC_CF-KEM-001
// req: SEC_CF-CONF-001
// req: SEC_CF-INTE-001
export class Driver {
  /** Settles with the end of the handshake. */
  readonly agreed: Promise<Agreed>;
  /** Resolves when nothing of the connection is left: no alarm, no engine, no wire. Never rejects. */
  readonly released: Promise<void>;

  readonly #options: DriverOptions;
  /** Ends the key lookup when the connection ends first. */
  #lookup: AbortController | undefined;
  #state: "handshake" | "open" | "ended" = "handshake";
  /** Why the handshake must fail, known before the engine knows: the key source's own word. */
  #refusal: unknown;
  #identity: Uint8Array | undefined;
  #found: FoundKey | undefined;
  #association: SecurityAssociation | undefined;
  /** When the driver itself has to act: the handshake's end, then the association's. */
  #endsAt: number;
  /** When the peer said something last, and when to see whether it has since. */
  #heardAt = 0;
  #idleAt = Infinity;
  #alarm: Disposable | undefined;
  #alarmAt = Infinity;
  #failure: unknown;
  #keeper: SessionKeeper | undefined;
  /** Of a session that is kept. */
  #record: SessionRecord | undefined;
  /** What must not leave before the session is on record: a peer that has heard it counts on the session. */
  #withheld: Uint8Array[] = [];
  /** Whether what was put out last is worth a moment's wait. */
  #mayFlush = true;
  #resolveAgreed!: (agreed: Agreed) => void;
  #rejectAgreed!: (error: unknown) => void;
  #resolveReleased!: () => void;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#endsAt = options.clock.now() + options.handshakeSeconds * 1000;
    this.agreed = new Promise((resolve, reject) => {
      this.#resolveAgreed = resolve;
      this.#rejectAgreed = reject;
    });
    // Handled here once, so that a handshake nobody waits for any more does not end the process.
    this.agreed.catch(() => {});
    this.released = new Promise((resolve) => this.#resolveReleased = resolve);
    if (options.revived) this.#revive(options.revived);
    this.pump();
  }

  /** `host:port` of the other end. */
  get remote(): string {
    return this.#options.wire.remote;
  }

  /** Whether it is over: what comes now is nobody's. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Whether the end of the handshake is still to come. */
  get shaking(): boolean {
    return this.#state === "handshake";
  }

  /** Whether the handshake goes on as soon as the peer says something: it is not over, and no key source is being asked. */
  get awaitsPeer(): boolean {
    return this.#state === "handshake" && this.#lookup === undefined;
  }

  /** Server: the PSK identity that the client showed, authenticated or not; a copy. */
  get shownIdentity(): Uint8Array | undefined {
    return this.#identity?.slice();
  }

  /** Gives the engine what came from the peer. */
  receive(bytes: Uint8Array): void {
    // A clock that slept may not have called the alarm yet: nothing is accepted after its time.
    this.#expireOnTime();
    if (this.#state === "ended") return;
    const { engine, clock } = this.#options;
    try {
      engine.receive(bytes, clock.now());
    } catch (error) {
      this.#end(error, false);
      return;
    }
    this.pump();
  }

  /**
   * Protects one piece and puts it on the wire, now. Throws `closed` or `expired`, and what the engine says of a piece
   * that it can not take.
   */
  send(piece: Uint8Array): void {
    this.throwUnlessOpen();
    this.#options.engine.send(piece, this.#options.clock.now());
    this.pump();
    // An engine that has run out of record numbers ends here, without having sent the piece.
    this.throwUnlessOpen();
  }

  /** When to go on sending; `undefined`: at once. */
  flushed(): Promise<void> | undefined {
    return this.#options.wire.flushed();
  }

  /** Throws `closed` or `expired` unless something can be sent. */
  throwUnlessOpen(): void {
    if (this.#state === "open") this.#expireOnTime();
    if (this.#state === "open") return;
    const cause = this.#failure;
    if (cause instanceof SeccfError && (cause.code === "expired" || cause.code === "closed")) throw cause;
    throw new SeccfError("closed", "the channel is closed", { cause });
  }

  /** Resolves when something can be sent again after `exhausted`; rejects as the store does. */
  async ready(wait: Wait): Promise<void> {
    this.throwUnlessOpen();
    if (!this.#keeper) throw new SeccfError("exhausted", "no record numbers are left");
    await this.#keeper.ready(wait);
  }

  /** Whether the session is kept, so that it can sleep. */
  get isKept(): boolean {
    return this.#keeper !== undefined;
  }

  /** Ends the connection without a word, the session kept as it is. Throws `closed`, `expired`, and as the store does. */
  async sleep(): Promise<void> {
    this.throwUnlessOpen();
    if (!this.#keeper) throw new SeccfError("state", "the session is not kept anywhere");
    await this.#keeper.sleep(() => {
      this.#end(new SeccfError("closed", "the session sleeps"), false);
      this.#options.engine[Symbol.dispose]();
    });
    await this.released;
  }

  /** Ends the connection with close_notify, now; before the end of the handshake, silently. */
  close(): void {
    this.#close(new SeccfError("closed", "closed by this side"), true);
  }

  /** Ends the connection because of `error`, which is what `agreed` or the iteration throws. */
  abort(error: unknown): void {
    this.#close(error, false);
  }

  /** Ends the connection because the wire is gone, without a last word. */
  lose(error: unknown): void {
    this.#end(error, false);
  }

  /** Does all that the engine asks for: to be called after each input that it was given by others. */
  pump(): void {
    try {
      this.#pump();
    } catch (error) {
      this.#end(error, false);
    }
  }

  /** Outputs are views that die at the engine's next call, so everything is copied by whoever takes it. */
  #pump(): void {
    const { engine, wire, intake } = this.#options;
    let closed: Output & { kind: "closed" } | undefined;
    for (let output = engine.poll(); output; output = engine.poll()) {
      switch (output.kind) {
        case "transmit":
          if (this.#withholds) this.#withheld.push(new Uint8Array(output.bytes));
          else wire.put(output.bytes);
          break;
        case "data":
          this.#heardAt = this.#options.clock.now();
          intake.push(output.bytes);
          break;
        case "demand":
          void this.#answer(output.demand);
          break;
        case "established":
          this.#open(output.session);
          break;
        case "resumable":
          if (this.#options.earlier) this.#options.earlier.keep(output.state);
          else output.state[Symbol.dispose]();
          break;
        case "closed":
          closed = output;
          break;
        default:
          output satisfies never;
      }
    }
    if (!this.#withholds || this.#keeper === undefined) this.#letGo();
    if (closed) this.#end(closed.error, true, true);
    else {
      this.#keeper?.step();
      this.#arm();
    }
  }

  #letGo(): void {
    if (this.#withheld.length === 0) return;
    for (const bytes of this.#withheld.splice(0)) this.#options.wire.put(bytes);
  }

  /** Whether what is sent now may be the word on which the peer counts. */
  get #withholds(): boolean {
    return this.#options.keep !== undefined && !this.#keeper?.isOnRecord;
  }

  async #answer(demand: Demand): Promise<void> {
    const { keys, clock, keySeconds } = this.#options;
    const request = requestOf(demand);
    this.#identity = request.identity;
    this.#lookup = new AbortController();
    // A session that can not go on leads to another question: what was answered to the first is over.
    this.#found = undefined;
    this.#refusal = undefined;
    try {
      this.#found = await lookUp(keys, request, { clock, seconds: keySeconds, signal: this.#lookup.signal });
    } catch (error) {
      this.#refusal = error;
    }
    this.#lookup = undefined;
    using _key = this.#found?.key;
    if (this.#state === "ended") return;
    const isOutOfTurn = this.#refusal instanceof SeccfError && this.#refusal.code === "exhausted";
    if (isOutOfTurn || (this.#refusal !== undefined && isBeforeHello(demand))) {
      // Not refused but out of turn: no word to a peer whose key may be right. And a source that fails before the first
      // word of version 1.3 is not asked once more for the key of 1.2.
      this.#close(this.#refusal, false);
      return;
    }
    try {
      this.#give(demand);
    } catch (error) {
      this.#end(error, false);
      return;
    }
    this.pump();
    this.#options.answered?.();
  }

  #give(demand: Demand): void {
    const { engine, clock } = this.#options;
    if (this.#found) {
      const { identity, key, association: { expiresAt } } = this.#found;
      try {
        engine.answer(demand, { kind: "psk", identity, key, expiresAt }, clock.now());
        return;
      } catch (cause) {
        this.#refusal = new SeccfError("key-unavailable", "the key source gave a key that does not fit", { cause });
      }
    }
    engine.answer(demand, { kind: "unknown" }, clock.now());
  }

  #open(session: Session): void {
    const { engine: { durable }, keep, earlier } = this.#options;
    const found = this.#found ?? (session.resumed && earlier);
    if (!found || this.#refusal !== undefined) throw new SeccfError("state", "established without a key");
    const { association } = found;
    if (association.expired) throw new SeccfError("expired", "the association has expired");
    this.#association = association;
    if (keep && !durable) throw new SeccfError("state", "this engine's session can not be kept");
    if (durable && keep) this.#keep(durable, { session, association }, keep.place(session, association));
    else this.#opened({ session, association });
  }

  #opened(agreed: Agreed): void {
    this.#state = "open";
    this.#endsAt = Math.min(agreed.association.expiresAt, this.#record?.lifetime.expiresAt ?? Infinity);
    if (!agreed.session.connectionIds?.server.length) this.#mindIdling(this.#options.clock.now());
    this.#resolveAgreed(agreed);
  }

  #revive({ record, ...agreed }: NonNullable<DriverOptions["revived"]>): void {
    const { engine: { durable } } = this.#options;
    if (!durable) throw new SeccfError("state", "the engine has no session to go on with");
    this.#association = agreed.association;
    this.#keep(durable, agreed, record);
  }

  #keep(durable: Durable, agreed: Agreed, record: SessionRecord | Promise<SessionRecord>): void {
    const { clock, keep } = this.#options;
    const placed = Promise.resolve(record).then((placed) => {
      this.#record = placed;
      return placed;
    });
    placed.catch(() => {});
    this.#keeper = new SessionKeeper({
      ...{ durable, clock, record: placed },
      place: () => keep?.where(agreed.session) ?? "",
      granted: () => {
        if (this.#state === "handshake" && this.#keeper?.isOnRecord) this.#opened(agreed);
        this.pump();
        keep?.granted?.();
      },
      lost: (error) => this.#end(error, false),
    });
  }

  /** One alarm in a time of silence, not one for each message. */
  #mindIdling(heardAt: number): void {
    const { idleSeconds = Infinity } = this.#options;
    this.#heardAt = heardAt;
    this.#idleAt = heardAt + idleSeconds * 1000;
  }

  #arm(): void {
    const { engine, clock } = this.#options;
    const at = Math.min(this.#endsAt, this.#idleAt, engine.deadline ?? Infinity);
    if (at === this.#alarmAt) return;
    this.#alarm?.[Symbol.dispose]();
    this.#alarmAt = at;
    this.#alarm = at === Infinity ? undefined : clock.alarm(at, () => this.#wake());
  }

  #wake(): void {
    const { engine, clock } = this.#options;
    this.#alarmAt = Infinity;
    try {
      if (engine.deadline !== undefined && clock.now() >= engine.deadline) {
        engine.expire(clock.now());
        this.pump();
      }
      this.#expireOnTime();
      if (this.#state !== "ended") this.#arm();
    } catch (error) {
      this.#end(error, false);
    }
  }

  #expireOnTime(): void {
    if (this.#state === "open" && (this.#association?.expired || this.#record?.lifetime.expired)) {
      this.#close(new SeccfError("expired", "the association has expired"), true);
    } else if (this.#state === "handshake" && this.#options.clock.now() >= this.#endsAt) {
      this.#close(new SeccfError("timeout", "the handshake took too long"), false);
    } else if (this.#idleAt < Infinity && this.#options.clock.now() >= this.#idleAt) {
      this.#mindIdling(this.#heardAt);
      if (this.#options.clock.now() >= this.#idleAt) {
        this.#close(new SeccfError("timeout", "the peer was silent"), true);
      }
    }
  }

  #close(error: unknown, flush: boolean): void {
    if (this.#state === "ended") return;
    // Noted before the engine's own `closed` comes back as an output.
    this.#failure ??= error;
    this.#mayFlush = flush;
    try {
      this.#options.engine.close(this.#options.clock.now());
      this.pump();
    } finally {
      this.#end(error, flush, true);
    }
  }

  /**
   * `error`: why; none when the peer ended it properly. `flush`: what was put out may still need a moment to leave. `forget`:
   * the session is over, and not only its wire.
   */
  #end(error: unknown, flush: boolean, forget = false): void {
    if (this.#state === "ended") return;
    const reason = this.#refusal ?? this.#failure ?? error;
    this.#failure = reason;
    this.#state = "ended";
    this.#alarm?.[Symbol.dispose]();
    this.#lookup?.abort(reason);
    this.#withheld = [];
    this.#options.intake.end(reason);
    this.#release(flush && this.#mayFlush, this.#keeper?.end(forget)).then(() => {
      // Only now: whoever sees a handshake fail may count on nothing being left of it.
      this.#rejectAgreed(reason ?? new SeccfError("closed", "the peer closed during the handshake"));
      this.#resolveReleased();
    });
  }

  /** Gives the last alert a moment to leave: a peer that does not read must not keep the wire for longer. */
  async #release(flush: boolean, kept: Promise<void> | undefined): Promise<void> {
    const { engine, wire, clock } = this.#options;
    const flushed = flush ? wire.flushed() : undefined;
    const leaving = flushed && kept ? Promise.all([flushed, kept]) : flushed ?? kept;
    if (leaving) {
      await new Promise<void>((resolve) => {
        const limit = clock.alarm(clock.now() + FLUSH_MS, resolve);
        leaving.catch(() => {}).then(() => {
          limit[Symbol.dispose]();
          resolve();
        });
      });
    }
    engine[Symbol.dispose]();
    try {
      await wire.release();
    } catch {
      // What is given up can not be given up any better.
    }
  }
}

/** Whether a client is asked before it has said anything: for version 1.3, whose suites are 13xx (RFC 8446 B.4). */
function isBeforeHello({ identity, suite }: Demand): boolean {
  return identity === undefined && suite >> 8 === 0x13;
}

const FLUSH_MS = 1000;
