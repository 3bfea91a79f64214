/** HelloRetryRequest (RFC 8446 4.1.4), also by who keeps nothing of the hello that it answers. Pure functions. @module */

import type { ClientHello } from "../handshake/client_hello.ts";
import { HANDSHAKE } from "../handshake/message.ts";
import { encodeServerHello, RETRY_RANDOM } from "../handshake/server_hello.ts";
import type { Policy } from "../options.ts";
import { DTLS_1_2, DTLS_1_3, TLS_1_2, TLS_1_3 } from "../record/content_type.ts";
import { chooseTerms, scheduleOf } from "./negotiate.ts";
import { hashOfHello } from "./transcript.ts";

/** What a HelloRetryRequest says beside what every one does. */
export interface RetryRequest {
  /** IANA cipher suite. */
  readonly suite: number;
  /** The group of which the server wants a public value. */
  readonly group: number | undefined;
  /** What the next hello has to bring, 1 to 65535 bytes; missing: nothing. */
  readonly cookie?: Uint8Array;
}

/** Its body, as a ServerHello's. `sessionId` is the client's; on datagrams it stays empty (RFC 9147 5.3). */
export function encodeRetryRequest(
  { suite, group, cookie }: RetryRequest,
  { transport }: Pick<Policy, "transport">,
  sessionId: Uint8Array,
): Uint8Array {
  const isDatagram = transport === "datagram";
  return encodeServerHello({
    version: isDatagram ? DTLS_1_2 : TLS_1_2,
    random: RETRY_RANDOM,
    sessionId: isDatagram ? new Uint8Array(0) : sessionId,
    suite,
    serverName: false,
    extendedMasterSecret: false,
    encryptThenMac: false,
    renegotiationInfo: false,
    supportedVersion: isDatagram ? DTLS_1_3 : TLS_1_3,
    ...(group !== undefined && { retryGroup: group }),
    ...(cookie && { retryCookie: cookie }),
  });
}

/** What to say to a first hello whose sender has to show its address: throws what {@link chooseTerms} does. */
export function retryFor(hello: ClientHello, policy: Policy): Pick<RetryRequest, "suite" | "group"> {
  const { suite, retryGroup } = chooseTerms(hello, policy);
  return { suite: suite.id, group: retryGroup };
}

/** All that has to be kept of a first hello, `body` being its own: in a cookie, for who keeps nothing. */
export function hashOfFirstHello(policy: Policy, body: Uint8Array): Uint8Array {
  return hashOfHello(scheduleOf(policy).hash, HANDSHAKE.clientHello, body);
}
