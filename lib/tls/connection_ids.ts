/** What the two hellos agree on of Connection IDs, whatever their version (RFC 9146 3, RFC 9853 3). @module */

import type { ClientHello } from "./handshake/client_hello.ts";
import { notOffered, type ServerHello } from "./handshake/server_hello.ts";
import type { Policy } from "./options.ts";

/** Each 0 to 255 bytes; empty: that side's records come without. Called by who wants to receive it. */
export interface ConnectionIds {
  readonly client: Uint8Array;
  readonly server: Uint8Array;
  /** Either side may ask whether an address is reachable (RFC 9853 3). */
  readonly returnRoutability: boolean;
}

/** The server's choice: used wherever both sides know of them. Copies. */
export function chooseConnectionIds(hello: ClientHello, policy: Policy): ConnectionIds | undefined {
  if (!hello.connectionId || !policy.connectionId) return undefined;
  const returnRoutability = hello.returnRoutability ?? false;
  return { client: new Uint8Array(hello.connectionId), server: policy.connectionId, returnRoutability };
}

/** The client's check; `answer` is what carries the server's extensions. Throws `malformed` for what was not offered. Copies. */
export function checkConnectionIds(
  offer: ClientHello,
  answer: Pick<ServerHello, "connectionId" | "returnRoutability">,
): ConnectionIds | undefined {
  if (answer.connectionId && !offer.connectionId) throw notOffered();
  if (answer.returnRoutability && !(offer.returnRoutability && answer.connectionId)) throw notOffered();
  if (!answer.connectionId || !offer.connectionId) return undefined;
  const returnRoutability = answer.returnRoutability ?? false;
  return { client: offer.connectionId, server: new Uint8Array(answer.connectionId), returnRoutability };
}
