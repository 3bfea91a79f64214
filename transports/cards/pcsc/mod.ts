/**
 * Smart cards through pcscd (PC/SC on Linux), by pcscd's own socket: no native part, the same on Node, Deno and Bun. A
 * reader or card that is pulled out is an error of the operation under way and of nothing else.
 *
 * @module
 */

import type { Clock } from "../../../lib/clock.ts";
import { SeccfError } from "../../../lib/error.ts";
import { type CardIdentity, reopeningIdentity, type UsimOptions } from "../../../lib/identity/mod.ts";
import type { ByteStream } from "../../../lib/link.ts";
import type { Wait } from "../../../lib/platform.ts";
import { webPlatform } from "../../../web_platform.ts";
import { openSocket } from "../socket.ts";
import { openChannel, type PcscChannel, type Share } from "./channel.ts";
import { Daemon, type DaemonOptions } from "./daemon.ts";
import { ANSWER_LENGTH, COMMAND, decodeReaders, encodeMessage, type ReaderState, word } from "./message.ts";
import { resultError } from "./result.ts";

export type { PcscChannel, ReaderState, Share };

/** What {@link pcsc} takes. */
export interface PcscOptions {
  /** pcscd's socket. Default /run/pcscd/pcscd.comm. */
  readonly socket?: string;
  /** Default: the runtime's. */
  readonly clock?: Clock;
  /** Opens the way to pcscd. Default: its socket. */
  readonly open?: (options: Wait) => Promise<ByteStream>;
  /** For one command to pcscd. Default 30. */
  readonly timeoutSeconds?: number;
}

/** Which card, and with whom. */
export interface PcscCardOptions {
  /** The reader's name or a part of it that no other has. Default: the first one with a card in it. */
  readonly reader?: string;
  /** Default "exclusive". */
  readonly share?: Share;
}

/** pcscd as its clients see it. Holds no connection: each call has its own. */
export interface Pcsc {
  /** The readers as they are now. Throws `unreachable` without pcscd. */
  readers(options?: Wait): Promise<readonly ReaderState[]>;
  /** The readers as they are now, and again after each change, until the loop is left or `signal` aborts. Throws `closed` when pcscd ends. */
  watch(options?: Wait): AsyncIterable<readonly ReaderState[]>;
  /** Powers and resets the card. Throws `identity-unavailable` (none, or in use), `unreachable`, `timeout`. */
  connect(options?: PcscCardOptions & Wait): Promise<PcscChannel>;
}

/** Asks pcscd; nothing happens before the first call. */
export function pcsc(options: PcscOptions = {}): Pcsc {
  const { socket: path = "/run/pcscd/pcscd.comm", clock = webPlatform.clock, timeoutSeconds = 30 } = options;
  const daemon: DaemonOptions = { open: options.open ?? ((wait) => openPcscd(path, wait)), clock, timeoutSeconds };
  return {
    readers: (wait) => listReaders(daemon, wait),
    watch: (wait) => watchReaders(daemon, wait),
    async connect({ reader, share = "exclusive", ...wait } = {}) {
      const { name } = chooseReader(await listReaders(daemon, wait), reader);
      return await openChannel(daemon, name, share, wait);
    },
  };
}

/**
 * The USIM or ISIM in a reader as an identity module. It is opened now, and again by the operation after one that found
 * the card gone; throws as {@link Pcsc.connect} and `usimIdentity` do. The PIN stays the caller's; a copy of it is kept
 * until the module is disposed, and goes to the same card only.
 */
// req: SEC_CF-SEC-001
export async function pcscIdentity(
  options: PcscOptions & PcscCardOptions & UsimOptions = {},
): Promise<CardIdentity> {
  const { reader, share } = options;
  const cards = pcsc(options);
  const card = { ...(reader !== undefined && { reader }), ...(share !== undefined && { share }) };
  return await reopeningIdentity({ ...options, connect: (wait) => cards.connect({ ...card, ...wait }) });
}

/** The reader that is meant. Throws `identity-unavailable` when there is none, or the name is that of several. */
export function chooseReader(readers: readonly ReaderState[], wanted: string | undefined): ReaderState {
  if (wanted === undefined) {
    const found = readers.find(({ present }) => present);
    if (found) return found;
    throw new SeccfError(
      "identity-unavailable",
      readers.length ? "there is no card in any reader" : "there is no reader",
    );
  }
  const exact = readers.find(({ name }) => name === wanted);
  const [found, ...more] = exact ? [exact] : readers.filter(({ name }) => name.includes(wanted));
  if (found && more.length === 0) return found;
  throw new SeccfError("identity-unavailable", found ? "the reader's name fits several" : "there is no such reader");
}

async function listReaders(options: DaemonOptions, wait: Wait = {}): Promise<readonly ReaderState[]> {
  await using daemon = await Daemon.open(options, wait);
  return decodeReaders(await daemon.request(encodeMessage(COMMAND.getReadersState), ANSWER_LENGTH.readers, wait));
}

async function* watchReaders(options: DaemonOptions, wait: Wait = {}): AsyncGenerator<readonly ReaderState[]> {
  await using daemon = await Daemon.open(options, wait);
  for (;;) {
    // pcscd tells how things are and, later, that they are not so any more: nothing can change unseen in between.
    const message = encodeMessage(COMMAND.waitReaderStateChange);
    yield decodeReaders(await daemon.request(message, ANSWER_LENGTH.readers, wait));
    const changed = await daemon.take(ANSWER_LENGTH.stateChange, wait);
    if (word(changed, 1) !== 0) throw resultError(word(changed, 1), "wait for a change");
  }
}

async function openPcscd(path: string, wait: Wait) {
  try {
    return await openSocket({ path }, wait);
  } catch (cause) {
    if (!(cause instanceof SeccfError && cause.code === "unreachable")) throw cause;
    throw new SeccfError("unreachable", "pcscd is not running, or does not let this user in", { cause });
  }
}
