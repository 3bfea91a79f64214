/**
 * Where engine, association, time and bytes meet: drives a TLS engine over a byte stream, or DTLS engines over a
 * datagram socket, with a key source and a clock. No sockets and no protocol of its own.
 *
 * @module
 */

export { acceptChannels, type AcceptorOptions } from "./acceptor.ts";
export type { AcceptorLimits, Refusal } from "./admission.ts";
export { joinAddress, splitAddress } from "./address.ts";
export { acceptChannel, type ChannelLimits, type ChannelOptions, connectChannel } from "./channel.ts";
export { acceptDatagrams, type DatagramAcceptorLimits, type DatagramAcceptorOptions } from "./datagram_acceptor.ts";
export { connectDatagrams, type DatagramChannel, type DatagramChannelOptions } from "./datagram_channel.ts";
export { EarlierSessions } from "./earlier_sessions.ts";
export type { Elsewhere } from "./elsewhere.ts";
export { hostOf } from "./host.ts";
export { connectKept, type KeptChannelOptions } from "./kept_channel.ts";
export { Inbox } from "./inbox.ts";
export type { LookupLimits } from "./lookup_budget.ts";
export { dnsName, suiteNumbers } from "./names.ts";
export { Queue } from "./queue.ts";
export {
  clientPlace,
  type SavedSessions,
  savedSessions,
  type SavedSessionsOptions,
  type SessionRecord,
  type Shelf,
  shelfOf,
} from "./saved_sessions.ts";
export { type PskOptions, type PskPolicy, pskPolicy, type PskVersion } from "./psk_options.ts";
