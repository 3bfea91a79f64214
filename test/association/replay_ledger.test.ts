// What was received survives restarts, crashes, twins and old snapshots. DESIGN 4.5; the model is sealer_model.test.ts.
import test from "node:test";
import assert from "node:assert/strict";
import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { open, seal, type Sealing, type SealingState } from "../../lib/association/sealer.ts";
import { AHEAD } from "../../lib/association/replay_ledger.ts";
import { CONTEXTS } from "../../lib/association/replay_contexts.ts";
import { ASSOCIATION, end, stoppingStore, USE, type World, world } from "./sealer_setup.ts";

const RECORD = `received/${toHex(ASSOCIATION)}/${toHex(USE)}/responder`;

async function messages(from: Sealing, count: number): Promise<Uint8Array[]> {
  const sealed: Uint8Array[] = [];
  for (let i = 0; i < count; i++) sealed.push(await seal(from.sealer(), new Uint8Array([1 + i & 0xff])));
  return sealed;
}

/** How many of `sealed` open; every other one must be refused as `replayed`. */
async function delivered(to: Sealing, sealed: readonly Uint8Array[]): Promise<number> {
  let count = 0;
  for (const message of sealed) {
    const good = await open(to.sealer(), message).then(() => true, (error) => {
      assert.equal(error.code, "replayed");
      return false;
    });
    if (good) count++;
  }
  return count;
}

const receiver = (here: World, state?: SealingState) => end(here, "responder", { store: here.store, state });

test("the first message of a context waits until it is on record, the next ones do not", async () => {
  const here = world();
  const [first, second] = await messages(await end(here, "initiator"), 2);
  const to = await receiver(here);
  const sealer = to.sealer();
  const out = new Uint8Array(10);
  assert.throws(() => sealer.openInto(first!, out), { code: "exhausted" });
  assert.equal(out[0], 0, "nothing was delivered yet");
  await sealer.ready();
  assert.equal(sealer.openInto(first!, out), 1);
  assert.equal(sealer.openInto(second!, out), 1);
  assert.throws(() => sealer.openInto(first!, out), { code: "replayed" });
});

test("in steady state the record is raised ahead, and no message waits", async () => {
  const here = world();
  const sealed = await messages(await end(here, "initiator"), 10 * AHEAD);
  const to = await receiver(here);
  const sealer = to.sealer();
  const out = new Uint8Array(10);
  await open(sealer, sealed[0]!);
  for (const message of sealed.slice(1)) {
    assert.equal(sealer.openInto(message, out), 1);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  assert.ok((await here.store.get(RECORD))!.version < 25, "one visit to the store for 32 messages or so");
});

test("after a crash nothing is delivered again, and what lies beyond the ceiling is", async () => {
  const here = world();
  const sealed = await messages(await end(here, "initiator"), 3 * AHEAD);
  const first = await receiver(here);
  assert.equal(await delivered(first, sealed.slice(0, 10)), 10);
  const second = await receiver(here);
  assert.equal(await delivered(second, sealed.slice(0, AHEAD)), 0, "delivered before, or perhaps");
  assert.equal(await delivered(second, sealed.slice(AHEAD + 1)), 2 * AHEAD - 1);
});

test("a snapshot after which nothing was received is exact: nothing lost, nothing twice", async () => {
  const here = world();
  const sealed = await messages(await end(here, "initiator"), 20);
  const first = await receiver(here);
  assert.equal(await delivered(first, [sealed[0]!, sealed[2]!, sealed[9]!]), 3);
  const second = await receiver(here, await first.state());
  assert.equal(await delivered(second, sealed), 17);
});

test("a snapshot stays exact while its process only seals", async () => {
  const here = world();
  const sealed = await messages(await end(here, "initiator"), 10);
  const first = await receiver(here);
  assert.equal(await delivered(first, [sealed[8]!]), 1);
  const state = await first.state();
  await first.sealer().ready();
  await messages(first, 3);
  assert.equal(await delivered(await receiver(here, state), sealed), 9);
});

test("a snapshot does not cover what was received after it", async () => {
  const here = world();
  const sealed = await messages(await end(here, "initiator"), 2 * AHEAD);
  const first = await receiver(here);
  await open(first.sealer(), sealed[5]!);
  const state = await first.state();
  // Late ones too, inside of the snapshot's window, need a visit to the record first.
  assert.throws(() => first.sealer().openInto(sealed[3]!, new Uint8Array(10)), { code: "exhausted" });
  assert.equal(await delivered(first, [sealed[3]!, sealed[7]!]), 2);
  const second = await receiver(here, state);
  assert.equal(await delivered(second, sealed.slice(0, 8)), 0);
  assert.equal(await delivered(second, [sealed[AHEAD + 10]!]), 1);
});

test("a context first seen after the snapshot is on record too", async () => {
  const here = world();
  const first = await receiver(here);
  const state = await first.state();
  const sealed = await messages(await end(here, "initiator"), 5);
  assert.equal(await delivered(first, sealed), 5);
  assert.equal(await delivered(await receiver(here, state), sealed), 0);
});

test("of two restored from one snapshot, a message is delivered by one at most", async () => {
  const here = world();
  const from = await end(here, "initiator");
  const early = await messages(from, 4);
  const first = await receiver(here);
  await open(first.sealer(), early[0]!);
  const state = await first.state();
  const twins = [await receiver(here, state), await receiver(here, state), first];
  const late = await messages(from, 500);
  let total = 0;
  for (const [i, message] of [...early.slice(1), ...late].entries()) {
    let count = 0;
    for (let j = 0; j < twins.length; j++) count += await delivered(twins[(i + j) % twins.length]!, [message]);
    assert.ok(count <= 1, `message ${i}`);
    total += count;
  }
  assert.ok(total > 0);
});

test("a context that only another receiver has claimed is not taken for new", async () => {
  const here = world();
  const x = await messages(await end(here, "initiator"), 3);
  const y = await messages(await end(here, "initiator"), 3);
  const other = await receiver(here);
  assert.equal(await delivered(other, x), 3);
  const mine = await receiver(here);
  assert.equal(await delivered(mine, y), 3, "now the record is ours, with the other's ceiling in it");
  assert.equal(await delivered(mine, x), 0);
});

test("a context that was waiting for the record when the snapshot was taken is not in it", async () => {
  const here = world();
  const [one] = await messages(await end(here, "initiator"), 1);
  let slow: (() => void) | undefined;
  const held = {
    ...here.store,
    get: async (...args: Parameters<typeof here.store.get>) => {
      await new Promise<void>((resolve) => slow = resolve);
      throw new Error(`lost ${args.length}`);
    },
  };
  const first = await end(here, "responder", { store: held });
  assert.throws(() => first.sealer().openInto(one!, new Uint8Array(9)), { code: "exhausted" });
  const taking = first.state();
  slow!();
  assert.deepEqual((await taking).contexts, []);
});

test("killed at every visit to the store, before or after its effect, nothing is delivered twice and the way stays open", async () => {
  for (const when of ["before", "after"] as const) {
    for (let at = 1; at <= 14; at++) {
      const here = world(at);
      const from = await end(here, "initiator");
      const sealed = await messages(from, 6 * AHEAD);
      const seen = new Set<number>();
      const store = stoppingStore(here.store, at, when);
      const life = await end(here, "responder", { store }).catch(() => undefined);
      for (const [i, message] of sealed.slice(0, 3 * AHEAD).entries()) {
        if (await life && await open(life!.sealer(), message).then(() => true, () => false)) seen.add(i);
      }
      const next = await receiver(here);
      for (const [i, message] of sealed.slice(0, 3 * AHEAD).entries()) {
        if (await open(next.sealer(), message).then(() => true, () => false)) {
          assert.ok(!seen.has(i), `message ${i}, killed ${when} visit ${at}`);
          seen.add(i);
        }
      }
      assert.equal(await delivered(next, sealed.slice(5 * AHEAD)), AHEAD, "what comes later arrives");
    }
  }
});

test("a store that fails is told to who waits, and the message opens when it is back", async () => {
  const here = world();
  const [one] = await messages(await end(here, "initiator"), 1);
  let broken = false;
  const store = {
    ...here.store,
    get: (...args: Parameters<typeof here.store.get>) =>
      broken ? Promise.reject(new Error("gone")) : here.store.get(...args),
  };
  const to = await end(here, "responder", { store });
  broken = true;
  await assert.rejects(open(to.sealer(), one!), { message: "gone" });
  broken = false;
  assert.deepEqual(await open(to.sealer(), one!), new Uint8Array([1]));
});

test("waiting can be given up by a signal, and the message still opens later", async () => {
  const here = world();
  const [one] = await messages(await end(here, "initiator"), 1);
  const to = await receiver(here);
  await assert.rejects(open(to.sealer(), one!, { signal: AbortSignal.abort(new Error("enough")) }), {
    message: "enough",
  });
  assert.deepEqual(await open(to.sealer(), one!), new Uint8Array([1]));
});

test("strangers visit no store and fill no table", async () => {
  const here = world();
  const store = stoppingStore(here.store, Infinity, "before");
  const to = await end(here, "responder", { store });
  const after = store.calls;
  const [one] = await messages(await end(here, "initiator"), 1);
  const contextAt = toHex(one!).indexOf("0a4f") / 2 + 2;
  for (let i = 0; i < 300; i++) {
    const forged = one!.slice();
    here.random(forged.subarray(contextAt + 7, contextAt + 15));
    await assert.rejects(open(to.sealer(), forged), { code: "auth-failed" });
  }
  assert.equal(store.calls, after);
  assert.deepEqual((await to.state()).contexts, []);
  assert.deepEqual(await open(to.sealer(), one!), new Uint8Array([1]));
});

test("the record is encrypted, bounded, and expires with the association", async () => {
  const here = world();
  const to = await receiver(here);
  for (let i = 0; i < 3 * CONTEXTS; i++) {
    await here.clock.advance(1);
    await open(to.sealer(), (await messages(await end(here, "initiator"), 1))[0]!);
  }
  const record = (await here.store.get(RECORD))!.value;
  assert.ok(record.length < 320, `${record.length} bytes`);
  assert.equal(record[0], 0xd0);
  await here.clock.advance(3_602_000);
  assert.equal(await here.store.get(RECORD), undefined);
});

test("a damaged record stops receiving instead of forgetting", async () => {
  for (const damage of [new Uint8Array(0), toUtf8("nonsense")]) {
    const here = world();
    const [one] = await messages(await end(here, "initiator"), 1);
    await here.store.put(RECORD, damage, { expected: 0 });
    await assert.rejects(open((await receiver(here)).sealer(), one!), { code: "state" });
  }
});

test("a sender's starts beyond those remembered push out the oldest, which never comes back", async () => {
  const here = world();
  const starts: Uint8Array[][] = [];
  for (let i = 0; i < CONTEXTS + 2; i++) {
    await here.clock.advance(1000);
    starts.push(await messages(await end(here, "initiator"), 2));
  }
  for (const store of [undefined, here.store]) {
    const to = await end(here, "responder", { store });
    for (const [first] of starts) assert.equal(await delivered(to, [first!]), 1);
    assert.equal(await delivered(to, starts.slice(0, 2).flat()), 0, "forgotten: both the seen and the unseen message");
    assert.equal(await delivered(to, starts.slice(2).flat()), CONTEXTS, "remembered: the unseen ones");
    assert.ok((await to.state()).contexts.length === CONTEXTS);
  }
  assert.equal(await delivered(await receiver(here), starts.flat()), 0);
});

test("starts that got one epoch are told apart by their random bytes", async () => {
  const here = world();
  const starts = await Promise.all([1, 2, 3].map(async () => await messages(await end(here, "initiator"), 2)));
  assert.equal(await delivered(await receiver(here), starts.flat()), 6);
});

test("of more starts with one epoch than are remembered, the last are refused rather than half remembered", async () => {
  const here = world();
  const starts: Uint8Array[][] = [];
  for (let i = 0; i < CONTEXTS + 1; i++) starts.push(await messages(await end(here, "initiator"), 2));
  for (const store of [undefined, here.store]) {
    const to = await end(here, "responder", { store });
    assert.equal(await delivered(to, starts.map(([first]) => first!)), CONTEXTS);
    assert.equal(await delivered(to, starts.flat()), CONTEXTS);
  }
});

test("without a store, a restored one refuses what was delivered before the snapshot, and no more is promised", async () => {
  const here = world();
  const sealed = await messages(await end(here, "initiator"), 3);
  const first = await end(here, "responder");
  assert.equal(await delivered(first, [sealed[0]!]), 1);
  const state = await first.state();
  assert.equal(await delivered(first, [sealed[1]!]), 1);
  const second = await end(here, "responder", { state });
  assert.equal(await delivered(second, sealed), 2, "the second is delivered again: see sealer.ts");
});

test("nothing is delivered twice where random bytes repeat: a record's generation counts as well", async () => {
  const here: World = { ...world(), random: (out) => out.fill(1) };
  const [first, second, third] = await messages(await end(here, "initiator"), 3);
  const to = await receiver(here);
  await open(to.sealer(), first!);
  const state = await to.state();
  await open(to.sealer(), second!);
  const again = await receiver(here, state);
  assert.equal(await delivered(again, [first!, second!]), 0);
  assert.equal(await delivered(to, [third!]) + await delivered(again, [third!]), 1);
});
