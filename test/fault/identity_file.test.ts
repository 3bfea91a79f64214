// Every call of the file system fails once, and is the last before the power goes, in each kind of change.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  createIdentityFile,
  type FileFact,
  type IdentityFile,
  identityOfFile,
  openIdentityFile,
  type Unlock,
} from "../../lib/identity/mod.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { joinSqn } from "../../lib/aka/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { vectorFor } from "../identity/cards.ts";
import { secretHex } from "../aka/vectors.ts";
import { CHEAP, keyEntry, passphrase, PATH, place, provisioned, subscriber, wrapping } from "../identity/files.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { type Crash, Disk, type Fault } from "./disk.ts";

/** A change, and by what the file opens before and after it. */
interface Change {
  readonly before: Unlock;
  readonly after: Unlock;
  run(file: IdentityFile): Promise<unknown>;
}

const same = { before: wrapping(1), after: wrapping(1) };
const ENTRIES = [subscriber(), provisioned("device-7"), keyEntry("snapshots")];

/** What the file says, and how it opens: all that a change may change. Undefined where there is none. */
async function stateOf(disk: Disk, unlocks: readonly Unlock[]): Promise<string | undefined> {
  if (!disk.names.has(PATH)) return undefined;
  for (const [which, unlock] of unlocks.entries()) {
    try {
      using file = await openIdentityFile({ ...place(disk), unlock });
      const facts: readonly FileFact[] = await file.facts();
      const states = await file.look((entries) =>
        entries.all.map((entry) =>
          entry.kind === "subscriber" ? [entry.state?.sequence.join(), entry.holder?.join()] : []
        )
      );
      return JSON.stringify([which, facts, states]);
    } catch (error) {
      if (!(error instanceof SeccfError) || error.code !== "auth-failed") throw error;
    }
  }
  return assert.fail("opens with neither");
}

async function diskWith(unlock: Unlock): Promise<Disk> {
  const disk = new Disk();
  await createIdentityFile({ ...place(disk), unlock, cost: CHEAP, entries: ENTRIES });
  return disk;
}

/** Runs a change on a disk with a fault; whether it was said to be done. */
async function attempt(disk: Disk, change: Change, fault: Fault | undefined): Promise<boolean> {
  using file = await openIdentityFile({ ...place(disk, 2), unlock: change.before });
  disk.fault = fault;
  try {
    await change.run(file);
    return true;
  } catch (error) {
    // What the system threw reaches nobody as it is.
    assert.ok(error instanceof SeccfError || fault?.kind.endsWith("crash"), String(error));
    return false;
  }
}

function* crashesOf(disk: Disk): Generator<Crash> {
  for (let names = 0; names <= disk.unsyncedNames; names++) {
    for (const data of ["lost", "torn", "kept"] as const) yield { names, data };
  }
}

/** Old or new after each fault, new if it was said to be done, and the next change succeeds and leaves nothing behind. */
async function proveAtomic(change: Change): Promise<number> {
  const unlocks = change.before === change.after ? [change.before] : [change.before, change.after];
  const old = await stateOf(await diskWith(change.before), unlocks);
  const counted = await diskWith(change.before);
  assert.ok(await attempt(counted, change, { at: 0, kind: "error" }));
  const { calls } = counted;
  const made = await stateOf(counted, unlocks);
  assert.notEqual(made, old);
  const allowed = (done: boolean, found: string | undefined, what: string) =>
    assert.ok(found === made || (!done && found === old), what);
  for (let at = 1; at <= calls; at++) {
    for (const kind of ["error", "late error", "crash", "late crash"] as const) {
      const disk = await diskWith(change.before);
      const done = await attempt(disk, change, { at, kind });
      const what = `${kind} at call ${at} of ${calls}`;
      const crashes = kind.endsWith("crash") ? [...crashesOf(disk)].map((crash) => disk.after(crash)) : [disk];
      for (const found of crashes) {
        found.fault = undefined;
        const state = await stateOf(found, unlocks);
        allowed(done, state, what);
        if (state === old) assert.ok(await attempt(found, change, undefined), `${what}, again`);
        assert.deepEqual([...found.names.keys()].filter((name) => name !== PATH && state === old), [], what);
        assert.equal(await stateOf(found, unlocks), made, `${what}, again`);
      }
    }
  }
  return calls;
}

test("a secret changed is old or new after a fault at any call, and never half [SEC_CF-SEC-003]", async () => {
  const run = (file: IdentityFile) =>
    file.change((entries) => entries.replace(keyEntry("snapshots", secretHex("11".repeat(32)))));
  assert.ok(await proveAtomic({ ...same, run }) >= 9);
});

test("an entry added and one removed are both there or neither is", async () => {
  const run = (file: IdentityFile) =>
    file.change((entries) => {
      entries.add(provisioned("device-8", "0c".repeat(16)));
      entries.remove("snapshots");
    });
  await proveAtomic({ ...same, run });
});

test("another wrapping key opens the file, or the old one does, after a fault at any call [SEC_CF-SEC-003]", async () => {
  const [before, after] = [wrapping(1), wrapping(2)];
  await proveAtomic({ before, after, run: (file) => file.relock(before, after) });
});

test("another passphrase opens the file, or the old one does, after a fault at any call [SEC_CF-SEC-003]", async () => {
  const [before, after] = [passphrase("correct horse"), passphrase("battery staple")];
  await proveAtomic({ before, after, run: (file) => file.relock(before, after, { cost: CHEAP }) });
});

test("a challenge is answered only when it is stored as accepted, whatever fails", async () => {
  using vector = vectorFor(joinSqn(9, 3));
  const clock = new VirtualClock();
  const fresh = await diskWith(wrapping(1));
  const openOn = async (disk: Disk) =>
    await identityOfFile(await openIdentityFile({ ...place(disk), unlock: wrapping(1) }), {
      clock,
      random: seededRandom(3),
    });
  let calls = 0;
  {
    await using identity = await openOn(fresh);
    fresh.fault = { at: 0, kind: "error" };
    assert.equal((await identity.aka!.answer({ ...vector, scheme: "akav1" })).kind, "answered");
    calls = fresh.calls;
  }
  for (let at = 1; at <= calls; at++) {
    for (const kind of ["error", "late error", "crash", "late crash"] as const) {
      const disk = await diskWith(wrapping(1));
      const identity = await openOn(disk);
      disk.fault = { at, kind };
      const answered = await identity.aka!.answer({ ...vector, scheme: "akav1" }).then(
        ({ kind }) => kind === "answered",
        () => false,
      );
      await identity[Symbol.asyncDispose]();
      for (const crash of crashesOf(disk)) {
        const found = disk.after(crash);
        await using again = await openOn(found);
        const outcome = await again.aka!.answer({ ...vector, scheme: "akav1" });
        if (answered) assert.equal(outcome.kind, "resync", `${kind} at ${at}`);
      }
    }
  }
});

test("a new file is whole or not there, and nothing is in its way the next time", async () => {
  const unlock = wrapping(1);
  const counted = new Disk();
  counted.fault = { at: 0, kind: "error" };
  await createIdentityFile({ ...place(counted), unlock, entries: ENTRIES });
  const made = await stateOf(counted, [unlock]);
  const { calls } = counted;
  for (let at = 1; at <= calls; at++) {
    for (const kind of ["error", "late error", "crash", "late crash"] as const) {
      const disk = new Disk();
      disk.fault = { at, kind };
      const done = await createIdentityFile({ ...place(disk), unlock, entries: ENTRIES }).then(() => true, () => false);
      const ways = kind.endsWith("crash") ? [...crashesOf(disk)].map((crash) => disk.after(crash)) : [disk];
      for (const found of ways) {
        found.fault = undefined;
        const state = await stateOf(found, [unlock]);
        assert.ok(state === made || (state === undefined && !done), `${kind} at ${at}`);
        if (state !== undefined) continue;
        await createIdentityFile({ ...place(found, 7), unlock, entries: ENTRIES });
        assert.equal(await stateOf(found, [unlock]), made);
      }
    }
  }
});

test("the disk of these tests itself loses, tears and keeps what was not synced", async () => {
  const disk = new Disk();
  const file = await disk.create("a");
  await file.write(toUtf8("abcd"));
  assert.equal(disk.after({ names: 0, data: "kept" }).names.size, 0);
  assert.equal(disk.after({ names: 1, data: "lost" }).bytes("a").length, 0);
  assert.equal(disk.after({ names: 1, data: "torn" }).bytes("a").length, 2);
  await file.sync();
  await disk.syncFolder();
  assert.deepEqual(disk.after({ names: 0, data: "lost" }).bytes("a"), toUtf8("abcd"));
  disk.fault = { at: 1, kind: "late crash" };
  await assert.rejects(disk.rename("a", "b"), /EIO/);
  await assert.rejects(disk.read("b"), /down/);
  assert.ok(disk.after({ names: 1, data: "lost" }).names.has("b"));
});
