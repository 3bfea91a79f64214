/** Recorded handshakes on datagrams, of which a bit is flipped: only what follows the flip is computed. */
import assert from "node:assert/strict";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import type { Session } from "../../lib/tls/mod.ts";
import { type Front, type Peer, run } from "./datagrams.ts";
import { foundBy, type Outcome } from "./stream_flips.ts";
import { fieldsOf } from "./wire_fields.ts";

const DEADLINE = 10_000;
const FROM = "c:1";
const BITS = [0, 1, 2, 3, 4, 5, 6, 7];

/** Makes both ends of a handshake of ten seconds at most, the same each time. */
export interface DatagramKind {
  readonly name: string;
  /** Of the Connection IDs that the two receive by. */
  readonly idLengths: { readonly client: number; readonly server: number };
  client(): Peer;
  server(): Front;
}

/** Alerts in the clear, by number (RFC 8446 6). */
const ALERTS: Readonly<Record<number, string>> = {
  10: "unexpected_message",
  40: "handshake_failure",
  47: "illegal_parameter",
  50: "decode_error",
  51: "decrypt_error",
  70: "protocol_version",
  71: "insufficient_security",
  109: "missing_extension",
  110: "unsupported_extension",
};

interface Ends {
  readonly left: Peer;
  readonly front: Front;
  /** Datagrams that the client has said, and the server. */
  readonly said: { client: number; server: number };
}

/** A handshake that is replayed as far as a flip. */
export class DatagramRecording {
  readonly kind: DatagramKind;
  readonly datagrams: readonly { readonly from: "client" | "server"; readonly bytes: Uint8Array }[];
  /** The honest one. */
  readonly session: Session;

  constructor(kind: DatagramKind) {
    this.kind = kind;
    const left = kind.client();
    const front = kind.server();
    this.datagrams = run(left, front);
    this.session = left.session ?? assert.fail(left.code);
  }

  /** The name of the field that each byte of datagram `index` belongs to. */
  fields(index: number): readonly string[] {
    const { from, bytes } = this.datagrams[index]!;
    return fieldsOf(bytes, "datagram", this.kind.idLengths[from === "client" ? "server" : "client"]);
  }

  /**
   * What each bit of datagram `index` comes to, flipped: `silence`; the alert that the receiver says at once; what comes
   * `later`, or `timeout`, where it goes on; or that the bit is `free`. `isTried`: of what is in the clear these bits.
   */
  flips(index: number, isTried: (bit: number) => boolean): readonly (readonly [bit: number, outcome: Outcome])[] {
    const fields = this.fields(index);
    const starts = fields.flatMap((field, byte) => /record type$|^unified header$/.test(field) ? [byte] : []);
    return [...starts, fields.length].slice(1).flatMap((end, i) => {
      const start = starts[i]!;
      const isSealed = (byte: number) => /^sealed( number| Connection ID)?$/.test(fields[byte]!);
      const bytes = Array.from({ length: end - start }, (_, at) => start + at);
      this.#checkDropped(index, start, end, bytes.filter(isSealed));
      return bytes.flatMap((byte) => BITS.map((bit) => 8 * byte + bit)).flatMap((bit) => {
        if (isSealed(bit >> 3)) return [[bit, "silence"] as const];
        // What is in the clear may be kept for later: each bit from the beginning.
        return isTried(bit) ? [[bit, this.#goOn(index, bit)] as const] : [];
      });
    });
  }

  /**
   * A record that does not open, whatever bit of `bytes` it is, gets no word and leaves no trace: after all of them the honest
   * one is answered as it was recorded.
   */
  #checkDropped(index: number, start: number, end: number, bytes: readonly number[]): void {
    if (bytes.length === 0) return;
    const ends = this.#at(index);
    const { bytes: datagram, from } = this.datagrams[index]!;
    const receiver = from === "client" ? "server" : "client";
    const answers = this.datagrams.filter((each) => each.from === receiver).slice(ends.said[receiver]);
    const before = this.#give(ends, index, datagram.subarray(0, start));
    for (const byte of bytes) {
      for (const bit of BITS) {
        const record = flipped(datagram, 8 * byte + bit).subarray(start, end);
        assert.deepEqual(this.#give(ends, index, record), [], `datagram ${index}, byte ${byte}, bit ${bit}`);
      }
    }
    const rest = this.datagrams.slice(index).filter((each) => each.from === from).map((each) => each.bytes);
    const said = [datagram.subarray(start), ...rest.slice(1)].flatMap((each) => this.#give(ends, index, each));
    assert.deepEqual([...before, ...said], answers.map((each) => each.bytes));
    assert.ok(this.#receiverOf(ends, index)?.session);
  }

  /** Both ends as they were when datagram `index` was on its way. */
  #at(index: number): Ends {
    const left = this.kind.client();
    const front = this.kind.server();
    const said = { client: left.sent().length, server: 0 };
    for (const { from, bytes } of this.datagrams.slice(0, index)) {
      if (from === "client") said.server += front.receive(bytes, FROM).length;
      else said.client += left.receive(bytes).length;
    }
    return { left, front, said };
  }

  #give({ left, front }: Ends, index: number, bytes: Uint8Array): Uint8Array[] {
    if (this.datagrams[index]!.from === "server") return left.receive(bytes);
    return front.receive(bytes, FROM).map((each) => each.bytes);
  }

  #receiverOf({ left, front }: Ends, index: number): Peer | undefined {
    return this.datagrams[index]!.from === "server" ? left : [...front.peers.values()].at(-1);
  }

  /** The datagram comes with that bit flipped as often as it is said, until both ends have ended or agreed. */
  #goOn(index: number, bit: number): Outcome {
    const ends = this.#at(index);
    const { left, front } = ends;
    const { bytes, from } = this.datagrams[index]!;
    const named = nameOf(bytes);
    const tamper = (side: string, each: Uint8Array) =>
      side === from && nameOf(each) === named ? flipped(each, bit) : each;
    const first = this.#give(ends, index, flipped(bytes, bit));
    const isSilent = first.length === 0;
    const atOnce = foundBy(this.#receiverOf(ends, index)) ?? alertIn(first[0]);
    const toServer = from === "server" ? first : [];
    const toClient = from === "server" ? [] : first;
    for (let now = 0; now <= DEADLINE; now = nextOf(ends, now)) {
      front.now = left.now = now;
      toClient.push(...front.expire(now).map((each) => each.bytes));
      if ((left.engine.deadline ?? Infinity) <= now) toServer.push(...left.expire(now));
      while (toServer.length + toClient.length > 0) {
        for (const each of toServer.splice(0)) {
          toClient.push(...front.receive(tamper("client", each), FROM).map((answer) => answer.bytes));
        }
        for (const each of toClient.splice(0)) toServer.push(...left.receive(tamper("server", each)));
      }
    }
    return this.#outcome(ends, atOnce ?? (isSilent ? "silence" : undefined));
  }

  #outcome({ left, front }: Ends, atOnce: string | undefined): Outcome {
    const right = [...front.peers.values()].at(-1);
    if (left.session && right?.session) {
      assert.deepEqual([left.session, right.session], [this.session, this.session]);
      front.receive(left.send(toUtf8("same keys")), FROM);
      assert.equal(right.texts.at(-1), "same keys");
      return "free";
    }
    if (atOnce !== undefined) return atOnce;
    const later = foundBy(left) ?? foundBy(right);
    return later === undefined ? "timeout" : `later ${later}`;
  }
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, bytes[bit >> 3]! ^ (1 << (bit & 7)));
}

/** Each datagram is known by what it begins with and its length, also when it is said again. */
function nameOf(bytes: Uint8Array): string {
  return `${bytes[0]! >> 5 === 1 ? bytes[0] : bytes[13]} ${bytes.length}`;
}

function nextOf({ left, front }: Ends, now: number): number {
  const due = [left.engine, front.acceptor, ...front.peers.keys()].map(({ deadline = Infinity }) => deadline);
  return Math.max(now + 1, Math.min(...due));
}

function alertIn(datagram: Uint8Array | undefined): string | undefined {
  if (datagram?.[0] !== 21 || datagram[4] !== 0) return undefined;
  return ALERTS[datagram.at(-1)!] ?? `alert ${datagram.at(-1)}`;
}
