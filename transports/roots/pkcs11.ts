/**
 * Keys in a token that has a PKCS #11 module: HSMs, smart cards, SoftHSM. The module is loaded by `p11-kit remote` (Debian
 * package p11-kit) in a process of its own, which is spoken to over its standard input and output: nothing native in this one,
 * the PIN on no command line, and a module that crashes takes nothing with it. The command may as well be `ssh` to where the
 * token is.
 *
 * A key is made by, for one,
 * `pkcs11-tool --module M --token-label T --login --keygen --key-type GENERIC:32 --label root --usage-sign --sensitive`.
 *
 * @module
 */

import type { IdentityModule } from "../../lib/identity/mod.ts";
import { type AskPin, PinGate } from "./pin.ts";
import { type Pkcs11Place, Pkcs11Session } from "./pkcs11_session.ts";
import { Program } from "./program.ts";
import { tokenIdentity, type TokenKey, type TokenTime, tokenTime } from "./token.ts";

export type { AskPin, Pkcs11Place, TokenKey, TokenTime };

/** A generic secret key in a token, found by label, by id or by both. */
export interface Pkcs11Key extends TokenKey, Pkcs11Place {}

/** What {@link pkcs11Identity} takes. */
export interface Pkcs11Options extends TokenTime {
  /** What it derives from. */
  readonly keys: readonly Pkcs11Key[];
  /** Path of the PKCS #11 module, such as `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly module: string;
  /** Asked when the token wants a login. One PIN for all tokens of the module. */
  readonly pin?: AskPin;
  /** What is started, the module's path being added. Default `["p11-kit", "remote"]`. */
  readonly command?: readonly string[];
  /** Added to the environment of the program, such as the path of the token's configuration. Never a secret. */
  readonly environment?: Readonly<Record<string, string>>;
}

/**
 * A module whose provisioned keys are in PKCS #11 tokens. Each derivation opens a session of its own, so that a token which
 * was taken out and put back works again. Throws `identity-unavailable`, `pin-required`, `pin-blocked`, `unsupported`,
 * `timeout`; a key without label and id is a RangeError.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { secretFrom } from "seccf";
 * import { pkcs11Identity } from "seccf/pkcs11";
 *
 * const module = pkcs11Identity({
 *   module: "/usr/lib/softhsm/libsofthsm2.so",
 *   keys: [{ identity: new TextEncoder().encode("meter-7"), token: "meters", label: "root" }],
 *   pin: async () => secretFrom(await readFile("/run/credentials/pin")),
 * });
 * ```
 */
// req: SEC_CF-SEC-001
export function pkcs11Identity(options: Pkcs11Options): IdentityModule {
  const { keys, module, pin, command = ["p11-kit", "remote"], environment = {} } = options;
  const time = tokenTime(options);
  for (const { label, id } of keys) {
    if (label === undefined && id === undefined) throw new RangeError("a key is found by its label or its id");
  }
  const pins = new PinGate(pin);
  return tokenIdentity({
    keys,
    async hmac(key, message, wait) {
      await using program = new Program([...command, module], { ...time, ...wait, environment });
      const tag = await new Pkcs11Session(program).hmac(key, message, pins, wait);
      // It finalizes the module at the end of its input: a token that counts sessions gets this one back.
      await program.finish().catch(() => {});
      return tag;
    },
    end: () => pins[Symbol.dispose](),
  });
}
