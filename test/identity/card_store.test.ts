import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { CardObjectForm } from "../../lib/identity/card_store_object.ts";
import { bindingDigest } from "../../lib/identity/pkcs15_parameters.ts";
import { BINDING, contents, type Failure, Fault, KEY, object, World } from "./card_store_world.ts";

const code = (expected: string) => (error: unknown) => error instanceof SeccfError && error.code === expected;
const other = { ...BINDING, device: new Uint8Array(8).fill(4) };

function form(binding = BINDING, key = KEY): CardObjectForm {
  using secret = secretFrom(key);
  return new CardObjectForm(secret, bindingDigest(binding));
}

async function stored(world: World, changes: Record<string, number | undefined>): Promise<void> {
  using device = world.device();
  for (const [name, first] of Object.entries(changes)) {
    if (first === undefined) await device.delete(name);
    else await device.put(name, object(first));
  }
}

test("an object made at the device comes to the card, is updated there, and goes when it is deleted", async () => {
  const world = new World();
  await stored(world, { a: 1, b: 2 });
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 1, b: 2 }, { a: 1, b: 2 }]);
  await stored(world, { a: 3, b: undefined });
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 3 }, { a: 3 }]);
  await stored(world, { c: 4 });
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 3, c: 4 }, { a: 3, c: 4 }]);
});

test("an object that its authority wrote to the card comes to the device", async () => {
  const world = new World();
  using authority = form();
  world.files[1]!.set(authority.encode({ name: "list", version: 5, content: object(7, 30) }));
  await world.sync();
  using device = world.device();
  assert.deepEqual(await device.get("list"), object(7, 30));
});

test("[SEC_CF-SEC-003] cut short at any command and any write, each side holds each object as it was or as it is to be", async () => {
  const last = { before: 0, after: 0, half: 0 };
  for (const failure of ["before", "after", "half"] as Failure[]) {
    for (let at = 0;; at++) {
      const world = new World(3);
      await stored(world, { changed: 1, deleted: 2 });
      await world.sync();
      await stored(world, { changed: 11, deleted: undefined, made: 13 });
      const fault = new Fault(at, failure);
      const finished = await world.sync({}, fault).then(() => true, () => false);
      const [card, device] = await world.view();
      assert.ok(card.changed === 1 || card.changed === 11);
      assert.ok(card.deleted === 2 || card.deleted === undefined);
      assert.ok(card.made === 13 || card.made === undefined);
      assert.deepEqual(device, { changed: 11, made: 13 });
      await world.sync();
      assert.deepEqual(await world.view(), [{ changed: 11, made: 13 }, { changed: 11, made: 13 }]);
      assert.deepEqual(world.conflicts, []);
      last[failure] = at;
      if (finished) break;
    }
  }
  assert.ok(last.before > 30 && last.after === last.before && last.half === last.before);
});

test("[SEC_CF-SEC-003] cut short while the card's changes come in, the device holds each object as it was or as it is to be", async () => {
  for (const failure of ["before", "after"] as Failure[]) {
    for (let at = 0;; at++) {
      const world = new World(3);
      await stored(world, { changed: 1, deleted: 2 });
      await world.sync();
      using authority = form();
      world.files[1]!.set(authority.encode({ name: "changed", version: 2, content: object(11) }));
      world.files[3]!.set(authority.encode({ name: "deleted", version: 2, content: undefined }));
      world.files[4]!.set(authority.encode({ name: "made", version: 1, content: object(13) }));
      const finished = await world.sync({}, new Fault(at, failure)).then(() => true, () => false);
      using device = world.device();
      const held = JSON.stringify(await contents(device));
      assert.ok(['{"changed":1,"deleted":2}', '{"changed":11,"made":13}'].includes(held), held);
      await world.sync();
      assert.deepEqual(await world.view(), [{ changed: 11, made: 13 }, { changed: 11, made: 13 }]);
      assert.deepEqual(world.conflicts, []);
      if (finished) break;
    }
  }
});

test("[SEC_CF-SEC-003] cut short while an object takes the place of one deleted on the card, that one does not come back", async () => {
  for (const failure of ["before", "after", "half"] as Failure[]) {
    for (let at = 0;; at++) {
      const world = new World(1);
      await stored(world, { gone: 1 });
      await world.sync();
      using authority = form();
      world.files[1]!.set(authority.encode({ name: "gone", version: 2, content: undefined }));
      await stored(world, { made: 3 });
      const finished = await world.sync({}, new Fault(at, failure)).then(() => true, () => false);
      await world.sync();
      assert.deepEqual(await world.view(), [{ made: 3 }, { made: 3 }]);
      if (finished) break;
    }
  }
});

test("an object deleted before the card knew it leaves the card as it was", async () => {
  const world = new World();
  const before = world.files.map((file) => file.slice());
  await stored(world, { a: 1 });
  await stored(world, { a: undefined });
  await world.sync();
  assert.deepEqual(world.files, before);
});

test("an old copy of an object in another place is passed over, and its place is free", async () => {
  const world = new World();
  await stored(world, { a: 1 });
  await world.sync();
  const old = world.files.find((file) => file[0] === 0x53)!.slice();
  await stored(world, { a: 2 });
  await world.sync();
  world.files.slice(2).forEach((file) => file.set(old));
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 2 }, { a: 2 }]);
  await stored(world, { b: 3 });
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 2, b: 3 }, { a: 2, b: 3 }]);
});

test("a change at the device is there or not, wherever its store fails", async () => {
  for (const failure of ["before", "after"] as Failure[]) {
    for (let at = 0; at < 3; at++) {
      const world = new World();
      await stored(world, { a: 1 });
      using device = world.device({}, new Fault(at, failure));
      await device.put("a", object(2)).catch(() => undefined);
      using restarted = world.device();
      assert.ok([1, 2].includes((await contents(restarted)).a!));
    }
  }
});

test("when both sides changed an object the higher version is kept, of equal ones the card's, and the other is handed over", async () => {
  for (const [version, kept] of [[2, "card"], [3, "card"], [1, "device"]] as const) {
    const world = new World();
    await stored(world, { a: 1 });
    await world.sync();
    await stored(world, { a: 2 });
    using authority = form();
    world.files[1]!.set(authority.encode({ name: "a", version, content: object(9) }));
    await world.sync();
    const winner = kept === "card" ? 9 : 2;
    assert.deepEqual(await world.view(), [{ a: winner }, { a: winner }]);
    assert.deepEqual(world.conflicts, version === 1 ? [] : ["a: card kept, 2 lost"]);
  }
  const world = new World();
  await stored(world, { a: 1 });
  await world.sync();
  await stored(world, { a: 2 });
  await stored(world, { a: 3 });
  using authority = form();
  world.files[1]!.set(authority.encode({ name: "a", version: 2, content: object(9) }));
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 3 }, { a: 3 }]);
  assert.deepEqual(world.conflicts, ["a: device kept, 9 lost"]);
});

test("a card set back to an older state is brought forward, and brings no deleted object back", async () => {
  const world = new World();
  await stored(world, { a: 1, b: 2 });
  await world.sync();
  const old = world.files.map((file) => file.slice());
  await stored(world, { a: 3, b: undefined });
  await world.sync();
  world.files.forEach((file, i) => file.set(old[i]!));
  await world.sync();
  assert.deepEqual(await world.view(), [{ a: 3 }, { a: 3 }]);
  assert.deepEqual(world.conflicts, []);
});

test("[SEC_CF-SEC-003] what another device, another card or another authority wrote is not taken and not written over", async () => {
  const strangers = [form(other), form({ ...BINDING, impi: "v@example.org" }), form(BINDING, new Uint8Array(32))];
  for (const stranger of strangers) {
    const world = new World(1);
    world.files[0]!.set(stranger.encode({ name: "a", version: 9, content: object(9) }));
    const before = world.files.map((file) => file.slice());
    await world.sync();
    assert.deepEqual(await world.view(), [{}, {}]);
    await stored(world, { a: 1 });
    await assert.rejects(world.sync(), code("exhausted"));
    assert.deepEqual(world.files, before);
    stranger[Symbol.dispose]();
  }
});

test("nothing is written to another card than the one that the objects belong to", async () => {
  const world = new World();
  await stored(world, { a: 1 });
  const before = world.files.map((file) => file.slice());
  const another = { ...BINDING, iccid: new Uint8Array(10) };
  using device = world.device({ binding: another });
  await device.put("a", object(1));
  await assert.rejects(device.sync(world.channel()), code("identity-unavailable"));
  assert.deepEqual(world.files, before);
});

test("an object with any of its bytes changed is no object", () => {
  using authority = form();
  const whole = authority.encode({ name: "a", version: 3, content: object(5, 20) });
  assert.equal(authority.decode(whole).kind, "object");
  for (let at = 0; at < whole.length; at++) {
    for (const bit of [1, 0x80]) {
      const changed = whole.slice();
      changed[at]! ^= bit;
      assert.equal(authority.decode(changed).kind, "free");
    }
    assert.equal(authority.decode(whole.subarray(0, at)).kind, "free");
  }
});

test("objects of any name and content come back as they were, and any bytes are read without an error", () => {
  using authority = form();
  const name = fc.string({ minLength: 1, maxLength: 16, unit: "grapheme-ascii" });
  fc.assert(
    fc.property(
      name,
      fc.integer({ min: 1, max: 2 ** 48 - 1 }),
      fc.option(fc.uint8Array({ maxLength: 300 })),
      (n, v, c) => {
        const written = { name: n, version: v, content: c ?? undefined };
        const bytes = authority.encode(written);
        assert.equal(bytes.length, CardObjectForm.overhead(n) + (c?.length ?? 0));
        assert.deepEqual(authority.decode(bytes), { kind: "object", object: written });
      },
    ),
    { seed: 11, numRuns: 100 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      assert.equal(authority.decode(Uint8Array.of(0x53, 0x43, 1, ...bytes)).kind, "free");
    }),
    { seed: 12, numRuns: 200 },
  );
});

test("a card without room says so, and the device keeps the object for later", async () => {
  const world = new World(1, 500);
  await stored(world, { a: 1 });
  await world.sync();
  await stored(world, { b: 2 });
  await assert.rejects(world.sync(), code("exhausted"));
  await stored(world, { a: undefined });
  await world.sync();
  assert.deepEqual(await world.view(), [{ b: 2 }, { b: 2 }]);
  using device = world.device();
  await device.put("b", object(3, 480));
  await assert.rejects(world.sync(), code("too-large"));
  assert.deepEqual((await world.view())[0], { b: 2 });
});

test("a device's side under another key, or altered, is refused and not written over", async () => {
  const world = new World();
  await stored(world, { a: 1 });
  using wrong = secretFrom(new Uint8Array(32));
  using device = world.device({ key: wrong });
  await assert.rejects(device.put("a", object(2)), code("auth-failed"));
  using right = world.device();
  assert.deepEqual(await contents(right), { a: 1 });
  await right.forget();
  assert.deepEqual(await contents(right), {});
});
