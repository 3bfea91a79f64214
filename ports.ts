/**
 * The words that all parts of the library share, as types alone: what a transport, a store, an identity module or a carrier
 * of your own has to be.
 *
 * @module
 */

export type {
  AkaAlgorithm,
  AkaCredentials,
  AkaKeys,
  AuthenticationCentre,
  AuthenticationVector,
  GbaUProfile,
  MilenageCredentials,
  SequenceProfile,
  TuakCredentials,
  VectorRequest,
} from "./lib/aka/mod.ts";
export type * from "./lib/association/ports.ts";
export type { Lifetime, UaProfile } from "./lib/association/mod.ts";
export type {
  AcceptorLimits,
  ChannelLimits,
  LookupLimits,
  PskOptions,
  PskVersion,
  Refusal,
} from "./lib/channel/mod.ts";
export type { AkaAlgorithmName, BootstrapEvent, BootstrapServerOptions } from "./lib/gba/mod.ts";
export type { Clock } from "./lib/clock.ts";
export type { SecretBytes } from "./lib/crypto/mod.ts";
export type { ErrorCode, ErrorDetail, Fault, SeccfError } from "./lib/error.ts";
export type { DigestAlgorithm, Qop } from "./lib/http/mod.ts";
export type * from "./lib/identity/ports.ts";
export type { ByteStream, DatagramSocket, DatagramTaker, StreamListener } from "./lib/link.ts";
export type { Fetch, Platform, Random, Wait } from "./lib/platform.ts";
export type {
  Agent,
  AgentOptions,
  Audit,
  AuditEvent,
  Enabler,
  EnablerOptions,
  EnablerRights,
  HttpHandler,
  HttpPeer,
  KeyManager,
  KeyManagerOptions,
  Opened,
} from "./lib/roles/mod.ts";
export type { RecordStore, StoredRecord } from "./lib/store.ts";
export type {
  Acceptor as DatagramAcceptor,
  AcceptorOutput,
  Answer,
  Demand,
  Engine,
  Output,
  Session,
} from "./lib/tls/engine.ts";
