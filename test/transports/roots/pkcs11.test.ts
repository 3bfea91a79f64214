import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import test from "node:test";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretEqual, secretFrom } from "../../../lib/crypto/mod.ts";
import { provisionedInput } from "../../../lib/identity/mod.ts";
import { pkcs11Identity, type Pkcs11Options } from "../../../transports/roots/pkcs11.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { codeOf, passWhen, StandIns } from "./stand_in.ts";

const KEY = new Uint8Array(32).fill(5);
const DEVICE = toUtf8("meter-7");

/** How the stand-in behaves, by name of the calls. */
interface Manners {
  /** Version of the protocol. Default 2. */
  readonly version?: number;
  /** Flags of the token. Default: login required. */
  readonly flags?: number;
  readonly pin?: string;
  /** CK_RV by call. */
  readonly refuse?: Readonly<Record<string, number>>;
  /** The call in which it ends, or falls silent, or answers with the number of another call. */
  readonly die?: string;
  readonly hang?: string;
  readonly garble?: string;
  /** Length of the MAC. Default 32. */
  readonly length?: number;
}

// p11-kit remote, from p11-kit/rpc-server.c: the version, then frames; call numbers and signatures of rpc-message.h.
const P11_KIT_REMOTE = `
const manners = JSON.parse(readFileSync(join(folder, "manners"), "utf8"));
const { version = 2, flags = 4, pin = "40718265", refuse = {}, die, hang, garble, length = 32 } = manners;
const calls = { 1: ["C_Initialize", ""], 4: ["C_GetSlotList", "au"], 6: ["C_GetTokenInfo", "ssssuuuuuuuuuuuvvs"],
  10: ["C_OpenSession", "u"], 18: ["C_Login", ""], 26: ["C_FindObjectsInit", ""], 27: ["C_FindObjects", "au"],
  28: ["C_FindObjectsFinal", ""], 42: ["C_SignInit", ""], 43: ["C_Sign", "ay"] };
const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); return b; };
const u64 = (n) => Buffer.concat([u32(0), u32(n)]);
const bytes = (b) => Buffer.concat([u32(b.length), b]);
const text = (t, n) => bytes(Buffer.from(t.padEnd(n)));
let input = Buffer.alloc(0), greeted = false, mac = createHmac("sha256", readFileSync(join(folder, "key")));
function answer(id, args) {
  const [name] = calls[id];
  if (refuse[name]) return;
  switch (name) {
    case "C_GetSlotList": return Buffer.concat([Buffer.of(1), u32(2), u64(3), u64(4)]);
    case "C_GetTokenInfo": {
      const broken = args.readUInt32BE(4) === 3;
      if (broken) return;
      return Buffer.concat([text("meters", 32), text("maker", 32), text("model", 16), text("77", 16), u64(flags),
        ...Array.from({ length: 10 }, () => u64(0)), Buffer.from([1, 2, 3, 4]), text("", 16)]);
    }
    case "C_OpenSession": return u64(9);
    case "C_Login": {
      appendFileSync(join(folder, "logins"), "x\\n");
      return args.subarray(21).toString() === pin ? Buffer.alloc(0) : undefined;
    }
    case "C_FindObjects": return Buffer.concat([Buffer.of(1), u32(1), u64(8)]);
    case "C_SignInit":
      return args.length === (version < 2 ? 24 : 20) ? Buffer.alloc(0) : undefined;
    case "C_Sign": {
      const message = args.subarray(13, -4);
      const tag = Buffer.concat([mac.update(message).digest(), Buffer.alloc(64)]).subarray(0, length);
      return Buffer.concat([Buffer.of(1), bytes(tag)]);
    }
    default: return Buffer.alloc(0);
  }
}
function take() {
  if (!greeted && input.length > 0) {
    greeted = true;
    process.stdout.write(Buffer.of(Math.min(version, 255)));
    input = input.subarray(1);
  }
  while (input.length >= 12) {
    const [sequence, options, body] = [0, 4, 8].map((at) => input.readUInt32BE(at));
    if (input.length < 12 + options + body) return;
    const call = input.subarray(12 + options, 12 + options + body);
    input = input.subarray(12 + options + body);
    const id = call.readUInt32BE(0);
    const [name, signature] = calls[id];
    appendFileSync(join(folder, "seen"), name + "\\n");
    if (name === die) process.exit(1);
    if (name === hang) return setInterval(() => {}, 1000);
    const results = answer(id, call.subarray(8 + call.readUInt32BE(4)));
    const reply = results === undefined
      ? Buffer.concat([u32(0), text("u", 1), u64(refuse[name] ?? (name === "C_Login" ? 0xa0 : 0xe1))])
      : Buffer.concat([u32(id), text(signature, signature.length), results]);
    process.stdout.write(Buffer.concat([u32(name === garble ? sequence + 1 : sequence), u32(2), u32(reply.length), Buffer.alloc(2), reply]));
  }
}
process.stdin.on("end", () => writeFileSync(join(folder, "end"), "finalized"));
process.stdin.on("data", (more) => { input = Buffer.concat([input, more]); take(); });
`;

function token(manners: Manners = {}, more: Partial<Pkcs11Options> = {}) {
  const stands = new StandIns();
  stands.put("key", KEY);
  stands.put("manners", JSON.stringify(manners));
  const clock = new VirtualClock();
  const module = pkcs11Identity({
    module: "/the/module.so",
    keys: [{ identity: DEVICE, token: "meters", serial: "77", label: "root" }],
    command: stands.script("p11-kit", P11_KIT_REMOTE),
    pin: () => Promise.resolve(secretFrom(toUtf8("40718265"))),
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

test("[SEC_CF-SEC-001] versions 0 to 2 of p11-kit's protocol come to the same key, past a token that is broken", async () => {
  const expected = createHmac("sha256", KEY).update(provisionedInput(toUtf8("tls"))).digest();
  for (const version of [0, 1, 2]) {
    await using place = token({ version });
    using derived = await place.derive();
    assert.ok(secretEqual(derived, expected), `${version}`);
    assert.deepEqual(place.stands.calls, [["/the/module.so"]], "no PIN on the command line");
    assert.doesNotMatch(place.stands.text("environment"), /40718265/);
    assert.equal(place.stands.text("end"), "finalized");
  }
  await using newer = token({ version: 3 });
  assert.equal(await codeOf(newer.derive()), "malformed");
});

test("[SEC_CF-AUTH-006] a wrong PIN reaches the token once, a blocked one never, and no login is made where none is needed", async () => {
  await using wrong = token({ pin: "9999" });
  for (let i = 0; i < 3; i++) assert.equal(await codeOf(wrong.derive()), "pin-required");
  assert.equal(wrong.stands.text("logins"), "x");
  await using blocked = token({ flags: 0x40004 });
  assert.equal(await codeOf(blocked.derive()), "pin-blocked");
  assert.equal(blocked.stands.text("logins"), "");
  await using locked = token({ refuse: { C_Login: 0xa4 } });
  assert.equal(await codeOf(locked.derive()), "pin-blocked");
  await using open = token({ flags: 0 }, { pin: () => assert.fail("nobody asked") });
  assert.equal(await codeOf(open.derive()), "none");
  assert.equal(open.stands.text("logins"), "");
});

test("what the token refuses has the code of who can do something about it", async () => {
  const cases = [
    ["C_Initialize", 0x30, "identity-unavailable"],
    ["C_GetSlotList", 0x6, "identity-unavailable"],
    ["C_OpenSession", 0xe0, "identity-unavailable"],
    ["C_SignInit", 0x70, "unsupported"],
    ["C_SignInit", 0x63, "unsupported"],
    ["C_Sign", 0x32, "identity-unavailable"],
    ["C_Sign", 0x101, "pin-required"],
  ] as const;
  for (const [call, rv, code] of cases) {
    await using place = token({ refuse: { [call]: rv } });
    assert.equal(await codeOf(place.derive()), code, `${call} ${rv}`);
  }
  await using short = token({ length: 31 });
  assert.equal(await codeOf(short.derive()), "identity-unavailable");
});

test("a module that ends in any call is not available, one that answers out of turn is malformed, and the next session works", async () => {
  for (const die of ["C_Initialize", "C_GetTokenInfo", "C_Login", "C_SignInit", "C_Sign"]) {
    await using place = token({ die });
    assert.equal(await codeOf(place.derive()), "identity-unavailable", die);
    place.stands.put("manners", "{}");
    assert.equal(await codeOf(place.derive()), "none");
  }
  await using place = token({ garble: "C_Sign" });
  assert.equal(await codeOf(place.derive()), "malformed");
});

test("a token that falls silent ends in timeout, an aborted derivation in its reason", async () => {
  await using place = token({ hang: "C_Sign" }, { timeoutSeconds: 4 });
  const silent = codeOf(place.derive());
  await passWhen(place.clock, 4, () => place.stands.text("seen").endsWith("C_Sign"));
  assert.equal(await silent, "timeout");
  const abort = new AbortController();
  await using other = token({ hang: "C_Login" });
  const aborted = other.derive(abort.signal).catch((error: unknown) => error);
  while (!other.stands.text("seen").endsWith("C_Login")) await other.clock.settle();
  abort.abort("enough");
  assert.equal(await aborted, "enough");
});

test("a key has a label or an id", () => {
  assert.throws(() => pkcs11Identity({ module: "m", keys: [{ identity: DEVICE, token: "t" }] }), RangeError);
});
