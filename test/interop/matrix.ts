/** Every foreign program in both directions with every suite: a test for each cell, a reason for each gap, all of it printed. */
import assert from "node:assert/strict";
import test from "node:test";
import { TOLD } from "../run_everywhere.ts";
import type { PeerSuite } from "./suites.ts";

/** Who begins: we ask the program, or it asks us. */
export type Direction = "from us" | "to us";

/** What came of one peer, one direction and one suite. */
export interface Cell {
  readonly peer: string;
  readonly direction: Direction;
  readonly suite: string;
  /** `ok`, `FAILED`, `none: ` and the reason, or what else is to be said of a cell that went well. */
  outcome: string;
}

/** One matrix. Its last test prints it, so {@link Matrix.print} is called after all cells. */
export class Matrix {
  readonly #title: string;
  readonly #suites: readonly PeerSuite[];
  readonly #cells: Cell[] = [];

  constructor(title: string, suites: readonly PeerSuite[]) {
    this.#title = title;
    this.#suites = suites;
  }

  /** A test; what `run` gives, if anything, stands in the matrix in the place of "ok". */
  cell(peer: string, direction: Direction, { iana }: PeerSuite, run: () => Promise<string | void>): void {
    test(`${this.#title} with ${peer}, ${direction}, ${iana}`, async () => {
      const entry = { peer, direction, suite: iana, outcome: "FAILED" };
      this.#cells.push(entry);
      entry.outcome = await run() ?? "ok";
    });
  }

  /** No test, and why. */
  gap(peer: string, direction: Direction, { iana }: PeerSuite, reason: string): void {
    this.#cells.push({ peer, direction, suite: iana, outcome: NONE + reason });
  }

  /** Both directions with every suite: a gap where `reason` gives one, else a cell for each of `runs`. */
  peer(
    peer: string,
    reason: (suite: PeerSuite, direction: Direction) => string | undefined,
    runs: { readonly [D in Direction]?: (suite: PeerSuite) => Promise<string | void> },
  ): void {
    for (const suite of this.#suites) {
      for (const direction of ["from us", "to us"] as const) {
        const run = runs[direction];
        const why = run ? reason(suite, direction) : direction === "from us" ? "it is no server" : "it is no client";
        if (why !== undefined || !run) this.gap(peer, direction, suite, why ?? "");
        else this.cell(peer, direction, suite, () => run(suite));
      }
    }
  }

  print(): void {
    test(`the matrix of ${this.#title}, as it was found`, () => {
      const lines = tableOf(this.#title, this.#suites.map(({ iana }) => iana), this.#cells);
      // In one piece, so that nothing else comes in between.
      console.log(lines.map((line) => TOLD + line).join("\n"));
      assert.ok(this.#cells.every(({ outcome }) => outcome !== "FAILED"));
    });
  }
}

/**
 * A row for each suite, a column for each peer with both directions side by side, and below them the reasons and remarks, by letter.
 * Throws AssertionError where a cell is missing.
 */
export function tableOf(title: string, suites: readonly string[], cells: readonly Cell[]): string[] {
  const peers = [...new Set(cells.map(({ peer }) => peer))];
  const reasons: string[] = [];
  const sign = (outcome: string): string => {
    if (outcome === "ok" || outcome === "FAILED") return outcome;
    const isGap = outcome.startsWith(NONE);
    const reason = isGap ? outcome.slice(NONE.length) : outcome;
    if (!reasons.includes(reason)) reasons.push(reason);
    return (isGap ? "" : "ok/") + String.fromCharCode(97 + reasons.indexOf(reason));
  };
  const find = (peer: string, direction: Direction, suite: string): string => {
    const cell = cells.find((each) => each.peer === peer && each.direction === direction && each.suite === suite);
    assert.ok(cell, `${peer}, ${direction}, ${suite} is missing`);
    return sign(cell.outcome);
  };
  const rows = suites.map((suite) => [
    suite,
    ...peers.map((peer) => `${find(peer, "from us", suite)} ${find(peer, "to us", suite)}`),
  ]);
  const table = [[title, ...peers], ...rows];
  const widths = table[0]!.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  return [
    ...table.map((row) => row.map((text, column) => text.padEnd(widths[column]!)).join("  ").trimEnd()),
    "left: we ask the peer; right: it asks us",
    ...reasons.map((reason, i) => `${String.fromCharCode(97 + i)}: ${reason}`),
  ];
}

/** How the outcome of a gap begins. */
const NONE = "none: ";
