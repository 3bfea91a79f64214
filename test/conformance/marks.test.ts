// Each requirement marked in the source has a test that shows it.
import test from "node:test";
import assert from "node:assert/strict";
import { readTree, SHIPPED } from "../architecture/tree.ts";
import { faultsOf, marksOf, readRequirements, render, type Requirement, titleMarksOf } from "./marks.ts";

const requirements = readRequirements();
const list: readonly Requirement[] = [
  { id: "SEC_CF-KEM-001", release: "1.0", requirement: "Keys first." },
  { id: "SEC_CF-5.1", release: "1.0", requirement: "Keys first.", sameAs: "SEC_CF-KEM-001" },
  { id: "SEC_CF-AUTH-001 a", release: "future", requirement: "Users too." },
];
const source = (text: string) => marksOf(new Map([["lib/a.ts", text]]));
const titles = (text: string) => titleMarksOf(new Map([["test/a.test.ts", text]]));

test("every requirement marked in the source is one of the list and is shown by a test", () => {
  assert.deepEqual(faultsOf(requirements, marksOf(readTree(SHIPPED)), titleMarksOf(readTree(["test/**/*.ts"]))), []);
});

test("the list of requirements names each once and points at what it names", () => {
  const ids = requirements.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const { sameAs } of requirements) assert.ok(sameAs === undefined || ids.includes(sameAs), sameAs);
});

test("marks are read from comments and titles, several at once, and from nowhere else", () => {
  assert.deepEqual(source("// req: SEC_CF-KEM-001, SEC_CF-AUTH-001 a\n/** req: SEC_CF-5.1 */\n'// req: no';"), [
    { id: "SEC_CF-KEM-001", at: "lib/a.ts" },
    { id: "SEC_CF-AUTH-001 a", at: "lib/a.ts" },
    { id: "SEC_CF-5.1", at: "lib/a.ts" },
  ]);
  const found = titles(
    "test('one [SEC_CF-KEM-001]', f); test(`two ${n}: [SEC_CF-AUTH-001 a, " +
      "SEC_CF-5.1]`, f); g('[SEC_CF-KEM-001]');",
  );
  assert.deepEqual(found.map(({ id }) => id), ["SEC_CF-KEM-001", "SEC_CF-AUTH-001 a", "SEC_CF-5.1"]);
  assert.deepEqual(found[0]!.at, "one (test/a.test.ts)");
  assert.deepEqual(found[1]!.at, "two …: (test/a.test.ts)");
});

test("a mark without a test, and a mark or a title with an unknown id, are found", () => {
  const shown = titles("test('one [SEC_CF-5.1]', f);");
  assert.deepEqual(faultsOf(list, source("// req: SEC_CF-KEM-001"), shown), []);
  assert.deepEqual(faultsOf(list, source("// req: SEC_CF-AUTH-001 a"), shown), [
    "lib/a.ts: no test shows SEC_CF-AUTH-001 a",
  ]);
  assert.deepEqual(faultsOf(list, source("// req: SEC_CF-KEM-002"), []), ["lib/a.ts: nothing asks for SEC_CF-KEM-002"]);
  assert.equal(faultsOf(list, [], titles("test('one [SEC_CF-KEM-001 b]', f);")).length, 1);
});

test("the page names source and tests of what is shown and says not yet of the rest", () => {
  const page = render(list, source("// req: SEC_CF-5.1"), titles("test('keys | first [SEC_CF-KEM-001]', f);"));
  assert.match(
    page,
    /\| SEC_CF-KEM-001 \(SEC_CF-5\.1 in 1\.0\) \| 1\.0 \| Keys first\. \| `lib\/a\.ts` \| keys \\\| first/,
  );
  assert.match(page, /\| SEC_CF-AUTH-001 a \| future \| Users too\. \| not yet \| {2}\|/);
  assert.match(page, /1 of 2 requirements have tests/);
});
