// Lives and deaths of both ends over a network that loses, repeats, delays and replays: a model says what must come of it.
import test from "node:test";
import assert from "node:assert/strict";
import { toHex } from "../../lib/bytes/mod.ts";
import {
  decodeEncrypt0,
  LABEL,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreExtract,
  oscoreKey,
  oscoreNonceInto,
} from "../../lib/cose/mod.ts";
import { fingerprint } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { AHEAD } from "../../lib/association/replay_ledger.ts";
import { WINDOW_SIZE } from "../../lib/association/replay.ts";
import { open, seal, type Sealing, type SealingState } from "../../lib/association/sealer.ts";
import { seededNumbers } from "../support/virtual.ts";
import { end, key, stoppingStore, type World, world } from "./sealer_setup.ts";

interface Sent {
  readonly id: number;
  readonly context: string;
  readonly number: number;
  readonly sealed: Uint8Array;
}

function numberOf(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** Every (key, nonce) that a sealed message was made with, by the general derivation: the real pair, not its name. */
class Nonces {
  readonly #prk = oscoreExtract(key(), new Uint8Array(0));
  readonly #known = new Map<string, { readonly print: string; readonly base: Uint8Array }>();
  readonly #used = new Set<string>();

  add(sealed: Uint8Array): Omit<Sent, "id"> {
    const headers = decodeEncrypt0(sealed).unprotectedHeaders;
    const idContext = headers.get(LABEL.kidContext) as Uint8Array;
    const context = toHex(idContext);
    const number = numberOf(headers.get(LABEL.partialIv) as Uint8Array);
    let known = this.#known.get(context);
    if (!known) this.#known.set(context, known = this.#derive(idContext));
    const nonce = new Uint8Array(13);
    oscoreNonceInto(known.base, number, nonce);
    const pair = known.print + toHex(nonce);
    assert.ok(!this.#used.has(pair), "a nonce used twice under one key");
    this.#used.add(pair);
    return { context, number, sealed };
  }

  #derive(idContext: Uint8Array) {
    const id = idContext.slice(6, 7);
    const shared = { idContext, algorithm: 10 };
    using aeadKey = oscoreKey(this.#prk, { ...shared, id, type: "Key", length: 16 });
    const base = oscoreBaseNonce(oscoreCommonIv(this.#prk, { ...shared, nonceLength: 13 }), id);
    return { print: fingerprint(aeadKey), base };
  }
}

/** What the receiver is allowed to forget: nothing it delivered, and of a context little more than is under way. */
class Receiving {
  readonly #delivered = new Set<number>();
  readonly #top = new Map<string, number>();
  readonly #arrived = new Map<string, number>();
  readonly #lostBelow = new Map<string, number>();

  /** A life that ended without a clean snapshot: numbers up to the ceiling are given up. */
  crashed(): void {
    for (const [context, arrived] of this.#arrived) this.#lostBelow.set(context, arrived + 1 + AHEAD);
  }

  mustDeliver({ id, context, number }: Sent): boolean {
    return !this.#delivered.has(id) && number > (this.#top.get(context) ?? -1) - WINDOW_SIZE &&
      number >= (this.#lostBelow.get(context) ?? 0);
  }

  saw({ id, context, number }: Sent, delivered: boolean): void {
    this.#arrived.set(context, Math.max(number, this.#arrived.get(context) ?? -1));
    if (!delivered) return;
    assert.ok(!this.#delivered.has(id), "delivered twice");
    this.#delivered.add(id);
    this.#top.set(context, Math.max(number, this.#top.get(context) ?? -1));
  }
}

/** One history: at most 6 starts of the sender, so that no context is forgotten for age. */
async function history(seed: number): Promise<{ sent: number; delivered: number }> {
  const here = world(seed);
  const random = seededNumbers(seed);
  const dice = (sides: number) => Math.floor(random() * sides);
  const nonces = new Nonces();
  const receiving = new Receiving();
  const all: Sent[] = [];
  const snapshots: { from: SealingState[]; to: SealingState[] } = { from: [], to: [] };
  const pick = (states: SealingState[]) => states[dice(states.length)];
  let starts = 1;
  let delivered = 0;
  let from = await end(here, "initiator", { store: here.store });
  let to = await end(here, "responder", { store: here.store });

  const sendSome = async () => {
    for (let i = dice(12); i >= 0; i--) {
      const id = all.length;
      const sealed = await seal(from.sealer(), new Uint8Array([id >> 8, id & 0xff]));
      all.push({ id, ...nonces.add(sealed) });
    }
  };
  const arrive = async (sent: Sent) => {
    const must = receiving.mustDeliver(sent);
    const payload = await open(to.sealer(), sent.sealed).catch((error) => {
      assert.ok(error instanceof SeccfError && error.code === "replayed", String(error));
      return undefined;
    });
    if (payload) assert.equal(numberOf(payload), sent.id);
    if (must) assert.ok(payload, `message ${sent.id} was lost`);
    receiving.saw(sent, payload !== undefined);
    if (payload) delivered++;
  };
  const restartSender = async () => {
    if (starts++ >= 6) return;
    if (dice(3) === 0) here.clock.setWall(here.clock.wall() - dice(1e6));
    const state = dice(2) ? pick(snapshots.from) : undefined;
    from = await end(here, "initiator", { store: here.store, state });
  };
  const restartReceiver = async () => {
    const clean = dice(3) === 0 ? await to.state() : undefined;
    const state = clean ?? (dice(2) ? pick(snapshots.to) : undefined);
    if (!clean) receiving.crashed();
    to = await end(here, "responder", { store: here.store, state });
  };
  for (let step = 0; step < 120; step++) {
    const choice = dice(20);
    if (choice < 8) await sendSome();
    else if (choice < 15) { for (const sent of all.slice(-20)) if (dice(3)) await arrive(sent); }
    else if (choice < 17) { if (all.length) { for (let i = 0; i < 10; i++) await arrive(all[dice(all.length)]!); } }
    else if (choice === 17) await restartSender();
    else if (choice === 18) await restartReceiver();
    else if (dice(2)) snapshots.to.push(await to.state());
    else snapshots.from.push(await from.state());
    await here.clock.advance(dice(1000));
  }
  for (const sent of all) await arrive(sent);
  return { sent: all.length, delivered };
}

test("over many histories nothing is delivered twice, nothing is lost that the rules keep, no nonce repeats [SEC_CF-1.4]", async () => {
  let sent = 0;
  let delivered = 0;
  for (let seed = 1; seed <= 20; seed++) {
    const result = await history(seed).catch((error) => {
      throw new Error(`seed ${seed}`, { cause: error });
    });
    sent += result.sent;
    delivered += result.delivered;
  }
  assert.ok(sent > 3000 && delivered > sent / 2, `${delivered} of ${sent}`);
});

test("a sender killed at every visit to the store, before or after its effect, repeats no nonce and is heard again", async () => {
  for (const when of ["before", "after"] as const) {
    const here = world();
    const nonces = new Nonces();
    const to = await end(here, "responder", { store: here.store });
    let lives = 0;
    for (let at = 1; at <= 5; at++) {
      const store = stoppingStore(here.store, at, when);
      const from = await end(here, "initiator", { store }).catch(() => undefined);
      for (let i = 0; from && i < 5; i++) {
        const sealed = await seal(from.sealer(), new Uint8Array([i])).catch(() => undefined);
        if (!sealed) break;
        nonces.add(sealed);
        assert.deepEqual(await open(to.sealer(), sealed), new Uint8Array([i]));
        lives++;
      }
    }
    assert.ok(lives >= 15);
  }
});

async function twins(here: World, state: SealingState, store: boolean): Promise<Sealing[]> {
  const more = store ? { store: here.store, state } : { state };
  return [await end(here, "initiator", more), await end(here, "initiator", more), await end(here, "initiator", more)];
}

test("restored three times from one snapshot, with a store or without, with the clock standing still or set back, senders share no nonce", async () => {
  for (const store of [true, false]) {
    for (const back of [0, 1e9]) {
      const here = world();
      const nonces = new Nonces();
      const first = await end(here, "initiator", store ? { store: here.store } : {});
      const to = await end(here, "responder", store ? { store: here.store } : {});
      nonces.add(await seal(first.sealer(), new Uint8Array(1)));
      const state = await first.state();
      here.clock.setWall(here.clock.wall() - back);
      for (const from of [...await twins(here, state, store), first]) {
        if (from !== first) {
          assert.ok((await from.state()).epoch > state.epoch, "a later start, whatever the clock says");
        }
        for (let i = 0; i < 20; i++) {
          const sealed = await seal(from.sealer(), new Uint8Array([i]));
          nonces.add(sealed);
          assert.deepEqual(await open(to.sealer(), sealed), new Uint8Array([i]), "all are heard");
        }
      }
    }
  }
});

test("a store that has forgotten its counters is told to jump ahead by the clock, and a broken source of randomness alone repeats nothing", async () => {
  const here = world();
  const zeros = { clock: here.clock, random: (out: Uint8Array) => void out.fill(0) };
  const nonces = new Nonces();
  const epochs: number[] = [];
  for (const stores of [world().store, world().store, world().store]) {
    await here.clock.advance(5);
    const from = await end(zeros, "initiator", { store: stores });
    nonces.add(await seal(from.sealer(), new Uint8Array(1)));
    epochs.push((await from.state()).epoch);
  }
  assert.ok(epochs[0]! < epochs[1]! && epochs[1]! < epochs[2]!);
  await here.clock.advance(5);
  const same = world().store;
  for (let i = 0; i < 3; i++) {
    nonces.add(await seal((await end(zeros, "initiator", { store: same })).sealer(), new Uint8Array(1)));
  }
});
