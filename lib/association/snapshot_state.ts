/**
 * The plaintext of a snapshot: one deterministic CBOR array, `[1, reference, server name, role, origin,
 * [peer, assurance], [milliseconds left, end on the wall clock], weakest binding or null, sealings]`.
 *
 * @module
 */

import { type CborValue, decodeCbor, encodeCbor } from "../cose/mod.ts";
import { type SecretBytes, secretFrom } from "../crypto/mod.ts";
import { expose } from "../crypto/secret.ts";
import { SeccfError } from "../error.ts";
import type { Lifetime } from "./lifetime.ts";
import type { Binding, KeyOrigin, Peer, Role } from "./ports.ts";
import { CONTEXTS, type ContextState } from "./replay_contexts.ts";
import { ID_CONTEXT_LENGTH, MAXIMUM_EPOCH } from "./sealer_context.ts";

/** All that a snapshot keeps. */
export interface AssociationState {
  /** The public reference that both ends have: a B-TID or a provisioned identity. */
  readonly reference: string;
  readonly serverName: string;
  readonly role: Role;
  readonly origin: KeyOrigin["kind"];
  readonly peer: Peer;
  readonly lifetime: Lifetime;
  /** The weakest binding it ever had. */
  readonly weakest?: Binding;
  /** Each use that was opened for sealing, with its key: whoever has the state disposes the keys. */
  readonly sealings: readonly PurposeState[];
}

/** What a snapshot keeps of one use opened for sealing. */
export interface PurposeState {
  readonly purpose: string;
  /** 32 octets. */
  readonly key: SecretBytes;
  /** COSE number. */
  readonly algorithm: number;
  /** The last epoch used. */
  readonly epoch: number;
  /** 8 bytes, of the record of what was received. */
  readonly generation: Uint8Array | undefined;
  readonly floor: number;
  readonly contexts: readonly ContextState[];
}

/** What a snapshot says, before it is known how much of its lifetime is left. */
export interface ParsedState extends Omit<AssociationState, "lifetime"> {
  /** Milliseconds that were left when it was taken. */
  readonly left: number;
  /** Milliseconds since 1970. */
  readonly expiresAtWall: number;
}

/** The plaintext, keys included: the caller wipes it. */
export function encodeState(state: AssociationState): Uint8Array {
  const { reference, serverName, role, origin, peer, lifetime, weakest, sealings } = state;
  return encodeCbor([
    VERSION,
    reference,
    serverName,
    ROLES.indexOf(role),
    ORIGINS.indexOf(origin),
    [peer.identity, ASSURANCES.indexOf(peer.assurance)],
    [Math.floor(lifetime.left), Math.floor(lifetime.expiresAtWall)],
    weakest ? [weakest.carrier, weakest.suite ?? null, weakest.strength] : null,
    sealings.map(({ purpose, key, algorithm, epoch, generation, floor, contexts }) => [
      ...[purpose, expose(key), algorithm, epoch, generation ?? null, floor],
      contexts.map(({ idContext, next, seen, from }) => [idContext, next, seen, from]),
    ]),
  ]);
}

/** Throws `malformed` for what {@link encodeState} does not write, `unsupported` for a later version. Copies what it keeps. */
export function parseState(plaintext: Uint8Array): ParsedState {
  const value = decodeCbor(plaintext, { deterministic: true });
  if (Array.isArray(value) && Number.isInteger(value[0]) && value[0] > VERSION) {
    throw new SeccfError("unsupported", "a snapshot of a later version");
  }
  const [version, reference, serverName, role, origin, peer, lifetime, weakest, sealings] = array(value, 9);
  if (version !== VERSION) throw malformed();
  const [left, expiresAtWall] = array(lifetime, 2);
  return {
    reference: text(reference),
    serverName: text(serverName),
    role: oneOf(ROLES, role),
    origin: oneOf(ORIGINS, origin),
    peer: parsePeer(peer),
    left: whole(left),
    expiresAtWall: whole(expiresAtWall),
    ...weakest === null ? {} : { weakest: parseBinding(weakest) },
    sealings: parseSealings(sealings),
  };
}

const VERSION = 1;
const ROLES: readonly Role[] = ["initiator", "responder"];
const ORIGINS: readonly KeyOrigin["kind"][] = ["gba", "gba-push", "akma", "provisioned", "token"];
const ASSURANCES: readonly Peer["assurance"][] = ["psk", "certificate", "digest", "unauthenticated"];
const STRENGTHS: readonly Binding["strength"][] = [0, 1, 2, 3];

function parsePeer(value: CborValue | undefined): Peer {
  const [identity, assurance] = array(value, 2);
  return { identity: bytes(identity), assurance: oneOf(ASSURANCES, assurance) };
}

function parseBinding(value: CborValue | undefined): Binding {
  const [carrier, suite, strength] = array(value, 3);
  return {
    carrier: text(carrier),
    ...suite === null ? {} : { suite: whole(suite, 0xffff) },
    strength: oneOf(STRENGTHS, strength),
  };
}

/** All but the keys first, so that a snapshot found bad half-way leaves no secret behind. */
function parseSealings(value: CborValue | undefined): PurposeState[] {
  const parsed = array(value).map((sealing) => {
    const [purpose, key, algorithm, epoch, generation, floor, contexts] = array(sealing, 7);
    const keyBytes = view(key, 32);
    const state = {
      purpose: text(purpose),
      algorithm: whole(algorithm),
      epoch: whole(epoch, MAXIMUM_EPOCH),
      generation: generation === null ? undefined : bytes(generation, 8),
      floor: whole(floor),
      contexts: parseContexts(contexts),
    };
    return { state, keyBytes };
  });
  return parsed.map(({ state, keyBytes }) => ({ ...state, key: secretFrom(keyBytes) }));
}

function parseContexts(value: CborValue | undefined): ContextState[] {
  const contexts = array(value);
  if (contexts.length > CONTEXTS) throw malformed();
  return contexts.map((context) => {
    const [idContext, next, seen, from] = array(context, 4);
    return {
      idContext: bytes(idContext, ID_CONTEXT_LENGTH),
      next: whole(next),
      seen: bytes(seen, 8),
      from: whole(from),
    };
  });
}

function array(value: CborValue | undefined, length?: number): readonly CborValue[] {
  if (!Array.isArray(value) || (length !== undefined && value.length !== length)) throw malformed();
  return value as readonly CborValue[];
}

function text(value: CborValue | undefined): string {
  if (typeof value !== "string") throw malformed();
  return value;
}

function whole(value: CborValue | undefined, most: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== "number" || value < 0 || value > most) throw malformed();
  return value;
}

function view(value: CborValue | undefined, length?: number): Uint8Array {
  if (!(value instanceof Uint8Array) || (length !== undefined && value.length !== length)) throw malformed();
  return value;
}

function bytes(value: CborValue | undefined, length?: number): Uint8Array {
  return view(value, length).slice();
}

function oneOf<T>(choices: readonly T[], value: CborValue | undefined): T {
  const choice = choices[whole(value)];
  if (choice === undefined) throw malformed();
  return choice;
}

function malformed(): SeccfError {
  return new SeccfError("malformed", "not the state of an association");
}
