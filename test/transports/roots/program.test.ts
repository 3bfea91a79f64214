import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import process from "node:process";
import test from "node:test";
import { fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import { PrivateFolder } from "../../../transports/roots/private_folder.ts";
import { Program, run } from "../../../transports/roots/program.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { codeOf, passWhen, StandIns } from "./stand_in.ts";

const later = { clock: new VirtualClock(), timeoutSeconds: 30 };

/** Whether the process that wrote its id into `pid` is there. */
function lives(stands: StandIns): boolean {
  try {
    process.kill(Number(stands.text("pid")), 0);
    return true;
  } catch {
    return false;
  }
}

const HANGS = `writeFileSync(join(folder, "pid"), String(process.pid)); setInterval(() => {}, 1000);`;

test("a program gets its input, and its output, complaint and exit code come back", async () => {
  using stands = new StandIns();
  const command = stands.script(
    "echo",
    `process.stdout.write(readFileSync(0)); process.stderr.write("hm"); process.exitCode = 3;`,
  );
  const { code, output, complaint } = await run([...command, "a word"], later, toUtf8("what goes in"));
  assert.deepEqual([code, fromUtf8(output), complaint], [3, "what goes in", "hm"]);
  assert.deepEqual(stands.calls, [["a word"]]);
  assert.equal(later.clock.pending, 0);
});

test("no shell reads the words, and the environment is added to", async () => {
  using stands = new StandIns();
  const command = stands.script("say", `writeSync(1, process.env.SECCF_PLACE + process.env.LC_ALL);`);
  const words = ["$(touch x)", "; exit 9", "a b"];
  const { output } = await run([...command, ...words], { ...later, environment: { SECCF_PLACE: "here" } });
  assert.equal(fromUtf8(output), "hereC");
  assert.deepEqual(stands.calls, [words]);
});

test("a program that is not there is an identity that is not available", async () => {
  assert.equal(await codeOf(run(["/nowhere/at-all"], later)), "identity-unavailable");
  assert.equal(await codeOf(run(["seccf-no-such-program"], later, toUtf8("secret"))), "identity-unavailable");
  assert.equal(later.clock.pending, 0);
});

test("a program that takes too long is killed, and what waits for it throws timeout", async () => {
  using stands = new StandIns();
  const clock = new VirtualClock();
  const running = run(stands.script("hang", HANGS), { clock, timeoutSeconds: 5 });
  const [code] = await Promise.all([codeOf(running), passWhen(clock, 5, () => stands.text("pid") !== "")]);
  assert.equal(code, "timeout");
  assert.equal(lives(stands), false);
});

test("a program that does not read holds nobody up for longer than its time", async () => {
  using stands = new StandIns();
  const clock = new VirtualClock();
  const running = run(stands.script("deaf", HANGS), { clock, timeoutSeconds: 5 }, new Uint8Array(4_000_000));
  const [code] = await Promise.all([codeOf(running), passWhen(clock, 5, () => stands.text("pid") !== "")]);
  assert.equal(code, "timeout");
  assert.equal(clock.pending, 0);
});

test("an aborted signal kills the program, and its reason comes out; one that was aborted before starts none", async () => {
  using stands = new StandIns();
  const abort = new AbortController();
  const command = stands.script("hang", HANGS);
  const running = run(command, { ...later, signal: abort.signal }).catch((error: unknown) => error);
  while (stands.text("pid") === "") await later.clock.settle();
  abort.abort("enough");
  assert.equal(await running, "enough");
  assert.equal(lives(stands), false);
  assert.equal(await run(command, { ...later, signal: abort.signal }).catch((error: unknown) => error), "enough");
  assert.equal(stands.calls.length, 1);
});

test("a program that writes without end is killed before it fills the memory", async () => {
  using stands = new StandIns();
  const flood = stands.script(
    "flood",
    `writeFileSync(join(folder, "pid"), String(process.pid));
const pour = () => process.stdout.write(new Uint8Array(40000), pour); pour();`,
  );
  assert.equal(await codeOf(run(flood, later)), "identity-unavailable");
  assert.equal(lives(stands), false);
});

test("a program that is spoken to answers piece by piece, and its end in the middle shows", async () => {
  using stands = new StandIns();
  const command = stands.script(
    "talk",
    `process.stdin.on("data", (bytes) => {
  if (String(bytes) === "bye") { process.stderr.write("going"); process.exitCode = 7; process.stdin.destroy(); }
  else process.stdout.write("<" + bytes + ">");
});`,
  );
  await using program = new Program(command, later);
  await program.write(toUtf8("abc"));
  assert.equal(fromUtf8(await program.read(2)), "<a");
  assert.equal(fromUtf8(await program.read(3)), "bc>");
  await program.write(toUtf8("bye"));
  await assert.rejects(program.read(1), (error: Error & { code: string }) => {
    assert.equal(error.code, "identity-unavailable");
    assert.match(String(error.cause), /going/);
    return true;
  });
});

test("a private folder is its owner's alone and leaves nothing behind", async () => {
  let path: string;
  {
    await using folder = await PrivateFolder.make();
    path = await folder.write("message", toUtf8("text"));
    assert.equal(readFileSync(path, "utf8"), "text");
    assert.equal(statSync(path).mode & 0o777, 0o600);
    assert.equal(statSync(folder.path(".")).mode & 0o777, 0o700);
    await assert.rejects(folder.write("message", toUtf8("other")));
  }
  assert.equal(existsSync(path), false);
});
