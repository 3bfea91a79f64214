/** NewSessionTicket of version 1.3 (RFC 8446 4.6.1): the name of a key that both sides can make. @module */

import { SeccfError } from "../../error.ts";
import { Reader, Writer } from "../../bytes/mod.ts";
import { TlsFailure } from "../alert.ts";
import { readExtensions } from "./extension.ts";

/** What a client keeps, or forgets. */
export interface NewSessionTicket {
  /** Seconds, at most {@link MAX_TICKET_LIFETIME}; 0: not to be used. */
  readonly lifetime: number;
  /** Added to the ticket's age where it is shown, modulo 2^32: so nobody else can tell two uses apart from two tickets. */
  readonly ageAdd: number;
  /** 0 to 255 bytes, different in each ticket of a session. */
  readonly nonce: Uint8Array;
  /** 1 to 65535 bytes. */
  readonly ticket: Uint8Array;
}

/** Seven days. */
export const MAX_TICKET_LIFETIME = 604_800;

/** The message's body; there is no early data, and so no extension. */
export function encodeNewSessionTicket(message: NewSessionTicket): Uint8Array {
  const writer = new Writer().u32(message.lifetime).u32(message.ageAdd).vector8(message.nonce);
  return writer.vector16(message.ticket).vector16(new Uint8Array(0)).done();
}

/** Throws `malformed`; views share memory with `body`. Extensions are passed over. */
export function decodeNewSessionTicket(body: Uint8Array): NewSessionTicket {
  const reader = new Reader(body);
  const lifetime = reader.u32();
  const ageAdd = reader.u32();
  const nonce = reader.vector8();
  const ticket = reader.vector16();
  if (ticket.length === 0) throw new SeccfError("malformed", "an empty ticket", { clause: "RFC 8446 4.6.1" });
  if (reader.remaining === 0) throw new SeccfError("malformed", "a ticket without extensions");
  readExtensions(reader);
  if (lifetime > MAX_TICKET_LIFETIME) {
    throw new TlsFailure("illegal_parameter", "malformed", "a ticket of more than seven days", {
      clause: "RFC 8446 4.6.1",
    });
  }
  return { lifetime, ageAdd, nonce, ticket };
}
