/** The card's side of the toolkit in software, before any card: for tests, and for terminals that are tried out without one. @module */

import { SeccfError } from "../error.ts";
import { type Answer, decodeAnswer, decodeCommand } from "./apdu.ts";
import type { ApduChannel } from "./ports.ts";
import { SW } from "./status.ts";
import { decodeSmsDownload, decodeTerminalResponse, type SmsDownload } from "./usat_message.ts";

/** What an applet in the card does. `ask` queues a command, as `encodeProactiveCommand` makes it, of at most 256 bytes. */
export interface ToolkitApplet {
  /** The terminal told what it can do. */
  profile?(profile: Uint8Array, ask: (command: Uint8Array) => void): void;
  /** A short message came: at most 255 bytes of answer, or `undefined` to refuse it. */
  download?(message: SmsDownload, ask: (command: Uint8Array) => void): Promise<Uint8Array | undefined>;
  /** The terminal responded to a command. */
  responded?(response: ReturnType<typeof decodeTerminalResponse>, ask: (command: Uint8Array) => void): void;
}

/** `card` with a toolkit, in which one applet runs. What is disposed is the card's channel. */
export function toolkitCard(card: ApduChannel, applet: ToolkitApplet): ApduChannel {
  const toolkit = new Toolkit(applet);
  return {
    async transmit(command, options) {
      const answer = await toolkit.process(command);
      if (answer) return bytesOf(answer);
      const received = await card.transmit(command, options);
      const { data, sw } = decodeAnswer(received);
      return sw === SW.ok ? bytesOf({ data, sw: toolkit.ending() }) : received;
    },
    [Symbol.asyncDispose]: () => card[Symbol.asyncDispose](),
  };
}

class Toolkit {
  readonly #applet: ToolkitApplet;
  readonly #queue: Uint8Array[] = [];
  #fetched = false;

  constructor(applet: ToolkitApplet) {
    this.#applet = applet;
  }

  /** 9000, or 91xx while a command waits and none is under way. */
  ending(): number {
    const [next] = this.#queue;
    return next && !this.#fetched ? 0x9100 | (next.length & 255) : SW.ok;
  }

  /** `undefined` for what is no command of the toolkit. */
  async process(bytes: Uint8Array): Promise<Answer | undefined> {
    let command: ReturnType<typeof decodeCommand>;
    try {
      command = decodeCommand(bytes);
    } catch {
      return undefined;
    }
    if (command.cla !== 0x80) return undefined;
    try {
      switch (command.ins) {
        case 0x10:
          this.#applet.profile?.(command.data.slice(), this.#ask);
          return this.#ended();
        case 0x12:
          return this.#fetch(command.le ?? 256);
        case 0x14:
          return this.#responded(command.data);
        case 0xc2:
          return await this.#download(command.data);
        default:
          return undefined;
      }
    } catch (error) {
      if (error instanceof SeccfError && error.code === "malformed") return { data: NOTHING, sw: SW.incorrectData };
      throw error;
    }
  }

  #fetch(le: number): Answer {
    const [next] = this.#queue;
    if (!next) return { data: NOTHING, sw: SW.conditionsOfUse };
    if (le < next.length) return { data: NOTHING, sw: 0x6c00 | (next.length & 255) };
    this.#fetched = true;
    return { data: next, sw: SW.ok };
  }

  #responded(data: Uint8Array): Answer {
    if (!this.#fetched) return { data: NOTHING, sw: SW.conditionsOfUse };
    const response = decodeTerminalResponse(data);
    this.#queue.shift();
    this.#fetched = false;
    this.#applet.responded?.(response, this.#ask);
    return this.#ended();
  }

  async #download(data: Uint8Array): Promise<Answer> {
    if (this.#fetched) return { data: NOTHING, sw: BUSY };
    const answer = await this.#applet.download?.(decodeSmsDownload(data.slice()), this.#ask);
    return answer ? { ...this.#ended(), data: answer } : { data: NOTHING, sw: REFUSED };
  }

  #ended(): Answer {
    return { data: NOTHING, sw: this.ending() };
  }

  readonly #ask = (command: Uint8Array): void => {
    if (command.length < 1 || command.length > 256) throw new RangeError("a command of 1 to 256 bytes");
    this.#queue.push(command.slice());
  };
}

function bytesOf({ data, sw }: Answer): Uint8Array {
  const bytes = new Uint8Array(data.length + 2);
  bytes.set(data);
  bytes.set([sw >> 8, sw & 255], data.length);
  return bytes;
}

const NOTHING = new Uint8Array(0);
const BUSY = 0x9300;
/** No information given: a warning, with which a card says that it did not take a download (TS 31.111 7.1.1.1). */
const REFUSED = 0x6300;
