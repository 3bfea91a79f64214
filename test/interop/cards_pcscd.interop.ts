// Our virtual USIM in vpcd's reader of pcscd (Debian pcscd, vsmartcard-vpcd), read by pcsc_scan, pyscard and ourselves.
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeImsi, encodeName } from "../../lib/identity/mod.ts";
import { toHex } from "../../lib/bytes/mod.ts";
import { pcscIdentity } from "../../transports/cards/pcsc/mod.ts";
import { virtualReader } from "../../transports/cards/virtual/mod.ts";
import { withCode } from "../aka/vectors.ts";
import { taped } from "../identity/cards.ts";
import { start } from "../support/spawn.ts";
import { VirtualClock } from "../support/virtual.ts";
import { assertUnseen, bootstrapAndCompare, IMSI, near, PIN, pin, set1, v } from "../transports/cards/home.ts";
import { emptied, inserted, startPcscd } from "./pcscd.ts";

/** What pyscard does with the card: SELECT, EF_DIR, the PIN, EF_IMSI, EF_IMPI, AUTHENTICATE; a line for each. */
const PYTHON = `
import sys
from smartcard.System import readers
from smartcard.util import toBytes, toHexString
reader = [r for r in readers() if "Virtual PCD 00 00" in str(r)][0]
card = reader.createConnection()
card.connect()
def send(name, hex):
    data, sw1, sw2 = card.transmit(toBytes(hex))
    while sw1 == 0x61:
        more, sw1, sw2 = card.transmit([0x00, 0xC0, 0x00, 0x00, sw2])
        data += more
    print(name, "%02x%02x" % (sw1, sw2), bytes(data).hex())
    return data
print("atr", bytes(card.getATR()).hex())
send("mf", "00A4000C023F00")
send("dir", "00A4000C022F00")
send("usim", "00B2010400" if card.getProtocol() == 2 else "00B201041A")
send("select", "00A4040C10A0000000871002FFFFFFFF8900000100")
send("locked", "00A4000C026F07")
send("refused", "00B0000009")
send("tries", "0020000100" if card.getProtocol() == 1 else "00200001")
send("verify", "002000010832343638FFFFFFFF")
send("imsi", "00B0000009")
send("auth", "0088008122" + "10" + sys.argv[1] + "10" + sys.argv[2] + ("00" if card.getProtocol() == 2 else ""))
send("isim", "00A4040C07A0000000871004")
send("file", "00A4000C026F02")
send("impi", "00B000007F")
`;

test("pcsc_scan and opensc-tool see our reader's card, its answer to reset, and what it answers", async () => {
  await using service = await startPcscd();
  const usim = near();
  await using _reader = virtualReader({ card: usim, port: service.port });
  await inserted(service.cards);
  await using scan = start("pcsc_scan", ["-n"]);
  await scan.until(/Virtual PCD 00 00/);
  const [, atr] = await scan.until(/ATR: ([0-9A-F ]+)/);
  assert.equal(atr!.replaceAll(" ", "").toLowerCase(), toHex(usim.atr));
  const select = ["--send-apdu", "00A4000C022F00", "--send-apdu", "00B2010400"];
  await using opensc = start("opensc-tool", ["--reader", "0", "--card-driver", "default", ...select]);
  assert.deepEqual(await opensc.exit, { code: 0, signal: null }, opensc.errText);
  assert.match(opensc.outText, /SW1=0x90, SW2=0x00\)[^]*SW1=0x90, SW2=0x00\):?\n61 18 4F 10 A0 00 00 00 87 10 02/);
});

test("pyscard selects, reads EF_DIR, verifies the PIN, reads IMSI and IMPI, and its AUTHENTICATE gives Milenage set 1", async () => {
  await using service = await startPcscd();
  for (const protocol of ["T=1", "T=0"] as const) {
    const impi = "alice@operator.example";
    const usim = near({ protocol, isim: { impi } });
    await emptied(service.cards);
    await using _reader = virtualReader({ card: usim, port: service.port });
    await inserted(service.cards);
    await using python = start("/usr/bin/python3", ["-c", PYTHON, v.RAND!, v.AUTN!]);
    assert.deepEqual(await python.exit, { code: 0, signal: null }, python.errText);
    const said = Object.fromEntries(
      python.outText.trim().split("\n").map((
        line,
      ) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]),
    );
    const kc = "eae4be823af9a08b";
    assert.deepEqual(said, {
      atr: toHex(usim.atr),
      ...{ mf: "9000 ", dir: "9000 ", select: "9000 ", locked: "9000 ", file: "9000 ", isim: "9000 " },
      usim: "9000 61184f10a0000000871002ffffffff890000010050045553494d",
      refused: "6982 ",
      tries: "63c3 ",
      verify: "9000 ",
      imsi: `9000 ${toHex(encodeImsi(IMSI))}`,
      auth: `9000 db08${v.RES}10${v.CK}10${v.IK}08${kc}`,
      impi: `9000 ${toHex(encodeName(impi, 127))}`,
    });
  }
});

test("GBA_ME and GBA_U run end to end through pcscd, over T=0 and T=1 [SEC_CF-SEC-002] [SEC_CF-KEM-001]", async () => {
  await using service = await startPcscd();
  for (const protocol of ["T=0", "T=1"] as const) {
    const usim = near({ protocol });
    await emptied(service.cards);
    const tape: string[] = [];
    const card = {
      atr: usim.atr,
      connect() {
        const channel = taped(usim.connect());
        const transmit: typeof channel.transmit = async (command) => {
          const answer = await channel.transmit(command);
          tape.push(...channel.tape.splice(0));
          return answer;
        };
        return { ...channel, transmit };
      },
    };
    await using _reader = virtualReader({ card, port: service.port });
    await inserted(service.cards);
    {
      await using me = await pcscIdentity({ pin: pin(PIN) });
      await bootstrapAndCompare(me, usim, "gba-me");
    }
    await using inCard = await pcscIdentity({ pin: pin(PIN), mode: "gba-u", clock: new VirtualClock() } as const);
    tape.splice(0);
    const secrets = await bootstrapAndCompare(inCard, usim, "gba-u");
    // What crossed pcscd and vpcd in GBA_U is RES and keys of uses: Ks and its halves are in no part of it.
    assert.ok(tape.some((line) => line.startsWith("00880084")));
    assertUnseen(tape.join("|"), [v.K!, v.OPc!, ...secrets]);
  }
});

test("a card pulled out in the middle of a command, put back, and a pcscd that is killed and comes back are survived", async () => {
  await using first = await startPcscd();
  const { port, cards } = first;
  const usim = near();
  // The card is pulled while it works on AUTHENTICATE.
  let pull: (() => void) | undefined;
  const card = {
    atr: usim.atr,
    connect() {
      const channel = usim.connect();
      return {
        ...channel,
        async transmit(command: Uint8Array) {
          if (command[1] === 0x88) pull?.();
          return await channel.transmit(command);
        },
      };
    },
  };
  const reader = virtualReader({ card, port });
  await inserted(cards);
  await using identity = await pcscIdentity({ pin: pin(PIN) });
  pull = () => void reader[Symbol.asyncDispose]();
  await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
  pull = undefined;
  // Not by the table of readers: that says so before pcscd's own watch has looked, which then would miss the change.
  await first.process.until(/Card Removed From Virtual PCD 00 00/);
  await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));

  await using _again = virtualReader({ card: usim, port });
  await inserted(cards);
  const answer = await identity.aka.answer(set1);
  assert.ok(answer.kind === "answered" || answer.kind === "resync");

  first.process.signal("SIGKILL");
  await first.process.exit;
  await assert.rejects(identity.aka.answer(set1), withCode("identity-unavailable"));
  await assert.rejects(identity.aka.answer(set1), withCode("unreachable"));
  await using second = await startPcscd(port);
  await inserted(second.cards);
  assert.equal((await identity.aka.answer(set1)).kind, "resync");
});

test("exclusive keeps others out; shared lets them connect, and wait", async () => {
  await using service = await startPcscd();
  const { cards, port } = service;
  await using _reader = virtualReader({ card: near(), port });
  await inserted(cards);
  {
    await using _mine = await cards.connect();
    await assert.rejects(cards.connect(), withCode("identity-unavailable"));
    await assert.rejects(cards.connect({ share: "shared" }), withCode("identity-unavailable"));
    assert.equal((await cards.readers())[0]?.use, "exclusive");
  }
  const mine = await cards.connect({ share: "shared" });
  assert.equal((await cards.readers())[0]?.use, "shared");
  const waiting = cards.connect({ share: "shared" });
  await mine[Symbol.asyncDispose]();
  // The card was reset behind us: whoever waited for it is told, and connects again.
  const second = await waiting.catch((error: unknown) => {
    assert.ok(withCode("identity-unavailable")(error));
    return cards.connect({ share: "shared" });
  });
  await second[Symbol.asyncDispose]();
});
