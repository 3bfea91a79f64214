/** The keys of records of TLS 1.3 on a stream: from traffic secrets, and on to the next ones (RFC 8446 4.6.3, 7.2, 7.3). @module */

import { SeccfError } from "../../error.ts";
import type { TrafficSecret } from "../handshake.ts";
import { encodeKeyUpdate } from "../handshake/key_update.ts";
import { frameMessage, HANDSHAKE } from "../handshake/message.ts";
import { CONTENT } from "../record/content_type.ts";
import { InnerProtection } from "../record/inner_protection.ts";
import type { RecordReader } from "../record/record_reader.ts";
import type { RecordWriter } from "../record/record_writer.ts";
import { nextTrafficSecret, trafficKeys } from "./key_schedule.ts";

/** Both directions of one connection. */
export class StreamKeys implements Disposable {
  readonly #reader: RecordReader;
  readonly #writer: RecordWriter;
  readonly #recordsPerKey: number;
  #sent: TrafficSecret | undefined;
  #received: TrafficSecret | undefined;

  /** `reader` and `writer` stay the caller's. */
  constructor(reader: RecordReader, writer: RecordWriter, recordsPerKey: number) {
    this.#reader = reader;
    this.#writer = writer;
    this.#recordsPerKey = recordsPerKey;
  }

  /** What is sent next is under keys of `secret`, which is this object's from here. */
  sendUnder(secret: TrafficSecret): void {
    this.#writer.protectInner(protectionOf(secret));
    this.#sent?.secret[Symbol.dispose]();
    this.#sent = secret;
  }

  /** What is received next is under keys of `secret`, which is this object's from here. */
  receiveUnder(secret: TrafficSecret): void {
    this.#reader.protectInner(protectionOf(secret));
    this.#received?.secret[Symbol.dispose]();
    this.#received = secret;
  }

  /** To be called before data is sent: takes the next key where the one in force was used enough. */
  refresh(): void {
    if (this.#sent && this.#writer.count >= this.#recordsPerKey) this.updateSent();
  }

  /** Says KeyUpdate, as the last word under this key; the peer is not asked to do the same. */
  updateSent(): void {
    this.#writer.write(CONTENT.handshake, frameMessage(HANDSHAKE.keyUpdate, encodeKeyUpdate({ requested: false })));
    this.sendUnder(next(this.#sent));
  }

  /** The peer's KeyUpdate has come. */
  updateReceived(): void {
    this.receiveUnder(next(this.#received));
  }

  /** Wipes the secrets. */
  [Symbol.dispose](): void {
    this.#sent?.secret[Symbol.dispose]();
    this.#received?.secret[Symbol.dispose]();
    this.#sent = undefined;
    this.#received = undefined;
  }
}

function protectionOf({ suite, secret }: TrafficSecret): InnerProtection {
  using keys = trafficKeys("tls13 ", suite, secret);
  return new InnerProtection(suite, keys);
}

function next(of: TrafficSecret | undefined): TrafficSecret {
  if (!of) throw new SeccfError("state", "there is no key to take on");
  return { suite: of.suite, secret: nextTrafficSecret({ prefix: "tls13 ", hash: of.suite.prf }, of.secret) };
}
