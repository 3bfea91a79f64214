/** HTTP Digest in front of an enabler's handler: TS 24.109 5.2, TS 33.222 5.3. @module */

import type { FoundKey, Peer, SecurityAssociation } from "../association/mod.ts";
import { secretBase64 } from "../crypto/mod.ts";
import { type ErrorCode, SeccfError } from "../error.ts";
import { BOOTSTRAPPING } from "../gba/mod.ts";
import { createDigestServer, type DigestServer, readBody } from "../http/mod.ts";
import type { Platform, Wait } from "../platform.ts";

/** Who sent a request that a handler hears. */
export interface HttpPeer extends Peer {
  /** What was agreed with it; it seals and binds on. */
  readonly association: SecurityAssociation;
}

/** What answers authenticated requests. */
export type HttpHandler = (request: Request, peer: HttpPeer) => Response | Promise<Response>;

/** What {@link createHttpFace} takes of its enabler. */
export interface HttpFaceOptions {
  readonly handler: HttpHandler;
  readonly platform: Platform;
  /** The canonical form of a name that is ours. */
  ownName(name: string): string | undefined;
  /** The HTTP key of a B-TID; the key is the caller's to dispose. Never rejects. */
  find(btid: string, name: string, wait: Wait): Promise<Omit<FoundKey, "identity"> | undefined>;
  authenticated(association: SecurityAssociation): void;
  refused(code: ErrorCode, username: string | undefined): void;
}

/** A protection space for each of the enabler's names. */
export interface HttpFace extends Disposable {
  readonly handle: (request: Request) => Promise<Response>;
}

type Found = { readonly association: SecurityAssociation };

/** Bytes of a request's body before 413. */
const BODY_LIMIT = 1 << 20;

/** Authenticates, and hands over. */
export function createHttpFace(options: HttpFaceOptions): HttpFace {
  const { platform: { clock, random } } = options;
  const spaces = new Map<string, DigestServer<Found>>();

  const spaceOf = (name: string): DigestServer<Found> => {
    let space = spaces.get(name);
    if (!space) {
      space = createDigestServer<Found>({
        realm: `${BOOTSTRAPPING}@${name}`,
        algorithms: ["SHA-256", "MD5"],
        qop: ["auth-int"],
        clock,
        random,
        async find(btid, wait) {
          const found = await options.find(btid, name, wait);
          if (!found) return undefined;
          using key = found.key;
          return { association: found.association, password: secretBase64(key) };
        },
      });
      spaces.set(name, space);
    }
    return space;
  };

  const handle = async (request: Request): Promise<Response> => {
    const { hostname, pathname, search } = new URL(request.url);
    const name = options.ownName(hostname);
    if (name === undefined) return new Response(null, { status: 421 });
    const { method, headers, signal } = request;
    const authorization = headers.get("authorization");
    // Without credentials nothing that a stranger sends is read.
    const body = authorization === null ? new Uint8Array() : await readBody(request, BODY_LIMIT);
    const attempt = { authorization, method, uri: pathname + search, body };
    const outcome = await spaceOf(name).verify(attempt, { signal });
    if (outcome.kind === "challenge") {
      // An old nonce is nobody's fault; every honest device comes with one now and then.
      if (outcome.reason !== "missing" && outcome.reason !== "stale") options.refused(CODES[outcome.reason], undefined);
      return challenge(outcome.challenges);
    }
    using proof = outcome;
    const { association } = proof.found;
    options.authenticated(association);
    const inner = new Headers(headers);
    inner.delete("authorization"); // TS 24.109 7: credentials end here
    const { response, content } = await answer(
      options.handler,
      new Request(request.url, { method, headers: inner, signal, ...(body.length > 0 ? { body: body.slice() } : {}) }),
      { identity: association.peer.identity, assurance: "digest", association },
    );
    const proved = new Headers(response.headers);
    // The digest covers what is sent, and to HEAD no body is.
    proved.set("authentication-info", proof.info(method === "HEAD" ? new Uint8Array() : content));
    return new Response(content.length === 0 ? null : content, { status: response.status, headers: proved });
  };

  return {
    handle: (request) =>
      handle(request).catch((error: unknown) => {
        if (error instanceof SeccfError && error.code === "too-large") return new Response(null, { status: 413 });
        return new Response(null, { status: 500 });
      }),
    [Symbol.dispose]() {
      for (const space of spaces.values()) space[Symbol.dispose]();
    },
  };
}

/** What the handler answers, read whole. That it failed is an answer too, which the device must know from one made up on the way. */
async function answer(handler: HttpHandler, request: Request, peer: HttpPeer) {
  try {
    const response = await handler(request, peer);
    return { response, content: new Uint8Array(await response.arrayBuffer()) };
  } catch {
    return { response: new Response(null, { status: 500 }), content: new Uint8Array() };
  }
}

const CODES = {
  "malformed": "malformed",
  "replayed": "replayed",
  "auth-failed": "auth-failed",
} as const satisfies Record<string, ErrorCode>;

function challenge(fields: readonly string[]): Response {
  const headers = new Headers({ "cache-control": "no-store" });
  for (const field of fields) headers.append("www-authenticate", field);
  return new Response(null, { status: 401, headers });
}
