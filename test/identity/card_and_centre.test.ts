/** A card and a home environment that lose messages, crash and start again, as a model: what must hold at every step. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type AuthenticationCentre,
  createAuthenticationCentre,
  milenage,
  SequenceArray,
  splitSqn,
  verifyChallenge,
} from "../../lib/aka/mod.ts";
import { fingerprint } from "../../lib/crypto/mod.ts";
import {
  type AkaModule,
  type IdentityModule,
  type SoftUsim,
  type SoftUsimState,
  usimIdentity,
} from "../../lib/identity/mod.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { card, credentials, v } from "./cards.ts";

const IMPI = v.IMPI!;

/** Both ends of a subscription, and what the test knows about them. */
class World {
  readonly #store = memoryStore({ clock: new VirtualClock() });
  readonly #random = seededRandom(11);
  readonly #algorithm = milenage(credentials());
  readonly #blockSize: number;
  readonly accepted = new Set<number>();
  readonly issued = new Set<number>();
  #stored: SoftUsimState | undefined;
  #failNextSave = false;
  #centres: AuthenticationCentre[] = [];
  #usim: SoftUsim;
  #identity: (IdentityModule & { readonly aka?: AkaModule }) | undefined;

  constructor(blockSize: number, processes: number) {
    this.#blockSize = blockSize;
    for (let i = 0; i < processes; i++) this.#centres.push(this.#centre());
    this.#usim = this.#card();
  }

  /** A process of the centre dies, with whatever block it held. */
  crashCentre(which: number): void {
    this.#centres[which % this.#centres.length] = this.#centre();
  }

  /** Power goes: the card comes back with what it last stored. */
  crashCard(beforeStoring: boolean): void {
    if (beforeStoring) this.#failNextSave = true;
    else this.#restart();
  }

  /** Vectors that are issued and never reach the card. */
  async lose(which: number, count: number): Promise<void> {
    for (let i = 0; i < count; i++) (await this.#vector(which))[Symbol.dispose]();
  }

  /** One bootstrapping, with one resynchronisation if the card asks for it. It must succeed, unless the card broke. */
  async bootstrap(which: number): Promise<void> {
    const breaks = this.#failNextSave;
    const aka = await this.#aka();
    let vector = await this.#vector(which);
    for (let round = 0;; round++) {
      const { rand, autn, xres } = vector;
      let outcome: Awaited<ReturnType<AkaModule["answer"]>>;
      try {
        outcome = await aka.answer({ rand, autn, scheme: "akav1" });
      } catch (error) {
        assert.ok(breaks, String(error));
        this.#restart();
        return;
      }
      if (outcome.kind === "answered") {
        assert.equal(fingerprint(outcome.password), fingerprint(xres));
        using verified = verifyChallenge(this.#algorithm, vector)!;
        assert.ok(!this.accepted.has(verified.sqn), "a number was accepted twice");
        this.accepted.add(verified.sqn);
        await this.#assertReplayIsStale(aka, rand, autn);
        return;
      }
      assert.ok(outcome.kind === "resync" && round === 0, "at most one resynchronisation");
      vector = await this.#vector(which, { rand, auts: outcome.auts });
    }
  }

  async #assertReplayIsStale(aka: AkaModule, rand: Uint8Array, autn: Uint8Array): Promise<void> {
    assert.equal((await aka.answer({ rand, autn, scheme: "akav1" })).kind, "resync");
  }

  async #vector(which: number, resync?: { rand: Uint8Array; auts: Uint8Array }) {
    const centre = this.#centres[which % this.#centres.length]!;
    const vector = (await centre.vector(IMPI, resync ? { resync } : {}))!;
    using verified = verifyChallenge(this.#algorithm, vector)!;
    assert.ok(!this.issued.has(verified.sqn), "a number was issued twice");
    this.issued.add(verified.sqn);
    return vector;
  }

  async #aka(): Promise<AkaModule> {
    this.#identity ??= await usimIdentity(this.#usim.connect());
    return this.#identity.aka!;
  }

  #restart(): void {
    this.#failNextSave = false;
    this.#identity = undefined;
    this.#usim = this.#card();
  }

  #card(): SoftUsim {
    const save = (state: SoftUsimState): Promise<void> => {
      if (this.#failNextSave) return Promise.reject(new TypeError("power"));
      this.#stored = structuredClone(state);
      return Promise.resolve();
    };
    return card({ save, ...(this.#stored ? { state: this.#stored } : {}) });
  }

  #centre(): AuthenticationCentre {
    return createAuthenticationCentre({
      subscribers: (impi) => impi === IMPI ? { credentials: credentials() } : undefined,
      store: this.#store,
      random: this.#random,
      blockSize: this.#blockSize,
    });
  }
}

const which = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  { weight: 6, arbitrary: which.map((n) => (world: World) => world.bootstrap(n)) },
  {
    weight: 2,
    arbitrary: fc.tuple(which, fc.integer({ min: 1, max: 40 })).map(([which, n]) => (world: World) =>
      world.lose(which, n)
    ),
  },
  { weight: 2, arbitrary: which.map((n) => (world: World) => Promise.resolve(world.crashCentre(n))) },
  { weight: 2, arbitrary: fc.boolean().map((early) => (world: World) => Promise.resolve(world.crashCard(early))) },
);

test("over any schedule of loss, crash and restart no SQN is issued or accepted twice, and one resync always suffices", async () => {
  const schedule = fc.array(step, { minLength: 5, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(
      schedule,
      fc.constantFrom(1, 2, 8, 32),
      fc.constantFrom(1, 2, 3),
      async (steps, blockSize, processes) => {
        const world = new World(blockSize, processes);
        for (const take of steps) await take(world);
        world.crashCard(false);
        await world.bootstrap(0);
      },
    ),
    { seed: 9, numRuns: 60 },
  );
});

test("a card replaced by a fresh one, or by one far ahead of the centre, is in step after one resync", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const centre = createAuthenticationCentre({
    subscribers: () => ({ credentials: credentials() }),
    store,
    random: seededRandom(12),
  });
  const slots = (seq: number): number[] => new Array<number>(32).fill(seq);
  for (const seq of [2 ** 40, 0, 2 ** 30, 5]) {
    const usim = card({ state: { ...card().state, sequence: slots(seq) } });
    await using identity = await usimIdentity(usim.connect());
    using first = (await centre.vector(IMPI))!;
    let outcome = await identity.aka!.answer({ ...first, scheme: "akav1" });
    if (outcome.kind === "resync") {
      using second = (await centre.vector(IMPI, { resync: { rand: first.rand, auts: outcome.auts } }))!;
      outcome = await identity.aka!.answer({ ...second, scheme: "akav1" });
    }
    assert.equal(outcome.kind, "answered", `a card at ${seq}`);
    assert.equal(splitSqn(new SequenceArray({}, usim.state.sequence).highest).seq, seq + 1);
  }
});

test("an old AUTS played again moves nothing: the centre's next number stays in range", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const centre = createAuthenticationCentre({
    subscribers: () => ({ credentials: credentials() }),
    store,
    random: seededRandom(13),
  });
  await using identity = await usimIdentity(
    card({ state: { ...card().state, sequence: new Array<number>(32).fill(9) } }).connect(),
  );
  using stale = (await centre.vector(IMPI))!;
  const refused = await identity.aka!.answer({ ...stale, scheme: "akav1" });
  assert.ok(refused.kind === "resync");
  const resync = { rand: stale.rand, auts: refused.auts };
  for (let i = 0; i < 3; i++) {
    using vector = (await centre.vector(IMPI, { resync }))!;
    assert.equal((await identity.aka!.answer({ ...vector, scheme: "akav1" })).kind, "answered");
  }
});
