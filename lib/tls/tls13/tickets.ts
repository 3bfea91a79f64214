/**
 * A server's tickets of version 1.3 (RFC 8446 4.6.1), sealed as those of 1.2 are. What they save is the name in the
 * clear, for clients that then leave it out: the key is asked for all the same, so that no session outlives it. One of a
 * stream is none on datagrams, nor the other way round.
 *
 * @module
 */

import { hashLength, type SecretBytes, secretConcat, secretSlice } from "../../crypto/mod.ts";
import type { ClientHello } from "../handshake/client_hello.ts";
import { encodeNewSessionTicket, MAX_TICKET_LIFETIME } from "../handshake/new_session_ticket.ts";
import { PSK_MODE } from "../handshake/pre_shared_key.ts";
import type { Policy } from "../options.ts";
import { isOwn } from "../psk.ts";
import type { EarlierSession, KeyMark } from "../resumption.ts";
import { suitesOf, type Terms } from "./negotiate.ts";

/** An earlier session, and which of the client's keys it is. */
export interface FoundTicket {
  readonly session: EarlierSession;
  readonly selected: number;
}

/** Of `key`, the same work for any; `endsAt`: `undefined` for one of which no ticket is to be made. */
export function markOf(key: SecretBytes, endsAt: number | undefined, policy: Policy): KeyMark | undefined {
  const { resumption, bornAt } = policy;
  return resumption?.mark(key, endsAt, bornAt);
}

/** The first of the client's tickets that was made here, is not over and fits the hello; all others are passed over. */
export function findTicket(
  hello: ClientHello,
  { offered, share, suite }: Terms,
  policy: Policy,
  ownIdentities: readonly Uint8Array[],
): FoundTicket | undefined {
  const { resumption, transport, bornAt } = policy;
  // Without a fresh agreement who has the ticket's key reads all that it is used for.
  if (!resumption || !share) return undefined;
  for (const [selected, { identity }] of offered.identities.entries()) {
    const session = resumption.open(identity, transport, bornAt);
    if (!session) continue;
    const isOf13 = suitesOf(policy).some(({ id, prf }) => id === session.suite && prf === suite.prf);
    // RFC 8446 4.6.1: the name is the session's; and whose keys are ours is no client of ours.
    const isFitting = session.serverName === hello.serverName && !isOwn(session.identity, ownIdentities);
    if (isOf13 && isFitting) return { session, selected };
    session[Symbol.dispose]();
  }
  return undefined;
}

/** The key of an earlier session, as long as the hash. The caller's. */
export function keyOf({ master }: EarlierSession, hash: "sha-256" | "sha-384"): SecretBytes {
  return secretSlice(master, 0, hashLength(hash));
}

/** What a NewSessionTicket is made of. */
export interface TicketContents {
  readonly suite: number;
  /** As long as the hash; stays the caller's. */
  readonly key: SecretBytes;
  readonly nonce: Uint8Array;
  readonly identity: Uint8Array;
  readonly serverName: string | undefined;
}

/** The body of a NewSessionTicket; `undefined` where the key is as good as over, or never said to end. */
export function makeTicket(contents: TicketContents, mark: KeyMark, policy: Policy): Uint8Array | undefined {
  const { resumption, transport, bornAt } = policy;
  const { suite, key, nonce, identity, serverName } = contents;
  const { check, expiresAt } = mark;
  if (expiresAt === undefined) return undefined;
  const lifetime = Math.min(Math.floor((expiresAt - bornAt) / 1000), MAX_TICKET_LIFETIME);
  if (lifetime < 1) return undefined;
  using master = secretConcat(key, new Uint8Array(SEALED_LENGTH - key.byteLength));
  const ticket = resumption?.seal({ transport, suite, master, check, identity, serverName, expiresAt }, bornAt);
  if (!ticket) return undefined;
  const age = new Uint8Array(4);
  policy.random(age);
  return encodeNewSessionTicket({ lifetime, ageAdd: new DataView(age.buffer).getUint32(0), nonce, ticket });
}

/** Whether the client would use a ticket as it may be used. */
export function takesTickets({ pskModes }: ClientHello): boolean {
  return pskModes?.includes(PSK_MODE.pskWithKeyShare) ?? false;
}

/** What a ticket has room for: the 48 bytes of version 1.2's master secret. */
const SEALED_LENGTH = 48;
