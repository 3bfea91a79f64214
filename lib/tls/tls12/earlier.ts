/** A server's search for the earlier session that a hello of version 1.2 wants to go on with (RFC 5077 3.1, RFC 5246 7.3). @module */

import type { ClientHello } from "../handshake/client_hello.ts";
import type { Policy } from "../options.ts";
import { isOwn } from "../psk.ts";
import type { EarlierSession } from "../resumption.ts";
import { chooseToGoOn, type Parameters } from "./negotiate.ts";

/** One that may go on if its key is still what it was. */
export interface Earlier {
  readonly session: EarlierSession;
  /** Agreed anew, the suite apart. */
  readonly parameters: Parameters;
}

/**
 * `undefined` for what is altered, foreign, over, or does not fit the hello: all of them lead to a full handshake. Throws
 * `downgrade` for a hello that would go on without the extended master secret.
 */
export function findEarlier(
  hello: ClientHello,
  policy: Policy,
  ownIdentities: readonly Uint8Array[],
): Earlier | undefined {
  const { resumption, transport, bornAt } = policy;
  if (!resumption) return undefined;
  // RFC 5077 3.4: where there is a ticket, the session id only says whether it was taken.
  const ticket = hello.sessionTicket?.length ? hello.sessionTicket : resumption.find(hello.sessionId);
  const session = ticket && resumption.open(ticket, transport, bornAt);
  if (!session) return undefined;
  let found: Earlier | undefined;
  try {
    const parameters = chooseToGoOn(session.suite, hello, policy);
    // RFC 6066 3: the name is the session's; and whose keys are ours is no client of ours.
    const isFitting = session.serverName === hello.serverName && !isOwn(session.identity, ownIdentities);
    if (parameters && isFitting) found = { session, parameters };
    return found;
  } finally {
    if (!found) session[Symbol.dispose]();
  }
}
