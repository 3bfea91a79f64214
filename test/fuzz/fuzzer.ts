/** One parser against many inputs: mutations of what is kept, shrunk where one of them breaks a rule. */
import fc from "fast-check";
import { toHex } from "../../lib/bytes/mod.ts";
import { mutated } from "./mutation.ts";
import { outcomeOf, type Parser } from "./parser.ts";

/** A rule that was broken, with what it takes to see it again. */
export interface Broken {
  readonly parser: string;
  /** The smallest input that was found for it, in hexadecimal. */
  readonly input: string;
  /** fast-check's. */
  readonly seed: number;
  readonly reason: string;
}

/** Notes each input with how it ended. */
export type Note = (outcome: string, bytes: Uint8Array) => void;

/** `runs` mutations of `seeds`; the same numbers give the same inputs. `undefined`: every rule was kept. */
export async function fuzzRound(
  parser: Parser,
  seeds: readonly Uint8Array[],
  { seed, runs, note }: { readonly seed: number; readonly runs: number; readonly note?: Note },
): Promise<Broken | undefined> {
  const property = fc.asyncProperty(mutated(seeds), async (bytes) => {
    const outcome = await outcomeOf(parser, bytes);
    note?.(outcome, bytes);
  });
  const found = await fc.check(property, { seed, numRuns: runs });
  if (!found.failed) return undefined;
  const [bytes = new Uint8Array(0)] = found.counterexample ?? [];
  return { parser: parser.name, input: toHex(bytes), seed, reason: reasonOf(found.errorInstance) };
}

/** Each of `inputs` as it is. */
export async function fuzzKept(
  parser: Parser,
  inputs: readonly Uint8Array[],
  note?: Note,
): Promise<Broken | undefined> {
  for (const bytes of inputs) {
    try {
      const outcome = await outcomeOf(parser, bytes);
      note?.(outcome, bytes);
    } catch (error) {
      return { parser: parser.name, input: toHex(bytes), seed: 0, reason: reasonOf(error) };
    }
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
