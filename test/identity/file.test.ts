// What an identity file holds, who may change it, and the modules that it makes.
import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { joinSqn } from "../../lib/aka/mod.ts";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { fingerprint } from "../../lib/crypto/mod.ts";
import {
  deriveProvisioned,
  type FileEntry,
  identityOfFile,
  openIdentityFile,
  storedCounter,
  subscribersOfFile,
} from "../../lib/identity/mod.ts";
import { secretsOf } from "../../lib/identity/file_content.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { secretHex, withCode } from "../aka/vectors.ts";
import { Disk } from "../fault/disk.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { credentials, IMSI, v, vectorFor } from "./cards.ts";
import { CHEAP, fileWith, keyEntry, passphrase, PATH, provisioned, subscriber, wrapping } from "./files.ts";

const module = () => ({ clock: new VirtualClock(), random: seededRandom(8) });

test("a file holds any number of subscribers and keys, and gives each back as it was [SEC_CF-ADM-001]", async () => {
  const tuak: FileEntry = {
    ...{ kind: "subscriber", name: "second", imsi: "26201123456789", mncLength: 3 },
    ...{ impi: "me@example.org", keyManager: "bsf.example.org", sequence: { indBits: 4, ageLimit: 100 } },
    credentials: { algorithm: "tuak", k: secretHex("01".repeat(32)), top: secretHex("02".repeat(32)), resLength: 16 },
  };
  const entries = [subscriber(), tuak, provisioned("device-7"), keyEntry("snapshots")];
  const many = Array.from({ length: 300 }, (_, i) => provisioned(`device/${i}`));
  using file = await fileWith([...entries, ...many]);
  const facts = await file.facts();
  assert.equal(facts.length, 304);
  assert.deepEqual(facts[0], {
    ...{ kind: "subscriber", name: "sim", algorithm: "milenage", imsi: IMSI, impi: v.IMPI },
    ...{ keyManager: "bsf.mnc001.mcc001.pub.3gppnetwork.org", fingerprint: fingerprint(credentials().k) },
  });
  assert.deepEqual(
    [facts[1]!.kind, "impi" in facts[1]! && facts[1].impi, "keyManager" in facts[1]! && facts[1].keyManager],
    ["subscriber", "me@example.org", "bsf.example.org"],
  );
  await file.look((found) => {
    const { credentials: given, sequence } = found.get("subscriber", "second");
    assert.ok(given.algorithm === "tuak" && given.resLength === 16 && given.ckLength === undefined);
    assert.deepEqual(sequence, { indBits: 4, ageLimit: 100 });
    assert.equal(fingerprint("top" in given ? given.top : given.k), fingerprint(secretHex("02".repeat(32))));
  });
  const shown = inspect(file, { depth: 9, showHidden: true }) + JSON.stringify(facts);
  assert.ok(!/c0ffee|465b5ce8/.test(shown));
});

test("names and identities are used once, and only what a module can work with is taken in", async () => {
  using file = await fileWith([subscriber(), provisioned("device-7")]);
  const adding = (entry: FileEntry) => file.change((entries) => entries.add(entry));
  await assert.rejects(adding(keyEntry("sim")), withCode("state"));
  await assert.rejects(adding({ ...provisioned("device-7"), name: "other" }), withCode("state"));
  await assert.rejects(adding(keyEntry("short", secretHex("00"))), RangeError);
  await assert.rejects(adding(keyEntry("long", secretHex("00".repeat(65)))), RangeError);
  await assert.rejects(adding(keyEntry("")), RangeError);
  await assert.rejects(adding(keyEntry("a\nb")), RangeError);
  await assert.rejects(adding(subscriber("x", "12")), RangeError);
  await assert.rejects(
    adding({ ...subscriber("x"), credentials: { k: secretHex("00"), opc: secretHex("00") } } as FileEntry),
    RangeError,
  );
  await assert.rejects(file.change((entries) => entries.remove("nobody")), withCode("identity-unavailable"));
  await assert.rejects(file.look((entries) => entries.get("key", "sim")), withCode("identity-unavailable"));
  assert.equal((await file.facts()).length, 2);
});

test("a key of the file derives as a provisioned key does, and never comes out itself", async () => {
  using file = await fileWith([keyEntry("snapshots")]);
  using derived = await file.derive("snapshots", toUtf8("label"));
  using expected = deriveProvisioned(secretHex("c0ffee00".repeat(4)), toUtf8("label"));
  assert.equal(fingerprint(derived), fingerprint(expected));
});

test("a passphrase is changed by who knows it, and then the old one is worth nothing [SEC_CF-SEC-003]", async () => {
  const [old, renewed] = [passphrase("old"), passphrase("new")];
  using file = await fileWith([keyEntry("k")], { unlock: old });
  using other = await openIdentityFile({ ...file.place, unlock: old });
  await assert.rejects(file.relock(passphrase("guess"), renewed, { cost: CHEAP }), withCode("auth-failed"));
  await file.relock(old, renewed, { cost: CHEAP });
  assert.equal((await file.facts()).length, 1);
  await assert.rejects(openIdentityFile({ ...file.place, unlock: old }), withCode("auth-failed"));
  (await openIdentityFile({ ...file.place, unlock: renewed }))[Symbol.dispose]();
  await assert.rejects(other.facts(), withCode("state"));
  await assert.rejects(other.change((entries) => entries.remove("k")), withCode("state"));
});

test("what was decrypted is wiped when it was looked at, changed or replaced [SEC_CF-SEC-001]", async () => {
  using file = await fileWith([keyEntry("k"), subscriber()]);
  const seen = await file.look((entries) => entries.all.flatMap((entry) => [...secretsOf(entry)]));
  const replaced = await file.change((entries) => {
    const before = entries.get("key", "k");
    entries.replace(keyEntry("k", secretHex("11".repeat(32))));
    const after = entries.get("key", "k");
    entries.remove("k");
    return [before.key, after.key];
  });
  assert.equal(seen.length, 3);
  for (const secret of [...seen, ...replaced]) assert.equal(secret.toString(), "[secret disposed]");
});

test("a file that was closed gives nothing and takes nothing", async () => {
  const file = await fileWith([keyEntry("k")]);
  file[Symbol.dispose]();
  await assert.rejects(file.facts(), withCode("state"));
  await assert.rejects(file.change(() => undefined), withCode("state"));
});

test("changes that begin at once follow one another, and a change that throws changes nothing", async () => {
  using file = await fileWith([]);
  await Promise.all(
    Array.from({ length: 20 }, (_, i) => file.change((entries) => entries.add(provisioned(`device-${i}`)))),
  );
  assert.equal((await file.facts()).length, 20);
  const failing = file.change((entries) => {
    entries.remove("device-3");
    throw new TypeError("no");
  });
  await assert.rejects(failing, TypeError);
  assert.equal((await file.facts()).length, 20);
});

test("an identity file bootstraps as a card does and remembers what it accepted [SEC_CF-ADM-001]", async () => {
  const file = await fileWith([subscriber(), provisioned("device-7")]);
  const challenge = { rand: fromHex(v.RAND!), autn: fromHex(v.AUTN!), scheme: "akav1" } as const;
  const state = {
    sequence: new Array<number>(32).fill(0x7fcdda685af),
    pinTries: 3,
    gbabp: new Uint8Array(255).fill(255),
    gbanl: Array.from({ length: 4 }, () => new Uint8Array(255).fill(255)),
  };
  await file.change((entries) => entries.replace({ ...entries.get("subscriber", "sim"), state }));
  {
    await using identity = await identityOfFile(file, module());
    assert.equal(identity.aka!.impi, v.IMPI);
    assert.deepEqual(identity.provisioned!.identities, [toUtf8("device-7")]);
    assert.equal((await identity.aka!.answer(challenge)).kind, "answered");
  }
  // The file goes with the module.
  await assert.rejects(file.facts(), withCode("state"));
  await using again = await identityOfFile(await openIdentityFile({ ...file.place, unlock: wrapping(1) }), module());
  assert.equal((await again.aka!.answer(challenge)).kind, "resync");
});

test("whoever opened a subscriber last holds it: one opened before answers nothing any more", async () => {
  const first = await fileWith([subscriber()]);
  const second = await openIdentityFile({ ...first.place, unlock: wrapping(1) });
  await using one = await identityOfFile(first, module());
  await using two = await identityOfFile(second, { ...module(), random: seededRandom(99) });
  using vector = vectorFor(joinSqn(4, 4));
  await assert.rejects(one.aka!.answer({ ...vector, scheme: "akav1" }));
  assert.equal((await two.aka!.answer({ ...vector, scheme: "akav1" })).kind, "answered");
});

test("with several subscribers one has to be named", async () => {
  const entries = [subscriber("a"), subscriber("b", "001010000000002")];
  const file = await fileWith(entries);
  await assert.rejects(identityOfFile(file, module()), withCode("identity-unavailable"));
  await using identity = await identityOfFile(file, { ...module(), identity: "b" });
  assert.match(identity.aka!.impi, /^001010000000002@/);
});

test("an old copy that is put back is found by a counter outside of the file, and without one it opens", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const counter = storedCounter(store, "counter/device");
  for (const known of [{ counter }, {}]) {
    const disk = new Disk();
    const file = await fileWith([subscriber()], { fileSystem: disk, ...known });
    const copy = disk.bytes(PATH);
    await using identity = await identityOfFile(file, module());
    using vector = vectorFor(joinSqn(6, 6));
    const challenge = { ...vector, scheme: "akav1" } as const;
    assert.equal((await identity.aka!.answer(challenge)).kind, "answered");
    disk.put(PATH, copy);
    // Whoever has it open has seen a later one.
    await assert.rejects(file.facts(), withCode("replayed"));
    const opening = openIdentityFile({ ...file.place, unlock: wrapping(1) });
    if ("counter" in known) {
      await assert.rejects(opening, withCode("replayed"));
    } else {
      // The gap, shown: nothing but a counter can tell, and the challenge is accepted a second time.
      await using again = await identityOfFile(await opening, module());
      assert.equal((await again.aka!.answer(challenge)).kind, "answered");
    }
  }
});

test("a crash between the file and the counter locks nobody out, and the counter catches up", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const counter = storedCounter(store, "c");
  let fails = true;
  const flaky = {
    value: () => counter.value(),
    advance: (to: number) => fails ? Promise.reject(new Error("power")) : counter.advance(to),
  };
  const disk = new Disk();
  fails = false;
  const file = await fileWith([keyEntry("a")], { fileSystem: disk, counter: flaky });
  fails = true;
  await assert.rejects(file.change((entries) => entries.remove("a")));
  using again = await openIdentityFile({ ...file.place, unlock: wrapping(1) });
  assert.equal((await again.facts()).length, 0);
  fails = false;
  await again.change((entries) => entries.add(keyEntry("b")));
  assert.equal(await counter.value(), 3);
});

test("a counter in a store only grows, whoever is first", async () => {
  const store = memoryStore({ clock: new VirtualClock() });
  const [one, two] = [storedCounter(store, "c"), storedCounter(store, "c")];
  assert.equal(await one.value(), 0);
  await Promise.all([one.advance(5), two.advance(9), one.advance(2 ** 40)]);
  assert.equal(await two.value(), 2 ** 40);
  await two.advance(3);
  assert.equal(await one.value(), 2 ** 40);
  await store.put("bad", new Uint8Array(8).fill(255), { expected: 0 });
  await assert.rejects(storedCounter(store, "bad").value(), withCode("malformed"));
});

test("an authentication centre finds the subscribers of a file by IMPI", async () => {
  using file = await fileWith([subscriber(), subscriber("b", "001010000000002"), keyEntry("k")]);
  const found = await subscribersOfFile(file);
  assert.equal(found.size, 2);
  assert.equal(fingerprint(found.find(v.IMPI!)!.credentials.k), fingerprint(credentials().k));
  assert.equal(found.find("nobody@example.org"), undefined);
  const { k } = found.find(v.IMPI!)!.credentials;
  found[Symbol.dispose]();
  assert.equal(k.toString(), "[secret disposed]");
});
