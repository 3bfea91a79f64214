/** Every foreign program in both directions with every suite: a test for each cell, a reason for each gap, all of it printed. */
import assert from "node:assert/strict";
import test from "node:test";
import type { PeerSuite } from "./suites.ts";

/** Who begins: we ask the program, or it asks us. */
export type Direction = "from us" | "to us";

interface Cell {
  readonly peer: string;
  readonly direction: Direction;
  readonly suite: string;
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
    this.#cells.push({ peer, direction, suite: iana, outcome: `none: ${reason}` });
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
      const names = [...new Set(this.#cells.map(({ peer, direction }) => `${peer}, ${direction}`))];
      for (const { iana } of this.#suites) {
        console.log(iana);
        for (const name of names) {
          const found = this.#cells.find((cell) => `${cell.peer}, ${cell.direction}` === name && cell.suite === iana);
          assert.ok(found, `${name}, ${iana} is missing`);
          console.log(`  ${name.padEnd(28)} ${found.outcome}`);
        }
      }
      assert.ok(this.#cells.every(({ outcome }) => outcome !== "FAILED"));
    });
  }
}
