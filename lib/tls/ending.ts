/** How a connection ends before its time: what the peer is told, and what the driver. @module */

import { SeccfError } from "../error.ts";
import { type Alert, type AlertName, alertOf, isCancellation } from "./alert.ts";

/** One fault, as either side of the engine hears of it. */
export interface Ending {
  readonly alert: AlertName;
  readonly reason: SeccfError;
}

/**
 * The end that `error` is. `refusal`: why no record of the peer can be right, where that is certain; then the driver hears
 * of that instead of a record that does not open.
 */
export function endingOf(error: unknown, refusal: SeccfError | undefined): Ending {
  const reason = error instanceof SeccfError
    ? error
    : new SeccfError("state", "the engine failed in itself", { cause: error });
  return { alert: alertOf(reason), reason: refusal && reason.code === "auth-failed" ? refusal : reason };
}

/** Whether an alert that is no close_notify ends the connection: in version 1.3 it is the description alone that says so (RFC 8446 6). */
export function endsConnection(alert: Alert, isVersion13: boolean): boolean {
  return alert.fatal || (isVersion13 && !isCancellation(alert));
}
