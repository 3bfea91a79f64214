/** HTTP: as a carrier, in front of handlers, and inside secure channels. @module */

export { http, type HttpCarrierOptions, type HttpChannel } from "./carrier.ts";
export { type HttpClient, httpOver, plainHttp, type PlainHttpOptions } from "./client.ts";
export { type Handler, type HttpServer, serveHttp, type ServeHttpOptions, serveHttpOver } from "./server.ts";
