/** What client and server of version 1.3 compute alike: transcript, secrets, Finished. @module */

import { equal } from "../../bytes/mod.ts";
import { type CipherSuite, type SecretBytes, secretConcat } from "../../crypto/mod.ts";
import { SeccfError } from "../../error.ts";
import { TlsFailure } from "../alert.ts";
import type { ConnectionIds } from "../connection_ids.ts";
import type { Session } from "../engine.ts";
import type { HandshakeLink, KeyEpoch } from "../handshake.ts";
import { HANDSHAKE, type HandshakeMessage } from "../handshake/message.ts";
import type { Policy } from "../options.ts";
import { DTLS_1_3, TLS_1_3 } from "../record/content_type.ts";
import {
  applicationTraffic,
  exporterSecret,
  finishedData,
  handshakeSecret,
  handshakeTraffic,
  keyLogLine,
  mainSecret,
  resumptionKey,
  resumptionSecret,
  type Schedule,
  type SecretPair,
} from "./key_schedule.ts";
import { scheduleOf } from "./negotiate.ts";
import { Sequel13, type TicketTaker } from "./sequel.ts";
import { Transcript13 } from "./transcript.ts";

/** One of the two ends. */
export type Side = "client" | "server";

/** What both hellos settle. */
export interface Agreed13 {
  readonly suite: CipherSuite;
  /** Early Secret; stays the caller's. */
  readonly early: SecretBytes;
  /** What was agreed afresh; stays the caller's. */
  readonly shared: SecretBytes | undefined;
  readonly connectionIds: ConnectionIds | undefined;
  readonly clientRandom: Uint8Array;
}

/** Who is at the other end, or who this end is to it. */
export interface Peer {
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
  /** An earlier session went on. */
  readonly resumed?: true;
  /** Client: what is kept for later ends with it; `undefined`: nothing is. */
  readonly keyEndsAt?: number | undefined;
}

/** The common half of both state machines, from the key on. */
export class Agreement13 implements Disposable {
  /** Everything that was said and heard. */
  readonly transcript: Transcript13;
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #schedule: Schedule;
  #agreed: Agreed13 | undefined;
  #handshake: SecretPair | undefined;
  #application: SecretPair | undefined;
  #main: SecretBytes | undefined;
  #exporter: SecretBytes | undefined;

  constructor(link: HandshakeLink, policy: Policy) {
    this.#link = link;
    this.#policy = policy;
    this.#schedule = scheduleOf(policy);
    this.transcript = new Transcript13(this.#schedule.hash);
  }

  /** 0x0304 or 0xfefc. */
  get version(): number {
    return this.#policy.transport === "datagram" ? DTLS_1_3 : TLS_1_3;
  }

  /** Sends a message. */
  send(type: number, body: Uint8Array): void {
    this.#link.send(type, body);
    this.transcript.add(type, body);
  }

  /** Takes in a message that was accepted. */
  accept({ type, body }: Pick<HandshakeMessage, "type" | "body">): void {
    this.transcript.add(type, body);
  }

  /** Both hellos are in the transcript: copies what it needs, and makes the secrets of the handshake. */
  agree(agreed: Agreed13): void {
    const { suite, early, shared, connectionIds, clientRandom } = agreed;
    this.#agreed = { ...agreed, clientRandom: new Uint8Array(clientRandom) };
    using handshake = handshakeSecret(this.#schedule, early, shared);
    this.#handshake = handshakeTraffic(this.#schedule, handshake, this.transcript.digest());
    this.#main = mainSecret(this.#schedule, handshake);
    this.#log("CLIENT_HANDSHAKE_TRAFFIC_SECRET", this.#handshake.client);
    this.#log("SERVER_HANDSHAKE_TRAFFIC_SECRET", this.#handshake.server);
    this.#link.agreed({ version: this.version, ...(connectionIds && { connectionIds }) });
    if (suite.prf !== this.#schedule.hash) throw new SeccfError("state", "a suite of another hash");
  }

  /** The server's Finished is in the transcript: makes the secrets of the data. */
  proceed(): void {
    const main = known(this.#main);
    const upToServer = this.transcript.digest();
    this.#application = applicationTraffic(this.#schedule, main, upToServer);
    this.#log("CLIENT_TRAFFIC_SECRET_0", this.#application.client);
    this.#log("SERVER_TRAFFIC_SECRET_0", this.#application.server);
    const { exporter, keyLog } = this.#policy;
    if (!exporter && !keyLog) return;
    this.#exporter = exporterSecret(this.#schedule, main, upToServer);
    this.#log("EXPORTER_SECRET", this.#exporter);
  }

  /** What this end says next, as `side`, is in `epoch`. */
  sendUnder(epoch: KeyEpoch, side: Side): void {
    this.#link.sendUnder(epoch, { suite: known(this.#agreed).suite, secret: this.#copyOf(epoch, side) });
  }

  /** What comes next, from `side`, is in `epoch`. */
  receiveUnder(epoch: KeyEpoch, side: Side): void {
    this.#link.receiveUnder(epoch, { suite: known(this.#agreed).suite, secret: this.#copyOf(epoch, side) });
  }

  /** Sends the Finished of `side`. */
  finish(side: Side): void {
    this.send(HANDSHAKE.finished, this.#verifyData(side));
  }

  // req: SEC_CF-AUTH-001, SEC_CF-AUTH-002
  /** Takes in the Finished of `side`; throws `auth-failed` if it is not what this end would have sent in its place. */
  acceptFinished(message: HandshakeMessage, side: Side): void {
    const expected = this.#verifyData(side);
    if (message.body.length !== expected.length) {
      throw new SeccfError("malformed", "a Finished of another length", { clause: "RFC 8446 4.4.4" });
    }
    if (!equal(message.body, expected)) {
      throw new TlsFailure("decrypt_error", "auth-failed", "the peer saw another handshake", {
        clause: "RFC 8446 4.4.4",
      });
    }
    this.accept(message);
  }

  /** Both Finished are in the transcript: the key of the ticket with this nonce (RFC 8446 4.6.1). */
  ticketKey(nonce: Uint8Array): SecretBytes {
    using resumption = resumptionSecret(this.#schedule, known(this.#main), this.transcript.digest());
    return resumptionKey(this.#schedule, resumption, nonce);
  }

  /** Both Finished are in the transcript: reports the session as `side`, and hands over what goes on. Copies. */
  establish(side: Side, { identity, serverName, resumed, keyEndsAt }: Peer): void {
    const { suite, shared, connectionIds } = known(this.#agreed);
    const session: Session = {
      version: this.version,
      suite: suite.id,
      identity: new Uint8Array(identity),
      serverName,
      forwardSecret: shared !== undefined,
      ...(resumed && { resumed }),
      extendedMasterSecret: true,
      encryptThenMac: false,
      ...(connectionIds && { connectionIds }),
    };
    const exporter = this.#policy.exporter ? known(this.#exporter) : undefined;
    if (exporter) this.#exporter = undefined;
    const expiresAt = this.#policy.resumable ? keyEndsAt : undefined;
    const taker = expiresAt === undefined ? undefined : this.#taker({ ...session, expiresAt });
    this.#link.established(session, new Sequel13(this.#schedule, side, { exporter, taker }));
  }

  #taker({ version, suite, identity, serverName, expiresAt }: Session & { readonly expiresAt: number }): TicketTaker {
    const resumption = resumptionSecret(this.#schedule, known(this.#main), this.transcript.digest());
    return { version, suite, identity, serverName, expiresAt, madeAt: this.#policy.bornAt, resumption };
  }

  /** Wipes every secret that was not handed over. */
  [Symbol.dispose](): void {
    for (const each of [this.#handshake, this.#application, this.#main, this.#exporter]) each?.[Symbol.dispose]();
    this.#handshake =
      this.#application =
      this.#main =
      this.#exporter =
        undefined;
  }

  /** The link owns what it is given, and Finished needs its secret later. */
  #copyOf(epoch: KeyEpoch, side: Side): SecretBytes {
    return secretConcat(known(epoch === 2 ? this.#handshake : this.#application)[side]);
  }

  #verifyData(side: Side): Uint8Array {
    return finishedData(this.#schedule, known(this.#handshake)[side], this.transcript.digest());
  }

  #log(name: string, secret: SecretBytes): void {
    this.#policy.keyLog?.(keyLogLine(name, known(this.#agreed).clientRandom, secret));
  }
}

/** The state machines ask in the right order; if not, nothing is made up. */
function known<T>(value: T | undefined): T {
  if (value === undefined) throw new SeccfError("state", "asked for before it was agreed");
  return value;
}
