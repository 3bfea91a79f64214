/** A client's session that was saved, as an engine again. @module */

import type { SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Random } from "../platform.ts";
import { DatagramEngine } from "./datagram_engine.ts";
import { type DatagramOptions, toClientPolicy, toDatagramPolicy } from "./dtls_options.ts";
import { NO_HANDSHAKE } from "./durable_session.ts";
import type { Engine } from "./engine.ts";
import type { CommonOptions } from "./options.ts";
import { decodeSavedSession } from "./saved_session.ts";

/** What {@link restoreDtlsEngine} takes. */
export interface RestoreOptions extends Pick<DatagramOptions, "mtu">, Pick<CommonOptions, "recordsPerKey"> {
  /** The driver's monotonic clock at this moment, milliseconds. */
  readonly now: number;
  /** CBC IVs come from here. */
  readonly random: Random;
}

/**
 * A client's engine that goes on with a session as {@link Durable.save} gave it: established, with nothing to say, and able to send
 * once its first claim is granted. `state` stays the caller's. Throws `malformed` for what is no client's session,
 * `unsupported` for one of a later version.
 */
export function restoreDtlsEngine(state: SecretBytes, options: RestoreOptions): Engine {
  const { now, random, recordsPerKey } = options;
  const saved = decodeSavedSession(state);
  try {
    if (saved.role !== "client") throw new SeccfError("malformed", "a server's session");
    return new DatagramEngine({
      ...{ role: "client", now, saved },
      policy: toClientPolicy({
        ...{ role: "client", now, random, connectionId: saved.connectionIds?.client ?? false },
        ...(recordsPerKey !== undefined && { recordsPerKey }),
      }),
      datagrams: toDatagramPolicy({ ...options, durable: true }),
      start: () => NO_HANDSHAKE,
    });
  } catch (error) {
    saved.keys[Symbol.dispose]();
    throw error;
  }
}
