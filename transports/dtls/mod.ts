/** DTLS with pre-shared keys as a carrier: our own engine on every runtime, over UDP or whatever datagrams are given. @module */

export { type DatagramDialer, dtls, type DtlsCarrierOptions } from "./carrier.ts";
export {
  type DatagramAcceptorLimits,
  type DatagramChannel,
  type Elsewhere,
  type SavedSessions,
  savedSessions,
  type SavedSessionsOptions,
} from "../../lib/channel/mod.ts";
export { nodeDtlsClient, type NodeDtlsClientOptions } from "./node_dtls_client.ts";
