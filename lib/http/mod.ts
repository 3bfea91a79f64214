/** HTTP's authentication: header fields, Digest on both sides, and bounded bodies. @module */

export {
  type AuthItem,
  type AuthParameter,
  formatAuthItem,
  formatParameters,
  parseChallenges,
  parseCredentials,
  parseParameters,
} from "./auth_field.ts";
export { readBody } from "./body.ts";
export {
  type DigestAlgorithm,
  digestAlgorithm,
  type DigestPrincipal,
  digestResponse,
  type DigestTerms,
  passwordHash,
  type Qop,
  sameResponse,
} from "./digest.ts";
export {
  createDigestClient,
  type DigestAnswer,
  type DigestChallenge,
  type DigestClient,
  type DigestClientOptions,
  type DigestRequest,
  readDigestChallenges,
} from "./digest_client.ts";
export { authenticationInfo, type DigestClaim, readClaim } from "./digest_claim.ts";
export {
  type Authenticated,
  type Challenged,
  createDigestServer,
  type DigestAttempt,
  type DigestOutcome,
  type DigestServer,
  type DigestServerOptions,
} from "./digest_server.ts";
