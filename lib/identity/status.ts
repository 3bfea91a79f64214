/** Status words of cards (TS 102 221 10.2.1, TS 31.102 7.3) and the errors they become. @module */

import { type ErrorCode, SeccfError } from "../error.ts";

/** The status words that this room gives or asks for by name. */
export const SW = {
  ok: 0x9000,
  memoryProblem: 0x6581,
  wrongLength: 0x6700,
  noLogicalChannel: 0x6881,
  noCurrentFile: 0x6986,
  commandIncompatible: 0x6981,
  securityStatus: 0x6982,
  pinBlocked: 0x6983,
  conditionsOfUse: 0x6985,
  incorrectData: 0x6a80,
  notSupported: 0x6a81,
  fileNotFound: 0x6a82,
  recordNotFound: 0x6a83,
  noMemory: 0x6a84,
  wrongP1P2: 0x6a86,
  referenceNotFound: 0x6a88,
  wrongOffset: 0x6b00,
  wrongInstruction: 0x6d00,
  wrongClass: 0x6e00,
  incorrectMac: 0x9862,
  contextNotSupported: 0x9864,
} as const;

/** Tries left after a wrong PIN (63Cx); `undefined` for any other status. */
export function triesLeft(sw: number): number | undefined {
  return (sw & 0xfff0) === 0x63c0 ? sw & 15 : undefined;
}

/** The error for a status that ended `action`, with the status in its message: it holds no secret. */
export function statusError(sw: number, action: string): SeccfError {
  const tries = triesLeft(sw);
  const code = CODES[sw] ?? (tries === undefined ? undefined : tries > 0 ? "pin-required" : "pin-blocked");
  const status = sw.toString(16).toUpperCase().padStart(4, "0");
  return new SeccfError(code ?? "identity-unavailable", `the card answered ${status} to ${action}`, {
    clause: "TS 102 221 10.2.1",
  });
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  [SW.securityStatus]: "pin-required",
  [SW.pinBlocked]: "pin-blocked",
  [SW.incorrectMac]: "mac-failure",
  [SW.notSupported]: "unsupported",
  [SW.noLogicalChannel]: "unsupported",
  [SW.wrongP1P2]: "unsupported",
  [SW.wrongInstruction]: "unsupported",
  [SW.wrongClass]: "unsupported",
  [SW.contextNotSupported]: "unsupported",
};
