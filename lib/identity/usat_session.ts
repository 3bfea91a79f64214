/** The terminal's side of a card's toolkit: profile, envelopes, and the commands that the card asks to have done (TS 102 223 4, TS 102 221 7.4.2). @module */

import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import { type Answer, type Command, decodeAnswer, exchange } from "./apdu.ts";
import type { ApduChannel } from "./ports.ts";
import { statusError, SW } from "./status.ts";
import {
  decodeProactiveCommand,
  encodeSmsDownload,
  encodeTerminalResponse,
  PROACTIVE,
  type ProactiveCommand,
  type SmsDownload,
  terminalProfile,
  TOOLKIT_RESULT,
  type ToolkitResult,
} from "./usat_message.ts";

/** Does one command of the card's. It may use the session's channel meanwhile. When it throws, the card hears "unable". */
export type ToolkitHandler = (command: ProactiveCommand, options?: Wait) => Promise<ToolkitResult>;

/** What {@link UsatSession} takes. */
export interface UsatOptions {
  /** By type of command. What is not in it is beyond the terminal's capabilities; MORE TIME is always done. */
  readonly handlers?: ReadonlyMap<number, ToolkitHandler>;
  /** What the terminal can do. Default: profile download, SMS-PP download, MORE TIME, and those of the handlers that this room knows by name. */
  readonly profile?: Uint8Array;
}

/** What a card did with a download. */
export type DownloadOutcome =
  /** `data` goes back to the network with the acknowledgement. */
  | { readonly kind: "acknowledged"; readonly data: Uint8Array }
  /** The same may be sent again later. */
  | { readonly kind: "busy" }
  | { readonly kind: "refused"; readonly data: Uint8Array };

/**
 * A channel to a card that has something to ask now and then. To others it is a channel: that the card has a command
 * waiting (91xx) is kept back, and they see that theirs went well (9000). `run` then does what waits. One command at a time
 * is the caller's rule here as on every channel.
 */
export class UsatSession implements ApduChannel {
  readonly #channel: ApduChannel;
  readonly #handlers: ReadonlyMap<number, ToolkitHandler>;
  readonly #profile: Uint8Array;
  #waiting: number | undefined;
  #running = false;

  /** `channel` is from here on the session's to dispose. */
  constructor(channel: ApduChannel, options: UsatOptions = {}) {
    const { handlers = new Map() } = options;
    this.#channel = channel;
    this.#handlers = new Map([[PROACTIVE.moreTime, moreTime], ...handlers]);
    this.#profile = options.profile ?? profileOf(this.#handlers);
  }

  /** Whether the card waits to be asked for a command. */
  get pending(): boolean {
    return this.#waiting !== undefined;
  }

  /** One command to the card. */
  async transmit(command: Uint8Array, options?: Wait): Promise<Uint8Array> {
    const received = await this.#channel.transmit(command, options);
    const { data, sw } = decodeAnswer(received);
    if (sw >> 8 !== 0x91) return received;
    this.#waiting = sw & 255;
    received.set([SW.ok >> 8, SW.ok & 255], data.length);
    return received;
  }

  /** TERMINAL PROFILE, and what the card wants thereupon. Throws `unsupported` for a card without a toolkit, or as `run`. */
  async start(options: Wait = {}): Promise<void> {
    const { sw } = await this.#send({ ins: 0x10, p1: 0, p2: 0, data: this.#profile }, options);
    if (sw !== SW.ok) throw statusError(sw, "TERMINAL PROFILE");
    await this.run(options);
  }

  /** ENVELOPE (SMS-PP DOWNLOAD), and what the card wants thereupon. Throws as `run`, and errors of status words. */
  async download(message: SmsDownload, options: Wait = {}): Promise<DownloadOutcome> {
    const data = encodeSmsDownload(message);
    const answer = await this.#send({ ins: 0xc2, p1: 0, p2: 0, data, le: 256 }, options);
    if (answer.sw === BUSY) return { kind: "busy" };
    const warned = answer.sw >> 8 === 0x62 || answer.sw >> 8 === 0x63;
    if (!warned && answer.sw !== SW.ok) throw statusError(answer.sw, "ENVELOPE");
    await this.run(options);
    return { kind: warned ? "refused" : "acknowledged", data: answer.data };
  }

  /**
   * Fetches, does and answers commands until none waits. Does nothing when called from a handler. Throws `exhausted` when a
   * card has no end of them (the rest waits for the next call), errors of status words, and what the channel throws.
   */
  async run(options: Wait = {}): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      for (let count = 0; this.#waiting !== undefined; count++) {
        if (count === MOST_COMMANDS) throw new SeccfError("exhausted", "the card has no end of commands");
        await this.#one(this.#waiting, options);
      }
    } finally {
      this.#running = false;
    }
  }

  /** Disposes the channel that the constructor was given. A command that waits is not fetched any more. */
  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve(this.#channel[Symbol.asyncDispose]());
  }

  async #one(length: number, options: Wait): Promise<void> {
    this.#waiting = undefined;
    const fetched = await this.#send({ ins: 0x12, p1: 0, p2: 0, le: length || 256 }, options);
    if (fetched.sw !== SW.ok) throw statusError(fetched.sw, "FETCH");
    const command = readable(fetched.data);
    const data = encodeTerminalResponse(command, await this.#do(command, options));
    const { sw } = await this.#send({ ins: 0x14, p1: 0, p2: 0, data }, options);
    if (sw !== SW.ok) throw statusError(sw, "TERMINAL RESPONSE");
  }

  async #do(command: ProactiveCommand | undefined, options: Wait): Promise<ToolkitResult> {
    if (!command) return { general: TOOLKIT_RESULT.dataNotUnderstood };
    const handler = this.#handlers.get(command.type);
    if (!handler) return { general: TOOLKIT_RESULT.beyondCapabilities };
    try {
      const result = await handler(command, options);
      encodeTerminalResponse(command, result); // What does not fit is the handler's failure too.
      return result;
    } catch {
      // Not thrown on: the card waits for an answer, whatever went wrong at the terminal.
      return { general: TOOLKIT_RESULT.unable, additional: NO_CAUSE };
    }
  }

  #send(command: Omit<Command, "cla">, options: Wait): Promise<Answer> {
    return exchange(this, { ...command, cla: 0x80 }, options);
  }
}

function readable(bytes: Uint8Array): ProactiveCommand | undefined {
  try {
    return decodeProactiveCommand(bytes);
  } catch (error) {
    if (error instanceof SeccfError && error.code === "malformed") return undefined;
    throw error;
  }
}

function moreTime(): Promise<ToolkitResult> {
  return Promise.resolve({ general: TOOLKIT_RESULT.performed });
}

function profileOf(handlers: ReadonlyMap<number, ToolkitHandler>): Uint8Array {
  const facilities = FACILITIES.filter(([type]) => handlers.has(type)).map(([, facility]) => facility);
  return terminalProfile([PROFILE_DOWNLOAD, SMS_DOWNLOAD, ...facilities]);
}

/** Numbers in the terminal profile (TS 102 223 5.2, TS 31.111 5.2). */
const PROFILE_DOWNLOAD = 1;
const SMS_DOWNLOAD = 2;
const FACILITIES: readonly (readonly [number, number])[] = [
  [PROACTIVE.moreTime, 20],
  [PROACTIVE.refresh, 24],
  [PROACTIVE.sendShortMessage, 26],
];
/** Toolkit busy (TS 102 221 10.2.1.1). */
const BUSY = 0x9300;
/** No specific cause can be given (TS 102 223 8.12.2). */
const NO_CAUSE: Uint8Array = Uint8Array.of(0x00);
const MOST_COMMANDS = 64;
