/** `seccf identity card`: what is in the card readers, or in a modem. Nothing secret is read, asked for or shown. @module */

import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom, wipe } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type ApplicationKind, type CardSummary, readCard } from "../../lib/identity/mod.ts";
import type { ApduChannel } from "../../lib/identity/ports.ts";
import { modem } from "../cards/modem/mod.ts";
import { chooseReader, type Pcsc, pcsc, type ReaderState } from "../cards/pcsc/mod.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { type Command, type Console, printable } from "./console.ts";
import { readSecretText } from "./identity_unlock.ts";

/** A line or more, or with `--json` one object, a reader. */
export const cardCommand: Command = {
  spec: {
    name: "identity card",
    summary: "card readers, and what the cards in them say of themselves",
    operands: [],
    options: [
      { name: "--reader", value: "NAME", help: "only this reader: its name, or a part that no other has" },
      { name: "--modem", value: "PATH", help: "the card in the modem on this serial line, instead" },
      { name: "--application", value: "KIND", help: "usim or isim (default: the ISIM where there is one)" },
      {
        name: "--pin-file",
        value: "FILE",
        help: "the PIN, for a card that tells nothing without; needs --reader or --modem",
      },
      { name: "--pcscd", value: "SOCKET", help: "pcscd's socket (default /run/pcscd/pcscd.comm)" },
    ],
    notes: [
      "The variable SECCF_PIN may hold the same as the file of --pin-file. A PIN's last try is never taken.",
      "With --json each reader is one JSON object a line, on stdout.",
    ],
  },
  run,
};

/** One reader, or the modem, and its card if there is one. */
interface Found {
  readonly reader: string;
  readonly card: "none" | "in-use" | "present";
  readonly atr?: string;
  readonly summary?: CardSummary;
  readonly error?: SeccfError;
}

async function run(given: Arguments, console: Console): Promise<number> {
  const [reader, path] = [given.one("--reader"), given.one("--modem")];
  if (reader !== undefined && path !== undefined) throw new UsageError("--reader or --modem, not both");
  const application = applicationOf(given.one("--application"));
  using pin = await pinOf(given, console, reader !== undefined || path !== undefined);
  const look = (open: () => Promise<ApduChannel>) =>
    summaryOf(open, { ...(pin && { pin }), ...(application && { application }), signal: console.interrupted });
  const print = (found: Found) => {
    // What was asked for by name is not there: that is a failure, one of many that are listed is not.
    if (found.error && (reader ?? path) !== undefined) throw found.error;
    return console.write(toUtf8(given.has("--json") ? `${JSON.stringify(plain(found))}\n` : linesOf(found)));
  };

  const { clock } = console.platform;
  if (path !== undefined) {
    const open = () => modem({ path, clock }, { signal: console.interrupted });
    await print({ reader: path, card: "present", ...await look(open) });
    return 0;
  }
  const socket = given.one("--pcscd");
  const cards = pcsc({ clock, ...(socket !== undefined && { socket }) });
  const readers = await cards.readers({ signal: console.interrupted });
  if (readers.length === 0) throw new SeccfError("identity-unavailable", "there is no reader");
  for (const state of reader === undefined ? readers : [chooseReader(readers, reader)]) {
    await print(await inReader(cards, state, look));
  }
  return 0;
}

async function inReader(
  cards: Pcsc,
  { name, present, use, atr }: ReaderState,
  look: (open: () => Promise<ApduChannel>) => Promise<Pick<Found, "summary" | "error">>,
): Promise<Found> {
  if (!present) return { reader: name, card: "none" };
  // Whoever has it open would find it reset behind him.
  if (use !== "none") return { reader: name, card: "in-use", atr: toHex(atr) };
  const found = await look(() => cards.connect({ reader: name }));
  return { reader: name, card: "present", atr: toHex(atr), ...found };
}

/** A card of another kind, or one that is broken, is told and does not hide the others. */
async function summaryOf(
  open: () => Promise<ApduChannel>,
  options: Parameters<typeof readCard>[1],
): Promise<Pick<Found, "summary" | "error">> {
  try {
    await using channel = await open();
    return { summary: await readCard(channel, options) };
  } catch (error) {
    if (error instanceof SeccfError) return { error };
    throw error;
  }
}

function linesOf({ reader, card, atr, summary, error }: Found): string {
  const state = { "none": "no card", "in-use": "a card that another program uses", "present": "a card" }[card];
  const lines = [`${reader}: ${state}`];
  if (atr) lines.push(`  answer to reset ${atr}`);
  for (const { kind, aid, label } of summary?.applications ?? []) {
    lines.push(`  application ${kind ?? "other"} ${toHex(aid)} "${textOf(label)}"`);
  }
  if (summary?.pin !== undefined) {
    lines.push(summary.pin === "open" ? "  PIN verified or not needed" : `  PIN with ${summary.pin} tries left`);
  }
  if (summary?.subscriber) {
    const { application, impi, keyManager, impus = [], domain } = summary.subscriber;
    lines.push(`  IMPI ${impi} (${application})`, ...impus.map((impu) => `  IMPU ${impu}`));
    if (domain !== undefined) lines.push(`  domain ${domain}`);
    lines.push(`  Key Manager ${keyManager}`);
  }
  const refused = error ?? summary?.refused;
  if (refused) lines.push(`  ${refused.code}: ${refused.message}`);
  return lines.map((line) => `${printable(line)}\n`).join("");
}

function plain({ reader, card, atr, summary, error }: Found): Record<string, unknown> {
  const refused = error ?? summary?.refused;
  return {
    ...{ reader, card, atr },
    applications: summary?.applications.map(({ kind, aid, label }) => ({
      kind: kind ?? "other",
      aid: toHex(aid),
      label: textOf(label),
    })),
    pin: summary?.pin,
    ...summary?.subscriber,
    ...(refused && { error: refused.code, message: refused.message }),
  };
}

function textOf(label: Uint8Array): string {
  return printable(new TextDecoder().decode(label));
}

function applicationOf(text: string | undefined): ApplicationKind | undefined {
  if (text === undefined || text === "usim" || text === "isim") return text;
  throw new UsageError("--application is usim or isim");
}

/** Only for a card that was named: a PIN shown to every card would cost each of the others a try. */
async function pinOf(given: Arguments, console: Console, named: boolean): Promise<SecretBytes | undefined> {
  const path = given.one("--pin-file");
  if (path !== undefined && !named) throw new UsageError("a PIN goes to one card: name it, --reader or --modem");
  const text = path === undefined ? console.env("SECCF_PIN") : await readSecretText(path, console);
  if (text === undefined || text === "" || !named) return undefined;
  if (!/^[0-9]{4,8}$/.test(text)) throw new UsageError("a PIN is 4 to 8 digits");
  const bytes = toUtf8(text);
  const pin = secretFrom(bytes);
  wipe(bytes);
  return pin;
}
