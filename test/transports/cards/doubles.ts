/** The other ends, in memory: a pipe, a pcscd, a modem, each with our soft USIM behind it and faults on request. */
import { concat, fromHex, fromUtf8, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { Queue } from "../../../lib/channel/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { SoftUsim } from "../../../lib/identity/mod.ts";
import type { ApduChannel } from "../../../lib/identity/ports.ts";
import type { ByteStream } from "../../../lib/link.ts";

/** Two ends of a pipe. What is written at one comes out of the other; closing either ends both. */
export function streamPair(): [ByteStream, ByteStream] {
  const queues = [new Queue<Uint8Array>(1e6, () => 1), new Queue<Uint8Array>(1e6, () => 1)] as const;
  let open = true;
  const end = (mine: Queue<Uint8Array>, theirs: Queue<Uint8Array>): ByteStream => ({
    remote: "memory",
    write(bytes) {
      if (!open) return Promise.reject(new SeccfError("closed", "the pipe is closed"));
      theirs.push(bytes.slice());
      return Promise.resolve();
    },
    [Symbol.asyncIterator]: () => mine.iterate(),
    [Symbol.asyncDispose]() {
      open = false;
      for (const queue of queues) queue.end();
      return Promise.resolve();
    },
  });
  return [end(queues[0], queues[1]), end(queues[1], queues[0])];
}

/** Takes bytes of a stream as they are asked for. */
export class Taker {
  #held: Uint8Array = new Uint8Array(0);
  readonly #pieces: AsyncIterator<Uint8Array>;

  constructor(stream: ByteStream) {
    this.#pieces = stream[Symbol.asyncIterator]();
  }

  /** `undefined` at the end. */
  async take(length: number): Promise<Uint8Array | undefined> {
    while (this.#held.length < length) {
      const { value, done } = await this.#pieces.next();
      if (done) return undefined;
      this.#held = concat(this.#held, value);
    }
    const taken = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return taken;
  }

  /** The next line, without CR. */
  async line(): Promise<string | undefined> {
    let text = "";
    for (;;) {
      const byte = await this.take(1);
      if (!byte) return undefined;
      if (byte[0] === 0x0d) return text;
      text += fromUtf8(byte);
    }
  }
}

const LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

function u32(...values: number[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setUint32(4 * i, value >>> 0, LITTLE));
  return new Uint8Array(view.buffer);
}

/** PC/SC results (PC/SC part 5, pcsclite.h). */
export const REMOVED = 0x80100069;
export const NO_CARD = 0x8010000c;
export const SHARED = 0x8010000b;

/** A pcscd: one reader, protocol 4:`minor`, from the structures of winscard_msg.h. */
export class PcscdDouble {
  card: SoftUsim | undefined;
  minor = 4;
  /** Commands seen, by number; `transmit` as the APDU in hexadecimal digits. */
  readonly seen: string[] = [];
  /** Results of the next commands with this number, before they are done. */
  readonly results = new Map<number, number[]>();
  /** Called with each APDU, before the card gets it; what it returns is sent instead of an answer, "" for nothing at all. */
  intercept: ((apdu: Uint8Array) => string | undefined) | undefined;
  readonly protocol: 1 | 2;
  readonly #open = new Set<ByteStream>();
  readonly #waiting = new Set<ByteStream>();
  #events = 0;

  constructor(card?: SoftUsim, protocol: 1 | 2 = 2) {
    this.card = card;
    this.protocol = protocol;
  }

  readonly open = (): Promise<ByteStream> => {
    const [client, server] = streamPair();
    this.#open.add(server);
    void this.#serve(server).finally(() => this.#open.delete(server));
    return Promise.resolve(client);
  };

  /** Puts a card in or takes it out, and tells who waits. */
  async insert(card: SoftUsim | undefined): Promise<void> {
    this.card = card;
    this.#events++;
    for (const stream of this.#waiting) await stream.write(u32(0, 0));
    this.#waiting.clear();
  }

  /** The process dies. */
  async die(): Promise<void> {
    for (const stream of this.#open) await stream[Symbol.asyncDispose]();
  }

  get clients(): number {
    return this.#open.size;
  }

  async #serve(stream: ByteStream): Promise<void> {
    const taker = new Taker(stream);
    const session: { channel: ApduChannel | undefined; of: SoftUsim | undefined } = {
      channel: undefined,
      of: undefined,
    };
    for (;;) {
      const header = await taker.take(8);
      if (!header) break;
      const view = new DataView(header.buffer);
      const command = view.getUint32(4, LITTLE);
      const body = (await taker.take(view.getUint32(0, LITTLE)))!;
      const at = (index: number) => new DataView(body.buffer).getUint32(4 * index, LITTLE);
      const result = this.results.get(command)?.shift() ?? 0;
      this.seen.push(`${command}`);
      if (command === 0x11) {
        const fits = at(0) === 4 && at(1) === this.minor;
        await stream.write(u32(4, this.minor, fits ? 0 : 0x8010001e));
      } else if (command === 0x12) {
        await stream.write(this.#table());
      } else if (command === 0x13) {
        this.#waiting.add(stream);
        await stream.write(this.#table());
      } else if (command === 0x01) {
        await stream.write(u32(2, 77, result));
      } else if (command === 0x04) {
        const refused = result || (this.card ? 0 : NO_CARD);
        session.of = this.card;
        session.channel = refused ? undefined : this.card?.connect();
        await stream.write(concat(body.slice(0, 140), u32(0x1234, this.protocol, refused)));
      } else if (command === 0x09) {
        const apdu = (await taker.take(at(3)))!;
        this.seen.push(toHex(apdu));
        const instead = this.intercept?.(apdu);
        if (instead === "") continue;
        const gone = result || (session.channel && this.card === session.of ? 0 : REMOVED);
        const answer = gone ? new Uint8Array(0) : instead ? fromHex(instead) : await session.channel!.transmit(apdu);
        await stream.write(concat(u32(at(0), at(1), 16, at(3), 0, 16, gone ? 0 : answer.length, gone), answer));
      } else if (command === 0x07) {
        await stream.write(u32(at(0), result));
      } else {
        await stream.write(u32(at(0), at(1), result));
      }
    }
    await session.channel?.[Symbol.asyncDispose]();
  }

  #table(): Uint8Array {
    const table = new Uint8Array(16 * 184);
    table.set(toUtf8("Double 00"));
    const atr = this.card?.atr ?? new Uint8Array(0);
    table.set(u32(this.#events, this.card ? 0x34 : 0x02, 0), 128);
    table.set(atr, 140);
    table.set(u32(atr.length, this.protocol), 176);
    return table;
  }
}

/** What a {@link ModemDouble} is like. */
export interface ModemManners {
  /** Repeats what it gets. Default true, until ATE0. */
  readonly echo?: boolean;
  /** Knows AT+CCHO, CGLA and CCHC. Default true. */
  readonly logical?: boolean;
  /** Fetches what 61xx points to by itself. Default false. */
  readonly fetches?: boolean;
  /** Tells EF_DIR by AT+CUAD. Default true. */
  readonly directory?: boolean;
  /** Says this line before each end of a command. */
  readonly chatter?: string;
  /** Answers AT+CCHO with the number alone, as TS 27.007 8.45 has it. Default false: `+CCHO: 1`. */
  readonly bare?: boolean;
}

/** A modem on a byte stream, by TS 27.007. */
export class ModemDouble {
  card: SoftUsim | undefined;
  /** Lines it got. */
  readonly seen: string[] = [];
  /** Answers to give instead, by what a line begins with; `undefined` as the answer is silence. */
  readonly instead = new Map<string, string | undefined>();
  readonly manners: ModemManners;
  #channel: ApduChannel | undefined;

  constructor(card: SoftUsim | undefined, manners: ModemManners = {}) {
    this.card = card;
    this.manners = manners;
  }

  /** For the option `open` of `modem()`. */
  readonly open = (): Promise<ByteStream> => {
    const [client, server] = streamPair();
    void this.serve(server);
    return Promise.resolve(client);
  };

  /** Answers until the stream ends. */
  async serve(stream: ByteStream): Promise<void> {
    const taker = new Taker(stream);
    let echo = this.manners.echo ?? true;
    for (;;) {
      const line = await taker.line();
      if (line === undefined) return;
      this.seen.push(line);
      if (echo) await stream.write(toUtf8(`${line}\r`));
      if (line === "ATE0") echo = false;
      const special = [...this.instead.keys()].find((start) => line.startsWith(start));
      const answer = special === undefined ? await this.#answer(line) : this.instead.get(special);
      if (answer === undefined) continue;
      const chatter = this.manners.chatter === undefined ? "" : `\r\n${this.manners.chatter}\r\n`;
      await stream.write(toUtf8(`${chatter}\r\n${answer}\r\n`));
    }
  }

  async #answer(line: string): Promise<string> {
    if (line === "ATE0" || line === "AT+CMEE=1") return "OK";
    if (!this.card) return "+CME ERROR: 10";
    const apdu = /^AT\+(?:CGLA=1,|CSIM=)([0-9]+),"([0-9A-F]*)"$/.exec(line);
    if (line.startsWith("AT+CSIM=") && apdu) {
      this.#channel ??= this.card.connect();
      return `+CSIM: ${await this.#exchange(apdu)}\r\n\r\nOK`;
    }
    if (line === "AT+CUAD" && (this.manners.directory ?? true)) {
      return '+CUAD: "61184F10A0000000871002FFFFFFFF890000010050045553494DFFFF"\r\n\r\nOK';
    }
    if (!(this.manners.logical ?? true)) return "ERROR";
    if (/^AT\+CCHO="A0000000871002[0-9A-F]*"$/.test(line)) {
      this.#channel = this.card.connect();
      return `${this.manners.bare ? "" : "+CCHO: "}1\r\n\r\nOK`;
    }
    if (line.startsWith("AT+CGLA=1,") && apdu) return `+CGLA: ${await this.#exchange(apdu)}\r\n\r\nOK`;
    if (line === "AT+CCHC=1") return "OK";
    return "ERROR";
  }

  async #exchange([, length, digits]: RegExpExecArray): Promise<string> {
    if (Number(length) !== digits!.length) throw new Error("a wrong length");
    let answer = await this.#channel!.transmit(fromHex(digits!));
    if (this.manners.fetches && answer.at(-2) === 0x61) {
      answer = await this.#channel!.transmit(Uint8Array.of(0, 0xc0, 0, 0, answer.at(-1)!));
    }
    const text = toHex(answer).toUpperCase();
    return `${text.length},"${text}"`;
  }
}
