/** How a client's hello offers to go on with an earlier session of version 1.2. @module */

import { type ClientHello, encodeClientHello } from "../handshake/client_hello.ts";
import type { ClientOptions, Policy } from "../options.ts";
import { DTLS_1_2, TLS_1_2 } from "../record/content_type.ts";
import { ResumableSession } from "./resumable.ts";

/** A copy of `resume` where `offer` can go on with it, the caller's to dispose. TypeError for what no engine has made. */
export function earlierFor(
  offer: ClientHello,
  policy: Policy,
  { resume, serverName }: Pick<ClientOptions, "resume" | "serverName">,
): ResumableSession | undefined {
  if (!resume) return undefined;
  if (!(resume instanceof ResumableSession)) throw new TypeError("resume is what an engine gave as resumable");
  const version = policy.transport === "datagram" ? DTLS_1_2 : TLS_1_2;
  const isFitting = resume.version === version && policy.versions.includes(version) &&
    offer.suites.includes(resume.suite) && resume.serverName === serverName && resume.expiresAt > policy.bornAt;
  return isFitting && isShortEnough({ ...offer, ...offerToGoOn(resume, offer) }, policy) ? resume.copy() : undefined;
}

/** The fields of a hello that say so. */
export function offerToGoOn(
  { sessionId, ticket }: ResumableSession,
  offer: ClientHello,
): Pick<ClientHello, "sessionId" | "sessionTicket"> {
  if (!ticket) return { sessionId: sessionId ?? offer.sessionId };
  // RFC 5077 3.4: the server says it back where it takes the ticket. Any will do, as long as it is not empty.
  const id = offer.sessionId.length > 0 ? offer.sessionId : offer.random.subarray(0, 16);
  return { sessionId: id, sessionTicket: ticket };
}

/** A server without state takes a hello in one datagram or not at all. */
function isShortEnough(offer: ClientHello, { longestHello = Infinity }: Policy): boolean {
  return encodeClientHello(offer).length <= longestHello;
}
