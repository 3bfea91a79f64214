// HMAC keys in a TPM 2.0: swtpm (Debian swtpm) behind tpm2-tools (Debian tpm2-tools), on a socket of its own.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { tpm2Identity, type Tpm2Options } from "../../transports/roots/tpm2.ts";
import { type Running, start } from "../support/spawn.ts";
import { assertChannel, assertSameKeys, codeOf, command, DEVICE, scratch } from "./roots_support.ts";

const KEY = new Uint8Array(32).map((_, i) => 200 - i);
const AUTH = "hex:is not digits";
const [STORAGE, LOCKED, OPEN] = [0x81000001, 0x81010001, 0x81010002];

/** A TPM with a storage key and the same HMAC key twice: with an authorization value, and without. */
async function softTpm() {
  const folder = scratch();
  const [state, socket] = [join(folder.path, "state"), join(folder.path, "socket")];
  mkdirSync(state);
  const tcti = `swtpm:path=${socket}`;
  const tool = (program: string, ...words: string[]) => command(`tpm2_${program}`, ["-T", tcti, ...words]);
  const at = (name: string) => join(folder.path, name);
  let daemon: Running;
  const boot = async () => {
    daemon = start("swtpm", [
      ...["socket", "--tpm2", "--tpmstate", `dir=${state}`, "--flags", "startup-clear,not-need-init"],
      ...["--server", `type=unixio,path=${socket}`, "--ctrl", `type=unixio,path=${socket}.ctrl`],
    ]);
    // It says nothing when it is ready. The library looks for the other socket at this name.
    let ended = false;
    daemon.exit.then(() => ended = true, () => ended = true);
    while (!ended) {
      if (existsSync(socket) && await codeOf(tool("getcap", "properties-fixed")) === "none") return;
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.fail(`swtpm does not start: ${daemon.errText}`);
  };
  const persist = async (handle: number, context: string) => {
    await tool("evictcontrol", "-Q", "-C", "o", "-c", at(context), `0x${handle.toString(16)}`);
    await tool("flushcontext", "-t");
  };
  const insert = async (handle: number, ...words: string[]) => {
    const parent = ["-C", `0x${STORAGE.toString(16)}`, "-u", at("pub"), "-r", at("priv")];
    await tool("import", "-Q", "-G", "hmac", "-i", at("key"), ...parent, ...words);
    await tool("flushcontext", "-t");
    await tool("load", "-Q", ...parent, "-c", at("context"));
    await tool("flushcontext", "-t");
    await persist(handle, "context");
  };
  await boot();
  writeFileSync(at("key"), KEY);
  writeFileSync(at("auth"), `hex:${Array.from(toUtf8(AUTH), (byte) => byte.toString(16).padStart(2, "0")).join("")}`);
  await tool("createprimary", "-Q", "-C", "o", "-c", at("primary"));
  await persist(STORAGE, "primary");
  await insert(LOCKED, "-p", `file:${at("auth")}`);
  await insert(OPEN);
  const identity = (more: Partial<Tpm2Options> = {}) =>
    tpm2Identity({ tcti, keys: [{ identity: DEVICE, handle: LOCKED }], auth: auth(AUTH), ...more });
  const kill = async () => await daemon[Symbol.asyncDispose]();
  return {
    ...{ tcti, tool, boot, kill, identity },
    async [Symbol.asyncDispose]() {
      await kill();
      folder[Symbol.dispose]();
    },
  };
}

function auth(text: string): () => Promise<ReturnType<typeof secretFrom>> {
  return () => Promise.resolve(secretFrom(toUtf8(text)));
}

test("[SEC_CF-SEC-001] a TPM derives what memory does from the same key, and is left as it was", async () => {
  await using tpm = await softTpm();
  await using module = tpm.identity();
  using key = secretFrom(KEY);
  await assertSameKeys(module, key);
  for (const handles of ["handles-transient", "handles-loaded-session", "handles-saved-session"]) {
    assert.equal(await tpm.tool("getcap", handles), "", handles);
  }
});

test("the key comes out of the TPM encrypted, and the session is flushed", async () => {
  await using tpm = await softTpm();
  using key = secretFrom(KEY);
  await using module = tpm2Identity({
    tcti: tpm.tcti,
    keys: [{ identity: DEVICE, handle: OPEN }],
    encryptTo: STORAGE,
  });
  await assertSameKeys(module, key);
  for (const handles of ["handles-transient", "handles-loaded-session", "handles-saved-session"]) {
    assert.equal(await tpm.tool("getcap", handles), "", handles);
  }
  const version = /version="(\d+)\.(\d+)/.exec(await tpm.tool("hmac", "--version"));
  const reads = Number(version?.[1]) > 5 || Number(version?.[2]) >= 6;
  await using both = tpm.identity({ encryptTo: STORAGE });
  assert.equal(await codeOf(both.provisioned!.derive(DEVICE, DEVICE)), reads ? "none" : "unsupported");
});

test("[SEC_CF-AUTH-006] a wrong value is tried once; the lockout says that it is one, and ends", async () => {
  await using tpm = await softTpm();
  await tpm.tool("dictionarylockout", "-s", "-n", "2", "-t", "1000", "-l", "1000");
  await using right = tpm.identity();
  const derive = (module: ReturnType<typeof tpm.identity>) => codeOf(module.provisioned!.derive(DEVICE, DEVICE));
  await using wrong = tpm.identity({ auth: auth("wrong") });
  for (let tries = 0; tries < 3; tries++) assert.equal(await derive(wrong), "pin-required");
  assert.equal(await derive(right), "none");
  await using none = tpm2Identity({ tcti: tpm.tcti, keys: [{ identity: DEVICE, handle: LOCKED }] });
  for (let tries = 0; tries < 2; tries++) assert.equal(await derive(none), "pin-required");
  assert.equal(await derive(right), "pin-blocked");
  await tpm.tool("dictionarylockout", "-c");
  assert.equal(await derive(right), "none");
});

test("a TPM that goes away in the middle is not available, and works again when it is back", async () => {
  await using tpm = await softTpm();
  await tpm.tool("dictionarylockout", "-s", "-n", "32", "-t", "1000", "-l", "1000");
  let kill = true;
  await using module = tpm.identity({
    auth: async () => {
      if (kill) await tpm.kill();
      return secretFrom(toUtf8(AUTH));
    },
  });
  const derive = () => codeOf(module.provisioned!.derive(DEVICE, DEVICE));
  assert.equal(await derive(), "identity-unavailable");
  kill = false;
  assert.equal(await derive(), "identity-unavailable");
  await tpm.boot();
  assert.equal(await derive(), "none");
  await using other = tpm.identity({ keys: [{ identity: DEVICE, handle: 0x81010099 }] });
  assert.equal(await codeOf(other.provisioned!.derive(DEVICE, DEVICE)), "identity-unavailable");
});

test("[SEC_CF-SEC-001] a key derived in a TPM is the PSK of a TLS channel to an enabler that has the root in memory", async () => {
  await using tpm = await softTpm();
  await using module = tpm.identity();
  using key = secretFrom(KEY);
  await assertChannel(module, key);
});
