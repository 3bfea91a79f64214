/**
 * The card in a modem, by AT commands over a serial line or any byte stream. The modem's own software uses the card at
 * the same time: a logical channel keeps the two apart, the basic one does not. Whoever sits on the line sees the PIN.
 *
 * @module
 */

import type { Clock } from "../../../lib/clock.ts";
import { type CardIdentity, reopeningIdentity, type UsimOptions } from "../../../lib/identity/mod.ts";
import type { ByteStream } from "../../../lib/link.ts";
import type { Wait } from "../../../lib/platform.ts";
import { webPlatform } from "../../../web_platform.ts";
import { type ModemChannel, type ModemChannelOptions, type ModemQuirks, openModemChannel } from "./channel.ts";
import { Dialogue } from "./dialogue.ts";
import { openSerial } from "./serial.ts";

export type { ModemChannel, ModemChannelOptions, ModemQuirks };

/** What {@link modem} takes. */
export type ModemOptions =
  & ModemChannelOptions
  & {
    /** Default: the runtime's. */
    readonly clock?: Clock;
    /** For one AT command. Default 30. */
    readonly timeoutSeconds?: number;
  }
  & (
    | {
      /** A serial line's device, such as /dev/ttyUSB2. */
      readonly path: string;
      /** Bits a second. Default: as the line is set. */
      readonly baudRate?: number;
    }
    | {
      /** Opens the way to the modem; called again after it broke. */
      readonly open: (options: Wait) => Promise<ByteStream>;
    }
  );

/** Opens a channel to the modem's card. Throws `unreachable`, `timeout`, and what the modem refuses: `identity-unavailable`, `pin-required`, `pin-blocked`, `unsupported`. */
export async function modem(options: ModemOptions, wait: Wait = {}): Promise<ModemChannel> {
  const { clock = webPlatform.clock, timeoutSeconds = 30 } = options;
  const stream = "path" in options ? await openSerial({ ...options, clock }, wait) : await options.open(wait);
  const dialogue = new Dialogue(stream, { clock, timeoutSeconds });
  try {
    return await openModemChannel(dialogue, options, wait);
  } catch (error) {
    await dialogue[Symbol.asyncDispose]();
    throw error;
  }
}

/**
 * The USIM or ISIM in a modem as an identity module. It is opened now, and again by the operation after one that found
 * modem or card gone; throws as {@link modem} and `usimIdentity` do. The PIN stays the caller's; a copy of it is kept
 * until the module is disposed, and goes to the same card only.
 */
// req: SEC_CF-SEC-001
export async function modemIdentity(options: ModemOptions & UsimOptions): Promise<CardIdentity> {
  return await reopeningIdentity({ ...options, connect: (wait) => modem(options, wait) });
}
