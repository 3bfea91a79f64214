/** What the tests of this room share. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { DigestAlgorithm, DigestTerms } from "../../lib/http/mod.ts";

/** One response, and everything that it is computed over. */
export interface DigestSet extends Omit<DigestTerms, "body"> {
  readonly source: string;
  readonly algorithm: DigestAlgorithm;
  readonly username: string;
  readonly realm: string;
  /** Hexadecimal. */
  readonly password: string;
  /** Text. */
  readonly body: string;
  readonly response: string;
}

export const digestVectors = JSON.parse(
  readFileSync(new URL("../vectors/http/digest.json", import.meta.url), "utf8"),
) as {
  readonly sets: readonly DigestSet[];
  readonly ub: { readonly auts: string; readonly successBody: string; readonly akav2Password: string };
};

export const secretHex = (hex: string): SecretBytes => secretFrom(fromHex(hex));
export const secretText = (text: string): SecretBytes => secretFrom(new TextEncoder().encode(text));

/** A predicate for `assert.throws` and `assert.rejects`. */
export const withCode = (code: string) => (error: unknown): boolean =>
  error instanceof SeccfError && error.code === code;
