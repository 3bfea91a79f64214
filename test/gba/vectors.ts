/** The committed vectors of this room. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";

interface AkmaSet {
  readonly kAusf: string;
  readonly supi: string;
  readonly kAkma: string;
  readonly aTid: string;
  readonly afId: string;
  readonly kAf: string;
}

/** test/vectors/gba/gba.json. */
export const v = JSON.parse(readFileSync(new URL("../vectors/gba/gba.json", import.meta.url), "utf8")) as {
  readonly run: Readonly<
    Record<"rand" | "autn" | "res" | "ck" | "ik" | "auts" | "ks" | "impi" | "bsf" | "fqdn" | "btid", string>
  >;
  readonly naf: readonly Readonly<Record<"name" | "ua" | "nafId" | "ksNaf" | "ksNafBase64" | "ksIntNaf", string>>[];
  readonly oma: readonly { readonly ua: string; readonly ksNaf: string }[];
  readonly tmpi: string;
  readonly psk: { readonly identity: string; readonly suite: number; readonly oma: string; readonly threeGpp: string };
  readonly twoG: Readonly<Record<"kc" | "sres" | "ksInput" | "res" | "ks", string>>;
  readonly digest: Readonly<Record<"ha1" | "tlsKey" | "password" | "response" | "ks", string>>;
  readonly akma: { readonly prefixed: AkmaSet; readonly digits: AkmaSet };
};

export const secretHex = (hex: string): SecretBytes => secretFrom(fromHex(hex));

/** Whether the secret has these bytes, without printing it. */
export const isHex = (secret: SecretBytes, hex: string): boolean => secretEqual(secret, fromHex(hex));

/** A predicate for `assert.throws` and `assert.rejects`. */
export const withCode = (code: string) => (error: unknown): boolean =>
  error instanceof SeccfError && error.code === code;
