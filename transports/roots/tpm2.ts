/**
 * HMAC keys in a TPM 2.0, through the programs of tpm2-tools (Debian package tpm2-tools, 5.2 and later). A key is put there once and
 * made persistent:
 *
 * `tpm2_createprimary -C o -c primary.ctx`, `tpm2_import -C primary.ctx -G hmac -i root.key -u key.pub -r key.priv -p file:auth`
 * (or `tpm2_create -G hmac` for one that was never outside), `tpm2_load -C primary.ctx -u key.pub -r key.priv -c key.ctx`,
 * `tpm2_evictcontrol -C o -c key.ctx 0x81010001`.
 *
 * The authorization value proves itself to the TPM in an HMAC session and does not cross the bus. The derived key does, in the
 * clear, unless {@link Tpm2Options.encryptTo} is given.
 *
 * @module
 */

import { join } from "node:path";
import { concat, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom, wipe } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { type ErrorCode, SeccfError } from "../../lib/error.ts";
import type { IdentityModule } from "../../lib/identity/mod.ts";
import type { Wait } from "../../lib/platform.ts";
import { type AskPin, PinGate } from "./pin.ts";
import { PrivateFolder } from "./private_folder.ts";
import { type Ending, type ProgramOptions, run } from "./program.ts";
import { tokenIdentity, type TokenKey, type TokenTime, tokenTime } from "./token.ts";

export type { AskPin, TokenKey, TokenTime };

/** A persistent HMAC key with SHA-256 in a TPM. */
export interface Tpm2Key extends TokenKey {
  /** Its handle, 0x81000000 to 0x81FFFFFF. */
  readonly handle: number;
}

/** What {@link tpm2Identity} takes. */
export interface Tpm2Options extends TokenTime {
  /** What it derives from. */
  readonly keys: readonly Tpm2Key[];
  /** Where the TPM is, as tpm2-tools names it: `device:/dev/tpmrm0`, `swtpm:path=...`. Default: what the tools find. */
  readonly tcti?: string;
  /** The folder of the programs. Default: they are found on the path. */
  readonly tools?: string;
  /** Asked for the authorization value, at most 64 bytes. Without it the keys need none. */
  readonly auth?: AskPin;
  /**
   * Handle of a persistent storage key, such as 0x81000001. The derived key then crosses the bus encrypted under a session salted
   * to it. It is taken as it is found: against somebody who answers in the TPM's place, its name has to be checked elsewhere.
   * Together with `auth` it needs tpm2-tools 5.6, since older ones take the secret from the command line alone: `unsupported`.
   */
  readonly encryptTo?: number;
}

/**
 * A module whose provisioned keys are in a TPM. Throws `identity-unavailable`, `pin-required` for a wrong authorization value,
 * which is not tried again, `pin-blocked` while the TPM is in its lockout, `unsupported`, `timeout`.
 *
 * @example
 * ```ts
 * import { readFile } from "node:fs/promises";
 * import { secretFrom } from "seccf";
 * import { tpm2Identity } from "seccf/tpm2";
 *
 * const module = tpm2Identity({
 *   tcti: "device:/dev/tpmrm0",
 *   keys: [{ identity: new TextEncoder().encode("meter-7"), handle: 0x81010001 }],
 *   auth: async () => secretFrom(await readFile("/run/credentials/tpm")),
 * });
 * ```
 */
// req: SEC_CF-SEC-001
export function tpm2Identity(options: Tpm2Options): IdentityModule {
  const { keys, auth, encryptTo } = options;
  const time = tokenTime(options);
  for (const handle of [...keys.map((key) => key.handle), ...(encryptTo === undefined ? [] : [encryptTo])]) {
    if (!Number.isInteger(handle) || handle < 0x81000000 || handle > 0x81ffffff) {
      throw new RangeError("a persistent handle is 0x81000000 to 0x81FFFFFF");
    }
  }
  // A key without one may turn out to have one: the TPM counts the empty try as any other.
  const pins = new PinGate(auth ?? (() => Promise.resolve(secretFrom(new Uint8Array(0)))));
  return tokenIdentity({
    keys,
    async hmac({ handle }, message, wait) {
      await using folder = await PrivateFolder.make();
      const tools = new Tools(folder, options, { ...time, ...wait });
      const file = await folder.write("message", message);
      if (encryptTo === undefined) return await hmac(tools, { handle, file }, pins, wait);
      if (auth && !(await tools.readSecretsForSessions())) {
        throw new SeccfError("unsupported", "tpm2-tools before 5.6 take the secret of a session from the command line");
      }
      await using session = await tools.startSession(encryptTo);
      return await hmac(tools, { handle, file, session: session.path }, pins, wait);
    },
    end: () => pins[Symbol.dispose](),
  });
}

/** What one HMAC is over and under. */
interface Task {
  readonly handle: number;
  readonly file: string;
  readonly session?: string;
}

async function hmac(tools: Tools, task: Task, pins: PinGate, wait: Wait): Promise<Uint8Array> {
  const { handle, file, session } = task;
  using secret = await pins.get(wait);
  const input = secret.byteLength > 0 ? authInput(secret) : undefined;
  const by = [...(session === undefined ? [] : [`session:${session}`]), ...(input ? ["file:-"] : [])].join("+");
  const words = ["-c", hex(handle), ...(by === "" ? [] : ["-p", by]), file];
  try {
    return await tools.run("tpm2_hmac", words, input);
  } catch (error) {
    if (error instanceof SeccfError && error.code === "pin-required") pins.refuse(secret);
    throw error;
  } finally {
    if (input) wipe(input);
  }
}

/** In digits: as it is, a value that begins with `hex:` or `file:`, or ends in a newline, would be taken for something else. */
function authInput(secret: SecretBytes): Uint8Array {
  if (secret.byteLength > 64) throw new RangeError("an authorization value has at most 64 bytes");
  const digits = new Uint8Array(2 * secret.byteLength);
  expose(secret).forEach((byte, i) => {
    digits[2 * i] = digit(byte >> 4);
    digits[2 * i + 1] = digit(byte & 15);
  });
  const input = concat(toUtf8("hex:"), digits);
  wipe(digits);
  return input;
}

/** '0' + value, moved to 'a' where value passes 9, by sign bits alone. */
function digit(value: number): number {
  return 48 + value + (((9 - value) >> 31) & 39);
}

/** The programs, at one TPM. */
class Tools {
  readonly #folder: PrivateFolder;
  readonly #place: Pick<Tpm2Options, "tcti" | "tools">;
  readonly #options: ProgramOptions;

  constructor(folder: PrivateFolder, place: Pick<Tpm2Options, "tcti" | "tools">, options: ProgramOptions) {
    this.#folder = folder;
    this.#place = place;
    this.#options = options;
  }

  /** What `program` writes. Throws for any exit code but 0. */
  async run(program: string, words: readonly string[], input?: Uint8Array): Promise<Uint8Array> {
    const ending = await run(this.#command(program, words), this.#options, input);
    if (ending.code !== 0) throw refusal(program, ending);
    return ending.output;
  }

  /** Whether `session:file+file:-` means what it says: the text behind the plus was the secret itself before 5.6. */
  async readSecretsForSessions(): Promise<boolean> {
    const { output } = await run(this.#command("tpm2_hmac", ["--version"]), this.#options);
    const [, major = 0, minor = 0] = /version="(\d+)\.(\d+)/.exec(new TextDecoder().decode(output)) ?? [];
    return Number(major) > 5 || (Number(major) === 5 && Number(minor) >= 6);
  }

  /** A session salted to `key` that encrypts the first parameter either way; the TPM has few, so it is flushed when it is left. */
  async startSession(key: number): Promise<AsyncDisposable & { readonly path: string }> {
    const path = this.#folder.path("session");
    // Not under the caller's signal: what was begun is to be ended.
    const { signal: _, ...options } = this.#options;
    const flush = async () => {
      await run(this.#command("tpm2_flushcontext", [path]), options).catch(() => {});
    };
    try {
      await this.run("tpm2_startauthsession", ["--hmac-session", `--tpmkey-context=${hex(key)}`, "-S", path]);
      await this.run("tpm2_sessionconfig", ["--enable-encrypt", "--enable-decrypt", path]);
    } catch (error) {
      await flush();
      throw error;
    }
    return { path, [Symbol.asyncDispose]: flush };
  }

  #command(program: string, words: readonly string[]): string[] {
    const { tools, tcti } = this.#place;
    return [
      tools === undefined ? program : join(tools, program),
      ...(tcti === undefined ? [] : ["-T", tcti]),
      ...words,
    ];
  }
}

function hex(handle: number): string {
  return `0x${toHex(Uint8Array.of(handle >>> 24, handle >>> 16, handle >>> 8, handle))}`;
}

/** The TPM's own answer is in what the tool complains of, as `(0x98E)`. */
function refusal(program: string, { code, complaint }: Ending): SeccfError {
  const [, digits] = /^ERROR: \w+\(0x([0-9A-Fa-f]+)\)/m.exec(complaint) ?? [];
  const cause = new Error(complaint);
  if (digits === undefined) {
    return new SeccfError("identity-unavailable", `${program} ended with ${code}`, { cause });
  }
  const answer = parseInt(digits, 16);
  return new SeccfError(codeOf(answer), `the TPM answered 0x${digits} to ${program}`, {
    cause,
    clause: "TPM 2.0 Part 2, 6.6",
  });
}

/** Format one names the parameter, handle or session beside the error: bits 8 to 11 and 6 (TPM 2.0 Part 2, 6.6.2). */
function codeOf(answer: number): ErrorCode {
  if (answer === 0x921) return "pin-blocked"; // TPM_RC_LOCKOUT
  const error = answer & 0x80 ? answer & 0xbf : undefined;
  // TPM_RC_AUTH_FAIL, which is counted, and TPM_RC_BAD_AUTH, which is not.
  return error === 0x8e || error === 0xa2 ? "pin-required" : "identity-unavailable";
}
