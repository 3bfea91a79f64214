/**
 * Ua over HTTP: an association's HTTP key as a Digest password (TS 24.109 5.2, TS 33.222 5.3). The enabler proves in each
 * response that it has the key too; without that proof the response does not reach the caller.
 *
 * @module
 */

import type { SecurityAssociation } from "../association/mod.ts";
import { fromUtf8 } from "../bytes/mod.ts";
import { secretBase64 } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import {
  createDigestClient,
  type DigestAlgorithm,
  type DigestAnswer,
  type DigestChallenge,
  type DigestClient,
  readBody,
  readDigestChallenges,
} from "../http/mod.ts";
import type { Fetch, Random } from "../platform.ts";
import { BOOTSTRAPPING } from "./btid.ts";

/** What {@link createApplicationClient} takes. */
export interface ApplicationClientOptions {
  /** Stays the caller's. */
  readonly association: SecurityAssociation;
  readonly fetch: Fetch;
  readonly random: Random;
  /** Bytes of a body, of a request or a response, before `too-large`. Default 1 MiB. */
  readonly bodyLimit?: number;
}

/** Requests to one enabler, each with the association's proof. */
export interface ApplicationClient extends Disposable {
  /**
   * Sends a request to the association's enabler and returns its response, whose body was proved. The first is preceded by one
   * without a body, for the challenge. Throws `auth-failed` when either side's proof fails, `wrong-realm` at a challenge for
   * another enabler, `expired`, `too-large`, and what `fetch` throws.
   */
  readonly fetch: Fetch;
  /**
   * As `fetch`, but `undefined` where the enabler refuses the association's proof: it has not acted on the request, and asks for
   * a new bootstrapping (TS 24.109 5.2.5). A response without the enabler's own proof is no such refusal.
   */
  attempt(request: Request): Promise<Response | undefined>;
}

/** A client for one association: it is challenged once and answers until the nonce grows stale. */
// req: SEC_CF-AUTH-001
// req: SEC_CF-AUTH-002
export function createApplicationClient(options: ApplicationClientOptions): ApplicationClient {
  const { association, bodyLimit = 1 << 20 } = options;
  let digest: DigestClient | undefined;

  const exchange = async (
    request: Request,
    body: Uint8Array,
    client: DigestClient,
  ): Promise<Response | undefined> => {
    for (let attempt = 0;; attempt++) {
      const { pathname, search } = new URL(request.url);
      const answer = client.authorize({ method: request.method, uri: pathname + search, body });
      const response = await options.fetch(outgoing(request, body, answer.authorization));
      if (response.status !== 401) return await proved(response, answer, bodyLimit);
      const field = response.headers.get("www-authenticate");
      await response.body?.cancel();
      // Stale: the nonce alone was refused, and the key deserves one more.
      const fresh = readDigestChallenges(field).find((one) => one.stale && client.renew(one));
      if (!fresh || attempt > 0) return undefined;
    }
  };

  const attempt = async (request: Request): Promise<Response | undefined> => {
    if (new URL(request.url).hostname !== association.serverName) {
      throw new SeccfError("wrong-realm", "a request to another host than the association's");
    }
    const body = await readBody(request, bodyLimit);
    const client = digest ?? await challenged(options, request);
    // Another request may have been challenged meanwhile: one client, one count.
    if (digest && digest !== client) client[Symbol.dispose]();
    digest ??= client;
    const response = await exchange(request, body, digest);
    if (response) association.bound({ carrier: "http", strength: 0 });
    return response;
  };

  return {
    attempt,
    async fetch(request) {
      const response = await attempt(request);
      if (!response) throw new SeccfError("auth-failed", "the enabler refused the association's proof");
      return response;
    },
    [Symbol.dispose]() {
      digest?.[Symbol.dispose]();
      digest = undefined;
    },
  };
}

/** Asks for a challenge, without the body that only the enabler should see, and takes the association's key for it. */
async function challenged(options: ApplicationClientOptions, request: Request): Promise<DigestClient> {
  const { association, fetch, random } = options;
  const response = await fetch(outgoing(request, new Uint8Array()));
  const field = response.headers.get("www-authenticate");
  await response.body?.cancel();
  if (response.status !== 401) throw new SeccfError("auth-failed", "the enabler answered without asking who we are");
  const challenge = choose(readDigestChallenges(field), association.serverName);
  const found = await association.find({ use: { kind: "http" } }, { signal: request.signal });
  if (!found) throw new SeccfError("key-unavailable", "the association has no key for HTTP");
  using key = found.key;
  using password = secretBase64(key);
  // auth-int: the one qop that covers the body (TS 24.109 5.2.6).
  return createDigestClient({ challenge, username: fromUtf8(found.identity), password, qop: "auth-int", random });
}

function choose(challenges: readonly DigestChallenge[], serverName: string): DigestChallenge {
  // A realm may list several values (TS 24.109 5.2.4); the one for this host is the one we can answer.
  const ours = challenges.filter(({ realm }) => realm.split(";").includes(`${BOOTSTRAPPING}@${serverName}`));
  if (challenges.length > 0 && ours.length === 0) {
    throw new SeccfError("wrong-realm", "the challenge is for another enabler", { clause: "TS 24.109 5.2.4" });
  }
  // By strength, whatever the order they came in (RFC 7616 3.7).
  for (const wanted of ALGORITHMS) {
    const found = ours.find(({ algorithm }) => algorithm === wanted);
    if (found) return found;
  }
  throw new SeccfError("unsupported", "the enabler offers no Digest that is known here");
}

function outgoing(request: Request, body: Uint8Array, authorization?: string): Request {
  const headers = new Headers(request.headers);
  const product = headers.get("user-agent");
  // TS 24.109 D.3: tells the enabler that a bootstrapped key can be asked for.
  headers.set("user-agent", product === null ? "3gpp-gba" : `${product} 3gpp-gba`);
  // The proof covers the body before any coding, and a runtime's `fetch` shows it after.
  headers.set("accept-encoding", "identity");
  headers.delete("content-length");
  headers.delete("authorization");
  if (authorization !== undefined) headers.set("authorization", authorization);
  return new Request(request.url, {
    method: request.method,
    headers,
    signal: request.signal,
    // A redirect is the caller's to follow: its target may be another enabler.
    redirect: "manual",
    ...(body.length > 0 ? { body: body.slice() } : {}),
  });
}

/** The response with its body read, once the enabler has proved it. */
async function proved(response: Response, answer: DigestAnswer, bodyLimit: number): Promise<Response> {
  const body = await readBody(response, bodyLimit);
  answer.verify(response.headers.get("authentication-info"), body);
  const { status, statusText, headers } = response;
  return new Response(body.length > 0 ? body.slice() : null, { status, statusText, headers });
}

const ALGORITHMS: readonly DigestAlgorithm[] = ["SHA-512-256", "SHA-256", "MD5"];
