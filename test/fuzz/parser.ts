/** What every parser has to keep to, whatever it is fed, and how a row of the tables of `parsers/` says so. */
import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import { toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";

/** One parser under test. */
export interface Parser {
  /** The exported function, or the class and its method; unique. */
  readonly name: string;
  /** Feeds it, and gives what it made of it. Throws what it threw. */
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Inputs that are kept elsewhere. Default: none. */
  readonly seeds?: readonly Uint8Array[];
  /** What is to hold for what was decoded; throws AssertionError. */
  readonly check?: (value: unknown, bytes: Uint8Array) => void;
}

/** A parser of bytes. */
export function parser(name: string, decode: (bytes: Uint8Array) => unknown): Parser {
  return { name, decode };
}

/** A parser of text: each byte is a character, so that all of U+0000 to U+00FF come. */
export function textParser(name: string, decode: (text: string) => unknown): Parser {
  return { name, decode: (bytes) => decode(latin1(bytes)) };
}

/**
 * A parser that has an encoder. `exact`: what decodes is encoded to the very bytes it came from. `stable`: more than
 * one form is taken, and what is encoded decodes to the same.
 */
export function codec<T>(
  name: string,
  form: "exact" | "stable",
  decode: (bytes: Uint8Array) => T,
  encode: (value: T & NonNullable<unknown>) => Uint8Array,
): Parser {
  return {
    name,
    decode,
    check(value, bytes) {
      // A decoder that gives nothing says that there was nothing.
      if (value === undefined || value === null) return;
      const again = encode(value as T & NonNullable<unknown>);
      if (form === "exact") assert.equal(toHex(again), toHex(bytes), "encoded to other bytes");
      else assert.ok(isDeepStrictEqual(decode(again), value), "what is encoded decodes to something else");
    },
  };
}

/** How `bytes` ended. Throws where the parser broke a rule: another error than its own, a changed input, a check. */
export async function outcomeOf({ name, decode, check }: Parser, bytes: Uint8Array): Promise<string> {
  const before = bytes.slice();
  let outcome: string;
  try {
    const value = await decode(bytes);
    outcome = `ok ${shapeOf(value, 2)}`;
    check?.(value, before);
  } catch (error) {
    if (!(error instanceof SeccfError)) throw error;
    outcome = `${error.code} ${error.message.replaceAll(/[0-9]+/g, "#")}`;
  }
  assert.ok(sameBytes(before, bytes), `${name} changed its input`);
  return outcome;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

/** What kind of thing a value is: two inputs of one shape went much the same way. */
function shapeOf(value: unknown, depth: number): string {
  if (value instanceof Uint8Array) return value.length === 0 ? "b0" : "b";
  if (Array.isArray(value)) return `[${value.length > 2 ? "many" : value.map((each) => shapeOf(each, depth - 1))}]`;
  if (value instanceof Map) return `map${Math.min(value.size, 3)}`;
  if (typeof value === "number") return value >= 0 && value < 4 ? String(value) : "n";
  if (typeof value !== "object" || value === null) return value === undefined ? "" : typeof value;
  if (depth <= 0) return "{}";
  const fields = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${fields.map(([key, each]) => `${key}:${shapeOf(each, depth - 1)}`).join()}}`;
}

/** Each byte as a character. */
export function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
