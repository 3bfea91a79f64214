/**
 * The one error that leaves this library: a stable code for our own side. What the peer sees of a failed
 * authentication is the same whatever the code (DESIGN 4.7), so the code may be exact.
 *
 * @module
 */

/** Who has to act for the operation to succeed. */
export type Fault = "peer" | "carrier" | "identity" | "key-manager" | "caller";

const FAULTS = {
  "auth-failed": "peer",
  "replayed": "peer",
  "expired": "peer",
  "reflected": "peer",
  "downgrade": "peer",
  "unsupported": "peer",
  "malformed": "peer",
  "too-large": "peer",
  "wrong-realm": "peer",
  "mac-failure": "identity",
  "pin-required": "identity",
  "pin-blocked": "identity",
  "identity-unavailable": "identity",
  "key-unavailable": "key-manager",
  "timeout": "carrier",
  "closed": "carrier",
  "unreachable": "carrier",
  "state": "caller",
  "exhausted": "caller",
} as const satisfies Record<string, Fault>;

/** Stable across versions: what a program may branch on. */
export type ErrorCode = keyof typeof FAULTS;

/** Details of a {@link SeccfError}. */
export interface ErrorDetail {
  /** What led to it, for a log; may come from the runtime. */
  readonly cause?: unknown;
  /** The clause of the standard that was broken, such as `RFC 5246 7.4.9`. */
  readonly clause?: string;
}

/** Never contains key, nonce, RAND or identity bytes, in its message or anywhere else. */
export class SeccfError extends Error {
  override readonly name = "SeccfError";
  readonly code: ErrorCode;
  readonly clause: string | undefined;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.code = code;
    this.clause = detail.clause;
  }

  /** The party that has to act. */
  get fault(): Fault {
    return FAULTS[this.code];
  }
}
