/** A modem's card as an `ApduChannel`: a logical channel of its own (AT+CCHO, CGLA, CCHC), or the basic one (AT+CSIM) (TS 27.007 8.17, 8.43 to 8.45). @module */

import { fromHex } from "../../../lib/bytes/mod.ts";
import { wipe } from "../../../lib/crypto/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import { type CardApplication, decodeDirectoryRecord } from "../../../lib/identity/mod.ts";
import type { ApduChannel } from "../../../lib/identity/ports.ts";
import type { Wait } from "../../../lib/platform.ts";
import { atCommand, type Dialogue, type Reply } from "./dialogue.ts";
import { fromDigits, hexDigits, hexPayload } from "./hex.ts";
import { mayDoOtherwise, modemError } from "./result.ts";

/** What some modems need and others must not have. Each is off by default. */
export interface ModemQuirks {
  /** Set the channel's number in CLA: the modem passes commands on as they are. Default: the modem sets it. */
  readonly claChannel?: boolean;
  /** Leave Le off behind data: the modem speaks T=0 to the card and takes no more than a TPDU. */
  readonly withoutLe?: boolean;
}

/** What {@link openModemChannel} takes. */
export interface ModemChannelOptions extends ModemQuirks {
  /** Which way to the card. Default: a logical channel, and the basic one where the modem has none. */
  readonly access?: "logical" | "basic";
}

/** A modem's channel, and which one it became. */
export interface ModemChannel extends ApduChannel {
  /** `"logical"`: a channel of its own, by AT+CGLA. `"basic"`: AT+CSIM, on the channel that the modem's own software uses. */
  readonly access: "logical" | "basic";
}

/** Opens a channel over `dialogue`, which is the channel's to dispose from then on. Throws what the modem refused as an error of the card. */
export async function openModemChannel(
  dialogue: Dialogue,
  options: ModemChannelOptions = {},
  wait: Wait = {},
): Promise<ModemChannel> {
  await dialogue.silence(SILENCE_MS, wait);
  await greet(dialogue, wait);
  if (options.access === "basic") return new CardChannel(dialogue, options, undefined);
  const aid = await findApplication(dialogue, wait);
  const reply = await dialogue.ask(atCommand('+CCHO="', hexDigits(aid), '"'), isSession, wait);
  const session = reply.final === "ok" ? sessionIn(reply) : undefined;
  if (session !== undefined) return new CardChannel(dialogue, options, session);
  if (reply.final !== "ok" && !(mayDoOtherwise(reply.final) && options.access === undefined)) {
    throw modemError(reply.final, "AT+CCHO");
  }
  if (options.access === "logical") throw new SeccfError("malformed", "the modem named no session");
  return new CardChannel(dialogue, options, undefined);
}

class CardChannel implements ModemChannel {
  readonly access: "logical" | "basic";
  readonly #dialogue: Dialogue;
  readonly #quirks: ModemQuirks;
  readonly #session: number | undefined;
  #closed = false;

  constructor(dialogue: Dialogue, quirks: ModemQuirks, session: number | undefined) {
    this.#dialogue = dialogue;
    this.#quirks = quirks;
    this.#session = session;
    this.access = session === undefined ? "basic" : "logical";
  }

  async transmit(command: Uint8Array, wait: Wait = {}): Promise<Uint8Array> {
    if (this.#closed) throw new SeccfError("closed", "the channel to the card was closed");
    const [name, head] = this.#session === undefined ? ["+CSIM", "+CSIM="] : ["+CGLA", `+CGLA=${this.#session},`];
    const apdu = this.#adapted(command);
    const message = atCommand(head, `${2 * apdu.length},"`, hexDigits(apdu), '"');
    wipe(apdu);
    const { final, lines } = await this.#dialogue.ask(message, (line) => line.startsWith(`${name}:`), wait);
    try {
      if (final !== "ok") throw modemError(final, `AT${name}`);
      if (lines.length !== 1) throw new SeccfError("malformed", `the modem answered AT${name} ${lines.length} times`);
      return hexPayload(lines[0]!);
    } finally {
      wipe(...lines);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#session !== undefined) await this.#dialogue.ask(atCommand(`+CCHC=${this.#session}`), () => false);
    } catch {
      // A modem that is gone has closed the channel itself.
    } finally {
      await this.#dialogue[Symbol.asyncDispose]();
    }
  }

  /** A copy of `command` as this modem wants it. */
  #adapted(command: Uint8Array): Uint8Array {
    const length = command[4] ?? 0;
    const hasLe = length > 0 && command.length === 6 + length;
    const apdu = this.#quirks.withoutLe && hasLe ? command.slice(0, 5 + length) : command.slice();
    // Channels 1 to 3 are two bits, 4 to 19 another form (TS 102 221 10.1.1).
    if (this.#quirks.claChannel && this.#session !== undefined) {
      apdu[0]! |= this.#session < 4 ? this.#session : 0x40 | (this.#session - 4);
    }
    return apdu;
  }
}

/** No echo, and errors by number: a modem that has no numbers says ERROR. */
async function greet(dialogue: Dialogue, wait: Wait): Promise<void> {
  const { final } = await dialogue.ask(atCommand("E0"), () => false, wait);
  if (final !== "ok") throw modemError(final, "ATE0");
  await dialogue.ask(atCommand("+CMEE=1"), () => false, wait);
}

/** The AID of the card's USIM, or what all of them begin with where the modem does not tell. */
async function findApplication(dialogue: Dialogue, wait: Wait): Promise<Uint8Array> {
  const { final, lines } = await dialogue.ask(atCommand("+CUAD"), (line) => line.startsWith("+CUAD:"), wait);
  if (final !== "ok") return USIM_AID;
  const found = lines.flatMap((line) => directoryOf(fromDigits(line.subarray("+CUAD:".length))));
  return (found.find(({ kind }) => kind === "usim") ?? found.find(({ kind }) => kind === "isim"))?.aid ?? USIM_AID;
}

/** The records of EF_DIR, one behind the other, each filled up with FF. */
function directoryOf(content: Uint8Array): CardApplication[] {
  const found: CardApplication[] = [];
  for (let at = 0; at + 1 < content.length;) {
    const length = content[at] === 0x61 ? 2 + content[at + 1]! : 1;
    const application = length > 1 ? decodeDirectoryRecord(content.subarray(at, at + length)) : undefined;
    if (application) found.push(application);
    at += length;
  }
  return found;
}

/** `+CCHO: 1`, and the bare `1` of TS 27.007 8.45. */
function isSession(line: string): boolean {
  return SESSION.test(line);
}

function sessionIn({ lines }: Reply): number | undefined {
  const text = lines.length === 1 ? String.fromCharCode(...lines[0]!.subarray(0, 32)) : "";
  const session = Number(SESSION.exec(text)?.[1] ?? Number.NaN);
  return Number.isInteger(session) && session >= 0 && session <= MOST_SESSION ? session : undefined;
}

const SESSION = /^(?:\+CCHO: ?)?([0-9]{1,10})$/;
const MOST_SESSION = 0xffffffff;
const SILENCE_MS = 100;
const USIM_AID = fromHex("a0000000871002");
