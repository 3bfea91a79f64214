import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { CardObjectForm } from "../../lib/identity/card_store_object.ts";
import type { SoftUsim } from "../../lib/identity/mod.ts";
import {
  bindingDigest,
  type CardAuthority,
  CardParameters,
  type CardParametersOptions,
  type CardSlot,
} from "../../lib/identity/pkcs15_parameters.ts";
import type { RecordStore } from "../../lib/store.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { VirtualClock } from "../support/virtual.ts";
import { pin } from "./cards.ts";
import { bootstrapFiles, cardWith, RULES } from "./pkcs15_card.ts";

const IMEI = new TextEncoder().encode("490154203237518");

/** A slot, a device with its store, and what is applied there now. */
class Bench implements CardSlot {
  card: SoftUsim | undefined;
  store: RecordStore = memoryStore({ clock: new VirtualClock() });
  applied: string[] = [];
  refused: string[] = [];
  calls = 0;
  failing = Infinity;
  #wake: (() => void) | undefined;
  #changes: boolean[] = [];

  put(card: SoftUsim | undefined): void {
    this.card = card;
    this.#changes.push(card !== undefined);
    this.#wake?.();
  }

  async *presence({ signal }: { signal?: AbortSignal } = {}): AsyncGenerator<boolean> {
    yield this.card !== undefined;
    while (!signal?.aborted) {
      const next = this.#changes.shift();
      if (next !== undefined) yield next;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal?.addEventListener("abort", () => resolve(), { once: true });
        });
      }
    }
  }

  connect() {
    return this.card
      ? Promise.resolve(this.card.connect())
      : Promise.reject(new SeccfError("identity-unavailable", "no card"));
  }

  parameters(more: Partial<CardParametersOptions> = {}): CardParameters {
    return new CardParameters({
      slot: this,
      store: this.store,
      device: IMEI,
      authority: "issuer",
      apply: (parameters) => {
        if (this.calls++ >= this.failing) return Promise.reject(new Error("interrupted"));
        this.applied = parameters.map(({ content }) => toHex(content));
        return Promise.resolve();
      },
      onRefused: (error) => this.refused.push(error instanceof SeccfError ? error.code : String(error)),
      ...more,
    });
  }

  async settle(more: Partial<CardParametersOptions> = {}): Promise<string[]> {
    await using parameters = this.parameters(more);
    await parameters.settle();
    return this.applied;
  }
}

const content = Uint8Array.of(3, 11, 106, 0, 1, 2, 3);
const bytes = toHex(content);
const good = (more = {}) => cardWith(bootstrapFiles(content), more);

test("[SEC_CF-ADM-001] what a card brings is applied while it is there and gone when it goes", async () => {
  const bench = new Bench();
  const clock = new VirtualClock();
  const parameters = bench.parameters();
  parameters.start();
  bench.put(good());
  await clock.settle();
  assert.deepEqual(bench.applied, [bytes]);
  bench.put(undefined);
  await clock.settle();
  assert.deepEqual(bench.applied, []);
  bench.put(good());
  await clock.settle();
  assert.deepEqual(bench.applied, [bytes]);
  await parameters[Symbol.asyncDispose]();
  assert.deepEqual(bench.applied, [bytes]);
});

test("the same card twice is applied once", async () => {
  const bench = new Bench();
  bench.card = good();
  await bench.settle();
  await bench.settle();
  assert.deepEqual([bench.applied, bench.calls], [[bytes], 1]);
});

test("a card exchanged while the power was off: what the first one brought goes before the second is read", async () => {
  const second = Uint8Array.of(9, 9, 9);
  const exchanges = [
    cardWith(bootstrapFiles(content), { iccid: "98109909002143658740" }),
    good({ imsi: "001010123456780" }),
    cardWith(bootstrapFiles(second), { imsi: "001010123456780" }),
  ];
  for (const [i, other] of exchanges.entries()) {
    const bench = new Bench();
    bench.card = good();
    await bench.settle();
    bench.card = other;
    const seen: string[][] = [];
    await bench.settle({
      apply: (parameters) => {
        seen.push(parameters.map((each) => toHex(each.content)));
        return Promise.resolve();
      },
    });
    assert.deepEqual(seen, [[], [i === 2 ? toHex(second) : bytes]]);
  }
});

test("parameters that the card no longer has are removed, changed ones replaced", async () => {
  const bench = new Bench();
  const [odf, dodf, object] = bootstrapFiles(content);
  bench.card = cardWith([odf!, dodf!, object!]);
  await bench.settle();
  object!.content[0] = 4;
  assert.deepEqual(await bench.settle(), [toHex(object!.content)]);
  dodf!.content.fill(0xff);
  assert.deepEqual(await bench.settle(), []);
});

test("[SEC_CF-ADM-001] what others than the card's issuer could have written is refused", async () => {
  const cases = [{ rule: RULES.pin }, { flags: "03020640" }];
  for (const options of cases) {
    const bench = new Bench();
    bench.card = cardWith(bootstrapFiles(content, options));
    assert.deepEqual(await bench.settle(), []);
    assert.deepEqual(bench.refused, ["auth-failed"]);
  }
});

test("[SEC_CF-ADM-001] bound parameters are taken on this device with this card alone, and unsigned or altered ones nowhere", async () => {
  using key = secretFrom(new Uint8Array(32).fill(5));
  const authority: CardAuthority = ({ content }, binding) => {
    using form = new CardObjectForm(key, bindingDigest(binding));
    const place = form.decode(content);
    return place.kind === "object" ? place.object.content : undefined;
  };
  const iccid = Uint8Array.from([0x98, 0x10, 0x99, 0x09, 0x00, 0x21, 0x43, 0x65, 0x87, 0x39]);
  const impi = "001010123456789@ims.mnc001.mcc001.3gppnetwork.org";
  using form = new CardObjectForm(key, bindingDigest({ device: IMEI, iccid, impi }));
  const signed = form.encode({ name: "dm", version: 1, content });
  const attempts: [Uint8Array, Partial<CardParametersOptions>, object, string[]][] = [
    [signed, {}, {}, [bytes]],
    [signed, { device: IMEI.slice(1) }, {}, []],
    [signed, {}, { imsi: "001010123456780" }, []],
    [signed, {}, { iccid: "98109909002143658740" }, []],
    [content, {}, {}, []],
    [signed.map((byte, i) => i === 20 ? byte ^ 1 : byte), {}, {}, []],
  ];
  for (const [written, options, card, expected] of attempts) {
    const bench = new Bench();
    bench.card = cardWith(bootstrapFiles(written, { rule: RULES.pin }), card);
    assert.deepEqual(await bench.settle({ authority, mncLength: 2, ...options }), expected);
  }
});

test("a card behind its PIN brings nothing until that is given", async () => {
  const bench = new Bench();
  const usim = good({ pin: pin("73519846") });
  bench.card = usim;
  assert.deepEqual(await bench.settle(), []);
  assert.deepEqual(bench.refused, ["pin-required"]);
  assert.deepEqual(await bench.settle({ pin: pin("73519846") }), [bytes]);
  assert.deepEqual(await bench.settle(), []);
  assert.equal(usim.state.pinTries, 3);
});

test("interrupted at any step, the next start ends where an uninterrupted one would", async () => {
  for (let at = 0; at < 8; at++) {
    for (const [effect, straight] of [[false, false], [true, false], [false, true], [true, true]]) {
      const bench = new Bench();
      bench.card = good();
      await bench.settle();
      bench.card = cardWith(bootstrapFiles(Uint8Array.of(9, 9, 9)), { imsi: "001010123456780" });
      const whole = bench.store;
      let count = 0;
      const step = async <T>(call: () => Promise<T>): Promise<T> => {
        const mine = count++;
        if (mine < at) return await call();
        if (mine === at && effect) await call();
        throw new Error("interrupted");
      };
      bench.store = {
        ...whole,
        get: (...call) => step(() => whole.get(...call)),
        put: (...call) => step(() => whole.put(...call)),
        delete: (...call) => step(() => whole.delete(...call)),
      };
      const apply = bench.parameters.bind(bench);
      await using parameters = apply({
        apply: (list) =>
          step(() => {
            bench.applied = list.map((each) => toHex(each.content));
            return Promise.resolve();
          }),
      });
      await parameters.settle().catch(() => undefined);
      bench.store = whole;
      const restarted = new Bench();
      restarted.store = whole;
      restarted.applied = bench.applied;
      restarted.card = bench.card;
      if (straight) {
        assert.deepEqual(await restarted.settle(), ["090909"]);
        continue;
      }
      const present = bench.card;
      bench.card = undefined;
      const gone = new Bench();
      gone.store = whole;
      gone.applied = bench.applied;
      assert.deepEqual(await gone.settle(), [], `${at}`);
      gone.card = present;
      assert.deepEqual(await gone.settle(), ["090909"]);
    }
  }
});

test("what cannot be removed is tried again, and what cannot be applied leaves the first card's nowhere", async () => {
  const bench = new Bench();
  bench.card = good();
  await bench.settle();
  bench.card = undefined;
  bench.failing = 0;
  await assert.rejects(bench.settle(), /interrupted/);
  bench.failing = Infinity;
  assert.deepEqual(await bench.settle(), []);
});
