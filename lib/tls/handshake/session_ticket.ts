/** NewSessionTicket of version 1.2 (RFC 5077 3.3): what a server wants to be shown when the client comes again. @module */

import { Reader, Writer } from "../../bytes/mod.ts";

/** It comes where ServerHello has said so, even if it is empty. */
export interface SessionTicket {
  /** Seconds; 0 leaves it to the client. A hint. */
  readonly lifetime: number;
  /** 0 to 65535 bytes, opaque; of none: there is nothing to come back to. */
  readonly ticket: Uint8Array;
}

/** The message's body. */
export function encodeSessionTicket({ lifetime, ticket }: SessionTicket): Uint8Array {
  return new Writer().u32(lifetime).vector16(ticket).done();
}

/** Throws `malformed`; views share memory with `body`. */
export function decodeSessionTicket(body: Uint8Array): SessionTicket {
  const reader = new Reader(body);
  const lifetime = reader.u32();
  const ticket = reader.vector16();
  reader.end();
  return { lifetime, ticket };
}
