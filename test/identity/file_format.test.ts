// The identity file from outside: each way in which it can be wrong has its own answer.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { decodeCbor, encodeCbor } from "../../lib/cose/mod.ts";
import { digest, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { createIdentityFile, newFileKey, openIdentityFile, type Unlock } from "../../lib/identity/mod.ts";
import { withCode } from "../aka/vectors.ts";
import { Disk } from "../fault/disk.ts";
import { CHEAP, fileWith, keyEntry, passphrase, PATH, place, provisioned, subscriber, wrapping } from "./files.ts";
import { seededRandom } from "../support/virtual.ts";

const WORDS = passphrase("correct horse battery staple");

async function bytesOf(unlock: Unlock = wrapping(1)): Promise<Uint8Array> {
  const disk = new Disk();
  await createIdentityFile({ ...place(disk), unlock, cost: CHEAP, entries: [subscriber(), keyEntry("k")] });
  return disk.bytes(PATH);
}

/** What opening `bytes` throws. */
async function refusal(bytes: Uint8Array, unlock: Unlock = wrapping(1), mode = 0o600): Promise<string> {
  const disk = new Disk();
  disk.put(PATH, bytes, mode);
  try {
    (await openIdentityFile({ ...place(disk), unlock }))[Symbol.dispose]();
    return "";
  } catch (error) {
    assert.ok(error instanceof SeccfError, String(error));
    assert.deepEqual(disk.bytes(PATH), bytes, "written over");
    return `${error.code}: ${error.message}`;
  }
}

/** The file with its outermost items changed, its checksum made good again. */
function altered(bytes: Uint8Array, change: (items: (string | number | Uint8Array)[]) => void, sum = true): Uint8Array {
  const items = [...decodeCbor(bytes) as (string | number | Uint8Array)[]];
  change(items);
  if (sum) items[4] = digest("sha-256", toUtf8("seccf identity file"), ...items.slice(2, 4) as Uint8Array[]);
  return encodeCbor(items);
}

function header(change: (parts: unknown[]) => void): (items: (string | number | Uint8Array)[]) => void {
  return (items) => {
    const parts = decodeCbor(items[2] as Uint8Array) as unknown[];
    change(parts);
    items[2] = encodeCbor(parts as string[]);
  };
}

test("a file opens with its passphrase or wrapping key, and shows nothing of what is in it [SEC_CF-SEC-001]", async () => {
  for (const unlock of [wrapping(1), WORDS]) {
    const bytes = await bytesOf(unlock);
    assert.equal(await refusal(bytes, unlock), "");
    const text = toHex(bytes);
    // K of the subscriber, the key, the IMSI and a name.
    for (const secret of ["c0ffee00c0ffee00", "465b5ce8b199b49f", toHex(toUtf8("001010123456789"))]) {
      assert.ok(!text.includes(secret));
    }
  }
});

test("a wrong passphrase, a wrong wrapping key and one in the place of the other are told [SEC_CF-SEC-001]", async () => {
  const [wrapped, worded] = [await bytesOf(), await bytesOf(WORDS)];
  assert.match(await refusal(wrapped, wrapping(2)), /^auth-failed: not the wrapping key/);
  assert.match(await refusal(worded, passphrase("Correct horse battery staple")), /^auth-failed: not the passphrase/);
  assert.match(await refusal(wrapped, WORDS), /^auth-failed: .* opens with a wrapping key/);
  assert.match(await refusal(worded, wrapping(1)), /^auth-failed: .* opens with a passphrase/);
});

test("a file cut at any byte is one that ends too early", async () => {
  const bytes = await bytesOf();
  for (let length = 0; length < bytes.length; length++) {
    assert.equal(await refusal(bytes.slice(0, length)), "malformed: the identity file ends too early", `${length}`);
  }
  assert.match(await refusal(Uint8Array.from([...bytes, 0])), /^malformed: the identity file is damaged/);
});

test("any bit turned over is found, by chance or on purpose", async () => {
  const bytes = await bytesOf();
  for (let bit = 0; bit < bytes.length * 8; bit += 5) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    assert.match(await refusal(flipped), /^(?:malformed|unsupported): /, `bit ${bit}`);
  }
  const onPurpose = (change: Parameters<typeof altered>[1]) => refusal(altered(bytes, change));
  const last = (items: (string | number | Uint8Array)[]) => {
    const sealed = (items[3] as Uint8Array).slice();
    sealed[sealed.length - 1]! ^= 1;
    items[3] = sealed;
  };
  assert.equal(await onPurpose(last), "mac-failure: the identity file was altered");
  assert.equal(await onPurpose((items) => void (items[3] = toUtf8("x"))), "mac-failure: the identity file was altered");
  // The header is authenticated: a file can not be made to look newer than it is.
  assert.equal(await onPurpose(header((parts) => void (parts[3] = 77))), "mac-failure: the identity file was altered");
  assert.match(await onPurpose(header((parts) => void (parts[1] = new Uint8Array(8)))), /^auth-failed/);
  assert.match(await onPurpose(header((parts) => void (parts[2] = new Uint8Array(32)))), /^mac-failure/);
});

test("what is no identity file, one of a later version, and one that opens in a new way are told apart", async () => {
  const bytes = await bytesOf();
  for (const foreign of ["-----BEGIN PRIVATE KEY-----", "{}", "\x85\x73seccf identity fils"]) {
    assert.equal(await refusal(toUtf8(foreign)), "malformed: not an identity file");
  }
  assert.match(await refusal(altered(bytes, (items) => void (items[1] = 2))), /^unsupported: .* later version/);
  assert.match(await refusal(altered(bytes, (items) => void (items[2] = "new"), false)), /^malformed: .* damaged/);
  assert.match(await refusal(altered(bytes, header((parts) => void (parts[0] = [2])))), /^unsupported: .* unknown way/);
  assert.match(await refusal(altered(bytes, header((parts) => void parts.pop()))), /^malformed: .* damaged/);
});

test("a file that asks for much memory or time is refused before a key is made", async () => {
  const bytes = await bytesOf(WORDS);
  for (const cost of [[30, 8, 1], [20, 2, 1], [15, 16, 16], [9, 8, 1], [14, 0, 1], [14, 8, 1000], [2 ** 40, 1, 1]]) {
    const change = header((parts) => void (parts[0] as unknown[]).splice(2, 3, ...cost));
    assert.match(await refusal(altered(bytes, change), WORDS), /^too-large: .* too costly/, cost.join());
  }
});

test("a file that others may use, that is missing or too large does not open", async () => {
  const bytes = await bytesOf();
  for (const mode of [0o640, 0o604, 0o660, 0o601, 0o620, 0o666]) {
    assert.match(
      await refusal(bytes, wrapping(1), mode),
      /^identity-unavailable: others than its owner/,
      mode.toString(8),
    );
  }
  assert.equal(await refusal(bytes, wrapping(1), 0o400), "");
  await assert.rejects(openIdentityFile({ ...place(), unlock: wrapping(1) }), withCode("identity-unavailable"));
  const facts = { mode: 0o600, size: 2 ** 40 };
  const reading = (kind: "file" | "link" | "other") =>
    Object.assign(new Disk(), { read: () => Promise.resolve({ facts: { ...facts, kind }, bytes: new Uint8Array(0) }) });
  for (
    const [kind, code] of [["file", "too-large"], ["link", "identity-unavailable"], [
      "other",
      "identity-unavailable",
    ]] as const
  ) {
    await assert.rejects(openIdentityFile({ ...place(reading(kind)), unlock: wrapping(1) }), withCode(code), kind);
  }
});

test("whatever bytes a file has, it opens or a SeccfError says why not", async () => {
  const bytes = await bytesOf();
  const spliced = fc.record({ at: fc.nat(bytes.length), gone: fc.nat(40), come: fc.uint8Array({ maxLength: 40 }) })
    .map(({ at, gone, come }) => Uint8Array.from([...bytes.slice(0, at), ...come, ...bytes.slice(at + gone)]));
  const inside = fc.uint8Array({ maxLength: 100 }).map((junk) => altered(bytes, (items) => void (items[2] = junk)));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(spliced, inside, fc.uint8Array({ maxLength: 200 })),
      async (junk) => void await refusal(junk),
    ),
    { numRuns: 300, seed: 4 },
  );
});

test("no two writings share a key or a nonce, and one key may serve several files", async () => {
  using key = newFileKey(WORDS, seededRandom(5), CHEAP);
  const disk = new Disk();
  const files = ["a", "b"];
  for (const path of files) await createIdentityFile({ ...place(disk, 6), path, unlock: key, entries: [] });
  // The same random numbers were drawn for both: only the header's salt keeps the keys of contents apart.
  const random = seededRandom(9);
  await createIdentityFile({ ...place(disk), path: "c", unlock: key, random });
  await createIdentityFile({ ...place(disk), path: "d", unlock: key, random });
  const salts = ["c", "d"].map((path) => {
    const items = decodeCbor(disk.bytes(path)) as Uint8Array[];
    return toHex((decodeCbor(items[2]!) as Uint8Array[])[2]!);
  });
  assert.notEqual(salts[0], salts[1]);
  for (const path of files) {
    (await openIdentityFile({ ...place(disk), path, unlock: WORDS }))[Symbol.dispose]();
  }
});

test("an empty passphrase, a short wrapping key and a cost out of bounds make no file", async () => {
  const make = (unlock: Unlock, cost = CHEAP) => createIdentityFile({ ...place(), unlock, cost });
  await assert.rejects(make(passphrase("")), RangeError);
  await assert.rejects(make({ wrappingKey: secretFrom(new Uint8Array(15)) }), RangeError);
  await assert.rejects(make(WORDS, { logN: 21, r: 8, p: 1 } as unknown as typeof CHEAP), RangeError);
});

test("a file never takes the place of another", async () => {
  const file = await fileWith([provisioned("a")]);
  await assert.rejects(createIdentityFile({ ...file.place, unlock: wrapping(2) }), withCode("state"));
  assert.equal((await file.facts()).length, 1);
});
