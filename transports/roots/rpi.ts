/**
 * The key in the one-time-programmable memory of a Raspberry Pi 4 or 5 as a root: the firmware computes HMAC-SHA-256 under
 * it, asked by `rpi-fw-crypto hmac` (raspberrypi/utils, folder rpifwcrypto, as of 2026-06), and Linux never sees it.
 *
 * What it is worth: whoever may open `/dev/vcio_crypto` may have the HMAC of any message, the ones of this module among
 * them (raspberrypi/linux#7419), and its author says that it is no hardware security module: root can get at the key.
 * Give the device node to this one user, lock the key against reading (`lock_device_private_key=1` in config.txt, or
 * `rpi-fw-crypto set-key-status 1 READ_LOCKED` after each boot), and mind that Raspberry Pi Connect signs with the same
 * key. Firmware older than 2026-01-21 may hang on a wrong key id (raspberrypi/rpi-eeprom#796).
 *
 * @module
 */

import { SeccfError } from "../../lib/error.ts";
import type { IdentityModule } from "../../lib/identity/mod.ts";
import { PrivateFolder } from "./private_folder.ts";
import { type Ending, run } from "./program.ts";
import { tokenIdentity, type TokenKey, type TokenTime, tokenTime } from "./token.ts";

export type { TokenKey, TokenTime };

/** A key in one-time-programmable memory. */
export interface RpiKey extends TokenKey {
  /** Default 1, the device's own key. */
  readonly keyId?: number;
}

/** What {@link rpiIdentity} takes. */
export interface RpiOptions extends TokenTime {
  /** What it derives from. */
  readonly keys: readonly RpiKey[];
  /** Default `["rpi-fw-crypto"]`. */
  readonly command?: readonly string[];
}

/**
 * A module whose provisioned keys are in a Raspberry Pi. A label of more than 2026 bytes does not fit in what the firmware
 * takes and is a RangeError. Throws `identity-unavailable` for a key that is locked, not set or not there, `timeout`.
 *
 * @example
 * ```ts
 * import { rpiIdentity } from "seccf/rpi";
 *
 * const module = rpiIdentity({ keys: [{ identity: new TextEncoder().encode("meter-7") }] });
 * const label = new TextEncoder().encode("telemetry");
 * const key = await module.provisioned?.derive(new TextEncoder().encode("meter-7"), label);
 * ```
 */
// req: SEC_CF-SEC-001
export function rpiIdentity(options: RpiOptions): IdentityModule {
  const { keys, command = ["rpi-fw-crypto"] } = options;
  const time = tokenTime(options);
  for (const { keyId = 1 } of keys) {
    if (!Number.isInteger(keyId) || keyId < 0) throw new RangeError("a key id is a whole number");
  }
  return tokenIdentity({
    keys,
    async hmac({ keyId = 1 }, message, wait) {
      if (message.length > MOST_MESSAGE) throw new RangeError(`the firmware takes ${MOST_MESSAGE} bytes`);
      await using folder = await PrivateFolder.make();
      // A file: the program opens what it is given, and can not open the socket that standard input is.
      const path = await folder.write("message", message);
      const words = ["hmac", "--in", path, "--key-id", String(keyId)];
      const ending = await run([...command, ...words], { ...time, ...wait });
      if (ending.code !== 0) throw refusal(ending);
      return ending.output;
    },
  });
}

/** `Last crypto error: N (text)` is what it says of the firmware's own errors, whatever the exit code. */
function refusal({ code, complaint }: Ending): SeccfError {
  const status = /Last crypto error: (\d+)/.exec(complaint)?.[1];
  const why = status === undefined ? undefined : STATUS[Number(status)];
  const what = why ?? (status === undefined ? `rpi-fw-crypto ended with ${code}` : `the firmware answered ${status}`);
  return new SeccfError("identity-unavailable", what, { cause: new Error(complaint) });
}

/** RPI_FW_CRYPTO_HMAC_MSG_MAX_SIZE. */
const MOST_MESSAGE = 2048;

/** RPI_FW_CRYPTO_STATUS, where a person can do something about it. */
const STATUS: Readonly<Record<number, string>> = {
  3: "no key has this id",
  4: "the key is locked against HMAC until the next boot",
  5: "the one-time-programmable memory can not be read",
  6: "the key was never set",
  8: "this firmware has no HMAC",
};
