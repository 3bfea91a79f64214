// Our modem channel over a serial line: two pseudo-terminals that socat ties together, a modem double at the other one.
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { modem, modemIdentity } from "../../transports/cards/modem/mod.ts";
import { openSerial } from "../../transports/cards/modem/serial.ts";
import { webPlatform } from "../../web_platform.ts";
import { withCode } from "../aka/vectors.ts";
import { start, startSeccf } from "../support/spawn.ts";
import { ModemDouble } from "../transports/cards/doubles.ts";
import { bootstrapAndCompare, near, PIN, pin, set1 } from "../transports/cards/home.ts";

/** Two ends of a serial line. */
async function serialLine() {
  const folder = mkdtempSync(join(tmpdir(), "seccf-tty-"));
  const [here, there] = [join(folder, "host"), join(folder, "modem")];
  const pty = (link: string) => `pty,rawer,link=${link}`;
  const socat = start("socat", ["-d", "-d", pty(here), pty(there)]);
  await socat.until(/starting data transfer loop/);
  return {
    ...{ here, there, socat },
    async [Symbol.asyncDispose]() {
      socat.signal("SIGTERM");
      await socat.exit;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

test("GBA_ME and GBA_U run end to end through a modem on a serial line, echo and chatter and all [SEC_CF-SEC-002] [SEC_CF-KEM-001]", async () => {
  for (const manners of [{ chatter: "+CREG: 1" }, { logical: false, fetches: true }]) {
    await using line = await serialLine();
    const usim = near({ protocol: "T=0" });
    await using far = await openSerial({ path: line.there, clock: webPlatform.clock });
    const serving = new ModemDouble(usim, manners).serve(far).catch(() => undefined);
    {
      await using me = await modemIdentity({ path: line.here, baudRate: 115_200, pin: pin(PIN) });
      await bootstrapAndCompare(me, usim, "gba-me");
    }
    {
      await using inCard = await modemIdentity({
        path: line.here,
        pin: pin(PIN),
        mode: "gba-u",
        clock: webPlatform.clock,
      });
      await bootstrapAndCompare(inCard, usim, "gba-u");
    }
    await far[Symbol.asyncDispose]();
    await serving;
  }
});

test("a modem pulled off its line is an error of the operation, and one that comes back is found", async () => {
  const line = await serialLine();
  const usim = near();
  const far = await openSerial({ path: line.there, clock: webPlatform.clock });
  const serving = new ModemDouble(usim).serve(far).catch(() => undefined);
  let path = line.here;
  const open = () => openSerial({ path, clock: webPlatform.clock });
  await using identity = await modemIdentity({ open, pin: pin(PIN) });
  await line[Symbol.asyncDispose]();
  await assert.rejects(identity.aka.answer(set1), withCode("closed"));
  await assert.rejects(identity.aka.answer(set1), withCode("unreachable"));
  await far[Symbol.asyncDispose]();
  await serving;

  await using other = await serialLine();
  path = other.here;
  await using back = await openSerial({ path: other.there, clock: webPlatform.clock });
  const again = new ModemDouble(usim).serve(back).catch(() => undefined);
  assert.equal((await identity.aka.answer(set1)).kind, "answered");
  await identity[Symbol.asyncDispose]();
  await back[Symbol.asyncDispose]();
  await again;
});

test("what is no serial line is unreachable, and silence on one a timeout", async () => {
  await assert.rejects(modem({ path: "/dev/null" }), withCode("unreachable"));
  await using line = await serialLine();
  await assert.rejects(modem({ path: line.here, timeoutSeconds: 0.3 }), withCode("timeout"));
});

test("identity card looks at the card in a modem", async () => {
  await using line = await serialLine();
  await using far = await openSerial({ path: line.there, clock: webPlatform.clock });
  const serving = new ModemDouble(near()).serve(far).catch(() => undefined);
  await using seccf = startSeccf(["identity", "card", "--modem", line.here], { SECCF_PIN: PIN });
  assert.deepEqual(await seccf.exit, { code: 0, signal: null }, seccf.errText);
  assert.match(seccf.outText, /: a card\n {2}application usim a0000000871002[0-9a-f]+ "USIM"\n {2}PIN verified/);
  assert.match(
    seccf.outText,
    /IMPI 001010123456789@ims\.mnc001\.mcc001\.3gppnetwork\.org \(usim\)\n {2}Key Manager bsf\./,
  );
  await far[Symbol.asyncDispose]();
  await serving;
});
