/** What the system says about a socket, as the codes of this library. @module */

import { SeccfError } from "../../lib/error.ts";

/** A failure to reach or to listen: `timeout` when the system gave up waiting, else `unreachable`. */
export function unreachable(what: string, cause: Error): SeccfError {
  const code = systemCode(cause);
  return new SeccfError(code === "ETIMEDOUT" ? "timeout" : "unreachable", code ? `${what}: ${code}` : what, { cause });
}

/** A connection that broke: `timeout` when the peer fell silent on the system's own probes, else `closed`. */
export function broken(cause?: Error | null): SeccfError {
  const code = cause ? systemCode(cause) : undefined;
  if (code === "ETIMEDOUT") return new SeccfError("timeout", "the connection timed out", { cause });
  return new SeccfError("closed", code ? `the connection broke: ${code}` : "the connection is closed", { cause });
}

/** `ECONNREFUSED` and the like; also of the first of several attempts. */
function systemCode(error: Error): string | undefined {
  if ("code" in error && typeof error.code === "string") return error.code;
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? systemCode(first) : undefined;
}
