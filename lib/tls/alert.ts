/** Alerts (RFC 5246 7.2): what goes over the wire when a connection ends, and the local error that each stands for. @module */

import { type ErrorCode, type ErrorDetail, SeccfError } from "../error.ts";
import { Reader } from "../bytes/mod.ts";

const ALERTS = {
  close_notify: 0,
  unexpected_message: 10,
  bad_record_mac: 20,
  record_overflow: 22,
  handshake_failure: 40,
  illegal_parameter: 47,
  access_denied: 49,
  decode_error: 50,
  decrypt_error: 51,
  too_many_cids_requested: 52,
  protocol_version: 70,
  insufficient_security: 71,
  internal_error: 80,
  inappropriate_fallback: 86,
  user_canceled: 90,
  no_renegotiation: 100,
  missing_extension: 109,
  unsupported_extension: 110,
  unrecognized_name: 112,
  unknown_psk_identity: 115,
} as const;

/** An alert by its name in the IANA registry. */
export type AlertName = keyof typeof ALERTS;

/** One alert as it stands in a record. */
export interface Alert {
  readonly fatal: boolean;
  /** 0 to 255; not every number has a name. */
  readonly description: number;
}

/** The error of a connection that ends, and the alert that tells the peer. */
export class TlsFailure extends SeccfError {
  readonly alert: AlertName;

  constructor(alert: AlertName, code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(code, message, detail);
    this.alert = alert;
  }
}

/** Two bytes: a fatal alert, or close_notify and no_renegotiation, which are warnings. */
export function encodeAlert(name: AlertName): Uint8Array {
  const warning = name === "close_notify" || name === "no_renegotiation";
  return Uint8Array.of(warning ? 1 : 2, ALERTS[name]);
}

/** Exactly two bytes with a level that exists, else `malformed`. */
export function decodeAlert(payload: Uint8Array): Alert {
  const reader = new Reader(payload);
  const level = reader.u8();
  const description = reader.u8();
  reader.end();
  if (level !== 1 && level !== 2) {
    throw new TlsFailure("illegal_parameter", "malformed", "an alert of no level", { clause: "RFC 5246 7.2" });
  }
  return { fatal: level === 2, description };
}

/** Whether a received alert ends the connection in good order. */
export function isCloseNotify(alert: Alert): boolean {
  return alert.description === ALERTS.close_notify;
}

/** The one alert of version 1.3 beside close_notify that ends nothing (RFC 8446 6): close_notify follows. */
export function isCancellation(alert: Alert): boolean {
  return alert.description === ALERTS.user_canceled;
}

/** The alert that `error` is told to the peer by; what a decoder throws has no alert of its own. */
export function alertOf(error: SeccfError): AlertName {
  if (error instanceof TlsFailure) return error.alert;
  return error.code === "malformed" ? "decode_error" : "internal_error";
}

/** The error that a peer's fatal alert means here. */
export function errorOf(alert: Alert): SeccfError {
  const name = NAMES.get(alert.description);
  const code = (name && CODES[name]) ?? "closed";
  return new SeccfError(code, `the peer ended the connection with alert ${name ?? alert.description}`);
}

const NAMES: ReadonlyMap<number, AlertName> = new Map(
  // Object.entries widens the key that ALERTS gives it.
  Object.entries(ALERTS).map(([name, description]) => [description, name as AlertName]),
);

const CODES: { readonly [N in AlertName]?: ErrorCode } = {
  bad_record_mac: "auth-failed",
  access_denied: "auth-failed",
  decrypt_error: "auth-failed",
  unknown_psk_identity: "auth-failed",
  handshake_failure: "unsupported",
  protocol_version: "unsupported",
  insufficient_security: "unsupported",
  missing_extension: "unsupported",
  unsupported_extension: "unsupported",
  unrecognized_name: "unsupported",
  inappropriate_fallback: "downgrade",
};
