// Keys in SoftHSM (Debian softhsm2) through p11-kit remote (Debian p11-kit); pkcs11-tool (Debian opensc) makes and checks them.
import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import test from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { provisionedInput } from "../../lib/identity/mod.ts";
import { pkcs11Identity, type Pkcs11Options } from "../../transports/roots/pkcs11.ts";
import { assertChannel, assertSameKeys, codeOf, command, DEVICE, scratch } from "./roots_support.ts";

const MODULE = "/usr/lib/softhsm/libsofthsm2.so";
const PIN = "1234";

/** A token with one key, which may be read so that memory can hold it too. */
async function softHsm() {
  const folder = scratch();
  const tokens = join(folder.path, "tokens");
  mkdirSync(tokens);
  const conf = join(folder.path, "softhsm2.conf");
  writeFileSync(conf, `directories.tokendir = ${tokens}\nobjectstore.backend = file\nlog.level = ERROR\n`);
  const environment = { SOFTHSM2_CONF: conf };
  const [label, so] = [["--label", "meters"], ["--so-pin", "567890"]];
  await command("softhsm2-util", ["--init-token", "--free", ...label, "--pin", PIN, ...so], environment);
  const tool = (...words: string[]) =>
    command("pkcs11-tool", ["--module", MODULE, "--token-label", "meters", "-l", "--pin", PIN, ...words], environment);
  const make = (id: string, name: string, ...words: string[]) =>
    tool("--keygen", "--key-type", "GENERIC:32", "--id", id, "--label", name, "--usage-sign", ...words);
  await make("01", "root", "--extractable");
  const value = join(folder.path, "value");
  await tool("--read-object", "--type", "secrkey", "--id", "01", "-o", value);
  const key = secretFrom(readFileSync(value));
  const identity = (more: Partial<Pkcs11Options> = {}) =>
    pkcs11Identity({
      module: MODULE,
      keys: [{ identity: DEVICE, token: "meters", label: "root" }],
      pin: () => Promise.resolve(secretFrom(toUtf8(PIN))),
      environment,
      ...more,
    });
  return { folder, tokens, tool, make, key, identity, [Symbol.dispose]: () => folder[Symbol.dispose]() };
}

test("[SEC_CF-SEC-001] SoftHSM derives what memory does from the same key, and pkcs11-tool's HMAC is that too", async () => {
  using hsm = await softHsm();
  await using module = hsm.identity();
  await assertSameKeys(module, hsm.key);
  const [file, signed] = [join(hsm.folder.path, "message"), join(hsm.folder.path, "signed")];
  const label = toUtf8("km.example.net tls");
  writeFileSync(file, provisionedInput(label));
  await hsm.tool("--sign", "--mechanism", "SHA256-HMAC", "--id", "01", "-i", file, "-o", signed);
  using derived = await module.provisioned!.derive(DEVICE, label);
  assert.ok(secretEqual(derived, readFileSync(signed)));
});

test("a key that can not be read derives too, found by its id; what is not there or is there twice is not available", async () => {
  using hsm = await softHsm();
  await hsm.make("02", "sealed", "--sensitive");
  await hsm.make("03", "twin");
  await hsm.make("04", "twin");
  const token = "meters";
  await using module = hsm.identity({
    keys: [
      { identity: DEVICE, token, id: Uint8Array.of(2) },
      { identity: toUtf8("same"), token, id: Uint8Array.of(2), label: "sealed" },
      { identity: toUtf8("twins"), token, label: "twin" },
      { identity: toUtf8("one of them"), token, label: "twin", id: Uint8Array.of(4) },
      { identity: toUtf8("no key"), token, label: "none" },
      { identity: toUtf8("no token"), token: "other", label: "root" },
      { identity: toUtf8("other serial"), token, serial: "0000", label: "root" },
    ],
  });
  const derive = (identity: string) => module.provisioned!.derive(toUtf8(identity), DEVICE);
  using first = await derive("meter-7");
  using second = await derive("same");
  assert.ok(secretEqual(first, second));
  (await derive("one of them"))[Symbol.dispose]();
  for (const identity of ["twins", "no key", "no token", "other serial"]) {
    assert.equal(await codeOf(derive(identity)), "identity-unavailable", identity);
  }
});

test("[SEC_CF-AUTH-006] a wrong PIN, no PIN, and the right one after it", async () => {
  using hsm = await softHsm();
  let pin = "9999";
  await using module = hsm.identity({ pin: () => Promise.resolve(secretFrom(toUtf8(pin))) });
  const derive = () => codeOf(module.provisioned!.derive(DEVICE, DEVICE));
  assert.equal(await derive(), "pin-required");
  assert.equal(await derive(), "pin-required");
  pin = PIN;
  assert.equal(await derive(), "none");
  const { pin: _, ...without } = { pin: undefined };
  await using nobody = pkcs11Identity({
    module: MODULE,
    keys: [{ identity: DEVICE, token: "meters", label: "root" }],
    environment: { SOFTHSM2_CONF: join(hsm.folder.path, "softhsm2.conf") },
    ...without,
  });
  assert.equal(await codeOf(nobody.provisioned!.derive(DEVICE, DEVICE)), "pin-required");
});

test("a token taken out is not available, and works again when it is back", async () => {
  using hsm = await softHsm();
  await using module = hsm.identity();
  const derive = () => codeOf(module.provisioned!.derive(DEVICE, DEVICE));
  assert.equal(await derive(), "none");
  renameSync(hsm.tokens, `${hsm.tokens}.out`);
  assert.equal(await derive(), "identity-unavailable");
  renameSync(`${hsm.tokens}.out`, hsm.tokens);
  assert.equal(await derive(), "none");
});

test("p11-kit killed in the middle of a session is not available, and the next session works", async () => {
  using hsm = await softHsm();
  const [pid, remote] = [join(hsm.folder.path, "pid"), join(hsm.folder.path, "remote")];
  writeFileSync(remote, `#!/bin/sh\necho $$ > '${pid}'\nexec p11-kit remote "$@"\n`);
  chmodSync(remote, 0o755);
  let kill = true;
  await using module = hsm.identity({
    command: [remote],
    pin: () => {
      if (kill) process.kill(Number(readFileSync(pid, "utf8")), "SIGKILL");
      kill = false;
      return Promise.resolve(secretFrom(toUtf8(PIN)));
    },
  });
  assert.equal(await codeOf(module.provisioned!.derive(DEVICE, DEVICE)), "identity-unavailable");
  assert.equal(await codeOf(module.provisioned!.derive(DEVICE, DEVICE)), "none");
  await using absent = hsm.identity({ module: "/nowhere/module.so" });
  assert.equal(await codeOf(absent.provisioned!.derive(DEVICE, DEVICE)), "identity-unavailable");
  assert.ok(existsSync(MODULE));
});

test("[SEC_CF-SEC-001] a key derived in SoftHSM is the PSK of a TLS channel to an enabler that has the root in memory", async () => {
  using hsm = await softHsm();
  await using module = hsm.identity();
  await assertChannel(module, hsm.key);
});
