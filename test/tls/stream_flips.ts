/** Recorded handshakes on a stream, of which a bit is flipped: only what follows the flip is computed. */
import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { alertOf } from "../../lib/tls/alert.ts";
import type { Session } from "../../lib/tls/mod.ts";
import { type End, type Flight, run } from "./pair.ts";
import { fieldsOf } from "./wire_fields.ts";

const DEADLINE = 10_000;

/** Makes both ends of a handshake, the same each time. */
export interface Kind {
  readonly name: string;
  client(): End;
  server(): End;
}

/** What a flip comes to: the alert that its receiver says at once, or somebody `later`; that it `waits`; that it is `free`. */
export type Outcome = string;

/** A handshake that is replayed as far as a flip. */
export class StreamRecording {
  readonly kind: Kind;
  readonly flights: readonly Flight[];
  /** The honest one. */
  readonly session: Session;
  /** What the other side makes of an answer, which is the same for every flip that gets it. */
  readonly #heard = new Map<string, string>();

  constructor(kind: Kind) {
    this.kind = kind;
    const left = kind.client();
    const all = run(left, kind.server());
    this.session = left.session ?? assert.fail(left.code);
    this.flights = all;
    // What comes behind it, a ticket, is no part of the handshake.
    this.flights = all.filter(({ from }, index) =>
      this.#at(from === "client" ? "server" : "client", index).session === undefined
    );
  }

  /** One end as it was when flight `index` was on its way. */
  #at(role: Flight["from"], index: number): End {
    const end = role === "client" ? this.kind.client() : this.kind.server();
    end.sent();
    for (const { from, bytes } of this.flights.slice(0, index)) if (from !== role) end.receive(bytes);
    return end;
  }

  /** The name of the field that each byte of flight `index` belongs to. */
  fields(index: number): readonly string[] {
    return fieldsOf(this.flights[index]!.bytes, "stream");
  }

  /** Flips a bit of flight `index`. Fails where anybody has a session that the other has not, or says what it does not mean. */
  flip(index: number, bit: number): Outcome {
    const { from, bytes } = this.flights[index]!;
    const receiver = this.#at(from === "client" ? "server" : "client", index);
    const changed = new Uint8Array(bytes);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    const answer = receiver.receive(changed);
    if (receiver.closed !== undefined || answer.length === 0) return this.#ended(receiver, answer, index);
    const sender = this.#at(from, index);
    const [left, right] = from === "client" ? [sender, receiver] : [receiver, sender];
    for (let said = answer, to = sender; said.length > 0; to = to === sender ? receiver : sender) {
      said = to.receive(said);
    }
    left.expire(DEADLINE);
    right.expire(DEADLINE);
    if (left.session && right.session) {
      assert.deepEqual([left.session, right.session], [this.session, this.session]);
      return "free";
    }
    assert.ok(left.code !== "open" && (right.code !== "open" || right.session), `${left.code} ${right.code}`);
    const found = [receiver, sender].map(foundBy).find((each) => each !== undefined);
    // Whoever has said its last word has its session; the other never has one.
    assert.ok(!(left.session && right.session));
    return found === undefined ? "waits" : `later ${found}`;
  }

  /** The receiver has said its last word, or waits for more. */
  #ended(receiver: End, answer: Uint8Array, index: number): Outcome {
    assert.equal(receiver.session, undefined);
    const outcome = receiver.closed ? foundBy(receiver) ?? assert.fail(receiver.code) : "waits";
    const key = `${index} ${outcome} ${toHex(answer)}`;
    if (!this.#heard.has(key)) {
      const sender = this.#at(this.flights[index]!.from, index);
      if (answer.length > 0) sender.receive(answer);
      sender.expire(DEADLINE);
      const isLast = index === this.flights.length - 1;
      assert.equal(sender.session !== undefined, isLast, outcome);
      const { message } = sender.closed?.error ?? { message: "" };
      // What is said under keys that the other has not is an end as well.
      if (answer.length > 0) assert.ok(message.endsWith(`alert ${outcome}`) || foundBy(sender) !== undefined, message);
      else if (!isLast) assert.equal(sender.code, "timeout");
      this.#heard.set(key, message);
    }
    if (outcome === "waits") {
      assert.equal(receiver.expire(DEADLINE - 0.1).length + receiver.expire(DEADLINE).length, 0);
      assert.equal(receiver.code, "timeout");
    }
    return outcome;
  }
}

/** The alert that an end itself came to; `undefined` where it heard of it, or its time was over. */
export function foundBy(
  end: { readonly closed: { readonly error?: Error } | undefined } | undefined,
): string | undefined {
  const { error } = end?.closed ?? {};
  if (!(error instanceof SeccfError) || error.code === "timeout" || error.message.startsWith(HEARD)) return undefined;
  return alertOf(error);
}

/** How an error begins that a peer's alert stands for. */
const HEARD = "the peer ended the connection with alert ";
