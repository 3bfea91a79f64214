/** What pcscd's results mean for whoever wants a card. @module */

import { SeccfError } from "../../../lib/error.ts";

/** Another program uses the card. */
export const SHARING_VIOLATION = 0x8010000b;
/** pcscd speaks another version of its protocol. */
export const SERVICE_STOPPED = 0x8010001e;

/** The error for a result that ended `action`; `identity-unavailable` unless it is a matter of time. */
export function resultError(result: number, action: string): SeccfError {
  const text = RESULTS[result];
  const shown = text ?? `pcscd answered ${result.toString(16).toUpperCase().padStart(8, "0")}`;
  return new SeccfError(result === 0x8010000a ? "timeout" : "identity-unavailable", `${shown} (${action})`, {
    clause: "PC/SC part 5",
  });
}

const RESULTS: Readonly<Record<number, string>> = {
  0x80100009: "there is no such reader",
  0x8010000a: "pcscd gave up waiting",
  [SHARING_VIOLATION]: "another program uses the card",
  0x8010000c: "there is no card in the reader",
  0x8010000f: "the card speaks another protocol",
  0x80100013: "reader and card do not understand each other",
  0x80100016: "the card did not answer",
  0x80100017: "the reader is gone",
  0x8010002e: "there is no reader",
  0x80100065: "the reader can not use this card",
  0x80100066: "the card does not answer",
  0x80100067: "the card has no power",
  0x80100068: "the card was reset by another program",
  0x80100069: "the card was taken out",
  0x8010006a: "pcscd does not let this user at the card",
};
