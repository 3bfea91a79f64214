import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretEqual, secretFrom } from "../../../lib/crypto/mod.ts";
import { provisionedInput } from "../../../lib/identity/mod.ts";
import { tpm2Identity, type Tpm2Options } from "../../../transports/roots/tpm2.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { codeOf, passWhen, StandIns } from "./stand_in.ts";

const KEY = new Uint8Array(32).fill(3);
const DEVICE = toUtf8("meter-7");
const SECRET = "hex:40718265\n";

// tpm2-tools 5.4 and 5.6 (tools/tpm2_hmac.c, lib/tpm2_auth_util.c), and what they complain of as seen on swtpm.
const TPM2_HMAC = `
const say = (rc) => {
  process.stderr.write("WARNING:esys:src/tss2-esys/api/Esys_HMAC.c:300:Esys_HMAC_Finish() Received TPM Error \\n" +
    "ERROR:esys:src/tss2-esys/api/Esys_HMAC.c:100:Esys_HMAC() Esys Finish ErrorCode (0x00000" + rc.toLowerCase() + ") \\n" +
    "ERROR: Esys_HMAC(0x" + rc + ") - tpm:something\\nERROR: Unable to run tpm2_hmac\\n");
  process.exit(3);
};
const file = (name) => existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8") : undefined;
if (words.includes("--version")) {
  writeSync(1, 'tool="tpm2_hmac" version="' + (file("version") ?? "5.4") + '" tctis="libtss2-tctildr"');
  process.exit();
}
appendFileSync(join(folder, "paths"), words.at(-1) + "\\n");
const by = words.includes("-p") ? words[words.indexOf("-p") + 1] : "";
const given = by.endsWith("file:-") ? readFileSync(0, "utf8") : "";
if (by !== "" && !/^(session:[^+]+)?\\+?(file:-)?$/.test(by)) process.exit(1);
const rc = file("answer");
if (rc) say(rc);
if (file("complaint")) { process.stderr.write(file("complaint")); process.exit(1); }
if (given !== (file("secret") ?? "")) { appendFileSync(join(folder, "failures"), "x\\n"); say("98E"); }
if (file("hang")) setInterval(() => {}, 1000);
else writeSync(1, createHmac("sha256", readFileSync(join(folder, "key"))).update(readFileSync(words.at(-1))).digest());
`;

function tpm(more: Partial<Tpm2Options> = {}, secret = SECRET) {
  const stands = new StandIns();
  stands.put("key", KEY);
  if (secret !== "") stands.put("secret", `hex:${toHexText(secret)}`);
  stands.program("tpm2_hmac", TPM2_HMAC);
  stands.program(
    "tpm2_startauthsession",
    `if (existsSync(join(folder, "no-session"))) process.exit(1);
appendFileSync(join(folder, "sessions"), "start\\n"); writeFileSync(words.at(-1), "session");`,
  );
  const last = `appendFileSync(join(folder, "sessions"), `;
  stands.program(
    "tpm2_sessionconfig",
    `${last}"encrypt\\n"); if (existsSync(join(folder, "no-config"))) process.exit(1);`,
  );
  stands.program("tpm2_flushcontext", `${last}"flush " + existsSync(words.at(-1)) + "\\n");`);
  const clock = new VirtualClock();
  const module = tpm2Identity({
    keys: [{ identity: DEVICE, handle: 0x81010001 }],
    tcti: "swtpm:path=/s",
    tools: stands.folder,
    auth: () => Promise.resolve(secretFrom(toUtf8(SECRET))),
    clock,
    ...more,
  });
  return {
    stands,
    clock,
    derive: (signal?: AbortSignal) => module.provisioned!.derive(DEVICE, toUtf8("tls"), signal ? { signal } : {}),
    async [Symbol.asyncDispose]() {
      await module[Symbol.asyncDispose]();
      stands[Symbol.dispose]();
    },
  };
}

function toHexText(text: string): string {
  return Array.from(toUtf8(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const EXPECTED = createHmac("sha256", KEY).update(provisionedInput(toUtf8("tls"))).digest();

test("[SEC_CF-SEC-001] the authorization value goes by standard input in digits, and the message's file is removed", async () => {
  await using place = tpm();
  using derived = await place.derive();
  assert.ok(secretEqual(derived, EXPECTED));
  const path = place.stands.text("paths");
  assert.deepEqual(place.stands.calls, [
    ["-T", "swtpm:path=/s", "-c", "0x81010001", "-p", "file:-", path],
  ]);
  assert.doesNotMatch(place.stands.text("environment"), /40718265/);
  assert.equal(existsSync(path), false);
});

test("with a storage key the answer is encrypted in a session, which is flushed whatever happens", async () => {
  const encryptTo = 0x81000001;
  const none = { encryptTo, auth: () => Promise.resolve(secretFrom(new Uint8Array(0))) };
  await using place = tpm(none, "");
  // Who is asked might have a value: the age of the tools is looked at first.
  assert.equal(await codeOf(place.derive()), "unsupported");
  place.stands.put("version", "5.6.1");
  using derived = await place.derive();
  assert.ok(secretEqual(derived, EXPECTED));
  assert.deepEqual(place.stands.text("sessions").split("\n"), ["start", "encrypt", "flush true"]);
  place.stands.put("answer", "18B");
  assert.equal(await codeOf(place.derive()), "identity-unavailable");
  place.stands.put("no-config", "");
  assert.equal(await codeOf(place.derive()), "identity-unavailable");
  place.stands.put("no-session", "");
  assert.equal(await codeOf(place.derive()), "identity-unavailable");
  assert.deepEqual(place.stands.text("sessions").split("\n").slice(3), [
    ...["start", "encrypt", "flush true"],
    ...["start", "encrypt", "flush true"],
    "flush false",
  ]);
});

test("a session and a secret together need tools that keep the secret off the command line", async () => {
  await using place = tpm({ encryptTo: 0x81000001 });
  for (const old of ["5.4", "5.5", "4.9.9", "nonsense"]) {
    place.stands.put("version", old);
    assert.equal(await codeOf(place.derive()), "unsupported", old);
  }
  assert.equal(place.stands.text("paths"), "", "nothing was tried");
  for (const young of ["5.6", "5.10-rc1", "6.0"]) {
    place.stands.put("version", young);
    using derived = await place.derive();
    assert.ok(secretEqual(derived, EXPECTED), young);
  }
  const by = place.stands.calls.at(-2)!.find((word) => word.startsWith("session:"));
  assert.match(by!, /^session:.*\+file:-$/);
});

test("[SEC_CF-AUTH-006] a wrong value reaches the TPM once, and so does none where one is needed", async () => {
  await using wrong = tpm({ auth: () => Promise.resolve(secretFrom(toUtf8("wrong"))) });
  for (let i = 0; i < 3; i++) assert.equal(await codeOf(wrong.derive()), "pin-required");
  assert.equal(wrong.stands.text("failures"), "x");
  const stands = wrong.stands;
  await using none = tpm2Identity({ keys: [{ identity: DEVICE, handle: 0x81010001 }], tools: stands.folder });
  for (let i = 0; i < 3; i++) assert.equal(await codeOf(none.provisioned!.derive(DEVICE, DEVICE)), "pin-required");
  assert.equal(stands.text("failures"), "x\nx");
  await using long = tpm({ auth: () => Promise.resolve(secretFrom(new Uint8Array(65))) });
  assert.equal(await codeOf(long.derive()), "RangeError");
});

test("what the TPM and its tools complain of has the code of who can do something about it", async () => {
  await using place = tpm();
  const cases = { "921": "pin-blocked", "98E": "pin-required", "9A2": "pin-required", "18B": "identity-unavailable" };
  for (
    const [answer, code] of Object.entries({ ...cases, "902": "identity-unavailable", "A000A": "identity-unavailable" })
  ) {
    await using other = tpm();
    other.stands.put("answer", answer);
    assert.equal(await codeOf(other.derive()), code, answer);
  }
  place.stands.put("complaint", "ERROR: Could not initialize tcti named: swtpm\n");
  assert.equal(await codeOf(place.derive()), "identity-unavailable");
  rmSync(join(place.stands.folder, "complaint"));
  assert.equal(await codeOf(place.derive()), "none");
  await using absent = tpm({ tools: "/nowhere" });
  assert.equal(await codeOf(absent.derive()), "identity-unavailable");
});

test("a TPM that falls silent ends in timeout, and its session is flushed", async () => {
  await using place = tpm({ encryptTo: 0x81000001, timeoutSeconds: 6 });
  place.stands.put("version", "5.7");
  place.stands.put("hang", "1");
  const silent = codeOf(place.derive());
  await passWhen(place.clock, 6, () => place.stands.text("paths") !== "");
  assert.equal(await silent, "timeout");
  assert.equal(place.stands.text("sessions"), "start\nencrypt\nflush true");
});

test("handles are persistent ones", () => {
  for (const handle of [0x80000000, 0x40000001, 1, NaN, -1, 0x181010001]) {
    assert.throws(() => tpm2Identity({ keys: [{ identity: DEVICE, handle }] }), RangeError, `${handle}`);
  }
  assert.throws(() => tpm2Identity({ keys: [{ identity: DEVICE, handle: 0x81010001 }], encryptTo: 0 }), RangeError);
});
