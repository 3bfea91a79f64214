/** `seccf identity passwd`: another passphrase, or another wrapping key, for a file. @module */

import { openIdentityFile } from "../files/mod.ts";
import type { Command } from "./console.ts";
import { RENEWED, UNLOCK_OPTIONS, unlockOf } from "./identity_unlock.ts";

/** Old or new whatever happens meanwhile. */
export const passwdCommand: Command = {
  spec: {
    name: "identity passwd",
    summary: "change what opens an identity file",
    operands: ["FILE"],
    options: [
      ...UNLOCK_OPTIONS,
      { name: "--new-passphrase-file", value: "FILE", help: "the passphrase from now on" },
      { name: "--new-wrapping-key-file", value: "FILE", help: "or the key from now on" },
    ],
    notes: ["Without them they are SECCF_PASSPHRASE and SECCF_NEW_PASSPHRASE, or asked for on the terminal."],
  },
  async run(given, console) {
    using before = await unlockOf(given, console);
    using file = await openIdentityFile(given.operands[0] ?? "", before.opener);
    using renewed = await unlockOf(given, console, { source: RENEWED, repeat: true });
    await file.relock(before.unlock, renewed.unlock);
    return 0;
  },
};
