/** The keys of version 1.3 as they follow each other on both sides of one association (RFC 9147 6.1, 8). @module */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { TrafficSecret } from "./handshake.ts";
import type { Epoch } from "./record/datagram_header.ts";
import type { DatagramReader } from "./record/datagram_reader.ts";
import type { DatagramWriter } from "./record/datagram_writer.ts";
import { EpochKeys } from "./record/epoch_keys.ts";
import { nextTrafficSecret, trafficKeys } from "./tls13/key_schedule.ts";

/** The newest epoch of one direction. */
export interface Head {
  readonly epoch: Epoch;
  /** What the next epoch comes from. */
  readonly secret: TrafficSecret;
}

/** Owns the secrets it is given. */
export class Epochs implements Disposable {
  readonly #reader: DatagramReader;
  readonly #writer: DatagramWriter;
  readonly #keepsEarlier: boolean;
  #sent: Head | undefined;
  #received: Head | undefined;
  /** Of the epoch before what is received. */
  #earlier: TrafficSecret | undefined;

  /** `keepsEarlier`: what the peer goes on from is kept until it is forgotten, for who saves the session. */
  constructor(reader: DatagramReader, writer: DatagramWriter, keepsEarlier = false) {
    this.#reader = reader;
    this.#writer = writer;
    this.#keepsEarlier = keepsEarlier;
  }

  /** What is sent. Throws `state` before the first keys. */
  get sent(): Head {
    return known(this.#sent);
  }

  /** What is received. Throws `state` before the first keys. */
  get received(): Head {
    return known(this.#received);
  }

  /** The secret of the epoch before that, while it is kept. */
  get earlier(): SecretBytes | undefined {
    return this.#earlier?.secret;
  }

  /** The peer is under its newest keys for good. */
  forgetEarlier(): void {
    this.#earlier?.secret[Symbol.dispose]();
    this.#earlier = undefined;
  }

  /** What is sent in `epoch` is under keys of `secret`. */
  sendUnder(epoch: Epoch, secret: TrafficSecret): void {
    this.#writer.open(epoch, keysOf(secret));
    this.#sent = follow(this.#sent, epoch, secret);
  }

  /** What comes in `epoch` is under keys of `secret`. */
  receiveUnder(epoch: Epoch, secret: TrafficSecret): void {
    this.#reader.open(epoch, keysOf(secret));
    this.forgetEarlier();
    if (this.#keepsEarlier) this.#earlier = this.#received?.secret;
    this.#received = follow(this.#keepsEarlier ? undefined : this.#received, epoch, secret);
  }

  /** This side goes on to its next keys, and returns their epoch. */
  renewSent(): Epoch {
    const { epoch, secret } = next(this.#sent);
    this.sendUnder(epoch, secret);
    return epoch;
  }

  /** The peer goes on to its next keys; returns their epoch. */
  renewReceived(): Epoch {
    const { epoch, secret } = next(this.#received);
    this.receiveUnder(epoch, secret);
    return epoch;
  }

  /** Wipes the secrets; the keys are the reader's and the writer's. */
  [Symbol.dispose](): void {
    this.#sent?.secret.secret[Symbol.dispose]();
    this.#received?.secret.secret[Symbol.dispose]();
    this.forgetEarlier();
    this.#sent = this.#received = undefined;
  }
}

function keysOf({ suite, secret }: TrafficSecret): EpochKeys {
  using keys = trafficKeys("dtls13", suite, secret);
  return new EpochKeys(suite, keys);
}

function follow(before: Head | undefined, epoch: Epoch, secret: TrafficSecret): Head {
  before?.secret.secret[Symbol.dispose]();
  return { epoch, secret };
}

function known(head: Head | undefined): Head {
  if (!head) throw new SeccfError("state", "there are no keys yet");
  return head;
}

/** RFC 8446 7.2. */
function next(head: Head | undefined): Head {
  const { epoch, secret: { suite, secret } } = known(head);
  return {
    epoch: epoch + 1,
    secret: { suite, secret: nextTrafficSecret({ prefix: "dtls13", hash: suite.prf }, secret) },
  };
}
