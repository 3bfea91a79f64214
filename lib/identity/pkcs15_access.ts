/**
 * Who may do what with a file of a UICC: its file control parameters and the access rule they refer to (TS 102 221 9,
 * 11.1.1.3; ISO/IEC 7816-4 expanded format). It tells a file that the card's issuer alone can change from others.
 *
 * @module
 */

import { SeccfError } from "../error.ts";
import { readTlvs, type Tlv } from "./tlv.ts";

/** What SELECT says of a file. */
export interface FileParameters {
  /** Bytes of a transparent file; `undefined` where the card does not say. */
  readonly size: number | undefined;
  /** Whether READ BINARY is the command for it. */
  readonly transparent: boolean;
  /** The record of EF_ARR that holds the rule; `undefined` for a file with none, or with rules in another form. */
  readonly rule: { readonly fid: number; readonly record: number } | undefined;
}

/** What must be so before a command is done. */
export type Condition =
  | { readonly kind: "always" | "never" }
  /** A PIN or a key was verified: 01 to 08 PINs, 0A to 0E and 8A to 8E keys of administrators, 11 the universal PIN, 81 to 88 local PINs (TS 102 221 9.5.1). */
  | { readonly kind: "verified"; readonly reference: number }
  | { readonly kind: "any" | "all"; readonly of: readonly Condition[] }
  /** Of a form that is not known: nothing is concluded from it. */
  | { readonly kind: "unknown" };

/** Access mode bits of an elementary file and the instructions that a rule may name instead (ISO/IEC 7816-4 table 17, 5.1.2). */
const ACCESS: Readonly<Record<"read" | "update", { readonly mode: number; readonly commands: readonly number[] }>> = {
  read: { mode: 0x01, commands: [0xb0, 0xb1, 0xb2, 0xb3] },
  update: { mode: 0x06, commands: [0x0e, 0x0f, 0xd0, 0xd1, 0xd2, 0xd6, 0xd7, 0xdc, 0xdd, 0xe2] },
};

/** Reads what SELECT with P2 04 answered. Throws `malformed`. */
export function decodeFileParameters(answer: Uint8Array): FileParameters {
  const template = readTlvs(answer).find(({ tag }) => tag === 0x62);
  if (!template) throw malformed("a file without control parameters");
  const objects = readTlvs(template.value);
  const find = (tag: number) => objects.find((object) => object.tag === tag)?.value;
  const [descriptor = 0] = find(0x82) ?? [];
  const size = find(0x80);
  const reference = find(0x8b);
  return {
    size: size && size.length >= 1 && size.length <= 3 ? size.reduce((sum, byte) => sum * 256 + byte, 0) : undefined,
    transparent: (descriptor & 0x3f) === 0x01,
    rule: reference && ruleOf(reference),
  };
}

/**
 * The condition that stands before reading or updating, by a record of EF_ARR: each rule that names it opens it, so that
 * they are alternatives; "never" where none does. Throws `malformed`.
 */
export function conditionOf(record: Uint8Array, use: keyof typeof ACCESS): Condition {
  const objects = readTlvs(record);
  const of: Condition[] = [];
  for (let at = 0; at < objects.length; at += 2) {
    const [access, security] = [objects[at]!, objects[at + 1]];
    if (!security) throw malformed("an access mode without a condition");
    const opens = opensUse(access, use);
    if (opens !== false) of.push(opens === undefined ? { kind: "unknown" } : decodeCondition(security, 0));
  }
  return of.length === 0 ? { kind: "never" } : of.length === 1 ? of[0]! : { kind: "any", of };
}

/** `undefined`: a rule about commands in a form that is not looked into, which might be this one. */
function opensUse({ tag, value }: Tlv, use: keyof typeof ACCESS): boolean | undefined {
  const { mode, commands } = ACCESS[use];
  if (value.length !== 1) return undefined;
  if (tag === 0x80) return (value[0]! & mode) !== 0;
  return tag === 0x84 ? commands.includes(value[0]!) : undefined;
}

/** Whether nobody but the card's issuer, by a key of its own, can bring `condition` about. */
export function issuerAlone(condition: Condition): boolean {
  switch (condition.kind) {
    case "never":
      return true;
    case "verified":
      return ISSUER_KEYS.includes(condition.reference);
    case "any":
      return condition.of.every(issuerAlone);
    case "all":
      return condition.of.some(issuerAlone);
    default:
      return false;
  }
}

/** File and record, or file and pairs of a security environment and a record, of which 01 is the one without a PIN disabled. */
function ruleOf(reference: Uint8Array): FileParameters["rule"] {
  const [high, low, ...rest] = reference;
  if (high === undefined || low === undefined) return undefined;
  const fid = high * 256 + low;
  if (rest.length === 1) return { fid, record: rest[0]! };
  if (rest.length === 2) return { fid, record: rest[1]! };
  // Which of several environments is in force is not asked: nothing is concluded.
  return undefined;
}

function decodeCondition({ tag, value }: Tlv, depth: number): Condition {
  if (depth > 4) throw malformed("conditions within conditions without end");
  switch (tag) {
    case 0x90:
      return { kind: "always" };
    case 0x97:
      return { kind: "never" };
    case 0xa4: {
      const reference = readTlvs(value).find((object) => object.tag === 0x83)?.value;
      return reference?.length === 1 ? { kind: "verified", reference: reference[0]! } : { kind: "unknown" };
    }
    case 0xa0:
    case 0xaf: {
      const of = readTlvs(value).map((part) => decodeCondition(part, depth + 1));
      if (of.length === 0) return { kind: "unknown" };
      return { kind: tag === 0xa0 ? "any" : "all", of };
    }
    default:
      return { kind: "unknown" };
  }
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "TS 102 221 9.2" });
}

/** ADM1 to ADM5, ADM6 to ADM10 (TS 102 221 table 9.3). */
const ISSUER_KEYS: readonly number[] = [0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x8a, 0x8b, 0x8c, 0x8d, 0x8e];
