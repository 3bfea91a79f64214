/** The kept corpus of test/vectors/fuzz: its entries, the parser each is for, and edits that make new inputs of them. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { concat, fromHex, fromUtf8, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import type { Clock } from "../../lib/clock.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeAnswer, decodeCommand, exchange } from "../../lib/identity/apdu.ts";
import { decodeDirectoryRecord } from "../../lib/identity/card_application.ts";
import { decodeBootstrap, decodeNafRecord } from "../../lib/identity/gba_files.ts";
import { decodeDomain, decodeImpi, decodeImpu } from "../../lib/identity/isim.ts";
import { decodeImsi, decodeMncLength } from "../../lib/identity/names.ts";
import { statusError } from "../../lib/identity/status.ts";
import { readTlvs } from "../../lib/identity/tlv.ts";
import { UsimCard } from "../../lib/identity/usim_card.ts";
import type { ByteStream } from "../../lib/link.ts";
import { openModemChannel } from "../../transports/cards/modem/channel.ts";
import { Dialogue } from "../../transports/cards/modem/dialogue.ts";
import { openChannel } from "../../transports/cards/pcsc/channel.ts";
import { decodeConnect, decodeReaders, decodeTransmit, type ReaderState } from "../../transports/cards/pcsc/message.ts";
import { pcsc } from "../../transports/cards/pcsc/mod.ts";

/** One input. In `hex` and `text`, `<x*n>` stands for n times x. */
export interface CorpusEntry {
  readonly name: string;
  readonly parser: string;
  readonly hex?: string;
  readonly text?: string;
  /** `"ok"`, or the code of the error. */
  readonly gives: string;
  /** What is decoded, where `gives` is `"ok"`. */
  readonly fact?: unknown;
  readonly source: string;
}

/** The entries of one file. */
export function corpus(file: "apdu" | "at" | "pcsc"): readonly CorpusEntry[] {
  const text = readFileSync(new URL(`../vectors/fuzz/${file}.json`, import.meta.url), "utf8");
  return (JSON.parse(text) as { readonly entries: readonly CorpusEntry[] }).entries;
}

/** The bytes of an entry. */
export function inputOf({ hex, text = "" }: CorpusEntry): Uint8Array {
  const full = (hex ?? text).replace(/<([^<>*]*)\*([0-9]+)>/g, (_, unit: string, times) => unit.repeat(Number(times)));
  return hex === undefined ? toUtf8(full) : fromHex(full.replaceAll(" ", ""));
}

/** Up to four edits of one of the entries of at most 4096 bytes: bytes set, taken out, put in, doubled, the end cut off. */
export function edited(entries: readonly CorpusEntry[]): fc.Arbitrary<Uint8Array> {
  const seeds = entries.map(inputOf).filter(({ length }) => length > 0 && length <= 4096);
  const edit = fc.record({
    kind: fc.constantFrom("set", "out", "in", "double", "cut"),
    at: fc.nat(0xffff),
    byte: fc.oneof(fc.constantFrom(0x00, 0x7f, 0x80, 0x81, 0x82, 0x83, 0xff), fc.nat(255)),
  });
  return fc.tuple(fc.constantFrom(...seeds), fc.array(edit, { maxLength: 4 })).map(([seed, edits]) => {
    let bytes: Uint8Array = seed.slice();
    for (const { kind, at: place, byte } of edits) {
      const at = bytes.length === 0 ? 0 : place % bytes.length;
      const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
      if (kind === "cut") bytes = before;
      else if (kind === "out") bytes = concat(before, after.subarray(1));
      else if (kind === "double") bytes = concat(before, after.subarray(0, 8), after);
      else bytes = concat(before, Uint8Array.of(byte), kind === "set" ? after.subarray(1) : after);
    }
    return bytes;
  });
}

/** What one of the parsers makes of `bytes`, in a form to compare. */
export async function parse(parser: string, bytes: Uint8Array): Promise<unknown> {
  const read = READERS[parser];
  if (!read) throw new TypeError(`no parser ${parser}`);
  return await read(bytes);
}

const READERS: Readonly<Record<string, (bytes: Uint8Array) => unknown>> = {
  answer: (bytes) => answerFact(decodeAnswer(bytes)),
  command(bytes) {
    const { data, le, ...header } = decodeCommand(bytes);
    return { ...header, data: toHex(data), ...(le !== undefined && { le }) };
  },
  tlv: (bytes) => readTlvs(bytes).map(({ tag, value }) => [toHex(Uint8Array.of(tag)), toHex(value)]),
  directory(bytes) {
    const found = decodeDirectoryRecord(bytes);
    return found ? { kind: found.kind ?? null, aid: toHex(found.aid), label: toHex(found.label) } : null;
  },
  imsi: decodeImsi,
  ad: (bytes) => decodeMncLength(bytes) ?? null,
  gbabp(bytes) {
    const found = decodeBootstrap(bytes);
    return found ? { rand: toHex(found.rand), btid: toHex(found.btid), lifetime: toHex(found.lifetime) } : null;
  },
  gbanl(bytes) {
    const found = decodeNafRecord(bytes);
    return found ? { nafId: toHex(found.nafId), btid: toHex(found.btid) } : null;
  },
  impi: (bytes) => decodeImpi(bytes) ?? null,
  domain: (bytes) => decodeDomain(bytes) ?? null,
  impu: (bytes) => decodeImpu(bytes) ?? null,
  status(bytes) {
    throw statusError(decodeAnswer(bytes).sw, "a command");
  },
  /** A card that gives this answer again and again. */
  exchange: async (bytes) => answerFact(await exchange(always(bytes), { ins: 0xb0, p1: 0, p2: 0, le: 256 })),
  async authenticate(bytes) {
    return secretless(await new UsimCard(always(bytes)).authenticate(new Uint8Array(16), new Uint8Array(16)));
  },
  async bootstrap(bytes) {
    return secretless(await new UsimCard(always(bytes)).bootstrap(new Uint8Array(16), new Uint8Array(16)));
  },
  async pin(bytes) {
    return await new UsimCard(always(bytes)).pinTries() ?? "open";
  },
  csim: (bytes) => throughModem("basic", bytes),
  cgla: (bytes) => throughModem("logical", bytes),
  /** The AID that AT+CCHO opens after this answer to AT+CUAD. */
  async cuad(bytes) {
    const { said, dialogue } = modemSaying([OK, OK, bytes, toUtf8("+CCHO: 1\r\nOK\r\n")]);
    await using _channel = await openModemChannel(dialogue);
    return /^AT\+CCHO="([0-9A-F]*)"\r$/.exec(said[3]!)?.[1]?.toLowerCase();
  },
  /** The session that AT+CGLA names after this answer to AT+CCHO, or "basic". */
  async ccho(bytes) {
    const { said, dialogue } = modemSaying([OK, OK, toUtf8("ERROR\r"), bytes, ERROR]);
    await using channel = await openModemChannel(dialogue);
    await channel.transmit(STATUS).catch(() => undefined);
    return /^AT\+CGLA=([0-9]+),/.exec(said[4]!)?.[1] ?? channel.access;
  },
  readers: (bytes) => readersFact(decodeReaders(bytes)),
  connect: (bytes) => decodeConnect(bytes),
  transmit: (bytes) => decodeTransmit(bytes),
  /** What pcscd sends from the beginning to who asks for its readers. */
  async "socket-readers"(bytes) {
    const open = () => Promise.resolve(answering([bytes.subarray(0, 12), bytes.subarray(12)]).stream);
    return readersFact(await pcsc({ open, clock: IDLE, timeoutSeconds: 30 }).readers());
  },
  /** What pcscd sends for one transmit, after a connection that went well. */
  async "socket-transmit"(bytes) {
    const well = [AGREED, fromHex("020000004d00000000000000"), CONNECTED];
    const open = () => Promise.resolve(answering([...well, bytes]).stream);
    const options = { open, clock: IDLE, timeoutSeconds: 30 };
    await using channel = await openChannel(options, "Reader", "exclusive");
    return answerFact(decodeAnswer(await channel.transmit(STATUS)));
  },
};

async function throughModem(access: "basic" | "logical", bytes: Uint8Array): Promise<unknown> {
  const before = access === "basic" ? [OK, OK] : [OK, OK, toUtf8("ERROR\r"), toUtf8("+CCHO: 1\r\nOK\r\n")];
  const { dialogue } = modemSaying([...before, bytes]);
  await using channel = await openModemChannel(dialogue, { access });
  return answerFact(decodeAnswer(await channel.transmit(STATUS)));
}

function modemSaying(answers: readonly Uint8Array[]): { said: readonly string[]; dialogue: Dialogue } {
  const { stream, said } = answering(answers);
  return { said, dialogue: new Dialogue(stream, { clock: IDLE, timeoutSeconds: 30 }) };
}

/** A stream that gives the next of `answers`, in two pieces, for each write, and ends behind the last. */
function answering(answers: readonly Uint8Array[]): { stream: ByteStream; said: string[] } {
  const said: string[] = [];
  const pieces: Uint8Array[] = [];
  let ended = false;
  let wake: () => void = () => undefined;
  const iterator = async function* () {
    for (;;) {
      const piece = pieces.shift();
      if (piece) yield piece;
      else if (ended) return;
      else await new Promise<void>((resolve) => wake = resolve);
    }
  };
  const stream: ByteStream = {
    remote: "memory",
    write(bytes) {
      if (ended) return Promise.reject(new SeccfError("closed", "the other side has ended"));
      const answer = answers[said.length]!;
      pieces.push(...[answer.slice(0, 3), answer.slice(3)].filter(({ length }) => length > 0));
      said.push(fromUtf8(bytes.map((byte) => byte & 0x7f)));
      ended = said.length === answers.length;
      wake();
      return Promise.resolve();
    },
    [Symbol.asyncIterator]: iterator,
    [Symbol.asyncDispose]() {
      ended = true;
      wake();
      return Promise.resolve();
    },
  };
  return { stream, said };
}

/** A clock whose alarms go off when there is nothing else left to do. */
const IDLE: Clock = {
  now: () => 0,
  wall: () => 0,
  alarm(_at, wake) {
    const timer = setImmediate(wake);
    return { [Symbol.dispose]: () => clearImmediate(timer) };
  },
};

function always(answer: Uint8Array) {
  const close = () => Promise.resolve();
  return { transmit: () => Promise.resolve(answer.slice()), [Symbol.asyncDispose]: close };
}

function answerFact({ data, sw }: { readonly data: Uint8Array; readonly sw: number }): unknown {
  return { data: toHex(data), sw: sw.toString(16).padStart(4, "0") };
}

function secretless(answer: { readonly kind: string; readonly auts?: Uint8Array }): unknown {
  return { kind: answer.kind, ...(answer.auts && { auts: toHex(answer.auts) }) };
}

function readersFact(readers: readonly ReaderState[]): unknown {
  return readers.map(({ atr, ...reader }) => ({ ...reader, atr: toHex(atr) }));
}

const OK = toUtf8("\r\nOK\r\n");
const ERROR = toUtf8("\r\nERROR\r\n");
const STATUS = fromHex("80f2000000");
const AGREED = fromHex("040000000400000000000000");
/** connect_struct: card 1234, T=1, no error. */
const CONNECTED = concat(new Uint8Array(140), fromHex("341200000200000000000000"));
