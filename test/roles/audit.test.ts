import assert from "node:assert/strict";
import { test } from "node:test";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type AuditEvent, createAudit, verifyAudit } from "../../lib/roles/audit.ts";
import { VirtualClock } from "../support/virtual.ts";

const key = secretFrom(new Uint8Array(32).fill(7));
const events: AuditEvent[] = [
  { event: "bootstrapped", subject: "001010123456789@ims.mnc001.mcc001.3gppnetwork.org" },
  { event: "key-given", subject: "b-tid@bsf", object: "meter.example.net" },
  { event: "refused", subject: 'a name with "quotes" and ,"mac":"', code: "auth-failed" },
  { event: "changed", object: "algorithms" },
];

function recorded(): string[] {
  const lines: string[] = [];
  using audit = createAudit({ clock: new VirtualClock(), key, append: (line) => lines.push(line) });
  for (const event of events) audit.record(event);
  return lines;
}

test("an untouched record holds to its last line", () => {
  assert.equal(verifyAudit(recorded(), key), events.length);
});

test("each line is JSON that a log collector can read", () => {
  const read = recorded().map((line) => JSON.parse(line));
  assert.deepEqual(read.map(({ event }) => event), events.map(({ event }) => event));
  assert.deepEqual(read.map(({ n }) => n), [1, 2, 3, 4]);
});

test("a character changed anywhere is found at its line", () => {
  const lines = recorded();
  for (const [index, line] of lines.entries()) {
    for (let at = 0; at < line.length; at++) {
      const changed = [...lines];
      changed[index] = line.slice(0, at) + (line[at] === "x" ? "y" : "x") + line.slice(at + 1);
      assert.equal(verifyAudit(changed, key), index, `line ${index}, character ${at}`);
    }
  }
});

test("what is put in behind the mac is found, or a reader of JSON would believe it", () => {
  const lines = recorded();
  const open = lines[2]!.slice(0, -1);
  for (const forged of [`${open},"event":"authenticated"}`, `${open},"code":"none"}`, `${open} }`, `${lines[2]!} `]) {
    assert.doesNotThrow(() => JSON.parse(forged));
    assert.equal(verifyAudit([lines[0]!, lines[1]!, forged, lines[3]!], key), 2, forged);
  }
});

test("a line removed, repeated or exchanged is found", () => {
  const [a, b, c, d] = recorded() as [string, string, string, string];
  assert.equal(verifyAudit([a, c, d], key), 1);
  assert.equal(verifyAudit([b, c, d], key), 0);
  assert.equal(verifyAudit([a, b, b, c, d], key), 2);
  assert.equal(verifyAudit([a, c, b, d], key), 1);
});

test("strangers who are refused do not fill the record: some have a line, the others are counted, and nothing else is lost", async () => {
  const lines: string[] = [];
  const clock = new VirtualClock();
  const audit = createAudit({ clock, key, append: (line) => lines.push(line), refusalsPerMinute: 3 });
  const refuse = (times: number) => {
    for (let i = 0; i < times; i++) audit.record({ event: "refused", subject: `stranger ${i}`, code: "auth-failed" });
  };
  refuse(1000);
  audit.record({ event: "authenticated", subject: "alice" });
  await clock.advance(60_000);
  refuse(5);
  audit[Symbol.dispose]();
  const told = lines.map((line) => JSON.parse(line)).map(({ subject, count }) => subject ?? count);
  const strangers = ["stranger 0", "stranger 1", "stranger 2"];
  assert.deepEqual(told, [...strangers, "alice", 997, ...strangers, 2]);
  assert.equal(verifyAudit(lines, key), lines.length);
});

test("another key verifies nothing", () => {
  assert.equal(verifyAudit(recorded(), secretFrom(new Uint8Array(32).fill(8))), 0);
});

test("a record goes on after a restart where it stopped", () => {
  const lines = recorded();
  using audit = createAudit({
    clock: new VirtualClock(),
    key,
    append: (line) => lines.push(line),
    after: lines.at(-1)!,
  });
  audit.record({ event: "authenticated", subject: "meter.example.net" });
  assert.equal(verifyAudit(lines, key), 5);
});

test("what is no line of a record is refused as the one to go on after", () => {
  for (const after of ["", "{}", "null", "[]", '{"n":1}', '{"n":1,"mac":"00"}', "not json"]) {
    assert.throws(() => createAudit({ clock: new VirtualClock(), key, append: () => {}, after }), {
      code: "malformed",
    });
  }
});
