// What the runner reads out of the three runtimes' reports, and when it calls them unequal.
import test from "node:test";
import assert from "node:assert/strict";
import { compareTitles, readReport, readTold, tellings, TOLD } from "./run_everywhere.ts";

// As Node 24, Deno 2.9 and Bun 1.4 wrote one and the same file with one good, one bad and one skipped test.
const REPORTS: Readonly<Record<string, string>> = {
  node: `<testsuites>
    <testcase name="plain &lt;one> &amp; &amp;quot;two&amp;quot;" time="0.000610" classname="test" file="a.ts"/>
    <testcase name="fails" time="0.000646" failure="not &lt;failure equal"><failure type="testCodeFailure"></failure></testcase>
    <testcase name="skipped" time="0.000080"><skipped type="skipped" message="a reason"/></testcase></testsuites>`,
  deno:
    `<testsuites name="deno test" tests="3" failures="1" errors="0"><testsuite name="./a.ts" errors="0" failures="1">
    <testcase name="plain &lt;one&gt; &amp; &quot;two&quot;" classname="./a.ts"></testcase>
    <testcase name="fails" classname="./a.ts"><failure message="not equal">...</failure></testcase>
    <testcase name="skipped" classname="./a.ts"><skipped/></testcase></testsuite></testsuites>`,
  bun: `<testsuites name="bun test" tests="3" failures="1" skipped="1"><testsuite name="a.ts" failures="1">
    <testcase name="plain &lt;one&gt; &amp; &quot;two&quot;" classname="" file="a.ts" assertions="0" />
    <testcase name="fails" classname=""><failure type="AssertionError" message="">...</failure></testcase>
    <testcase name="skipped" classname=""><skipped /></testcase></testsuite></testsuites>`,
};

test("the runner reads the same titles and counts from each runtime's report", () => {
  for (const [name, report] of Object.entries(REPORTS)) {
    const { titles, bad, skipped } = readReport(report);
    assert.deepEqual(titles, ['plain <one> & "two"', "fails", "skipped"], name);
    assert.deepEqual([bad, skipped], [1, 1], name);
  }
  assert.deepEqual(readReport(""), { titles: [], bad: 0, skipped: 0 });
});

test("the runner calls runtimes unequal that found a test more, less, another or twice", () => {
  const compare = (...found: string[][]) => compareTitles(found.map((titles, i) => ({ name: `runtime ${i}`, titles })));
  assert.deepEqual(compare(["a", "b"], ["b", "a"], ["a", "b"]), []);
  assert.deepEqual(compare(["a"], ["a", "b"]), ["runtime 0 found 1 tests, runtime 1 2", "found by runtime 1 alone: b"]);
  assert.equal(compare(["a", "a"], ["a"]).length, 2);
  assert.equal(compare(["a"], ["b"]).length, 3);
  assert.equal(compare(["a"], ["a"], []).length, 2);
});

test("the runner shows what tests tell, also where they pass, once for all runtimes that say the same", () => {
  assert.equal(readTold(`✔ a test\n${TOLD}a  b\n  ${TOLD}c\nc: other ${TOLD}\n`), "a  b\nc");
  const [node, deno, bun] = ["a", "b", "a"].map((told, i) => ({ name: `runtime ${i}`, told }));
  assert.deepEqual(tellings([node!, deno!, bun!]), ["runtime 0, runtime 2:\na", "runtime 1:\nb"]);
  assert.deepEqual(tellings([{ name: "node", told: "" }]), []);
});
