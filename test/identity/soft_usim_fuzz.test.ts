import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type ApduChannel, usimIdentity } from "../../lib/identity/mod.ts";
import { VirtualClock } from "../support/virtual.ts";
import { AID, card, pin, v } from "./cards.ts";

const octet = fc.integer({ min: 0, max: 255 });
const among = (...bytes: number[]) => fc.oneof(fc.constantFrom(...bytes), octet);

/** Commands that are mostly a card's own, with lengths and data that mostly are not. */
const command = fc.tuple(
  among(0x00, 0x00, 0x80),
  among(0xa4, 0xb0, 0xb2, 0xd6, 0xdc, 0x20, 0x88, 0xc0, 0xf2),
  among(0x00, 0x01, 0x04, 0x08),
  among(0x00, 0x01, 0x04, 0x0c, 0x80, 0x81, 0x84),
  fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined }),
  fc.option(octet, { nil: undefined }),
  fc.boolean(),
).map(([cla, ins, p1, p2, data, le, honest]) => {
  const lc = data && [honest ? data.length : (data.length * 7) & 255];
  return Uint8Array.from([cla, ins, p1, p2, ...(lc ?? []), ...(data ?? []), ...(le === undefined ? [] : [le])]);
});

async function assertAnswers(channel: ApduChannel, bytes: Uint8Array, secrets: readonly string[]): Promise<void> {
  const before = toHex(bytes);
  const answer = await channel.transmit(bytes);
  assert.ok(answer.length >= 2 && answer.length <= 258);
  assert.ok(
    [0x61, 0x62, 0x63, 0x65, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x90, 0x98].includes(answer.at(-2)!),
  );
  assert.equal(toHex(bytes), before);
  const shown = toHex(answer);
  for (const secret of secrets) assert.ok(!shown.includes(secret.slice(0, 16)));
}

test("whatever it is sent, the card answers 2 to 258 bytes with a status of its own, and never K or OPc", async () => {
  for (const protocol of ["T=0", "T=1"] as const) {
    const plan = fc.array(fc.oneof(command, fc.uint8Array({ maxLength: 270 })), { maxLength: 25 });
    await fc.assert(
      fc.asyncProperty(plan, fc.boolean(), async (commands, select) => {
        const channel = card({ protocol }).connect();
        if (select) await channel.transmit(fromHex(`00a4040c10${AID}`));
        for (const bytes of commands) await assertAnswers(channel, bytes, [v.K!, v.OPc!]);
      }),
      { seed: 6, numRuns: 150 },
    );
  }
});

test("behind its PIN the card gives nothing to who guesses commands: no RES, no IMSI, never more than three tries", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(command, { maxLength: 40 }), async (commands) => {
      const usim = card({ pin: pin("73519846") });
      const channel = usim.connect();
      await channel.transmit(fromHex(`00a4040c10${AID}`));
      let refused = 0;
      for (const bytes of commands) {
        const answer = toHex(await channel.transmit(bytes));
        assert.ok(!answer.startsWith("db") && !answer.includes("1010325476"));
        if (answer.startsWith("63c") && bytes.length > 5) refused++;
      }
      assert.ok(refused <= 3 && usim.state.sequence.every((seq) => seq === 0));
    }),
    { seed: 7, numRuns: 150 },
  );
});

test("whatever a card answers, opening and using it as an identity throws nothing but SeccfError", async () => {
  const likely = fc.constantFrom(
    "9000",
    "6982",
    "6a82",
    "6a83",
    "6105",
    "6c09",
    "9862",
    "63c3",
    "6983",
    "0809101010325476989000",
    "610d4f07a0000000871002500255539000",
    "000000029000",
    `db08${v.RES}10${v.CK}10${v.IK}9000`,
    `dc0e${v.AUTS_for_SQNms_equal_SQN}9000`,
  ).map(fromHex);
  const answers = fc.array(fc.oneof(likely, likely, fc.uint8Array({ maxLength: 60 })), { minLength: 1, maxLength: 30 });
  const challenge = { rand: new Uint8Array(16), autn: new Uint8Array(16), scheme: "akav1" } as const;
  await fc.assert(
    fc.asyncProperty(answers, fc.boolean(), async (script, inCard) => {
      let at = 0;
      const channel: ApduChannel = {
        transmit: () => Promise.resolve(new Uint8Array(script[at++ % script.length]!)),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
      const mode = inCard ? { mode: "gba-u", clock: new VirtualClock() } as const : {};
      try {
        await using identity = await usimIdentity(channel, { pin: pin("1234"), ...mode });
        const outcome = await identity.aka!.answer(challenge);
        if (outcome.kind === "answered") await identity.aka!.keep({ btid: "b", lifetimeSeconds: 1 });
        (await identity.aka!.derive({ btid: "b", nafId: new Uint8Array(6) }))[Symbol.dispose]();
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
    }),
    { seed: 8, numRuns: 400 },
  );
});
