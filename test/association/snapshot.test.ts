// An association at rest: what is kept, who can read it, and what clocks and repeats can do. DESIGN 4.5, 4.9.
import test from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { A256GCM, type CborValue, decodeCbor, encodeCbor, LABEL, sealEncrypt0 } from "../../lib/cose/mod.ts";
import { secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { startLifetime } from "../../lib/association/lifetime.ts";
import { open, seal } from "../../lib/association/sealer.ts";
import { openSnapshot, sealSnapshot } from "../../lib/association/snapshot.ts";
import {
  type AssociationState,
  encodeState,
  parseState,
  type PurposeState,
} from "../../lib/association/snapshot_state.ts";
import { unwrap, wrap } from "../../lib/association/snapshot_wrap.ts";
import { end, KEY, key, type World, world } from "./sealer_setup.ts";

const HOUR = 3_600_000;
const wrappingKey = () => secretFrom(fromHex("c0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"));

function stateOf(here: Pick<World, "clock">, sealings: PurposeState[] = []): AssociationState {
  return {
    reference: "ZmFrZSBidGlkIGZvciB0ZXN0cw==@bsf.example.net",
    serverName: "meter.example.net",
    role: "initiator",
    origin: "gba",
    peer: { identity: toUtf8("meter.example.net"), assurance: "psk" },
    lifetime: startLifetime({ clock: here.clock, seconds: 3600 }),
    weakest: { carrier: "tls", suite: 0x00a8, strength: 2 },
    sealings,
  };
}

const purpose: PurposeState = {
  purpose: "message",
  get key() {
    return key();
  },
  algorithm: 10,
  epoch: 1767225600000,
  generation: fromHex("0102030405060708"),
  floor: 7,
  contexts: [{
    idContext: fromHex("019b76daa80001b1b2b3b4b5b6b7b8"),
    next: 74,
    seen: fromHex("200000020000000d"),
    from: 3,
  }],
};

test("everything comes back, keys included", async () => {
  const here = world();
  const bytes = sealSnapshot(stateOf(here, [purpose]), wrappingKey(), here);
  const { lifetime, sealings, ...rest } = await openSnapshot(bytes, wrappingKey(), here);
  const { lifetime: _, sealings: __, ...before } = stateOf(here);
  assert.deepEqual(rest, before);
  const [{ key: restored, ...sealing }] = sealings as [PurposeState];
  assert.ok(secretEqual(restored, KEY));
  const { key: ___, ...expected } = purpose;
  assert.deepEqual(sealing, expected);
  assert.equal(lifetime.left, HOUR);
});

test("what was never there comes back as never there", async () => {
  const here = world();
  const { weakest: _, ...state } = stateOf(here, [{ ...purpose, generation: undefined, contexts: [] }]);
  const restored = await openSnapshot(sealSnapshot(state, wrappingKey(), here), wrappingKey(), here);
  assert.ok(!("weakest" in restored));
  assert.equal(restored.sealings[0]!.generation, undefined);
  const { suite: __, ...weakest } = { ...stateOf(here).weakest! };
  const again = await openSnapshot(sealSnapshot({ ...state, weakest }, wrappingKey(), here), wrappingKey(), here);
  assert.deepEqual(again.weakest, { carrier: "tls", strength: 2 });
});

test("a snapshot is small, and none of its secrets or names stand in it readable", () => {
  const here = world();
  const bare = sealSnapshot(stateOf(here), wrappingKey(), here);
  const one = sealSnapshot(stateOf(here, [purpose]), wrappingKey(), here);
  assert.ok(bare.length < 200, `${bare.length} bytes without a use`);
  assert.ok(one.length - bare.length < 110, `${one.length - bare.length} bytes a use with one context`);
  for (const hidden of [KEY, toUtf8("meter"), toUtf8("ZmFrZ"), toUtf8("message")]) {
    assert.ok(!toHex(one).includes(toHex(hidden)));
  }
});

test("two snapshots of one state have nothing in common but the name of the wrapping key", () => {
  const here = world();
  const [a, b] = [1, 2].map(() => sealSnapshot(stateOf(here, [purpose]), wrappingKey(), here));
  assert.notDeepEqual(a!.subarray(30, 46), b!.subarray(30, 46));
  assert.notDeepEqual(a!.subarray(-16), b!.subarray(-16));
});

test("the wrong wrapping key, an altered, a cut, a foreign and an oversized snapshot each get their own answer", async () => {
  const here = world();
  const bytes = sealSnapshot(stateOf(here, [purpose]), wrappingKey(), here);
  const refused = (given: Uint8Array, code: string, message: RegExp, by = wrappingKey()) =>
    assert.rejects(openSnapshot(given, by, here), (error) => {
      assert.ok(error instanceof SeccfError);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, message);
      return true;
    });
  await refused(bytes, "auth-failed", /another key/, secretFrom(new Uint8Array(32)));
  const altered = bytes.slice();
  altered[100]! ^= 1;
  await refused(altered, "auth-failed", /tag/);
  await refused(bytes.subarray(0, -1), "malformed", /too early/);
  await refused(new Uint8Array(0), "malformed", /too early/);
  await refused(concat(bytes, new Uint8Array(1)), "malformed", /after the end/);
  await refused(toUtf8('{"json": true}'), "malformed", /./);
  await refused(new Uint8Array(70_000), "too-large", /./);
  const record = wrap(encodeState(stateOf(here)), {
    wrappingKey: wrappingKey(),
    label: "seccf replay record",
    random: here.random,
  });
  await refused(record, "auth-failed", /tag/);
  const foreign = sealEncrypt0(new Uint8Array(9), {}, {
    algorithm: A256GCM,
    key: wrappingKey(),
    contextIv: new Uint8Array(12),
  });
  await refused(foreign, "malformed", /not a wrapping/);
  const salt = new Map([[LABEL.kid, new Uint8Array(8)], [LABEL.kidContext, new Uint8Array(3)]]);
  const short = sealEncrypt0(new Uint8Array(9), { unprotectedHeaders: salt }, {
    algorithm: A256GCM,
    key: wrappingKey(),
    contextIv: new Uint8Array(12),
  });
  await refused(short, "malformed", /not a wrapping/);
  assert.throws(() => sealSnapshot(stateOf(here), secretFrom(new Uint8Array(15)), here), RangeError);
});

test("every bit and every length of a snapshot matters", async () => {
  const here = world();
  const bytes = sealSnapshot(stateOf(here), wrappingKey(), here);
  const by = wrappingKey();
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    await assert.rejects(openSnapshot(bytes, by, here), SeccfError, `bit ${bit}`);
    bytes[bit >> 3]! ^= 1 << (bit & 7);
  }
  for (let length = 0; length < bytes.length; length++) {
    await assert.rejects(openSnapshot(bytes.subarray(0, length), by, here), { code: "malformed" });
  }
  await openSnapshot(bytes, by, here);
});

/** A snapshot of whatever plaintext, under the right key: what a bug of ours, or a later version, could have written. */
const around = (here: World, value: CborValue) =>
  wrap(encodeCbor(value), { wrappingKey: wrappingKey(), label: "seccf snapshot", random: here.random });

test("a later version is unsupported, and a plaintext of any other form is malformed", async () => {
  const here = world();
  const good = decodeCbor(encodeState(stateOf(here, [purpose]))) as CborValue[];
  const refused = async (value: CborValue, code: string) =>
    await assert.rejects(openSnapshot(around(here, value), wrappingKey(), here), { code });
  await refused([2, "whatever"], "unsupported");
  await refused([2], "unsupported");
  for (const value of [null, 1, [], [0], good.slice(0, 8), [...good, 0], [0, ...good.slice(1)]]) {
    await refused(value, "malformed");
  }
  for (let i = 1; i < good.length; i++) {
    for (const wrong of [-1, true, new Map(), "x", [1], fromHex("00"), 99]) {
      if ((i === 1 || i === 2) && wrong === "x") continue;
      await refused(good.map((item, j) => j === i ? wrong : item), "malformed");
    }
  }
  const [sealing] = good[8] as CborValue[][];
  for (let i = 0; i < sealing!.length; i++) {
    await refused([...good.slice(0, 8), [sealing!.map((item, j) => j === i ? [[], []] : item)]], "malformed");
  }
  await refused(good.map((item, i) => i === 7 ? ["tls", 0x10000, 2] : item), "malformed");
  await refused(good.map((item, i) => i === 7 ? ["tls", 0xa8, 4] : item), "malformed");
  const contexts = Array.from({ length: 9 }, () => (sealing![6] as CborValue[])[0]!);
  await refused([...good.slice(0, 8), [[...sealing!.slice(0, 6), contexts]]], "malformed");
  await openSnapshot(around(here, good), wrappingKey(), here);
});

test("property: no bytes make the parser throw anything but a SeccfError", () => {
  const good = encodeState(stateOf(world(), [purpose]));
  const edits = fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { minLength: 1, maxLength: 3 });
  fc.assert(
    fc.property(fc.oneof(edits, fc.uint8Array({ maxLength: 80 })), (input) => {
      let bytes = input as Uint8Array;
      if (!(input instanceof Uint8Array)) {
        bytes = good.slice();
        for (const [at, byte] of input as [number, number][]) bytes[at] = byte;
      }
      for (
        const parse of [parseState, (given: Uint8Array) => unwrap(given, { wrappingKey: wrappingKey(), label: "x" })]
      ) {
        try {
          parse(bytes);
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
      }
    }),
    { numRuns: 1000, seed: 49 },
  );
});

/** The machine goes down and comes up: another monotonic clock, and a wall clock that may say anything. */
function reboot(wall: number): Pick<World, "clock"> {
  const { clock } = world();
  clock.setWall(wall);
  return { clock };
}

test("what is left of a lifetime goes on, over a reboot and over suspend", async () => {
  const here = world();
  const start = here.clock.wall();
  const state = stateOf(here);
  await here.clock.advance(HOUR / 4);
  const bytes = sealSnapshot(state, wrappingKey(), here);
  const down = await openSnapshot(bytes, wrappingKey(), reboot(start + HOUR / 2));
  assert.equal(down.lifetime.left, HOUR / 2);
  await assert.rejects(openSnapshot(bytes, wrappingKey(), reboot(start + HOUR)), { code: "expired" });
  const suspended = reboot(start + HOUR / 2);
  const { lifetime } = await openSnapshot(bytes, wrappingKey(), suspended);
  suspended.clock.setWall(start + HOUR);
  assert.equal(lifetime.left, 0);
});

test("a clock set back extends nothing", async () => {
  const here = world();
  const start = here.clock.wall();
  const state = stateOf(here);
  await here.clock.advance(HOUR / 4);
  const bytes = sealSnapshot(state, wrappingKey(), here);
  const back = reboot(start - 1000 * HOUR);
  const { lifetime } = await openSnapshot(bytes, wrappingKey(), back);
  assert.equal(lifetime.left, 0.75 * HOUR);
  await back.clock.advance(0.75 * HOUR);
  assert.ok(lifetime.expired);
});

test("a machine without a clock of its own keeps what is left until it learns the time, and then the end that was fixed", async () => {
  const here = world();
  const start = here.clock.wall();
  const bytes = sealSnapshot(stateOf(here), wrappingKey(), here);
  const pi = reboot(0);
  const { lifetime } = await openSnapshot(bytes, wrappingKey(), pi);
  assert.equal(lifetime.left, HOUR);
  pi.clock.setWall(start + HOUR / 2);
  assert.equal(lifetime.left, HOUR / 2);
});

test("with a store, setting the clock back between two restores gains nothing either", async () => {
  const here = world();
  const start = here.clock.wall();
  const bytes = sealSnapshot(stateOf(here), wrappingKey(), here);
  const at = async (wall: number) =>
    (await openSnapshot(bytes, wrappingKey(), { ...reboot(wall), store: here.store })).lifetime.left;
  assert.equal(await at(start + HOUR / 2), HOUR / 2);
  assert.ok(await at(start) <= HOUR / 2);
  await assert.rejects(at(start + HOUR), { code: "expired" });
  await assert.rejects(at(start), { code: "expired" });
});

test("a store that fails, or a signal, ends the wait for the trusted time", async () => {
  const here = world();
  const bytes = sealSnapshot(stateOf(here, [purpose]), wrappingKey(), here);
  const store = { ...here.store, reserve: () => Promise.reject(new SeccfError("unreachable", "gone")) };
  await assert.rejects(openSnapshot(bytes, wrappingKey(), { ...here, store }), { code: "unreachable" });
  const controller = new AbortController();
  controller.abort(new Error("enough"));
  const waiting = {
    ...here.store,
    reserve: (_: string, __: number, { signal }: { signal?: AbortSignal } = {}) => Promise.reject(signal?.reason),
  };
  await assert.rejects(openSnapshot(bytes, wrappingKey(), { ...here, store: waiting, signal: controller.signal }), {
    message: "enough",
  });
});

test("a restored end goes on where it was, without the root: both directions, nothing twice", async () => {
  const here = world();
  const enabler = await end(here, "responder", { store: here.store });
  const device = await end(here, "initiator", { store: here.store });
  const sent = await seal(device.sealer(), toUtf8("1"));
  assert.deepEqual(await open(enabler.sealer(), sent), toUtf8("1"));
  const answer = await seal(enabler.sealer(), toUtf8("2"));
  assert.deepEqual(await open(device.sealer(), answer), toUtf8("2"));
  const late = await seal(enabler.sealer(), toUtf8("3"));
  const bytes = sealSnapshot(stateOf(here, [{ purpose: "message", ...await device.state() }]), wrappingKey(), here);
  device[Symbol.dispose]();

  const { sealings: [state], lifetime } = await openSnapshot(bytes, wrappingKey(), here);
  const { key: restoredKey, algorithm, ...rest } = state!;
  const restored = await end(here, "initiator", {
    key: restoredKey,
    algorithm,
    state: rest,
    lifetime,
    store: here.store,
  });
  await assert.rejects(open(restored.sealer(), answer), { code: "replayed" });
  assert.deepEqual(await open(restored.sealer(), late), toUtf8("3"));
  await assert.rejects(open(restored.sealer(), sent), { code: "reflected" });
  assert.deepEqual(await open(enabler.sealer(), await seal(restored.sealer(), toUtf8("4"))), toUtf8("4"));
});
