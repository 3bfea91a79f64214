/** How an enabler asks the BSF for its key of a B-TID: TS 29.309 5.2.2.2. Nothing is kept here: who wants a cache wants a copy of the key. @module */

import type { Clock } from "../clock.ts";
import { wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import { withinDeadline } from "../deadline.ts";
import { readBody } from "../http/mod.ts";
import type { Fetch, Wait } from "../platform.ts";
import {
  type BootstrappingInfoRequest,
  type BootstrappingInfoResponse,
  decodeInfoResponse,
  encodeInfoRequest,
  MAX_MESSAGE,
  NBSP_PATH,
} from "./sbi.ts";

/** What {@link retrieveBootstrappingInfo} takes besides the question. */
export interface RetrieveOptions extends Wait {
  /** Over a channel on which both ends are authenticated, and nothing is readable: the answer holds a key. */
  readonly fetch: Fetch;
  /** The BSF's API root. */
  readonly base: string | URL;
  readonly clock: Clock;
  /** Default 5. */
  readonly timeoutSeconds?: number;
}

/** What the BSF said, and how long it lasts from now. */
export interface RetrievedInfo extends BootstrappingInfoResponse {
  /** By the BSF's own clock where it told the time, else by ours; absent where it gave no end. Never negative. */
  readonly remainingSeconds?: number;
}

/**
 * The key of one NAF_Id, the caller's to dispose; `undefined` where the BSF does not know the B-TID. Throws `key-unavailable`
 * when the BSF answers late, wrongly, never, or that this enabler may not ask; the cause says which.
 */
export async function retrieveBootstrappingInfo(
  request: BootstrappingInfoRequest,
  options: RetrieveOptions,
): Promise<RetrievedInfo | undefined> {
  const { clock, timeoutSeconds: seconds = 5, signal } = options;
  const body = encodeInfoRequest(request);
  try {
    return await withinDeadline(
      { clock, seconds, ...(signal ? { signal } : {}) },
      (within) => ask(options, body, within),
    );
  } catch (cause) {
    if (signal?.aborted) throw cause;
    throw new SeccfError("key-unavailable", "the Key Manager gave no key", { cause });
  }
}

async function ask(
  options: RetrieveOptions,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<RetrievedInfo | undefined> {
  const response = await options.fetch(
    new Request(apiUrl(options.base), {
      method: "POST",
      headers: { "content-type": "application/json", "accept": "application/json, application/problem+json" },
      body: body.slice(),
      signal,
      redirect: "manual",
    }),
  );
  if (response.status !== 200) {
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    throw new SeccfError(response.status === 403 ? "auth-failed" : "unsupported", `it answered ${response.status}`);
  }
  const json = await readBody(response, MAX_MESSAGE);
  try {
    const info = decodeInfoResponse(json);
    if (info.expiresAtWall === undefined) return info;
    const told = Date.parse(response.headers.get("date") ?? "");
    const now = Number.isNaN(told) ? options.clock.wall() : told;
    return { ...info, remainingSeconds: Math.max(0, Math.floor((info.expiresAtWall - now) / 1000)) };
  } finally {
    wipe(json);
  }
}

function apiUrl(base: string | URL): URL {
  const url = new URL(base);
  url.pathname = url.pathname.replace(/\/$/, "") + NBSP_PATH;
  return url;
}
