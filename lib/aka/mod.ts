/**
 * Authentication and key agreement of 3GPP (TS 33.102): Milenage and TUAK, vectors and tokens, sequence numbers on
 * both sides, resynchronisation, and the authentication centre.
 *
 * @module
 */

export type { AkaAlgorithm, AkaKeys } from "./algorithm.ts";
export {
  type AuthenticationCentre,
  type CentreOptions,
  createAuthenticationCentre,
  type Subscriber,
  type VectorRequest,
} from "./centre.ts";
export { c1, c2, c3, c4, c5, kc128 } from "./conversion.ts";
export { akaAlgorithm, type AkaCredentials } from "./credentials.ts";
export { type DecoyOptions, decoyVector } from "./decoy.ts";
export { gbaUFromMemory, type GbaUProfile, switchAutn, switchRes } from "./gba_u.ts";
export { type IssuerOptions, SequenceIssuer } from "./issuer.ts";
export { milenage, type MilenageCredentials } from "./milenage.ts";
export { makeAuts, openAuts } from "./resync.ts";
export {
  joinSqn,
  SequenceArray,
  type SequenceProfile,
  splitSqn,
  SQN_LIMIT,
  sqnFromBytes,
  sqnToBytes,
} from "./sequence.ts";
export { tuak, type TuakCredentials } from "./tuak.ts";
export {
  type AuthenticationVector,
  type Autn,
  makeVector,
  parseAutn,
  type VectorInput,
  type VerifiedChallenge,
  verifyChallenge,
} from "./vector.ts";
