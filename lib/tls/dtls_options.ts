/** What DTLS engines and the acceptor are told at their birth. @module */

import type { Random } from "../platform.ts";
import { DATAGRAM_LENGTH } from "./limits.ts";
import type { ClientOptions, CommonOptions, Form, Policy, ServerOptions } from "./options.ts";
import { toPolicy } from "./options.ts";
import { DTLS_1_2, DTLS_1_3 } from "./record/content_type.ts";

/** What both ends of an association have. */
export interface DatagramOptions {
  /**
   * Bytes of the longest datagram that is sent: the path's MTU less the headers of IP and UDP. 128 to 65507, default
   * 1232 (IPv6's 1280). A ClientHello with a cookie has about 150 with all suites of the default and 120 with one of
   * plain PSK, more with a server name or long Connection ID. One that is longer goes in pieces, which the acceptor here
   * takes and other servers without state may not: a client on such a path names fewer suites. In version 1.3 it has
   * about 300 with an identity of 15 bytes, and its first one has to go in one piece; so below 548 version 1.2 alone takes
   * part, unless `versions` says otherwise.
   */
  readonly mtu?: number;
  /**
   * Until a flight is said again the first time; each time twice as long, up to 60 (RFC 6347 4.2.4.1). Default 1. Once a
   * flight was answered the next ones go by the round trip that was measured (RFC 6298 2, RFC 9147 5.8.2), from a tenth
   * of a second up to this; a server has nothing measured before its client has shown that it has the key.
   */
  readonly retransmitSeconds?: number;
  /**
   * The session is to outlive this process: its engine has `durable`, and once established neither sends nor delivers before that
   * is on record. Default false: numbers live and die with the engine. A client of version 1.3 is established when the server has
   * acknowledged its last word.
   */
  readonly durable?: boolean;
}

/** What `createDtlsEngine` takes. */
export interface DtlsOptions extends ClientOptions, DatagramOptions {
  /** How long the handshake may take, key lookup and retransmissions included; more than 0. Default 30: a flight can then be lost five times in a row. */
  readonly handshakeSeconds?: number;
  /**
   * What this end wants to receive by (RFC 9146), 0 to 255 bytes; `false`: Connection IDs are not spoken of. Default: no
   * bytes, so that the server can know this end again behind a new address, and its own records stay short.
   */
  readonly connectionId?: Uint8Array | false;
  /**
   * Version 1.3: names of its own that the server is asked for beyond the one it gave, so that {@link Engine.rename} has some; 0
   * to 3. It takes one message of a few bytes once the server has acknowledged the handshake, and one for each name that was
   * used. Default 0: none are asked for, since a server that does not know the message ends the session with
   * unexpected_message (RFC 8446 6.2). In a session that is `durable` none are either.
   */
  readonly spareConnectionIds?: number;
}

/** What `createDtlsAcceptor` takes: what its engines are told, and how many there may be. */
export interface DtlsAcceptorOptions
  extends Omit<CommonOptions, "now">, DatagramOptions, Pick<ServerOptions, "hint" | "ownIdentities" | "resumption"> {
  /** How long each handshake may take from the hello with the cookie on. Default 30. */
  readonly handshakeSeconds?: number;
  /**
   * Bytes of the Connection IDs given out, `nodeId` included: 0, or 4 to 255. Default 8. 0: peers are known by their
   * address alone, and get records by what they want to receive. `false`: Connection IDs are not spoken of.
   */
  readonly connectionIdLength?: number | false;
  /** How each Connection ID begins, so that a cluster's front can tell whose it is; 4 bytes less than the whole at most. Default: none. */
  readonly nodeId?: Uint8Array;
  /** Handshakes at the same time, from all. Default 256. Who waits longest for its peer gives way. */
  readonly maxHandshakes?: number;
  /** Handshakes at the same time from one host. Default 32. */
  readonly maxHandshakesPerHost?: number;
  /** Engines alive at the same time, in a handshake or not. Default 10000. */
  readonly maxEngines?: number;
  /** Which host an address belongs to, for the limit. Default: all up to the last colon. */
  readonly hostOf?: (from: string) => string;
}

/** The same with every default filled in and everything checked. */
export interface DatagramPolicy {
  readonly mtu: number;
  /** Milliseconds. */
  readonly retransmit: number;
  /** Whether the session is to outlive its process. */
  readonly durable: boolean;
  /** Names of the peer's to have beyond the first. A count. */
  readonly spareIds: number;
}

/** Throws RangeError for options that make no sense. */
export function toDatagramPolicy(
  options: DatagramOptions & Pick<DtlsOptions, "spareConnectionIds">,
): DatagramPolicy {
  const { mtu = DATAGRAM_LENGTH, retransmitSeconds = 1, durable = false, spareConnectionIds = 0 } = options;
  if (!(Number.isInteger(spareConnectionIds) && spareConnectionIds >= 0 && spareConnectionIds <= MOST_SPARE_IDS)) {
    throw new RangeError(`spareConnectionIds is 0 to ${MOST_SPARE_IDS}`);
  }
  if (!(Number.isInteger(mtu) && mtu >= 128 && mtu <= 65_507)) throw new RangeError("mtu is 128 to 65507 bytes");
  if (!(retransmitSeconds > 0 && Number.isFinite(retransmitSeconds))) {
    throw new RangeError("retransmitSeconds is above 0");
  }
  // Names are not saved.
  return { mtu, retransmit: retransmitSeconds * 1000, durable, spareIds: durable ? 0 : spareConnectionIds };
}

/** Throws RangeError for options that make no sense. */
export function toClientPolicy(options: DtlsOptions): Policy {
  const { connectionId = new Uint8Array(0) } = options;
  if (connectionId !== false && connectionId.length > 255) {
    throw new RangeError("a Connection ID has 255 bytes at most");
  }
  const policy = toPolicy(
    { ...options, ...toVersions(options), handshakeSeconds: options.handshakeSeconds ?? HANDSHAKE_SECONDS },
    DATAGRAM,
  );
  const own = connectionId === false ? {} : { connectionId: new Uint8Array(connectionId) };
  return { ...policy, ...own, longestHello: toDatagramPolicy(options).mtu - HELLO_OVERHEAD };
}

/** One engine's policy, born `now`; throws RangeError for options that make no sense. */
export function toServerPolicy(options: DtlsAcceptorOptions, now: number, connectionId: Uint8Array): Policy {
  const handshakeSeconds = options.handshakeSeconds ?? HANDSHAKE_SECONDS;
  return {
    ...toPolicy({ ...options, ...toVersions(options), role: "server", now, handshakeSeconds }, DATAGRAM),
    ...(options.connectionIdLength !== false && { connectionId }),
  };
}

/** Version 1.2 alone where nothing is named and 1.3 can not be had: its hellos are long. */
function toVersions(options: DatagramOptions & Pick<CommonOptions, "versions">): Pick<CommonOptions, "versions"> {
  const { versions, mtu = DATAGRAM_LENGTH } = options;
  if (versions) return { versions };
  return mtu < SHORTEST_FOR_13 ? { versions: [DTLS_1_2] } : {};
}

/** What an acceptor keeps to, with every default filled in and checked. */
export interface AcceptorPolicy {
  readonly maxHandshakes: number;
  readonly maxHandshakesPerHost: number;
  readonly maxEngines: number;
  readonly hostOf: (from: string) => string;
  readonly connectionIdLength: number;
  /** A copy. */
  readonly nodeId: Uint8Array;
  readonly random: Random;
}

/** Throws RangeError for options that make no sense. */
export function toAcceptorPolicy(options: DtlsAcceptorOptions): AcceptorPolicy {
  const { nodeId = new Uint8Array(0), random } = options;
  const connectionIdLength = options.connectionIdLength === false ? 0 : options.connectionIdLength ?? 8;
  if (!(Number.isInteger(connectionIdLength) && connectionIdLength >= 0 && connectionIdLength <= 255)) {
    throw new RangeError("connectionIdLength is 0 to 255 bytes");
  }
  const unique = connectionIdLength - nodeId.length;
  if (connectionIdLength === 0 ? nodeId.length > 0 : unique < SHORTEST_UNIQUE) {
    throw new RangeError(`${SHORTEST_UNIQUE} bytes of a Connection ID at least tell the engines of one node apart`);
  }
  const policy = {
    maxHandshakes: options.maxHandshakes ?? 256,
    maxHandshakesPerHost: options.maxHandshakesPerHost ?? 32,
    maxEngines: options.maxEngines ?? 10_000,
  };
  for (const [name, limit] of Object.entries(policy)) {
    if (!(limit >= 1)) throw new RangeError(`${name} is 1 at least`);
  }
  const hostOf = options.hostOf ?? upToLastColon;
  return { ...policy, hostOf, connectionIdLength, nodeId: new Uint8Array(nodeId), random };
}

function upToLastColon(from: string): string {
  const end = from.lastIndexOf(":");
  return end < 0 ? from : from.slice(0, end);
}

const DATAGRAM: Form = { transport: "datagram", versions: [DTLS_1_3, DTLS_1_2] };
const HANDSHAKE_SECONDS = 30;
/** A server here gives four, the first one included. */
const MOST_SPARE_IDS = 3;
/** What every host takes in one piece, 576 bytes (RFC 1122 3.3.2), without the headers of IP and UDP. */
const SHORTEST_FOR_13 = 548;
/** Headers of record (13) and message (12), and a cookie (32). */
const HELLO_OVERHEAD = 57;
/** Random bytes of each Connection ID. */
const SHORTEST_UNIQUE = 4;
