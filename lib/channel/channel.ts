/** A byte stream, once both ends have proved that they know the key: the {@link SecureChannel} of TLS. @module */

import type { Clock } from "../clock.ts";
import type { ByteStream } from "../link.ts";
import type { Wait } from "../platform.ts";
import type { Binding, KeySource, Peer, Received, SecureChannel, SecurityAssociation } from "../association/ports.ts";
import { suiteById } from "../crypto/mod.ts";
import type { Engine, Session } from "../tls/engine.ts";
import { Driver } from "./driver.ts";

/** Limits of a channel; each has a default. */
export interface ChannelLimits {
  /** How long a key source may take to answer. Default 5. */
  readonly keySeconds?: number;
  /** From the start to `established`. Default 10. */
  readonly handshakeSeconds?: number;
  /** Bytes held for a slow consumer before the peer is made to wait, give or take one read. Default 262,144. */
  readonly receiveLimit?: number;
}

/** What a handshake needs. */
export interface ChannelOptions extends ChannelLimits {
  /** Client or server, fresh; owned by the channel from here on. */
  readonly engine: Engine;
  /** Connected; owned by the channel from here on. */
  readonly stream: ByteStream;
  /** On a client the association itself. */
  readonly keys: KeySource;
  /** For every limit, and for the end of the association's life. */
  readonly clock: Clock;
  /** What the association's {@link Binding} will say: `"tls"`. */
  readonly carrier: string;
}

/**
 * The client's side: resolves when the server has proved that it knows the key.
 *
 * Throws `auth-failed`, `unsupported`, `downgrade`, `malformed`, `timeout`, `closed`, `expired`; what `keys` threw, or
 * `key-unavailable` when it did not answer properly or in time; the reason of an aborted `signal`. Nothing is left of a
 * handshake that failed.
 */
// req: SEC_CF-AUTH-002
export function connectChannel(options: ChannelOptions, wait: Wait = {}): Promise<SecureChannel> {
  return establish(createDriver(options), options, wait);
}

/**
 * The server's side: resolves when the client has proved that it knows the key. Throws as {@link connectChannel} does:
 * the codes are for this side's audit, the client sees one answer to every failed proof.
 */
// req: SEC_CF-AUTH-001
export function acceptChannel(options: ChannelOptions, wait: Wait = {}): Promise<SecureChannel> {
  return establish(createDriver(options), options, wait);
}

/** Starts the handshake. */
export function createDriver(options: ChannelOptions): Driver {
  const { keySeconds = 5, handshakeSeconds = 10, receiveLimit = 262_144 } = options;
  return new Driver({ ...options, keySeconds, handshakeSeconds, receiveLimit });
}

/** Waits for the end of the handshake and tells the association how it was used. */
export async function establish(
  driver: Driver,
  { carrier }: Pick<ChannelOptions, "carrier">,
  { signal }: Wait,
): Promise<SecureChannel> {
  const abort = () => driver.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  try {
    if (signal?.aborted) abort();
    const { session, found } = await driver.agreed;
    const binding = toBinding(carrier, session);
    found.association.bound(binding);
    return new StreamChannel(driver, found.association, binding);
  } catch (error) {
    // An association may refuse how it was bound.
    driver.abort(error);
    await driver.released;
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

class StreamChannel implements SecureChannel {
  readonly peer: Peer;
  readonly association: SecurityAssociation;
  readonly binding: Binding;
  readonly boundaries = "none";
  readonly #driver: Driver;

  constructor(driver: Driver, association: SecurityAssociation, binding: Binding) {
    this.#driver = driver;
    this.association = association;
    this.binding = binding;
    this.peer = association.peer;
  }

  send(payload: Uint8Array, options?: Wait): Promise<void> {
    return this.#driver.send(payload, options);
  }

  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    const chunks = this.#driver.received.iterate();
    return {
      async next() {
        const { done, value } = await chunks.next();
        return done ? { done, value: undefined } : { done: false, value: { payload: value } };
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#driver.close();
    return this.#driver.released;
  }
}

function toBinding(carrier: string, { suite }: Session): Binding {
  // PSK alone has no forward secrecy; CBC is authentic and secret, but not by an AEAD.
  return { carrier, suite, strength: suiteById(suite)?.legacy === false ? 2 : 1 };
}
