/**
 * Where engine, association, time and bytes meet: drives a TLS engine over a byte stream with a key source and a
 * clock. No sockets and no protocol of its own.
 *
 * @module
 */

export { acceptChannels, type AcceptorLimits, type AcceptorOptions, type Refusal } from "./acceptor.ts";
export { acceptChannel, type ChannelLimits, type ChannelOptions, connectChannel } from "./channel.ts";
export { Queue } from "./queue.ts";
