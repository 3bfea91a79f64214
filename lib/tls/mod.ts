/** TLS with pre-shared keys as an engine without I/O: bytes and time in, bytes and events out. @module */

export type { Answer, Demand, Engine, Output, Session } from "./engine.ts";
export type { ClientOptions, CommonOptions, ServerOptions, TlsOptions } from "./options.ts";
export { createTlsEngine } from "./stream_engine.ts";
