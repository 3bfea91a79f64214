import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { modem, modemIdentity, type ModemOptions } from "../../../transports/cards/modem/mod.ts";
import { withCode } from "../../aka/vectors.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { ModemDouble, type ModemManners, streamPair } from "./doubles.ts";
import { assertUnseen, bootstrapAndCompare, near, passing, PIN, pin, set1, v } from "./home.ts";

/** Runs `work` while time passes: opening waits for a moment's silence on the line. */
function on(double: { readonly open: () => ReturnType<ModemDouble["open"]> }, more: Partial<ModemOptions> = {}) {
  const clock = new VirtualClock();
  const options: ModemOptions = { clock, open: double.open, timeoutSeconds: 5, ...more } as ModemOptions;
  return {
    clock,
    options,
    channel: () => passing(clock, modem(options), 2000),
    identity: (extra: object = {}) => passing(clock, modemIdentity({ ...options, pin: pin(PIN), ...extra }), 5000),
  };
}

const MANNERS: readonly ModemManners[] = [
  {},
  { echo: false, bare: true },
  { chatter: "+CREG: 1", directory: false },
  { logical: false },
  { logical: false, chatter: "RING", fetches: true },
  { fetches: true, chatter: '+CSQ: 21,"99"' },
];

test("a challenge is answered through modems of every kind of manners [SEC_CF-SEC-001]", async () => {
  for (const manners of MANNERS) {
    for (const protocol of ["T=0", "T=1"] as const) {
      const double = new ModemDouble(near({ protocol }), manners);
      await using identity = await on(double).identity();
      assert.equal(identity.aka.impi, v.IMPI);
      const answer = await identity.aka.answer(set1);
      assert.equal(answer.kind, "answered", JSON.stringify(manners));
      const way = manners.logical === false ? "AT+CSIM=" : "AT+CGLA=1,";
      assert.ok(double.seen.some((line) => line.startsWith(`${way}`)));
    }
  }
});

test("the application's whole name is asked for and given; the channel is closed behind us", async () => {
  const double = new ModemDouble(near());
  await using channel = await on(double).channel();
  assert.equal(channel.access, "logical");
  await channel[Symbol.asyncDispose]();
  assert.deepEqual(double.seen, [
    "ATE0",
    "AT+CMEE=1",
    "AT+CUAD",
    'AT+CCHO="A0000000871002FFFFFFFF8900000100"',
    "AT+CCHC=1",
  ]);
  await assert.rejects(channel.transmit(fromHex("00200001")), withCode("closed"));
});

test("an APDU goes out as TS 27.007 has it: digits counted, in quotes, and comes back so", async () => {
  const double = new ModemDouble(near());
  await using channel = await on(double).channel();
  assert.equal(toHex(await channel.transmit(fromHex("00200001"))), "63c3");
  assert.equal(double.seen.at(-1), 'AT+CGLA=1,8,"00200001"');
  double.instead.set("AT+CGLA", "+CGLA: 4,63C2\r\n\r\nOK");
  assert.equal(toHex(await channel.transmit(fromHex("00200001"))), "63c2");
  await using basic = await on(double, { access: "basic" }).channel();
  assert.equal(basic.access, "basic");
  assert.equal(toHex(await basic.transmit(fromHex("00200001"))), "63c3");
  assert.equal(double.seen.at(-1), 'AT+CSIM=8,"00200001"');
});

test("quirks are off until named: CLA with the channel's number, no Le behind data", async () => {
  const select = fromHex("00a40004023f0000");
  for (
    const [quirks, sent] of [
      [{}, "00A40004023F0000"],
      [{ claChannel: true }, "01A40004023F0000"],
      [{ withoutLe: true }, "00A40004023F00"],
    ] as const
  ) {
    const double = new ModemDouble(near());
    double.instead.set("AT+CGLA", '+CGLA: 4,"9000"\r\nOK');
    await using channel = await on(double, quirks).channel();
    await channel.transmit(select);
    assert.equal(double.seen.at(-1), `AT+CGLA=1,${sent.length},"${sent}"`);
  }
});

test("what a modem refuses is an error with its number's meaning", async () => {
  const codes = [
    ["+CME ERROR: 10", "identity-unavailable"],
    ["+CME ERROR: 12", "pin-blocked"],
    ["+CME ERROR: SIM PUK required", "pin-blocked"],
    ["+CME ERROR: 13", "identity-unavailable"],
    ["+CME ERROR: what", "identity-unavailable"],
    ["+CME ERROR: 4", "unsupported"],
    ["+CME ERROR: 11", "pin-required"],
    ["ERROR", "identity-unavailable"],
    ["+CMS ERROR: 500", "identity-unavailable"],
  ] as const;
  for (const [line, code] of codes) {
    const double = new ModemDouble(near());
    await using channel = await on(double).channel();
    double.instead.set("AT+CGLA", line);
    await assert.rejects(channel.transmit(fromHex("00200001")), withCode(code), line);
  }
  const without = new ModemDouble(undefined);
  await assert.rejects(on(without).identity(), withCode("identity-unavailable"));
  const blocked = new ModemDouble(near());
  blocked.instead.set("AT+CCHO", "+CME ERROR: 12");
  await assert.rejects(on(blocked).identity(), withCode("pin-blocked"));
  blocked.instead.set("AT+CCHO", "ERROR");
  await assert.rejects(on(blocked, { access: "logical" }).channel(), withCode("identity-unavailable"));
});

test("answers that hold no APDU, none or two are malformed, never taken", async () => {
  const answers = [
    ...[
      '+CGLA: 4,"900"',
      '+CGLA: 2,"9000"',
      '+CGLA: 4,"90x0"',
      "+CGLA: 4",
      "+CGLA:",
      '+CGLA: x,"9000"',
      '+CGLA: 3,"900"',
    ],
    ...["", '+CGLA: 4,"9000"\r\n+CGLA: 4,"9000"', '+CSIM: 4,"9000"', '+CGLA: 4,"9000'],
  ];
  for (const answer of answers) {
    const double = new ModemDouble(near());
    await using channel = await on(double).channel();
    double.instead.set("AT+CGLA", `${answer}\r\nOK`);
    await assert.rejects(channel.transmit(fromHex("00200001")), withCode("malformed"), answer);
  }
});

test("lines without end and answers without end are too large", async () => {
  for (const answer of ["x".repeat(5000), "RING\r\n".repeat(70)]) {
    const double = new ModemDouble(near());
    await using channel = await on(double).channel();
    double.instead.set("AT+CGLA", answer);
    await assert.rejects(channel.transmit(fromHex("00200001")), withCode("too-large"));
    await assert.rejects(channel.transmit(fromHex("00200001")), withCode("closed"));
  }
});

test("a modem that is still busy with another's command is let finish; one that never stops is too large", async () => {
  const double = new ModemDouble(near());
  const { clock, options } = on({
    async open() {
      const [client, server] = streamPair();
      void double.serve(server);
      await server.write(toUtf8('\r\n+CGLA: 4,"9000"\r\n\r\nOK\r\n'));
      return client;
    },
  });
  await using channel = await passing(clock, modem(options), 2000);
  assert.equal(channel.access, "logical");
  const [client, server] = streamPair();
  const talking = (async () => {
    for (let i = 0; i < 100; i++) await server.write(toUtf8("RING\r\n"));
  })();
  const endless = on({ open: () => Promise.resolve(client) });
  await assert.rejects(endless.channel(), withCode("too-large"));
  await talking;
});

test("a modem that falls silent is a timeout, and the identity finds it again", async () => {
  const double = new ModemDouble(near());
  const setup = on(double);
  await using identity = await setup.identity();
  double.instead.set("AT+CGLA", undefined);
  await assert.rejects(passing(setup.clock, identity.aka.answer(set1), 20_000), withCode("timeout"));
  double.instead.clear();
  const answer = await passing(setup.clock, identity.aka.answer(set1), 20_000);
  assert.equal(answer.kind, "answered");
  await identity[Symbol.asyncDispose]();
  assert.equal(setup.clock.pending, 0);
});

test("a card that was taken out of the modem is found when it is back, another one is not taken for it", async () => {
  const usim = near();
  const double = new ModemDouble(usim);
  const setup = on(double);
  await using identity = await setup.identity();
  const answer = () => passing(setup.clock, identity.aka.answer(set1), 5000);
  double.card = undefined;
  for (let i = 0; i < 3; i++) await assert.rejects(answer(), withCode("identity-unavailable"));
  double.card = near({ imsi: "001010999999999" });
  await assert.rejects(answer(), withCode("identity-unavailable"));
  double.card = usim;
  assert.equal((await answer()).kind, "answered");
});

test("a PIN that turned out wrong is presented once, however often the identity is used", async () => {
  const double = new ModemDouble(near());
  const setup = on(double);
  await using identity = await setup.identity();
  const answer = () => passing(setup.clock, identity.aka.answer(set1), 5000);
  double.card = undefined;
  await assert.rejects(answer(), withCode("identity-unavailable"));
  const changed = near({ pin: pin("1111") });
  double.card = changed;
  for (let i = 0; i < 3; i++) await assert.rejects(answer(), withCode("pin-required"));
  assert.equal(changed.state.pinTries, 2);
});

test("a modem that opens no channel before its own PIN lets the card have it on the basic one", async () => {
  const usim = near();
  const double = new ModemDouble(usim);
  double.instead.set("AT+CCHO", "+CME ERROR: SIM PIN required");
  await using identity = await on(double).identity();
  assert.equal((await identity.aka.answer(set1)).kind, "answered");
  assert.ok(double.seen.some((line) => line.startsWith('AT+CSIM=26,"0020000108')));
});

test("a line that can not be opened is unreachable", async () => {
  const gone = modem({ path: "/nonexistent/ttyUSB9", clock: new VirtualClock() });
  await assert.rejects(gone, withCode("unreachable"));
});

test("GBA_ME and GBA_U run end to end through a modem, and in GBA_U Ks never crosses the line [SEC_CF-SEC-002] [SEC_CF-KEM-001]", async () => {
  for (const manners of [{}, { logical: false, fetches: true }]) {
    const usim = near({ protocol: "T=0" });
    const double = new ModemDouble(usim, manners);
    await using me = await on(double).identity();
    await bootstrapAndCompare(me, usim, "gba-me");
    await me[Symbol.asyncDispose]();

    const wire: string[] = [];
    const open = async () => {
      const stream = await double.open();
      const text = new TextDecoder();
      const heard = async function* () {
        for await (const piece of stream) {
          wire.push(text.decode(piece));
          yield piece;
        }
      };
      return { ...stream, [Symbol.asyncIterator]: heard };
    };
    await using inCard = await on({ open }).identity({ mode: "gba-u" });
    const secrets = await bootstrapAndCompare(inCard, usim, "gba-u");
    const line = wire.join("").toLowerCase();
    assert.ok(line.includes('"db08'), "the tape holds what it should");
    assertUnseen(line, [v.K!, v.OPc!, ...secrets]);
  }
});
