/**
 * The one table from a use to the Ua security protocol identifier that its key is derived under: TS 33.220 Annex H, the OMA's
 * registrations, and for uses that nobody registered the experimental organisation FF. Roots that are not GBA separate their
 * keys by the same table.
 *
 * @module
 */

import type { Use } from "./ports.ts";

/**
 * Whose identifiers TLS and HTTP inside TLS use: the OMA's (organisation 03), or 3GPP's own (01), which enablers outside of OMA
 * expect. Both ends must agree: two profiles are two keys.
 */
export type UaProfile = "oma" | "3gpp";

/** The 5-byte Ua security protocol identifier of `use`. A suite of more than 16 bits or an unknown purpose is a RangeError. */
// req: SEC_CF-KEM-001
export function uaIdentifier(use: Use, profile: UaProfile = "oma"): Uint8Array {
  switch (use.kind) {
    case "tls":
      // In TLS 1.3 the binder needs the key before the suite is chosen (TS 33.222 5.4.0.2).
      return isTls13(use.suite) ? identifier(THREE_GPP, 0, 0, 7) : suiteIdentifier(use.suite, profile);
    case "http":
      return use.suite === undefined ? identifier(THREE_GPP, 0, 0, 2) : suiteIdentifier(use.suite, profile);
    case "supl":
      return identifier(OMA, 0, 0, 1);
    case "locsip":
      return identifier(OMA, 0, 0, 2);
    case "sip":
      return identifier(OMA, 0, 0, 3);
    case "object":
      return identifier(EXPERIMENTAL, 0, 0, purposeNumber(use.purpose));
    default:
      return use satisfies never;
  }
}

function suiteIdentifier(suite: number, profile: UaProfile): Uint8Array {
  if (!Number.isInteger(suite) || suite < 0 || suite > 0xffff) throw new RangeError("a cipher suite has 16 bits");
  return identifier(profile === "oma" ? OMA : THREE_GPP, 1, suite >> 8, suite & 0xff);
}

function isTls13(suite: number): boolean {
  return suite >> 8 === 0x13;
}

function purposeNumber(purpose: string): number {
  const number = PURPOSES.get(purpose);
  if (number === undefined) throw new RangeError("a purpose that is not in the table");
  return number;
}

/** Organisation, two bytes of zeros or class, and the protocol: always 00 in the second place so far. */
function identifier(organisation: number, kind: number, high: number, low: number): Uint8Array {
  return Uint8Array.of(organisation, 0, kind, high, low);
}

/** TS 33.220 H.2. */
const THREE_GPP = 0x01;
const OMA = 0x03;
const EXPERIMENTAL = 0xff;

/** The last byte of FF 00 00 00 nn. A number is never given to another purpose: that would make their keys one. */
const PURPOSES: ReadonlyMap<string, number> = new Map([
  ["message", 1],
  ["push", 2],
  ["dm-bootstrap", 3],
  ["sip-body", 4],
  ["receipt", 5],
  ["nbsp", 6],
]);
