/**
 * The one error that leaves this library: a stable code for our own side. What the peer sees of a failed
 * authentication is the same whatever the code (DESIGN 4.7), so the code may be exact.
 *
 * @module
 */

/** Who has to act for the operation to succeed. */
export type Fault = "peer" | "carrier" | "identity" | "key-manager" | "caller";

/** Stable across versions: what a program may branch on. */
export type ErrorCode =
  | "auth-failed"
  | "replayed"
  | "expired"
  | "reflected"
  | "downgrade"
  | "unsupported"
  | "malformed"
  | "too-large"
  | "wrong-realm"
  | "mac-failure"
  | "pin-required"
  | "pin-blocked"
  | "identity-unavailable"
  | "key-unavailable"
  | "timeout"
  | "closed"
  | "unreachable"
  | "state"
  | "exhausted";

/** Details of a {@link SeccfError}. */
export interface ErrorDetail {
  /** What led to it, for a log; may come from the runtime. */
  readonly cause?: unknown;
  /** The clause of the standard that was broken, such as `RFC 5246 7.4.9`. */
  readonly clause?: string;
}

/** Never contains key, nonce, RAND or identity bytes, in its message or anywhere else. */
export class SeccfError extends Error {
  /** Always `SeccfError`, so that it is told apart across copies of this library. */
  override readonly name = "SeccfError";
  /** What happened; see {@link ErrorCode}. */
  readonly code: ErrorCode;
  /** The clause of the standard that was broken, where one was. */
  readonly clause: string | undefined;

  /** `message` is for people and may change; `code` does not. */
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

const FAULTS: Readonly<Record<ErrorCode, Fault>> = {
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
};
