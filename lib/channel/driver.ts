/**
 * Joins one engine, one wire, one key source and one clock. It knows no roles and no TLS: what an engine says it does.
 * Everything that can end a connection comes to one place, `#end`, which leaves nothing behind.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import type { Clock } from "../clock.ts";
import type { FoundKey, KeySource } from "../association/ports.ts";
import type { Demand, Engine, Output, Session } from "../tls/engine.ts";
import { lookUp, requestOf } from "./key_lookup.ts";
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
}

/** How far a handshake came with whom, and by which key. */
export interface Agreed {
  readonly session: Session;
  /** Its key is spent and disposed of. */
  readonly found: FoundKey;
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
  readonly #ended = new AbortController();
  #state: "handshake" | "open" | "ended" = "handshake";
  /** Why the handshake must fail, known before the engine knows: the key source's own word. */
  #refusal: unknown;
  #identity: Uint8Array | undefined;
  #awaitsKey = false;
  #found: FoundKey | undefined;
  /** When the driver itself has to act: the handshake's end, then the association's. */
  #endsAt: number;
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
    this.#endsAt = options.clock.now() + options.handshakeSeconds * 1000;
    this.agreed = new Promise((resolve, reject) => {
      this.#resolveAgreed = resolve;
      this.#rejectAgreed = reject;
    });
    // Handled here once, so that a handshake nobody waits for any more does not end the process.
    this.agreed.catch(() => {});
    this.released = new Promise((resolve) => this.#resolveReleased = resolve);
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
    return this.#state === "handshake" && !this.#awaitsKey;
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

  /** Throws `closed` or `expired` unless something can be sent. */
  throwUnlessOpen(): void {
    if (this.#state === "open") this.#expireOnTime();
    if (this.#state === "open") return;
    const cause = this.#failure;
    if (cause instanceof SeccfError && (cause.code === "expired" || cause.code === "closed")) throw cause;
    throw new SeccfError("closed", "the channel is closed", { cause });
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
          wire.put(output.bytes);
          break;
        case "data":
          intake.push(output.bytes);
          break;
        case "demand":
          void this.#answer(output.demand);
          break;
        case "established":
          this.#open(output.session);
          break;
        case "closed":
          closed = output;
          break;
        default:
          output satisfies never;
      }
    }
    if (closed) this.#end(closed.error, true);
    else this.#arm();
  }

  async #answer(demand: Demand): Promise<void> {
    const { keys, clock, keySeconds } = this.#options;
    const request = requestOf(demand);
    this.#identity = request.identity;
    this.#awaitsKey = true;
    try {
      this.#found = await lookUp(keys, request, { clock, seconds: keySeconds, signal: this.#ended.signal });
    } catch (error) {
      this.#refusal = error;
    }
    this.#awaitsKey = false;
    using _key = this.#found?.key;
    if (this.#state === "ended") return;
    if (this.#refusal instanceof SeccfError && this.#refusal.code === "exhausted") {
      // Not refused but out of turn: no word to a peer whose key may be right.
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
  }

  #give(demand: Demand): void {
    const { engine, clock } = this.#options;
    if (this.#found) {
      const { identity, key } = this.#found;
      try {
        engine.answer(demand, { kind: "psk", identity, key }, clock.now());
        return;
      } catch (cause) {
        this.#refusal = new SeccfError("key-unavailable", "the key source gave a key that does not fit", { cause });
      }
    }
    engine.answer(demand, { kind: "unknown" }, clock.now());
  }

  #open(session: Session): void {
    const found = this.#found;
    if (!found || this.#refusal !== undefined) throw new SeccfError("state", "established without a key");
    if (found.association.expired) throw new SeccfError("expired", "the association has expired");
    this.#state = "open";
    this.#endsAt = found.association.expiresAt;
    this.#resolveAgreed({ session, found });
  }

  #arm(): void {
    const { engine, clock } = this.#options;
    const at = Math.min(this.#endsAt, engine.deadline ?? Infinity);
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
    if (this.#state === "open" && this.#found?.association.expired) {
      this.#close(new SeccfError("expired", "the association has expired"), true);
    } else if (this.#state === "handshake" && this.#options.clock.now() >= this.#endsAt) {
      this.#close(new SeccfError("timeout", "the handshake took too long"), false);
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
      this.#end(error, flush);
    }
  }

  /** `error`: why; none when the peer ended it properly. `flush`: what was put out may still need a moment to leave. */
  #end(error: unknown, flush: boolean): void {
    if (this.#state === "ended") return;
    const reason = this.#refusal ?? this.#failure ?? error;
    this.#failure = reason;
    this.#state = "ended";
    this.#alarm?.[Symbol.dispose]();
    this.#ended.abort();
    this.#options.intake.end(reason);
    this.#release(flush && this.#mayFlush).then(() => {
      // Only now: whoever sees a handshake fail may count on nothing being left of it.
      this.#rejectAgreed(reason ?? new SeccfError("closed", "the peer closed during the handshake"));
      this.#resolveReleased();
    });
  }

  /** Gives the last alert a moment to leave: a peer that does not read must not keep the wire for longer. */
  async #release(flush: boolean): Promise<void> {
    const { engine, wire, clock } = this.#options;
    const leaving = flush ? wire.flushed() : undefined;
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

const FLUSH_MS = 1000;
