/** Somebody with the keys of one end of a session of DTLS 1.3, who says what no honest end would say. */
import { fromHex, Reader } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { encodeFragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { createResumption, type DtlsAcceptorOptions, type DtlsOptions } from "../../lib/tls/mod.ts";
import { decodeAck, encodeAck, type RecordNumber } from "../../lib/tls/record/ack.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { DatagramReader } from "../../lib/tls/record/datagram_reader.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { EpochKeys } from "../../lib/tls/record/epoch_keys.ts";
import { nextTrafficSecret, trafficKeys } from "../../lib/tls/tls13/key_schedule.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, Front, type Peer, run, VERSION_13 } from "./datagrams.ts";
import { type Answerer, IDENTITY, PSK } from "./pair.ts";

const NO_ID = { client: { connectionId: false }, server: { connectionIdLength: 0 } } as const;

type Side = "client" | "server";

/** What an engine said, opened. */
export interface Heard {
  readonly epoch: number;
  readonly number: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Two ends of ours with a session, and a third who has all their secrets. */
export interface Scene {
  readonly client: Peer;
  readonly front: Front;
  readonly lines: readonly string[];
}

/** What the two ends are told, and both answer. */
export interface SceneOptions {
  readonly client?: Partial<DtlsOptions>;
  readonly server?: Partial<DtlsAcceptorOptions>;
  readonly answerer?: Answerer;
}

/** A session of version 1.3, unless the options say otherwise. */
export function session(of: SceneOptions = {}): Scene {
  const lines: string[] = [];
  const front = new Front({ ...VERSION_13, ...of.server }, of.answerer);
  const left = client({ ...VERSION_13, keyLog: (line) => lines.push(line), ...of.client }, of.answerer);
  run(left, front);
  return { client: left, front, lines };
}

/** Two ends that go on with what an earlier session has left, and leave something again. */
export function goingOn(): SceneOptions {
  const answerer: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });
  const server = { resumption: createResumption({ random: seededRandom(60) }), random: seededRandom(61) };
  const { client: { resumable } } = session({
    client: { resumable: true, random: seededRandom(62) },
    server,
    answerer,
  });
  return { client: { resumable: true, resume: resumable!, random: seededRandom(63) }, server, answerer };
}

/** A handshake with its two hellos exchanged. */
export interface Halfway {
  readonly left: Peer;
  readonly front: Front;
  readonly puppet: Puppet13;
  /** The server's, a datagram for its hello and others for the rest. */
  readonly flight: Uint8Array[];
  /** Gives what the puppet says to the one who hears it; the answers, in words. */
  say(bytes: Uint8Array): string[];
}

/** Both ends with their hellos exchanged and no more, and somebody who knows what `side` knows. */
export function halfway(side: Side, of: SceneOptions = {}, lead?: number): Halfway {
  const lines: string[] = [];
  const front = new Front({
    ...VERSION_13,
    ...of.server,
    ...NO_ID.server,
    mtu: 128,
    keyLog: (line) => lines.push(line),
  }, of.answerer);
  const left = client({ ...VERSION_13, ...of.client, ...NO_ID.client }, of.answerer);
  const [first] = left.sent();
  const [second] = left.receive(front.receive(first!, "c:1")[0]!.bytes);
  const flight = front.receive(second!, "c:1").map(({ bytes }) => bytes);
  // The hello is in a datagram of its own.
  if (side === "server") left.receive(flight[0]!);
  const puppet = new Puppet13({ lines, client: left }, side, "hello", lead);
  const say = (bytes: Uint8Array): string[] => {
    const answers = side === "server" ? left.receive(bytes) : front.receive(bytes, "c:1").map((each) => each.bytes);
    return words(puppet.hear(answers));
  };
  return { left, front, puppet, flight, say };
}

/** Speaks in the place of `side` from record number `lead` on, which the honest one did not reach. */
export class Puppet13 {
  readonly #suite;
  readonly #writer = new DatagramWriter(16_000);
  readonly #reader: DatagramReader;
  readonly #own: SecretBytes[];
  #peers: SecretBytes;
  #peersEpoch = 3;
  /** message_seq of the next message. */
  seq: number;

  /** `after`: how much of the handshake the honest one has said. */
  constructor(
    { lines, client: { session } }: Pick<Scene, "lines" | "client">,
    side: Side,
    after: "all" | "hello" = "all",
    lead = 80,
  ) {
    const ids = session?.connectionIds;
    this.#suite = suiteById(session?.suite ?? 0x1301)!;
    this.seq = after === "hello" ? 2 : side === "client" ? 3 : 4;
    this.#writer.address(ids?.[side === "client" ? "server" : "client"] ?? new Uint8Array(0));
    this.#own = ["HANDSHAKE_TRAFFIC_SECRET", "TRAFFIC_SECRET_0"].map((name) => secretIn(lines, side, name));
    this.#writer.open(2, this.#keysOf(this.#own[0]!));
    this.#writer.open(3, this.#keysOf(this.#own[1]!));
    for (const epoch of [2, 3]) for (let i = 0; i < lead; i++) this.#writer.write(epoch, 0, new Uint8Array(0));
    while (this.#writer.poll());
    this.#peers = secretIn(lines, side === "client" ? "server" : "client", "TRAFFIC_SECRET_0");
    this.#reader = new DatagramReader(ids?.[side] ?? new Uint8Array(0));
    this.#reader.expectId((ids?.[side].length ?? 0) > 0);
    this.#reader.open(
      2,
      this.#keysOf(secretIn(lines, side === "client" ? "server" : "client", "HANDSHAKE_TRAFFIC_SECRET")),
    );
    this.#reader.open(3, this.#keysOf(this.#peers));
  }

  /** A datagram with one record. */
  record(type: number, payload: Uint8Array, epoch = 3): Uint8Array {
    this.#writer.write(epoch, type, payload);
    return new Uint8Array(this.#writer.poll()!.bytes);
  }

  /** A datagram with one whole message, the next of its side unless `seq` says otherwise. */
  message(type: number, body: Uint8Array, { epoch = 3, seq = this.seq++ } = {}): Uint8Array {
    const fragment = encodeFragment({ type, length: body.length, messageSeq: seq, offset: 0, body });
    return this.record(CONTENT.handshake, fragment, epoch);
  }

  ack(records: readonly RecordNumber[], epoch = 3): Uint8Array {
    return this.record(CONTENT.ack, encodeAck(records), epoch);
  }

  /** Calls its peer by another Connection ID. */
  call(connectionId: Uint8Array): void {
    this.#writer.address(connectionId);
  }

  /** Hears what calls it by another Connection ID as well. */
  answerTo(connectionId: Uint8Array): void {
    this.#reader.answerTo(connectionId);
  }

  /** Goes on to the next keys of its own. */
  renew(): number {
    const before = this.#own.at(-1)!;
    this.#own.push(nextTrafficSecret({ prefix: "dtls13", hash: this.#suite.prf }, before));
    const epoch = 1 + this.#own.length;
    this.#writer.open(epoch, this.#keysOf(this.#own.at(-1)!));
    return epoch;
  }

  /** Takes the peer's next keys. */
  renewPeer(): void {
    this.#peers = nextTrafficSecret({ prefix: "dtls13", hash: this.#suite.prf }, this.#peers);
    this.#reader.open(++this.#peersEpoch, this.#keysOf(this.#peers));
  }

  /** Opens what the engine said; what does not open is not there. */
  hear(datagrams: readonly Uint8Array[]): Heard[] {
    return datagrams.flatMap((datagram) => {
      const heard: Heard[] = [];
      this.#reader.push(datagram);
      for (let record = this.#reader.next(); record; record = this.#reader.next()) {
        heard.push({ ...record, payload: new Uint8Array(record.payload) });
      }
      return heard;
    });
  }

  #keysOf(secret: SecretBytes): EpochKeys {
    using keys = trafficKeys("dtls13", this.#suite, secret);
    return new EpochKeys(this.#suite, keys);
  }
}

/** What was said, as short words: acknowledged numbers, message types, descriptions of alerts, data. */
export function words(heard: readonly Heard[]): string[] {
  return heard.map(({ epoch, type, payload }) => {
    if (type === CONTENT.ack) {
      return `${epoch} ack ${decodeAck(payload).map((record) => `${record.epoch}:${record.number}`).join(" ")}`.trim();
    }
    if (type === CONTENT.handshake) return `${epoch} message ${readFragment(new Reader(payload)).type}`;
    if (type === CONTENT.alert) return `${epoch} alert ${payload[1]}`;
    if (type === CONTENT.applicationData) return `${epoch} data ${new TextDecoder().decode(payload)}`;
    return `${epoch} type ${type}`;
  });
}

function secretIn(lines: readonly string[], side: Side, name: string): SecretBytes {
  const line = lines.find((each) => each.startsWith(`${side.toUpperCase()}_${name} `))!;
  return secretFrom(fromHex(line.split(" ")[2]!));
}
