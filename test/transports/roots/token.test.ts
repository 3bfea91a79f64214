import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretEqual, secretFrom } from "../../../lib/crypto/mod.ts";
import { deriveProvisioned, provisionedInput } from "../../../lib/identity/mod.ts";
import { PinGate } from "../../../transports/roots/pin.ts";
import { tokenIdentity } from "../../../transports/roots/token.ts";
import { codeOf } from "./stand_in.ts";

const KEY = new Uint8Array(32).fill(7);
const DEVICE = toUtf8("device-1");

function hmac(message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", KEY).update(message).digest());
}

test("[SEC_CF-KEM-001] HMAC-SHA-256 of the input is what the module in memory derives, for labels of 0 to 65535 bytes", () => {
  // S of TS 33.220 B.2: FC || P0 || L0 || P1 || L1.
  const short = provisionedInput(toUtf8("ab"));
  assert.deepEqual(short, new Uint8Array([0xfe, ...toUtf8("seccf-provisioned"), 0, 17, 0x61, 0x62, 0, 2]));
  using key = secretFrom(KEY);
  for (const length of [0, 1, 32, 255, 256, 65535]) {
    const label = new Uint8Array(length).fill(length);
    assert.ok(secretEqual(deriveProvisioned(key, label), hmac(provisionedInput(label))), `${length}`);
  }
  assert.throws(() => provisionedInput(new Uint8Array(65536)), RangeError);
});

test("[SEC_CF-SEC-001] a token derives by its own HMAC, and knows no other identity than its own", async () => {
  const bytes: Uint8Array[] = [];
  const token = tokenIdentity({
    keys: [{ identity: DEVICE }],
    hmac: (_, message) => {
      bytes.push(hmac(message));
      return Promise.resolve(bytes.at(-1)!);
    },
  });
  using derived = await token.provisioned!.derive(DEVICE, toUtf8("a"));
  assert.ok(secretEqual(derived, hmac(provisionedInput(toUtf8("a")))));
  assert.deepEqual(bytes, [new Uint8Array(32)], "the token's answer is wiped");
  assert.equal(await codeOf(token.provisioned!.derive(toUtf8("device-2"), toUtf8("a"))), "identity-unavailable");
  assert.deepEqual(token.provisioned!.identities, [DEVICE]);
  token.provisioned!.identities[0]!.fill(0);
  assert.deepEqual(token.provisioned!.identities, [DEVICE]);
  assert.throws(
    () => tokenIdentity({ keys: [{ identity: DEVICE }, { identity: DEVICE }], hmac: () => assert.fail() }),
    {
      name: "RangeError",
    },
  );
});

test("anything but 32 bytes is no key", async () => {
  for (const length of [0, 16, 31, 33, 64]) {
    const token = tokenIdentity({
      keys: [{ identity: DEVICE }],
      hmac: () => Promise.resolve(new Uint8Array(length)),
    });
    assert.equal(await codeOf(token.provisioned!.derive(DEVICE, DEVICE)), "identity-unavailable", `${length}`);
  }
});

test("derivations come one after another, a failed one holds up none, and who gives up its turn never has one", async () => {
  const begun: number[] = [];
  const finish: ((bytes: Uint8Array | Error) => void)[] = [];
  const token = tokenIdentity({
    keys: [{ identity: DEVICE }],
    hmac: (_, message) => {
      begun.push(message.at(-3)!);
      return new Promise((resolve, reject) =>
        finish.push((result) => result instanceof Error ? reject(result) : resolve(result))
      );
    },
  });
  const derive = (n: number, signal?: AbortSignal) =>
    token.provisioned!.derive(DEVICE, Uint8Array.of(n), signal ? { signal } : {});
  const abort = new AbortController();
  const turns = [derive(1), derive(2, abort.signal), derive(3)];
  const outcomes = turns.map((turn) => turn.then(() => "key", (error) => error.message ?? error));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(begun, [1]);
  abort.abort("no longer wanted");
  assert.equal(await outcomes[1], "no longer wanted");
  finish[0]!(new Error("taken out"));
  assert.equal(await outcomes[0], "taken out");
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(begun, [1, 3]);
  finish[1]!(KEY.slice());
  assert.equal(await outcomes[2], "key");
});

test("a key that comes after its caller has gone is wiped", async () => {
  const answer = KEY.slice();
  let finish = (_: Uint8Array): void => {};
  const token = tokenIdentity({
    keys: [{ identity: DEVICE }],
    hmac: () => new Promise((resolve) => finish = resolve),
  });
  const abort = new AbortController();
  const turn = token.provisioned!.derive(DEVICE, DEVICE, { signal: abort.signal }).catch((error) => error);
  await new Promise((resolve) => setImmediate(resolve));
  abort.abort("gone");
  assert.equal(await turn, "gone");
  finish(answer);
  await token[Symbol.asyncDispose]();
  assert.deepEqual(answer, new Uint8Array(32));
});

test("disposal stops what runs, ends the token once, and nothing is derived from then on", async () => {
  let ended = 0;
  const token = tokenIdentity({
    keys: [{ identity: DEVICE }],
    hmac: (_, __, { signal }) =>
      new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
    end: () => ended++,
  });
  const running = codeOf(token.provisioned!.derive(DEVICE, DEVICE));
  await new Promise((resolve) => setImmediate(resolve));
  await token[Symbol.asyncDispose]();
  await token[Symbol.asyncDispose]();
  assert.equal(await running, "state");
  assert.equal(ended, 1);
  assert.equal(await codeOf(token.provisioned!.derive(DEVICE, DEVICE)), "state");
});

test("[SEC_CF-AUTH-006] a PIN that was refused is not tried again, another one is", async () => {
  let digits = "1111";
  using gate = new PinGate(() => Promise.resolve(secretFrom(toUtf8(digits))));
  using wrong = await gate.get({});
  gate.refuse(wrong);
  assert.equal(await codeOf(gate.get({})), "pin-required");
  digits = "2222";
  using other = await gate.get({});
  gate.refuse(other);
  assert.equal(await codeOf(gate.get({})), "pin-required");
  digits = "3333";
  (await gate.get({}))[Symbol.dispose]();
  using nobody = new PinGate(undefined);
  assert.equal(await codeOf(nobody.get({})), "pin-required");
});
