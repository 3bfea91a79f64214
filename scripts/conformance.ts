/** `npm run conformance`: writes CONFORMANCE.md; with `--check` only tells whether it is current. @module */

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { readTree, SHIPPED } from "../test/architecture/tree.ts";
import { marksOf, readRequirements, render, titleMarksOf } from "../test/conformance/marks.ts";

const path = "CONFORMANCE.md";
const page = render(readRequirements(), marksOf(readTree(SHIPPED)), titleMarksOf(readTree(["test/**/*.ts"])));
if (!process.argv.includes("--check")) writeFileSync(path, page);
else if (!existsSync(path) || readFileSync(path, "utf8") !== page) {
  console.error(`${path} is not current: npm run conformance`);
  process.exitCode = 1;
}
