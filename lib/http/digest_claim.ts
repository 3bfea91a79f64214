/** What a client says in its `Authorization` field, and the answer that proves the server to it. RFC 7616 3.4, 3.5. @module */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { formatParameters, parseCredentials } from "./auth_field.ts";
import { type DigestAlgorithm, digestAlgorithm, digestResponse, type DigestTerms } from "./digest.ts";

/** What a client says in its `Authorization` field. */
export interface DigestClaim extends Omit<DigestTerms, "method" | "body"> {
  readonly username: string;
  readonly realm: string;
  readonly algorithm: DigestAlgorithm;
  readonly response: string;
  /** `nc` as a number. */
  readonly count: number;
  /** RFC 3310 3.4, in base64. */
  readonly auts?: string;
}

/** Reads Digest credentials; `undefined` for what is none, since a stranger's text is no error of ours. */
export function readClaim(authorization: string): DigestClaim | undefined {
  const parameters = readParameters(authorization);
  if (!parameters) return undefined;
  const get = (name: string): string => parameters.get(name) ?? "";
  const algorithm = digestAlgorithm(parameters.get("algorithm"));
  const qop = get("qop").toLowerCase();
  const nc = get("nc");
  const auts = parameters.get("auts");
  if (algorithm === undefined || (qop !== "auth" && qop !== "auth-int") || !/^[0-9a-fA-F]{8}$/.test(nc)) {
    return undefined;
  }
  const [username, realm, nonce] = [get("username"), get("realm"), get("nonce")];
  const [uri, cnonce, response] = [get("uri"), get("cnonce"), get("response")];
  if ([username, realm, nonce, uri, cnonce].includes("") || !/^[0-9a-fA-F]{32,64}$/.test(response)) return undefined;
  // `0x0` would sit below every window's first count.
  const count = Number.parseInt(nc, 16);
  if (count === 0) return undefined;
  const claim = { username, realm, nonce, uri, cnonce, nc, count, qop, algorithm, response } as const;
  return auts === undefined ? claim : { ...claim, auts };
}

/** The `Authentication-Info` field that proves the password over `body`. RFC 7616 3.5. */
export function authenticationInfo(claim: DigestClaim, ha1: SecretBytes, body: Uint8Array): string {
  const { qop, cnonce, nc } = claim;
  const rspauth = digestResponse(claim.algorithm, ha1, { ...claim, method: "", body });
  return formatParameters([
    { name: "qop", value: qop, quoted: false },
    { name: "rspauth", value: rspauth, quoted: true },
    { name: "cnonce", value: cnonce, quoted: true },
    { name: "nc", value: nc, quoted: false },
  ]);
}

function readParameters(authorization: string): ReadonlyMap<string, string> | undefined {
  try {
    const { scheme, parameters } = parseCredentials(authorization);
    return scheme === "digest" ? parameters : undefined;
  } catch (error) {
    if (error instanceof SeccfError) return undefined;
    throw error;
  }
}
