import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import test from "node:test";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretEqual } from "../../../lib/crypto/mod.ts";
import { provisionedInput } from "../../../lib/identity/mod.ts";
import { rpiIdentity } from "../../../transports/roots/rpi.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { codeOf, passWhen, StandIns } from "./stand_in.ts";

const KEY = new Uint8Array(32).map((_, i) => i + 1);
const DEVICE = toUtf8("meter-7");

// raspberrypi/utils, rpifwcrypto/main.c and README.md of 2026-06: arguments, limit, where output and errors go.
const RPI_FW_CRYPTO = `
const option = (name) => words[words.indexOf(name) + 1];
const fail = (error, text) => {
  process.stderr.write("Last crypto error: " + error + " (" + text + ")\\n");
  process.exit(existsSync(join(folder, "old")) ? 255 : 256 - error);
};
if (words[0] !== "hmac" || !words.includes("--in") || !words.includes("--key-id")) process.exit(1);
const message = readFileSync(option("--in"));
if (message.length > 2048) {
  process.stderr.write("Input file too large (max 2048 bytes)\\n");
  process.exit(255);
}
appendFileSync(join(folder, "paths"), option("--in") + "\\n");
if (existsSync(join(folder, "locked"))) fail(4, "Key locked");
if (option("--key-id") !== "1") fail(3, "Key not found");
if (existsSync(join(folder, "hang"))) setInterval(() => {}, 1000);
else writeSync(1, createHmac("sha256", readFileSync(join(folder, "otp"))).update(message).digest());
`;

function hmac(message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", KEY).update(message).digest());
}

function board() {
  const stands = new StandIns();
  stands.put("otp", KEY);
  const clock = new VirtualClock();
  const command = stands.script("rpi-fw-crypto", RPI_FW_CRYPTO);
  return { stands, clock, command };
}

test("[SEC_CF-SEC-001] the Pi's key derives what the same key in memory does, up to the firmware's 2048 bytes", async () => {
  const { stands, clock, command } = board();
  using _ = stands;
  await using module = rpiIdentity({ keys: [{ identity: DEVICE }], command, clock });
  for (const label of [toUtf8("tls"), new Uint8Array(0), new Uint8Array(2026).fill(9)]) {
    using derived = await module.provisioned!.derive(DEVICE, label);
    assert.ok(secretEqual(derived, hmac(provisionedInput(label))), `${label.length}`);
  }
  assert.equal(await codeOf(module.provisioned!.derive(DEVICE, new Uint8Array(2027))), "RangeError");
  assert.equal(stands.calls.length, 3);
  for (const path of stands.text("paths").split("\n")) assert.equal(existsSync(path), false, "the message is removed");
});

test("a locked, a missing and a foreign key say so, with new tools and old ones", async () => {
  const { stands, clock, command } = board();
  using _ = stands;
  await using module = rpiIdentity({
    keys: [{ identity: DEVICE }, { identity: toUtf8("other"), keyId: 2 }],
    command,
    clock,
  });
  await assert.rejects(module.provisioned!.derive(toUtf8("other"), DEVICE), {
    code: "identity-unavailable",
    message: "no key has this id",
  });
  for (const mark of ["locked", "old"]) {
    stands.put(mark, "");
    await assert.rejects(module.provisioned!.derive(DEVICE, DEVICE), {
      code: "identity-unavailable",
      message: "the key is locked against HMAC until the next boot",
    });
  }
  assert.throws(() => rpiIdentity({ keys: [{ identity: DEVICE, keyId: -1 }] }), RangeError);
  await using absent = rpiIdentity({ keys: [{ identity: DEVICE }], command: ["/nowhere/rpi-fw-crypto"], clock });
  assert.equal(await codeOf(absent.provisioned!.derive(DEVICE, DEVICE)), "identity-unavailable");
});

test("a firmware that hangs ends in timeout, and the next derivation works", async () => {
  const { stands, clock, command } = board();
  using _ = stands;
  await using module = rpiIdentity({ keys: [{ identity: DEVICE }], command, clock, timeoutSeconds: 3 });
  stands.put("hang", "");
  const hanging = codeOf(module.provisioned!.derive(DEVICE, DEVICE));
  await passWhen(clock, 3, () => stands.text("paths") !== "");
  assert.equal(await hanging, "timeout");
  assert.equal(existsSync(stands.text("paths")), false);
  rmSync(`${stands.folder}/hang`);
  (await module.provisioned!.derive(DEVICE, DEVICE))[Symbol.dispose]();
});
