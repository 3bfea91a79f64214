import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex } from "../../../lib/bytes/mod.ts";
import { pcsc, pcscIdentity } from "../../../transports/cards/pcsc/mod.ts";
import { withCode } from "../../aka/vectors.ts";
import { VirtualClock } from "../../support/virtual.ts";
import { NO_CARD, PcscdDouble, REMOVED, SHARED, streamPair } from "./doubles.ts";
import { assertUnseen, bootstrapAndCompare, near, PIN, pin, set1, v } from "./home.ts";

function service(double: PcscdDouble) {
  const clock = new VirtualClock();
  return { clock, open: double.open, timeoutSeconds: 5 };
}

test("pcscd's readers are listed: name, card, answer to reset, use", async () => {
  const usim = near();
  const readers = await pcsc(service(new PcscdDouble(usim))).readers();
  assert.deepEqual(readers, [{ name: "Double 00", events: 0, present: true, use: "none", atr: usim.atr }]);
  const [empty] = await pcsc(service(new PcscdDouble())).readers();
  assert.deepEqual([empty?.present, empty?.atr.length], [false, 0]);
});

test("version 4:4 is offered first, 4:5 spoken where it is all there is, and any other refused", async () => {
  for (const [minor, versions] of [[4, 1], [5, 2]] as const) {
    const double = new PcscdDouble(near());
    double.minor = minor;
    assert.equal((await pcsc(service(double)).readers()).length, 1);
    assert.equal(double.seen.filter((command) => command === "17").length, versions);
  }
  for (const minor of [2, 3, 6]) {
    const double = new PcscdDouble(near());
    double.minor = minor;
    await assert.rejects(pcsc(service(double)).readers(), withCode("unsupported"));
    assert.equal(double.clients, 0);
  }
});

test("a change of the readers is told to who watches, and an end of pcscd too", async () => {
  const double = new PcscdDouble();
  const seen: boolean[] = [];
  const watching = (async () => {
    for await (const [reader] of pcsc(service(double)).watch()) {
      seen.push(reader!.present);
      if (seen.length === 1) void double.insert(near());
      if (seen.length === 2) void double.insert(undefined);
      if (seen.length === 3) void double.die();
    }
  })();
  await assert.rejects(watching, withCode("closed"));
  assert.deepEqual(seen, [false, true, false]);
  const stop = new AbortController();
  const endless = (async () => {
    for await (const _readers of pcsc(service(double)).watch({ signal: stop.signal })) {
      stop.abort(new RangeError("enough"));
    }
  })();
  await assert.rejects(endless, RangeError);
  assert.equal(double.clients, 0);
});

test("a reader is chosen by its name, a part of it, or the card in it", async () => {
  const cards = pcsc(service(new PcscdDouble(near())));
  for (const reader of ["Double 00", "Double", "00"]) {
    await using channel = await cards.connect({ reader });
    assert.equal(channel.protocol, "T=1");
  }
  await assert.rejects(cards.connect({ reader: "Double 01" }), withCode("identity-unavailable"));
  await assert.rejects(cards.connect({ reader: "x".repeat(200) }), withCode("identity-unavailable"));
  await assert.rejects(pcsc(service(new PcscdDouble())).connect(), withCode("identity-unavailable"));
});

test("over T=0 pcscd gets TPDUs: no Le behind data, always a P3; over T=1 it gets the command", async () => {
  for (
    const [protocol, name, sent] of [
      [1, "T=0", ["00a40004023f00", "0020000100"]],
      [2, "T=1", ["00a40004023f0000", "00200001"]],
    ] as const
  ) {
    const double = new PcscdDouble(near({ protocol: name }), protocol);
    await using channel = await pcsc(service(double)).connect();
    assert.equal(channel.protocol, name);
    const selected = await channel.transmit(fromHex("00a40004023f0000"));
    assert.equal(selected.at(-2), protocol === 1 ? 0x61 : 0x90);
    assert.equal(toHex(await channel.transmit(fromHex("00200001"))), "63c3");
    assert.deepEqual(double.seen.filter((line) => line.startsWith("00")), sent);
  }
});

test("when it is closed the card is reset, so that a verified PIN does not stay; shared, it was one transaction", async () => {
  for (const [share, commands] of [["exclusive", "17 1 4 6"], ["shared", "17 1 4 7 8 6"]] as const) {
    const double = new PcscdDouble(near());
    const cards = pcsc(service(double));
    const channel = await cards.connect({ share });
    await channel[Symbol.asyncDispose]();
    await channel[Symbol.asyncDispose]();
    assert.equal(double.seen.slice(2).join(" "), commands);
    await assert.rejects(channel.transmit(fromHex("00200001")), withCode("closed"));
  }
});

test("a card in use is unavailable at once; another program's transaction is waited for, as long as agreed", async () => {
  const double = new PcscdDouble(near());
  double.results.set(4, [SHARED]);
  await assert.rejects(pcsc(service(double)).connect(), withCode("identity-unavailable"));
  const { clock, ...rest } = service(double);
  double.results.set(7, [SHARED, SHARED]);
  const waiting = pcsc({ clock, ...rest }).connect({ share: "shared" });
  await clock.advance(250);
  await using _channel = await waiting;
  double.results.set(7, new Array<number>(100).fill(SHARED));
  const inVain = assert.rejects(
    pcsc({ clock, ...rest }).connect({ share: "shared" }),
    withCode("identity-unavailable"),
  );
  await clock.advance(6000);
  await inVain;
  assert.equal(clock.pending, 0);
});

test("a pcscd that falls silent is a timeout, an aborted command is over, and neither's answer is taken for another's", async () => {
  const double = new PcscdDouble(near());
  const { clock, ...rest } = service(double);
  const cards = pcsc({ clock, ...rest });
  double.intercept = () => "";
  const silent = await cards.connect();
  const late = assert.rejects(silent.transmit(fromHex("00200001")), withCode("timeout"));
  await clock.advance(6000);
  await late;
  await assert.rejects(silent.transmit(fromHex("00200001")), withCode("identity-unavailable"));
  const stop = new AbortController();
  const aborted = await cards.connect();
  const ended = assert.rejects(aborted.transmit(fromHex("00200001"), { signal: stop.signal }), RangeError);
  await clock.settle();
  stop.abort(new RangeError("enough"));
  await ended;
  await assert.rejects(aborted.transmit(fromHex("00200001")), withCode("identity-unavailable"));
  await clock.settle();
  assert.deepEqual([clock.pending, double.clients], [0, 0]);
});

test("a card pulled out in the middle of a command is unavailable, and the identity works again when it is back [SEC_CF-SEC-001]", async () => {
  const usim = near();
  const double = new PcscdDouble(usim);
  await using identity = await pcscIdentity({ ...service(double), pin: pin(PIN) });
  double.intercept = (apdu) => {
    if (apdu[1] !== 0x88) return undefined;
    void double.insert(undefined);
    return undefined;
  };
  await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
  double.intercept = undefined;
  await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
  await double.insert(usim);
  const answer = await identity.aka.answer(set1);
  assert.equal(answer.kind, "answered");
  assert.equal(usim.state.pinTries, 3);
});

/** A card's own number, in EF_ICCID (TS 102 221 13.2), which is open to everybody. */
function iccid(hex: string) {
  const file = { kind: "transparent", fid: 0x2fe2, read: "always", update: "never", content: fromHex(hex) } as const;
  return { mf: [file] };
}

test("the PIN is not presented to a card of another number, nor to one without", async () => {
  const usim = near({ files: iccid("988812010000000000f1") });
  const double = new PcscdDouble(usim);
  await using identity = await pcscIdentity({ ...service(double), pin: pin(PIN) });
  for (const other of [near({ files: iccid("988812010000000000f2") }), near()]) {
    await double.insert(undefined);
    await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
    await double.insert(other);
    const seen = double.seen.length;
    await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
    assert.ok(!double.seen.slice(seen).some((line) => line.startsWith("0020")), "no VERIFY");
  }
  await double.insert(usim);
  assert.equal((await identity.aka.answer(set1)).kind, "answered");
});

test("every result of pcscd in the middle of a challenge is an error of this library, and survived", async () => {
  for (const result of [REMOVED, NO_CARD, 0x80100068, 0x80100017, 0x80100016, 0x8010001d, 0x12345678, 0x8010000a]) {
    const usim = near();
    const double = new PcscdDouble(usim);
    await using identity = await pcscIdentity({ ...service(double), pin: pin(PIN) });
    double.results.set(9, [result]);
    const code = result === 0x8010000a ? "timeout" : "identity-unavailable";
    await assert.rejects(identity.aka.answer(set1), withCode(code));
    assert.equal((await identity.aka.answer(set1)).kind, "answered");
  }
});

test("pcscd that dies takes what was bootstrapped with it, and is found again", async () => {
  const double = new PcscdDouble(near());
  await using identity = await pcscIdentity({ ...service(double), pin: pin(PIN) });
  await identity.aka.answer(set1);
  await identity.aka.keep({ btid: v.B_TID!, lifetimeSeconds: 60 });
  await double.die();
  await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
  await assert.rejects(identity.aka.derive({ btid: v.B_TID!, nafId: new Uint8Array(8) }), withCode("expired"));
  assert.equal((await identity.aka.answer(set1)).kind, "resync");
});

test("without pcscd it is unreachable, and a socket that talks nonsense is malformed or closed", async () => {
  await assert.rejects(pcsc({ socket: "/nonexistent/pcscd.comm" }).readers(), withCode("unreachable"));
  const open = async (bytes: string) => {
    const [client, server] = streamPair();
    await server.write(fromHex(bytes));
    if (bytes.length < 24) await server[Symbol.asyncDispose]();
    return client;
  };
  const agreed = "0400000004000000" + "00000000";
  for (const [bytes, code] of [["0400", "closed"], [agreed + "ff".repeat(2944), "malformed"]] as const) {
    await assert.rejects(pcsc({ clock: new VirtualClock(), open: () => open(bytes) }).readers(), withCode(code));
  }
});

test("GBA_ME and GBA_U run end to end through pcscd, and in GBA_U Ks never crosses the socket [SEC_CF-SEC-002] [SEC_CF-KEM-001]", async () => {
  for (const protocol of ["T=0", "T=1"] as const) {
    const usim = near({ protocol });
    const double = new PcscdDouble(usim, protocol === "T=0" ? 1 : 2);
    await using me = await pcscIdentity({ ...service(double), pin: pin(PIN) });
    await bootstrapAndCompare(me, usim, "gba-me");
    await me[Symbol.asyncDispose]();

    const wire: string[] = [];
    const open = async () => {
      const stream = await double.open();
      return taped(stream, wire);
    };
    await using inCard = await pcscIdentity({
      ...service(double),
      open,
      pin: pin(PIN),
      mode: "gba-u",
      clock: new VirtualClock(),
    });
    const secrets = await bootstrapAndCompare(inCard, usim, "gba-u");
    assert.ok(wire.join("").includes("00880084"), "the tape holds what it should");
    assertUnseen(wire.join("|"), [v.K!, v.OPc!, ...secrets]);
  }
});

function taped(stream: Awaited<ReturnType<PcscdDouble["open"]>>, wire: string[]): typeof stream {
  return {
    remote: stream.remote,
    write(bytes, options) {
      wire.push(toHex(bytes));
      return stream.write(bytes, options);
    },
    async *[Symbol.asyncIterator]() {
      for await (const piece of stream) {
        wire.push(toHex(piece));
        yield piece;
      }
    },
    [Symbol.asyncDispose]: () => stream[Symbol.asyncDispose](),
  };
}
