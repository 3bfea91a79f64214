/** What the system says about a datagram socket, as the codes of this library. @module */

import { SeccfError } from "../../lib/error.ts";

/** `ECONNREFUSED` and the like. */
export function systemCode(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/** A failure to bind, or to find a host. */
export function unreachable(what: string, cause: unknown): SeccfError {
  const code = systemCode(cause);
  return new SeccfError("unreachable", code ? `${what}: ${code}` : what, { cause });
}
