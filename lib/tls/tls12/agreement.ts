/** What client and server compute alike: transcript, secrets, both directions' protection, Finished. @module */

import { equal } from "../../bytes/mod.ts";
import { SeccfError } from "../../error.ts";
import { type SecretBytes, secretSlice } from "../../crypto/mod.ts";
import { TlsFailure } from "../alert.ts";
import type { Session } from "../engine.ts";
import { decodeFinished, encodeFinished } from "../handshake/finished.ts";
import { HANDSHAKE, type HandshakeMessage } from "../handshake/message.ts";
import type { HandshakeLink } from "../handshake.ts";
import {
  extendedMasterSecret,
  keyLogLine,
  masterSecret,
  type Randoms,
  trafficKeys,
  verifyData,
} from "./key_schedule.ts";
import type { Parameters } from "./negotiate.ts";
import type { Policy } from "../options.ts";
import { Sequel12 } from "./sequel.ts";
import { DTLS_1_2, TLS_1_2 } from "../record/content_type.ts";
import { createProtection, type Protection } from "../record/protection.ts";
import { Transcript } from "../transcript.ts";

/** One of the two ends. */
export type Side = "client" | "server";

/** The common half of both state machines. */
export class Agreement implements Disposable {
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #transcript = new Transcript();
  #parameters: Parameters | undefined;
  #randoms: Randoms | undefined;
  #master: SecretBytes | undefined;
  /** Made, and not yet handed to the record layer. */
  readonly #protections: Map<Side, Protection> = new Map();

  constructor(link: HandshakeLink, policy: Policy) {
    this.#link = link;
    this.#policy = policy;
  }

  /** Sends a message. */
  send(type: number, body: Uint8Array): void {
    this.#transcript.add(this.#link.send(type, body));
  }

  /** Takes in a message that was accepted, or said before this began. */
  accept(message: Pick<HandshakeMessage, "framed">): void {
    this.#transcript.add(message.framed);
  }

  /** Both hellos are there: copies `randoms`. */
  choose(parameters: Parameters, randoms: Randoms): void {
    this.#parameters = parameters;
    this.#randoms = { client: new Uint8Array(randoms.client), server: new Uint8Array(randoms.server) };
    this.#transcript.start(parameters.suite.prf);
    const { connectionIds, sizes } = parameters;
    // With a Connection ID the type goes inside (RFC 9146 4), and whether it counts nobody says.
    if (sizes) this.#link.limitRecords(connectionIds ? { ...sizes, sent: sizes.sent - 1 } : sizes);
    this.#link.agreed({ version: this.version, ...(connectionIds && { connectionIds }) });
  }

  /** What was chosen. */
  get parameters(): Parameters {
    return known(this.#parameters);
  }

  /** ClientKeyExchange is in the transcript: makes all keys, and wipes `premaster`. */
  derive(premaster: SecretBytes): void {
    const { suite, extendedMasterSecret: extended } = this.parameters;
    const randoms = known(this.#randoms);
    try {
      this.#master = extended
        ? extendedMasterSecret(suite, premaster, this.#transcript.digest())
        : masterSecret(suite, premaster, randoms);
    } finally {
      premaster[Symbol.dispose]();
    }
    this.#expand(this.#master);
  }

  /** Both hellos are there, and an earlier session goes on: makes all keys of a copy of its master secret. */
  goOn(master: SecretBytes): void {
    this.#master = secretSlice(master, 0);
    this.#expand(this.#master);
  }

  /** For who goes on with this session later; not a copy. */
  get master(): SecretBytes {
    return known(this.#master);
  }

  #expand(master: SecretBytes): void {
    const { suite, encryptThenMac } = this.parameters;
    const randoms = known(this.#randoms);
    const keys = trafficKeys(suite, master, randoms);
    using client = keys.client;
    using server = keys.server;
    const options = { encryptThenMac, random: this.#policy.random };
    this.#protections.set("client", createProtection(suite, client, options));
    this.#protections.set("server", createProtection(suite, server, options));
    this.#policy.keepKeys?.(client, server);
    this.#policy.keyLog?.(keyLogLine(randoms.client, master));
  }

  /** Sends ChangeCipherSpec and Finished as `side`. */
  finish(side: Side): void {
    this.#link.protectSent(this.#handOver(side));
    this.send(HANDSHAKE.finished, encodeFinished({ verifyData: this.#verifyData(side) }));
  }

  /** The ChangeCipherSpec of `side` has come. */
  protectReceived(side: Side): void {
    this.#link.protectReceived(this.#handOver(side));
  }

  // req: SEC_CF-AUTH-001, SEC_CF-AUTH-002
  /** Takes in the Finished of `side`; throws `auth-failed` if it is not what this end would have sent in its place. */
  acceptFinished(message: HandshakeMessage, side: Side): void {
    const { verifyData } = decodeFinished(message.body);
    if (!equal(verifyData, this.#verifyData(side))) {
      throw new TlsFailure("decrypt_error", "auth-failed", "the peer saw another handshake", {
        clause: "RFC 5246 7.4.9",
      });
    }
    this.accept(message);
  }

  /** What to report; `peer.identity` is copied. */
  session(peer: Pick<Session, "identity" | "serverName" | "resumed">): Session {
    const { suite, extendedMasterSecret, encryptThenMac, connectionIds } = this.parameters;
    return {
      version: this.version,
      suite: suite.id,
      identity: new Uint8Array(peer.identity),
      serverName: peer.serverName,
      forwardSecret: suite.exchange === "ecdhe_psk",
      ...(peer.resumed && { resumed: true }),
      extendedMasterSecret,
      encryptThenMac,
      ...(connectionIds && { connectionIds }),
    };
  }

  /** What goes on behind the handshake, where that was asked for; RFC 7627 5.4 has it with the extended master secret alone. */
  sequel(): Sequel12 | undefined {
    const { suite, extendedMasterSecret } = this.parameters;
    if (!this.#policy.exporter || !extendedMasterSecret) return undefined;
    return new Sequel12(suite, this.master, known(this.#randoms));
  }

  /** Wipes the master secret, and what was not handed over. */
  [Symbol.dispose](): void {
    this.#master?.[Symbol.dispose]();
    this.#master = undefined;
    for (const protection of this.#protections.values()) protection[Symbol.dispose]();
    this.#protections.clear();
  }

  /** 0x0303 or 0xfefd. */
  get version(): number {
    return this.#policy.transport === "datagram" ? DTLS_1_2 : TLS_1_2;
  }

  #handOver(side: Side): Protection {
    const protection = known(this.#protections.get(side));
    this.#protections.delete(side);
    return protection;
  }

  #verifyData(side: Side): Uint8Array {
    return verifyData(this.parameters.suite, known(this.#master), side, this.#transcript.digest());
  }
}

/** The state machines ask in the right order; if not, nothing is made up. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new SeccfError("state", "asked for before it was agreed");
  return value;
}
