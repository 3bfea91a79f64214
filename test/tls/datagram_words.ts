/** Everything that a peer of version 1.2 can say in a handshake message on datagrams. */
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { encodeFragment } from "../../lib/tls/handshake/fragment.ts";
import { encodeHelloVerifyRequest } from "../../lib/tls/handshake/hello_verify_request.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import type { Epoch } from "../../lib/tls/record/datagram_header.ts";
import type { Puppet } from "./datagram_puppet.ts";
import { IDENTITY } from "./pair.ts";

/** One step of the honest order. */
export type Step = (puppet: Puppet) => Uint8Array;

/** Bodies of every message there is, and of one that is not. */
export const BODIES: Readonly<Record<string, readonly [type: number, body: (puppet: Puppet) => Uint8Array]>> = {
  HelloRequest: [HANDSHAKE.helloRequest, () => new Uint8Array(0)],
  ClientHello: [HANDSHAKE.clientHello, (puppet) => puppet.clientHelloBody()],
  ServerHello: [HANDSHAKE.serverHello, (puppet) => puppet.serverHelloBody()],
  HelloVerifyRequest: [HANDSHAKE.helloVerifyRequest, () => encodeHelloVerifyRequest({ cookie: Uint8Array.of(1, 2) })],
  NewSessionTicket: [4, () => new Uint8Array(8)],
  Certificate: [11, () => new Uint8Array(3)],
  ServerKeyExchange: [HANDSHAKE.serverKeyExchange, () => encodeServerKeyExchange({ hint: toUtf8("h") })],
  ServerHelloDone: [HANDSHAKE.serverHelloDone, () => new Uint8Array(0)],
  ClientKeyExchange: [HANDSHAKE.clientKeyExchange, () => encodeClientKeyExchange({ identity: IDENTITY })],
  Finished: [HANDSHAKE.finished, () => new Uint8Array(12)],
  unknown: [99, () => new Uint8Array(5)],
};

/** The message that is next by its number, and that the puppet's transcript does not know. */
export function aside(puppet: Puppet, name: string, epoch: Epoch): Uint8Array {
  const [type, body] = BODIES[name]!;
  const bytes = body(puppet);
  const framed = encodeFragment({ type, length: bytes.length, messageSeq: puppet.seq, offset: 0, body: bytes });
  return puppet.record(22, framed, epoch);
}
