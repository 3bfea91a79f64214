/** TLS and DTLS with pre-shared keys as engines without I/O: bytes and time in, bytes and events out. @module */

export type {
  Acceptor,
  AcceptorOutput,
  Answer,
  Claim,
  Demand,
  Durable,
  Engine,
  Output,
  Resumable,
  RevivedSession,
  Session,
} from "./engine.ts";
export type { DatagramOptions, DtlsAcceptorOptions, DtlsOptions } from "./dtls_options.ts";
export type { ClientOptions, CommonOptions, ServerOptions, TlsOptions } from "./options.ts";
export { createDtlsAcceptor } from "./acceptor.ts";
export { createDtlsEngine } from "./dtls_client.ts";
export { restoreDtlsEngine, type RestoreOptions } from "./restore_engine.ts";
export { sessionName } from "./saved_fields.ts";
export { createResumption, type Resumption, type ResumptionOptions } from "./resumption.ts";
export { createTlsEngine } from "./stream_engine.ts";
