// Identity files on the disk of this machine.
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import {
  createIdentityFile,
  fileIdentity,
  fileSubscribers,
  newFileKey,
  nodeFileSystem,
  openIdentityFile,
} from "../../../transports/files/mod.ts";
import { webPlatform } from "../../../web_platform.ts";
import { withCode } from "../../aka/vectors.ts";
import { v } from "../../identity/cards.ts";
import { CHEAP, keyEntry, provisioned, subscriber } from "../../identity/files.ts";
import { startScript } from "../../support/spawn.ts";

const wrappingKey = secretFrom(new Uint8Array(32).fill(1));

/** A folder that goes with the scope. */
class Folder implements Disposable {
  readonly #path = mkdtempSync(join(tmpdir(), "seccf-files-"));

  file(name: string): string {
    return join(this.#path, name);
  }

  get names(): string[] {
    return readdirSync(this.#path).sort();
  }

  [Symbol.dispose](): void {
    rmSync(this.#path, { recursive: true });
  }
}

test("a file on disk is its owner's alone, and changing it leaves no other behind [SEC_CF-SEC-001]", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  await createIdentityFile(path, { wrappingKey, entries: [keyEntry("k")] });
  assert.deepEqual(folder.names, ["device.id"]);
  using file = await openIdentityFile(path, { wrappingKey });
  await file.change((entries) => entries.add(provisioned("device-7")));
  assert.deepEqual(folder.names, ["device.id", "device.id.lock"]);
  for (const name of folder.names) assert.equal(statSync(folder.file(name)).mode & 0o777, 0o600, name);
  assert.equal((await file.facts()).length, 2);
});

test("a file that others may read, a link and a folder are refused, and nothing there is written over [SEC_CF-SEC-001]", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  await createIdentityFile(path, { wrappingKey, entries: [keyEntry("k")] });
  const before = readFileSync(path);
  chmodSync(path, 0o644);
  await assert.rejects(openIdentityFile(path, { wrappingKey }), withCode("identity-unavailable"));
  chmodSync(path, 0o600);
  symlinkSync(path, folder.file("link"));
  mkdirSync(folder.file("folder"));
  for (const name of ["link", "folder", "missing", "link/below"]) {
    await assert.rejects(openIdentityFile(folder.file(name), { wrappingKey }), withCode("identity-unavailable"), name);
  }
  writeFileSync(folder.file("foreign"), "mine", { mode: 0o600 });
  await assert.rejects(openIdentityFile(folder.file("foreign"), { wrappingKey }), withCode("malformed"));
  for (const name of ["device.id", "link", "folder", "foreign"]) {
    await assert.rejects(createIdentityFile(folder.file(name), { wrappingKey }), withCode("state"), name);
  }
  await assert.rejects(
    createIdentityFile(folder.file("nowhere/device.id"), { wrappingKey }),
    withCode("identity-unavailable"),
  );
  assert.ok(readFileSync(path).equals(before));
  assert.equal(readFileSync(folder.file("foreign"), "utf8"), "mine");
});

test("a passphrase may be text, bytes or a question, however its letters are composed", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  await createIdentityFile(path, { unlock: "gr\u00fcn und blau", cost: CHEAP, entries: [subscriber()] });
  const bytes = secretFrom(toUtf8("gr\u00fcn und blau"));
  for (
    const unlock of ["gru\u0308n und blau", bytes, bytes, () => "gr\u00fcn und blau", () => Promise.resolve(bytes)]
  ) {
    (await openIdentityFile(path, { unlock }))[Symbol.dispose]();
  }
  await assert.rejects(openIdentityFile(path, { unlock: "grun und blau" }), withCode("auth-failed"));
  using subscribers = await fileSubscribers(path, { unlock: bytes });
  assert.ok(subscribers.find(v.IMPI!));
});

test("the module of a file answers, and says why it can not be had [SEC_CF-ADM-001]", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  using fileKey = newFileKey({ wrappingKey }, webPlatform.random);
  await createIdentityFile(path, { fileKey, entries: [subscriber(), provisioned("device-7")] });
  await using identity = await fileIdentity(path, { wrappingKey, identity: "sim" });
  assert.equal(identity.aka!.impi, v.IMPI);
  await assert.rejects(fileIdentity(path, { wrappingKey, identity: "other" }), withCode("identity-unavailable"));
  await assert.rejects(fileIdentity(folder.file("none"), { wrappingKey }), withCode("identity-unavailable"));
});

test("two processes that change a file at once lose nothing of each other", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  await createIdentityFile(path, { wrappingKey });
  const child = (prefix: string) => startScript("test/transports/files/change_child.ts", [path, prefix, "25"]);
  await using one = child("a");
  await using two = child("b");
  for (const process of [one, two]) assert.deepEqual(await process.exit, { code: 0, signal: null }, process.errText);
  using file = await openIdentityFile(path, { wrappingKey });
  assert.equal((await file.facts()).length, 50);
});

test("of several that make one file at once, one does", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  const makers = Array.from(
    { length: 5 },
    (_, i) => createIdentityFile(path, { wrappingKey, entries: [keyEntry(`k${i}`)] }),
  );
  const outcomes = await Promise.allSettled(makers);
  assert.equal(outcomes.filter(({ status }) => status === "fulfilled").length, 1);
  using file = await openIdentityFile(path, { wrappingKey });
  assert.equal((await file.facts()).length, 1);
  assert.deepEqual(folder.names, ["device.id"]);
});

test("a lock is waited for, not for ever, and not by who no longer wants it", async () => {
  using folder = new Folder();
  const path = folder.file("device.id");
  const system = nodeFileSystem();
  const order: string[] = [];
  const first = await system.lock(path);
  const second = system.lock(path).then((lock) => {
    order.push("second");
    return lock;
  });
  const third = system.lock(path, { signal: AbortSignal.abort(new Error("changed my mind")) });
  third.catch(() => order.push("third"));
  order.push("first");
  await first[Symbol.asyncDispose]();
  await (await second)[Symbol.asyncDispose]();
  await assert.rejects(third, /changed my mind/);
  assert.deepEqual(order.slice(0, 2), ["first", "second"]);
  await (await system.lock(path))[Symbol.asyncDispose]();
});
