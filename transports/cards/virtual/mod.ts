/**
 * A soft USIM in a virtual reader of pcscd: the card's end of vpcd's protocol (vsmartcard), so that any PC/SC program
 * sees a card. The connection is plain TCP: for this machine, and for test keys.
 *
 * @module
 */

import { concat } from "../../../lib/bytes/mod.ts";
import { unlessAborted } from "../../../lib/deadline.ts";
import type { Clock } from "../../../lib/clock.ts";
import { wipe } from "../../../lib/crypto/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import type { ApduChannel, SoftUsim } from "../../../lib/identity/mod.ts";
import type { ByteStream } from "../../../lib/link.ts";
import type { Wait } from "../../../lib/platform.ts";
import { webPlatform } from "../../../web_platform.ts";
import { Intake } from "../intake.ts";
import { openSocket } from "../socket.ts";

/** What {@link virtualReader} takes. */
export interface VirtualReaderOptions {
  /** Stays the caller's. One reader at a time: a channel taken elsewhere pulls the card out of this one's hands. */
  readonly card: Pick<SoftUsim, "connect" | "atr">;
  /** Where vpcd listens. Default 127.0.0.1. */
  readonly host?: string;
  /** Default 35963, vpcd's first slot; the second is 35964. */
  readonly port?: number;
  /** Default: the runtime's. Waits between attempts run on it. */
  readonly clock?: Clock;
  /** Hears when the card is in the reader and when it is not. */
  readonly onChange?: (inserted: boolean) => void;
  /** Default: TCP. */
  readonly open?: (options: Wait) => Promise<ByteStream>;
}

/** A card on its way into a reader. Disposing pulls it out. */
export interface VirtualReader extends AsyncDisposable {
  /** Whether vpcd is connected. */
  readonly inserted: boolean;
}

/** Puts `card` into vpcd's reader, and again whenever vpcd comes back, until disposed. Never throws for a vpcd that is not there. */
export function virtualReader(options: VirtualReaderOptions): VirtualReader {
  return new Reader(options);
}

class Reader implements VirtualReader {
  inserted = false;
  readonly #options: VirtualReaderOptions;
  readonly #clock: Clock;
  readonly #pulled = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: VirtualReaderOptions) {
    this.#options = options;
    this.#clock = options.clock ?? webPlatform.clock;
    this.#running = this.#run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pulled.abort(new SeccfError("closed", "the card was pulled out"));
    await this.#running;
  }

  async #run(): Promise<void> {
    const { host = "127.0.0.1", port = 35_963 } = this.#options;
    const { signal } = this.#pulled;
    const open = this.#options.open ?? ((wait: Wait) => openSocket({ host, port }, wait));
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        await using stream = await open({ signal });
        pauseMs = FIRST_PAUSE_MS;
        this.#change(true);
        await serve(stream, this.#options.card, { signal });
      } catch {
        // vpcd that is not there, or not any more, or that talks nonsense: it is tried again.
      }
      this.#change(false);
      await this.#pause(pauseMs);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  #change(inserted: boolean): void {
    if (this.inserted === inserted) return;
    this.inserted = inserted;
    this.#options.onChange?.(inserted);
  }

  async #pause(ms: number): Promise<void> {
    let alarm: Disposable | undefined;
    const over = new Promise<void>((resolve) => alarm = this.#clock.alarm(this.#clock.now() + ms, resolve));
    await unlessAborted(over, this.#pulled.signal).catch(() => undefined);
    alarm?.[Symbol.dispose]();
  }
}

/** Answers what vpcd asks until it goes away, which throws `closed`. */
async function serve(stream: ByteStream, card: VirtualReaderOptions["card"], wait: Wait): Promise<void> {
  const intake = new Intake(stream);
  let channel: ApduChannel | undefined;
  try {
    for (;;) {
      const [high = 0, low = 0] = await intake.take(2, wait);
      const message = await intake.take(high * 256 + low, wait);
      if (message.length === 1) {
        const control = message[0];
        if (control === CONTROL.atr) await send(stream, card.atr.slice(), wait);
        if (control === CONTROL.off) await channel?.[Symbol.asyncDispose]();
        // Each of these leaves a card that was just reset, or none.
        if (control === CONTROL.on || control === CONTROL.reset) channel = card.connect();
        else if (control === CONTROL.off) channel = undefined;
      } else if (message.length > 1) {
        channel ??= card.connect();
        const answer = await channel.transmit(message, wait);
        wipe(message);
        await send(stream, answer, wait);
      }
    }
  } finally {
    await channel?.[Symbol.asyncDispose]();
  }
}

/** A message behind its length of two bytes. `payload` is wiped: it may be an answer to AUTHENTICATE. */
async function send(stream: ByteStream, payload: Uint8Array, wait: Wait): Promise<void> {
  const message = concat(Uint8Array.of(payload.length >> 8, payload.length & 255), payload);
  await stream.write(message, wait);
  wipe(payload, message);
}

const CONTROL = { off: 0, on: 1, reset: 2, atr: 4 } as const;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
