/** The committed sequences of the toolkit's conformance tests. */
import { readFileSync } from "node:fs";

export interface UsatVectors {
  readonly refresh: readonly {
    readonly command: string;
    readonly qualifier: number;
    readonly files: readonly string[];
    readonly result: number;
    readonly response: string;
  }[];
  readonly download: readonly { readonly address: string; readonly tpdu: string; readonly envelope: string }[];
  readonly sendShortMessage: {
    readonly command: string;
    readonly destination: number;
    readonly tags: readonly number[];
  };
  readonly moreTime: { readonly command: string };
}

export const usat = JSON.parse(
  readFileSync(new URL("../vectors/identity/usat.json", import.meta.url), "utf8"),
) as UsatVectors;
