import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { fingerprint, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type IdentityModule, memoryIdentity, storedCounter } from "../../lib/identity/mod.ts";
import { type GuardedOperation, withUserPresence } from "../../lib/identity/presence.ts";
import { PresencePin } from "../../lib/identity/presence_pin.ts";
import type { RecordStore } from "../../lib/store.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { credentials, IMSI, pin, vectorFor } from "./cards.ts";

const NAME = toUtf8("device");
const LABEL = toUtf8("use");
const COST = { logN: 10, r: 1, p: 1 };
const code = (expected: string) => (error: unknown) => error instanceof SeccfError && error.code === expected;

function store(): RecordStore {
  return memoryStore({ clock: new VirtualClock() });
}

async function module(): Promise<IdentityModule> {
  using key = secretFrom(new Uint8Array(32).fill(1));
  return await memoryIdentity({
    aka: { credentials: credentials(), imsi: IMSI },
    provisioned: [{ identity: NAME, key }],
  });
}

async function pinIn(records: RecordStore, digits = "73519846"): Promise<PresencePin> {
  const made = new PresencePin({ store: records });
  await made.set(pin(digits), { random: seededRandom(5), cost: COST });
  return made;
}

test("[SEC_CF-AUTH-006] no key can be used before the PIN, and each can after it", async () => {
  const clock = new VirtualClock();
  await using plain = await module();
  await using guarded = withUserPresence(await module(), { clock, pin: await pinIn(store()) });
  const { rand, autn } = vectorFor(32);
  const uses = [
    () => guarded.aka!.answer({ rand, autn, scheme: "akav1" }),
    () => guarded.aka!.keep({ btid: "b", lifetimeSeconds: 60 }),
    () => guarded.aka!.derive({ btid: "b", nafId: LABEL }),
    () => guarded.provisioned!.derive(NAME, LABEL),
  ];
  assert.ok(guarded.locked);
  for (const use of uses) await assert.rejects(use, code("pin-required"));
  assert.equal(guarded.aka!.impi, plain.aka!.impi);
  await guarded.unlock(pin("73519846"));
  assert.equal((await guarded.aka!.answer({ rand, autn, scheme: "akav1" })).kind, "answered");
  await guarded.aka!.keep({ btid: "b", lifetimeSeconds: 60 });
  assert.equal((await guarded.aka!.derive({ btid: "b", nafId: LABEL })).byteLength, 32);
  const key = await guarded.provisioned!.derive(NAME, LABEL);
  assert.equal(fingerprint(key), fingerprint(await plain.provisioned!.derive(NAME, LABEL)));
});

test("[SEC_CF-AUTH-006] three wrong PINs block it, over restarts too, and the right one does not open it any more", async () => {
  const records = store();
  await pinIn(records);
  for (const left of [2, 1]) {
    const restarted = new PresencePin({ store: records });
    await assert.rejects(
      restarted.verify(pin("73519847")),
      (error: unknown) => code("pin-required")(error) && (error as Error).message.includes(`${left} tries`),
    );
    assert.equal(await restarted.tries(), left);
  }
  await assert.rejects(new PresencePin({ store: records }).verify(pin("7351")), code("pin-blocked"));
  const clock = new VirtualClock();
  await using guarded = withUserPresence(await module(), { clock, pin: new PresencePin({ store: records }) });
  await assert.rejects(guarded.unlock(pin("73519846")), code("pin-blocked"));
  assert.ok(guarded.locked);
  await pinIn(records, "1234");
  await guarded.unlock(pin("1234"));
  assert.equal(guarded.locked, false);
});

test("a right PIN restores the tries", async () => {
  const made = await pinIn(store());
  await assert.rejects(made.verify(pin("0000")), code("pin-required"));
  await made.verify(pin("73519846"));
  assert.equal(await made.tries(), 3);
});

test("[SEC_CF-AUTH-006] a try is taken before the PIN is compared: a store that fails at any call gives none back", async () => {
  for (const effect of [false, true]) {
    for (let at = 0; at < 3; at++) {
      const records = store();
      await pinIn(records);
      let count = 0;
      const step = async <T>(call: () => Promise<T>): Promise<T> => {
        const mine = count++;
        if (mine < at) return await call();
        if (mine === at && effect) await call();
        throw new Error("power cut");
      };
      const cut: RecordStore = {
        ...records,
        get: (...call) => step(() => records.get(...call)),
        put: (...call) => step(() => records.put(...call)),
      };
      const wrong = await new PresencePin({ store: cut }).verify(pin("0000")).then(
        () => "open",
        (e: Error) => e.message,
      );
      assert.notEqual(wrong, "open");
      const told = wrong.startsWith("a wrong PIN");
      assert.ok(await new PresencePin({ store: records }).tries() === (told || (at === 1 && effect) ? 2 : 3));
    }
  }
});

test("tries at the same time are each counted", async () => {
  const records = store();
  await pinIn(records);
  const guesses = Array.from({ length: 20 }, (_, i) => pin(`${1000 + i}`));
  const outcomes = await Promise.all(
    guesses.map((guess) => new PresencePin({ store: records }).verify(guess).catch((e: SeccfError) => e.message)),
  );
  assert.equal(outcomes.filter((message) => message?.startsWith("a wrong PIN")).length, 2);
  assert.equal(await new PresencePin({ store: records }).tries(), 0);
});

test("an old copy of the store gives no tries back where a counter is kept elsewhere", async () => {
  const records = store();
  const counter = storedCounter(store(), "tries");
  const made = new PresencePin({ store: records, counter });
  await made.set(pin("73519846"), { random: seededRandom(5), cost: COST });
  const old = (await records.get("presence-pin"))!.value;
  await assert.rejects(made.verify(pin("0000")), code("pin-required"));
  await records.put("presence-pin", old, { expected: (await records.get("presence-pin"))!.version });
  await assert.rejects(made.verify(pin("73519846")), code("pin-blocked"));
  await made.set(pin("73519846"), { random: seededRandom(5), cost: COST });
  await made.verify(pin("73519846"));
});

test("what is stored is neither the PIN nor the same for the same PIN, and an altered record opens nothing", async () => {
  const [one, two] = [store(), store()];
  await pinIn(one);
  await new PresencePin({ store: two }).set(pin("73519846"), { random: seededRandom(6), cost: COST });
  const [first, second] = [await one.get("presence-pin"), await two.get("presence-pin")];
  assert.ok(!toHex(first!.value).includes(toHex(toUtf8("73519846"))));
  assert.notEqual(toHex(first!.value.slice(-32)), toHex(second!.value.slice(-32)));
  for (let at = 0; at < first!.value.length; at++) {
    const altered = store();
    const record = first!.value.slice();
    // The tries and what they are restored to, and the count of attempts, are the store's to keep.
    if (at >= 1 && at < 9) continue;
    record[at]! ^= 0x41;
    await altered.put("presence-pin", record, { expected: 0 });
    await assert.rejects(new PresencePin({ store: altered }).verify(pin("73519846")), SeccfError);
  }
  await assert.rejects(new PresencePin({ store: store() }).verify(pin("73519846")), code("pin-required"));
});

test("the module locks again when its time is over, and when it is told to", async () => {
  const clock = new VirtualClock();
  const made = await pinIn(store());
  await using guarded = withUserPresence(await module(), { clock, pin: made, unlockSeconds: 60 });
  await guarded.unlock(pin("73519846"));
  await clock.advance(59_999);
  await guarded.provisioned!.derive(NAME, LABEL);
  await clock.advance(1);
  await assert.rejects(guarded.provisioned!.derive(NAME, LABEL), code("pin-required"));
  await guarded.unlock(pin("73519846"));
  guarded.lock();
  await assert.rejects(guarded.provisioned!.derive(NAME, LABEL), code("pin-required"));
});

test("[SEC_CF-AUTH-006] the user is asked for each use, or once for a time and a kind of use, and a no is final", async () => {
  const clock = new VirtualClock();
  const asked: string[] = [];
  let answer = true;
  await using guarded = withUserPresence(await module(), {
    clock,
    ask: ({ operation, subject }) => {
      asked.push(`${operation} ${subject ? new TextDecoder().decode(subject) : ""}`);
      return Promise.resolve(answer);
    },
    consentSeconds: { provisioned: 30 } satisfies Partial<Record<GuardedOperation, number>>,
  });
  await Promise.all([guarded.provisioned!.derive(NAME, LABEL), guarded.provisioned!.derive(NAME, LABEL)]);
  assert.deepEqual(asked, ["provisioned use"]);
  await clock.advance(30_000);
  answer = false;
  await assert.rejects(guarded.provisioned!.derive(NAME, LABEL), code("identity-unavailable"));
  answer = true;
  await guarded.provisioned!.derive(NAME, LABEL);
  assert.equal(asked.length, 3);
  for (const sqn of [32, 64]) {
    const { rand, autn } = vectorFor(sqn);
    await guarded.aka!.answer({ rand, autn, scheme: "akav1" });
  }
  assert.deepEqual(asked.slice(3), ["answer ", "answer "]);
});

test("questions come one after the other, and one that fails or is given up leaves the next its turn", async () => {
  const clock = new VirtualClock();
  const waiting: ((yes: boolean) => void)[] = [];
  let failing = false;
  await using guarded = withUserPresence(await module(), {
    clock,
    ask: () => failing ? Promise.reject(new Error("no screen")) : new Promise((resolve) => waiting.push(resolve)),
  });
  const stop = new AbortController();
  const first = guarded.provisioned!.derive(NAME, LABEL);
  const second = guarded.provisioned!.derive(NAME, LABEL, { signal: stop.signal });
  const third = guarded.provisioned!.derive(NAME, LABEL);
  await clock.settle();
  assert.equal(waiting.length, 1);
  stop.abort(new Error("given up"));
  waiting[0]!(true);
  await first;
  await assert.rejects(second, /given up/);
  await clock.settle();
  assert.equal(waiting.length, 2);
  waiting[1]!(false);
  await assert.rejects(third, code("identity-unavailable"));
  failing = true;
  await assert.rejects(guarded.provisioned!.derive(NAME, LABEL), /no screen/);
});

test("locking while the user is asked, or while a key is made, gives no key out and forgets the consent", async () => {
  const clock = new VirtualClock();
  const made = await pinIn(store());
  let answer: ((yes: boolean) => void) | undefined;
  const inner = await module();
  let slow: Promise<void> = Promise.resolve();
  let derived = 0;
  const slowed: IdentityModule = {
    provisioned: {
      identities: inner.provisioned!.identities,
      async derive(...call) {
        derived++;
        await slow;
        return await inner.provisioned!.derive(...call);
      },
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
  await using guarded = withUserPresence(slowed, {
    clock,
    pin: made,
    ask: () => new Promise((resolve) => answer = resolve),
    consentSeconds: { provisioned: Infinity },
  });
  await guarded.unlock(pin("73519846"));
  const asked = guarded.provisioned!.derive(NAME, LABEL);
  await clock.settle();
  guarded.lock();
  await guarded.unlock(pin("73519846"));
  answer!(true);
  await assert.rejects(asked, code("pin-required"));
  assert.equal(derived, 0);
  let go = () => {};
  slow = new Promise((resolve) => go = resolve);
  const making = guarded.provisioned!.derive(NAME, LABEL);
  await clock.settle();
  answer!(true);
  await clock.settle();
  guarded.lock();
  go();
  await assert.rejects(making, code("pin-required"));
  const opening = guarded.unlock(pin("73519846"));
  guarded.lock();
  await opening;
  assert.ok(guarded.locked);
  await guarded.unlock(pin("73519846"));
  answer = undefined;
  const again = guarded.provisioned!.derive(NAME, LABEL);
  await clock.settle();
  assert.ok(answer, "the consent of before the lock counts no more");
  (answer as (yes: boolean) => void)(true);
  await again;
});

test("a gate that asks for nothing, a PIN that is none and a disposed module are refused", async () => {
  const clock = new VirtualClock();
  const inner = await module();
  assert.throws(() => withUserPresence(inner, { clock }), TypeError);
  const made = await pinIn(store());
  await assert.rejects(made.verify(pin("123")), RangeError);
  await assert.rejects(made.set(pin("1234"), { random: seededRandom(1), tries: 0 }), RangeError);
  await assert.rejects(made.set(pin("1234"), { random: seededRandom(1), cost: { logN: 30, r: 8, p: 1 } }), RangeError);
  const guarded = withUserPresence(inner, { clock, pin: made });
  await guarded.unlock(pin("73519846"));
  await guarded[Symbol.asyncDispose]();
  await assert.rejects(guarded.provisioned!.derive(NAME, LABEL), code("closed"));
  await assert.rejects(guarded.unlock(pin("73519846")), code("closed"));
});
