/**
 * Joins one engine, one wire, one key source and one clock. It knows no roles and no TLS: what an engine says it does.
 * Everything that can end a connection comes to one place, `#end`, which leaves nothing behind.
 *
 * @module
 */

import type { SecurityAssociation } from "../association/ports.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { Demand, Output, Session } from "../tls/engine.ts";
import type { Agreed, DriverOptions, Keep } from "./driver_options.ts";
import { Inquiry } from "./inquiry.ts";
import { part } from "./parting.ts";
import { Safekeeping } from "./safekeeping.ts";

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
  readonly #inquiry: Inquiry;
  /** Where the session is kept. */
  readonly #safekeeping: Safekeeping | undefined;
  #state: "handshake" | "open" | "ended" = "handshake";
  #association: SecurityAssociation | undefined;
  /** When the driver itself has to act: the handshake's end, then the association's. */
  #endsAt: number;
  /** When the peer said something last, and when to see whether it has since. */
  #heardAt = 0;
  #idleAt = Infinity;
  #alarm: Disposable | undefined;
  #alarmAt = Infinity;
  #failure: unknown;
  /** Whether what was put out last is worth a moment's wait. */
  #mayFlush = true;
  #resolveAgreed!: (agreed: Agreed) => void;
  #rejectAgreed!: (error: unknown) => void;
  #resolveReleased!: () => void;

  constructor(options: DriverOptions) {
    this.#options = options;
    this.#inquiry = new Inquiry(options);
    if (options.keep) this.#safekeeping = this.#keepBy(options.keep);
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
    return this.#state === "handshake" && !this.#inquiry.isOpen;
  }

  /** Server: the PSK identity that the client showed, authenticated or not; a copy. */
  get shownIdentity(): Uint8Array | undefined {
    return this.#inquiry.identity?.slice();
  }

  /** Gives the engine what came from the peer. */
  receive(bytes: Uint8Array): void {
    const { engine, clock } = this.#options;
    try {
      // A clock that slept may not have called the alarm yet: nothing is accepted after its time.
      this.#expireOnTime();
      if (this.ended) return;
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
    if (this.ended) this.throwUnlessOpen();
  }

  /** See {@link Engine.rename}. Throws `closed` or `expired`. */
  rename(): boolean {
    this.throwUnlessOpen();
    const { engine, clock } = this.#options;
    const isRenamed = engine.rename?.(clock.now()) ?? false;
    this.pump();
    return isRenamed;
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
    if (!this.#safekeeping) throw new SeccfError("exhausted", "no record numbers are left");
    await this.#safekeeping.ready(wait);
  }

  /** Whether the session is kept, so that it can sleep. */
  get isKept(): boolean {
    return this.#safekeeping?.hasBegun ?? false;
  }

  /** Ends the connection without a word, the session kept as it is. Throws `closed`, `expired`, and as the store does. */
  async sleep(): Promise<void> {
    this.throwUnlessOpen();
    if (!this.#safekeeping) throw new SeccfError("state", "the session is not kept anywhere");
    await this.#safekeeping.sleep(() => {
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
          if (this.#safekeeping) this.#safekeeping.put(output.bytes);
          else wire.put(output.bytes);
          break;
        case "data":
          if (this.#idleAt < Infinity) this.#heardAt = this.#options.clock.now();
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
    this.#safekeeping?.release();
    if (closed) this.#end(closed.error, true, true);
    else {
      this.#safekeeping?.step();
      this.#arm();
    }
  }

  async #answer(demand: Demand): Promise<void> {
    const inquiry = this.#inquiry;
    using _key = await inquiry.ask(demand);
    if (this.#state === "ended") return;
    if (inquiry.isUnanswered(demand)) {
      this.#close(inquiry.refusal, false);
      return;
    }
    try {
      inquiry.answer(demand, this.#options.engine);
    } catch (error) {
      this.#end(error, false);
      return;
    }
    this.pump();
    this.#options.answered?.();
  }

  #open(session: Session): void {
    const { engine: { durable }, earlier } = this.#options;
    const { found, refusal } = this.#inquiry;
    const source = found ?? (session.resumed && earlier);
    if (!source || refusal !== undefined) throw new SeccfError("state", "established without a key");
    const { association } = source;
    if (association.expired) throw new SeccfError("expired", "the association has expired");
    this.#association = association;
    this.#inquiry.forget();
    if (!this.#safekeeping) this.#opened({ session, association });
    else if (durable) this.#safekeeping.begin(durable, { session, association });
    else throw new SeccfError("state", "this engine's session can not be kept");
  }

  #opened(agreed: Agreed): void {
    this.#state = "open";
    this.#endsAt = Math.min(agreed.association.expiresAt, this.#safekeeping?.lifetime?.expiresAt ?? Infinity);
    if (!agreed.session.connectionIds?.server.length) this.#mindIdling(this.#options.clock.now());
    this.#resolveAgreed(agreed);
  }

  #revive({ record, ...agreed }: NonNullable<DriverOptions["revived"]>): void {
    const { engine: { durable } } = this.#options;
    if (!durable || !this.#safekeeping) throw new SeccfError("state", "the engine has no session to go on with");
    this.#association = agreed.association;
    this.#safekeeping.begin(durable, agreed, record);
  }

  #keepBy(keep: Keep): Safekeeping {
    const { clock, wire } = this.#options;
    return new Safekeeping({
      ...{ keep, clock, wire },
      granted: (agreed) => {
        if (this.#state === "handshake" && this.#safekeeping?.isOnRecord) this.#opened(agreed);
        this.pump();
        keep.granted?.();
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

  /** An alarm that is set for earlier stays, and wakes in vain once: each flight of a handshake would set another. */
  #arm(): void {
    const { engine, clock } = this.#options;
    const at = Math.min(this.#endsAt, this.#idleAt, engine.deadline ?? Infinity);
    if (this.#alarmAt <= at && at < Infinity) return;
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
    if (this.#state === "open" && (this.#association?.expired || this.#safekeeping?.lifetime?.expired)) {
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
    const reason = this.#inquiry.refusal ?? this.#failure ?? error;
    this.#failure = reason;
    this.#state = "ended";
    this.#alarm?.[Symbol.dispose]();
    this.#inquiry.abort(reason);
    const { intake, wire } = this.#options;
    intake.end(reason);
    const kept = this.#safekeeping?.end(forget);
    const flushed = flush && this.#mayFlush ? wire.flushed() : undefined;
    part(this.#options, [kept, flushed]).then(() => {
      // Only now: whoever sees a handshake fail may count on nothing being left of it.
      this.#rejectAgreed(reason ?? new SeccfError("closed", "the peer closed during the handshake"));
      this.#resolveReleased();
    });
  }
}
