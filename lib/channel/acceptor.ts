/** A server on byte streams: each stream that arrives is a handshake of its own. @module */

import type { ByteStream, StreamListener } from "../link.ts";
import type { Listener, SecureChannel } from "../association/ports.ts";
import type { Engine } from "../tls/engine.ts";
import { type AcceptorLimits, Admission, type Handshake, type Refusal } from "./admission.ts";
import { type ChannelOptions, startStream } from "./channel.ts";

/** What {@link acceptChannels} joins. */
export interface AcceptorOptions extends Omit<ChannelOptions, "engine" | "stream" | "earlier">, AcceptorLimits {
  /** Owned by the listener from here on. */
  readonly streams: StreamListener;
  /** What the listener calls itself. */
  readonly url: URL;
  /** A fresh server engine for each stream. */
  readonly createEngine: () => Engine;
  /** What the engines go on with earlier sessions by; ends with the listener. */
  readonly resumption?: Disposable | undefined;
  /** Hears of every handshake that failed. */
  readonly onRefused?: ((refusal: Refusal) => void) | undefined;
}

/**
 * Runs a handshake on each stream that arrives, all independent of each other, and yields the channels that come of
 * them. Disposing it ends the handshakes under way and the channels that nobody took; those that were taken live on.
 */
export function acceptChannels(options: AcceptorOptions): Listener {
  return new StreamAcceptor(options);
}

class StreamAcceptor implements Listener {
  readonly url: URL;
  readonly #options: AcceptorOptions;
  readonly #admission: Admission<SecureChannel>;
  #disposed: Promise<void> | undefined;

  constructor(options: AcceptorOptions) {
    this.#options = options;
    this.url = options.url;
    this.#admission = new Admission(options);
    void this.#accept();
  }

  [Symbol.asyncIterator](): AsyncIterator<SecureChannel, undefined> {
    return this.#admission.ready.iterate();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    await Promise.all([this.#admission.close(), this.#options.streams[Symbol.asyncDispose]()]);
    this.#options.resumption?.[Symbol.dispose]();
  }

  async #accept(): Promise<void> {
    const { ready } = this.#admission;
    try {
      for await (const stream of this.#options.streams) this.#admit(stream);
      ready.end();
    } catch (error) {
      ready.end(error);
    }
  }

  #admit(stream: ByteStream): void {
    const { remote } = stream;
    const refusal = this.#admission.refusal(remote);
    let handshake: Handshake<SecureChannel> | undefined;
    try {
      if (refusal) throw refusal;
      const { createEngine, ...options } = this.#options;
      handshake = startStream({ ...options, stream, keys: this.#admission.keysFor(remote), engine: createEngine() });
    } catch (error) {
      this.#admission.report({ remote, error, identity: undefined });
      void giveUp(stream);
      return;
    }
    void this.#admission.follow(handshake);
  }
}

async function giveUp(stream: ByteStream): Promise<void> {
  try {
    await stream[Symbol.asyncDispose]();
  } catch {
    // Nothing was begun on it.
  }
}
