/** A card in a reader as an `ApduChannel`, by SCARD_CONNECT and SCARD_TRANSMIT. @module */

import { concat } from "../../../lib/bytes/mod.ts";
import { deadline, unlessAborted } from "../../../lib/deadline.ts";
import type { Clock } from "../../../lib/clock.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { ApduChannel } from "../../../lib/identity/ports.ts";
import type { Wait } from "../../../lib/platform.ts";
import { Daemon, type DaemonOptions } from "./daemon.ts";
import {
  ANSWER_LENGTH,
  COMMAND,
  decodeConnect,
  decodeTransmit,
  encodeConnect,
  encodeMessage,
  encodeTransmit,
  word,
  words,
} from "./message.ts";
import { resultError, SHARING_VIOLATION } from "./result.ts";

/** How a card is shared with other programs. */
export type Share =
  /** No other program may even connect. */
  | "exclusive"
  /** Others may stay connected, and wait while this channel is open: it is one transaction. */
  | "shared";

/** A card's channel, and what speaks on it. */
export interface PcscChannel extends ApduChannel {
  /** With `"T=0"`, data that answers data waits for GET RESPONSE; with `"T=1"` it comes at once. */
  readonly protocol: "T=0" | "T=1";
}

/**
 * Connects to the card in `reader`. Throws `identity-unavailable` (no card, no reader, in use), `unreachable` without
 * pcscd, `timeout`. In "shared" the wait for another program's transaction counts.
 */
export async function openChannel(
  options: DaemonOptions,
  reader: string,
  share: Share,
  wait: Wait = {},
): Promise<PcscChannel> {
  const daemon = await Daemon.open(options, wait);
  try {
    const context = await establish(daemon, wait);
    const shareMode = share === "exclusive" ? 1 : 2;
    const message = encodeMessage(COMMAND.connect, encodeConnect(context, reader, shareMode, T0 | T1));
    const { card, protocol, result } = decodeConnect(await daemon.request(message, ANSWER_LENGTH.connect, wait));
    if (result !== 0) throw resultError(result, "connect");
    if (protocol !== T0 && protocol !== T1) throw resultError(0x8010000f, "connect");
    if (share === "shared") await begin(daemon, card, options, wait);
    return new CardChannel(daemon, card, protocol, share);
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw asGone(error);
  }
}

class CardChannel implements PcscChannel {
  readonly protocol: "T=0" | "T=1";
  readonly #daemon: Daemon;
  readonly #card: number;
  readonly #share: Share;
  #closed = false;

  constructor(daemon: Daemon, card: number, protocol: number, share: Share) {
    this.#daemon = daemon;
    this.#card = card;
    this.#share = share;
    this.protocol = protocol === T0 ? "T=0" : "T=1";
  }

  async transmit(command: Uint8Array, wait: Wait = {}): Promise<Uint8Array> {
    if (this.#closed) throw new SeccfError("closed", "the channel to the card was closed");
    const sent = this.protocol === "T=0" ? asTpdu(command) : command;
    const protocol = this.protocol === "T=0" ? T0 : T1;
    // The header's length is that of the structure alone: the command stands behind the message.
    const message = concat(encodeMessage(COMMAND.transmit, encodeTransmit(this.#card, protocol, sent.length)), sent);
    try {
      return await this.#daemon.exchange(message, async (intake, limit) => {
        const { length, result } = decodeTransmit(await intake.take(ANSWER_LENGTH.transmit, limit));
        if (result !== 0) throw resultError(result, "transmit");
        return await intake.take(length, limit);
      }, wait);
    } catch (error) {
      throw asGone(error);
    }
  }

  /** The card is reset, so that a verified PIN is not left to whoever comes next. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      if (this.#share === "shared") {
        await this.#daemon.request(
          encodeMessage(COMMAND.endTransaction, words(this.#card, RESET, 0)),
          ANSWER_LENGTH.endTransaction,
        );
      }
      await this.#daemon.request(
        encodeMessage(COMMAND.disconnect, words(this.#card, RESET, 0)),
        ANSWER_LENGTH.disconnect,
      );
    } catch {
      // A connection that is gone needs no good-bye: pcscd cleans up behind it.
    } finally {
      await this.#daemon[Symbol.asyncDispose]();
    }
  }
}

/**
 * What T=0 carries of a command (ISO 7816-3 12.2): P3 is always there, and no Le behind data, whose answer waits for
 * GET RESPONSE.
 */
export function asTpdu(command: Uint8Array): Uint8Array {
  if (command.length === 4) return concat(command, Uint8Array.of(0));
  const length = command[4] ?? 0;
  return length > 0 && command.length === 6 + length ? command.subarray(0, 5 + length) : command;
}

async function establish(daemon: Daemon, wait: Wait): Promise<number> {
  const message = encodeMessage(COMMAND.establishContext, words(SYSTEM, 0, 0));
  const answer = await daemon.request(message, ANSWER_LENGTH.establishContext, wait);
  if (word(answer, 2) !== 0) throw resultError(word(answer, 2), "establish context");
  return word(answer, 1);
}

/** pcscd does not queue: who finds the card locked asks again. */
async function begin(daemon: Daemon, card: number, options: DaemonOptions, wait: Wait): Promise<void> {
  const { clock, timeoutSeconds } = options;
  using limit = deadline({ clock, seconds: timeoutSeconds, reason: locked, signal: wait.signal });
  for (;;) {
    const message = encodeMessage(COMMAND.beginTransaction, words(card, 0));
    const result = word(await daemon.request(message, ANSWER_LENGTH.beginTransaction, limit), 1);
    if (result === 0) return;
    if (result !== SHARING_VIOLATION) throw resultError(result, "begin transaction");
    await pause(clock, POLL_MS, limit);
  }
}

async function pause(clock: Clock, ms: number, { signal }: Wait): Promise<void> {
  let alarm: Disposable | undefined;
  try {
    await unlessAborted(new Promise<void>((resolve) => alarm = clock.alarm(clock.now() + ms, resolve)), signal);
  } finally {
    alarm?.[Symbol.dispose]();
  }
}

function locked(): SeccfError {
  return new SeccfError("identity-unavailable", "another program does not let go of the card");
}

/** A pcscd that went away took the card with it. */
function asGone(error: unknown): unknown {
  if (!(error instanceof SeccfError) || error.code !== "closed") return error;
  return new SeccfError("identity-unavailable", "pcscd went away", { cause: error });
}

const T0 = 1;
const T1 = 2;
const SYSTEM = 2;
const RESET = 1;
const POLL_MS = 100;
