/** PSK-TLS as a carrier: our own engine on every runtime, over TCP or whatever byte stream is given. @module */

export { type StreamDialer, tls, type TlsCarrierOptions } from "./carrier.ts";
