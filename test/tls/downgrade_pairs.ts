/** Who may meet whom in the walk of {@link ./downgrades.ts}: all pairs of ends, and few in which any two values meet. */
import { type Allowed, CLASSES, LAX, STRICT } from "./downgrades.ts";
import type { Transport } from "./hello_bytes.ts";
import { pairwise } from "./pairwise.ts";

/** The values of the fields of {@link Allowed} that the walk over pairs takes; those of Connection IDs are for datagrams. */
const ALL = CLASSES.map(({ suite }) => suite);
const SECRECIES = [
  ...[ALL, [0x1301], [0xd001, 0x00a8]].map((suites) => ({ suites, forwardSecrecy: "required" as const })),
  ...[ALL, [0x1301], [0xd001, 0x00a8]].map((suites) => ({ suites, forwardSecrecy: "none" as const })),
  ...[ALL, [0x1301], [0xd001, 0x00a8], [0x00a8, 0x00ae], [0x00ae]].map((suites) => ({
    suites,
    forwardSecrecy: "preferred" as const,
  })),
];
const GROUPS = [[0x001d, 0x0017], [0x0017]];
const POLICIES = [STRICT, LAX];
const LIMITS = [undefined, 512];
const RESUMES = [false, true];
const IDS = [undefined, 0, 4];

/** Who meets whom. */
export interface Pair {
  readonly client: Allowed;
  readonly server: Allowed;
}

/**
 * Pairs of ends in which any two values of any two fields meet, be they of one end or of both; and of each version two that
 * go on with a session and keep to a limit.
 */
export function pairsOfEnds(transport: Transport): readonly Pair[] {
  const ofOne = fieldsOf(transport);
  const pairs = pairwise([...ofOne, ...ofOne]).map((row) => ({
    client: endOf(row.slice(0, ofOne.length)),
    server: endOf(row.slice(ofOne.length)),
  }));
  const both = [[0x1301], [0xd001]].map((suites) => ({ ...STRICT, suites, recordSizeLimit: 512, resumes: true }));
  return [...pairs, ...both.map((end) => ({ client: end, server: end }))];
}

/** Every pair of ends there is: thousands on streams, tens of thousands on datagrams. */
export function* allPairs(transport: Transport): Generator<Pair> {
  let rows: readonly (readonly number[])[] = [[]];
  for (const values of fieldsOf(transport)) rows = rows.flatMap((row) => [...values.keys()].map((i) => [...row, i]));
  const ends = rows.map(endOf);
  for (const client of ends) for (const server of ends) yield { client, server };
}

function fieldsOf(transport: Transport): readonly (readonly unknown[])[] {
  return [SECRECIES, GROUPS, POLICIES, LIMITS, RESUMES, ...(transport === "datagram" ? [IDS] : [])];
}

function endOf([secrecy, group, policy, limit, resumes, id]: readonly number[]): Allowed {
  return {
    ...POLICIES[policy!]!,
    ...SECRECIES[secrecy!]!,
    groups: GROUPS[group!]!,
    recordSizeLimit: LIMITS[limit!],
    resumes: RESUMES[resumes!]!,
    connectionId: id === undefined ? undefined : IDS[id],
  };
}
