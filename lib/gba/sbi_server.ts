/** The BSF's face to enablers: Nbsp_GBA's bootstrapping-info-retrieval as a handler (TS 29.309 6.1, TS 29.500 5.2.7). @module */

import type { Clock } from "../clock.ts";
import { wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { withinDeadline } from "../deadline.ts";
import { readBody } from "../http/mod.ts";
import type { Wait } from "../platform.ts";
import type { KeyLookup } from "./key_lookup.ts";
import type { NafId } from "./naf_id.ts";
import { decodeInfoRequest, encodeInfoResponse, MAX_MESSAGE, NBSP_PATH } from "./sbi.ts";

/** What {@link createNbspHandler} takes. */
export interface NbspHandlerOptions {
  readonly lookup: KeyLookup;
  /**
   * Whether this enabler may have keys of this NAF_Id, whose name is canonical: at least, that the name is one of its own. Asked
   * before anything is looked up, so that a refused enabler learns nothing about B-TIDs.
   */
  readonly authorise: (enabler: Uint8Array, nafId: NafId) => boolean | Promise<boolean>;
  /** Whether it may learn the subscriber's IMPI. Default: nobody may, and subscribers stay as anonymous as their B-TID. */
  readonly showsImpi?: (enabler: Uint8Array) => boolean;
  readonly clock: Clock;
  /** For one request. Default 5. */
  readonly timeoutSeconds?: number;
  /** Which key went to whom, and what was refused. Never secrets. What it throws is lost. */
  readonly onEvent?: (event: NbspEvent) => void;
}

/** What belongs into an audit record. `identity` is the enabler's. */
export type NbspEvent =
  | {
    readonly kind: "delivered" | "forbidden" | "unknown";
    readonly identity: Uint8Array;
    readonly btid: string;
    readonly nafId: NafId;
  }
  | { readonly kind: "failed"; readonly identity: Uint8Array; readonly error: unknown };

/** Answers an enabler whose identity its channel has proved; never rejects. */
export type NbspHandler = (request: Request, peer: { readonly identity: Uint8Array }) => Promise<Response>;

/** A handler over a look-up. */
export function createNbspHandler(options: NbspHandlerOptions): NbspHandler {
  const { clock, timeoutSeconds: seconds = 5, onEvent } = options;
  const tell = (event: NbspEvent): void => {
    try {
      onEvent?.(event);
    } catch {
      // An audit that fails must not decide what an enabler is told.
    }
  };
  return async (request, { identity }) => {
    try {
      return await withinDeadline(
        { clock, seconds, signal: request.signal },
        (signal) => respond({ ...options, tell }, request, identity, { signal }),
      );
    } catch (error) {
      tell({ kind: "failed", identity, error });
      const code = error instanceof SeccfError ? error.code : undefined;
      if (code === "malformed") return problem(400, "Bad Request");
      return code === "too-large" ? problem(413, "Content Too Large") : problem(503, "Service Unavailable");
    }
  };
}

async function respond(
  options: NbspHandlerOptions & { tell(event: NbspEvent): void },
  request: Request,
  identity: Uint8Array,
  wait: Wait,
): Promise<Response> {
  const { lookup, authorise, showsImpi = () => false, tell, clock } = options;
  const wrong = wrongRequest(request);
  if (wrong) return wrong;
  const { btid, nafId, gbaUAware = false } = decodeInfoRequest(await readBody(request, MAX_MESSAGE));
  const about = { identity, btid, nafId };
  if (!await authorise(identity, nafId)) {
    tell({ kind: "forbidden", ...about });
    return problem(403, "Forbidden");
  }
  const found = await lookup({ btid, nafId }, wait);
  if (!found) {
    tell({ kind: "unknown", ...about });
    return problem(404, "Not Found");
  }
  using key = found.key;
  using uiccKey = found.uiccKey;
  const { expiresAtWall, bootstrappedAtWall, impi } = found;
  const body = encodeInfoResponse({
    key,
    ...(gbaUAware && uiccKey && { uiccKey }),
    expiresAtWall,
    bootstrappedAtWall,
    gbaType: "3G_GBA",
    ...(showsImpi(identity) && { impi }),
  });
  tell({ kind: "delivered", ...about });
  // A response copies its bytes; the type only wants to hear that they are not shared memory.
  const response = new Response(body as Uint8Array<ArrayBuffer>, {
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      "date": new Date(clock.wall()).toUTCString(),
    },
  });
  wipe(body);
  return response;
}

function wrongRequest(request: Request): Response | undefined {
  if (!new URL(request.url).pathname.endsWith(NBSP_PATH)) return problem(404, "Not Found");
  if (request.method !== "POST") return problem(405, "Method Not Allowed", { allow: "POST" });
  const type = request.headers.get("content-type") ?? "";
  if (type.split(";")[0]?.trim().toLowerCase() === "application/json") return undefined;
  return problem(415, "Unsupported Media Type");
}

/** TS 29.500 5.2.7.2 and RFC 9457. No `cause`: the application errors of TS 29.309 were not at hand, and none is made up. */
function problem(status: number, title: string, headers: Readonly<Record<string, string>> = {}): Response {
  return new Response(JSON.stringify({ title, status }), {
    status,
    headers: { ...headers, "content-type": "application/problem+json", "cache-control": "no-store" },
  });
}
