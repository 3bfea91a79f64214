/** What opens an identity file, as a person or a script gives it: never on the command line, never echoed. @module */

import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual, secretFrom, wipe } from "../../lib/crypto/mod.ts";
import type { Opener, Unlock } from "../files/mod.ts";
import { type Arguments, type OptionSpec, UsageError } from "./arguments.ts";
import type { Console } from "./console.ts";

/** Where the passphrase or the wrapping key of a file may come from. */
export const UNLOCK_OPTIONS: readonly OptionSpec[] = [
  { name: "--passphrase-file", value: "FILE", help: "the passphrase of the identity file: what is in this file" },
  { name: "--wrapping-key-file", value: "FILE", help: "or a key of 16 bytes or more, in hexadecimal digits" },
];

/** What `--help` says of the other ways. */
export const UNLOCK_NOTE = "Without them the passphrase is SECCF_PASSPHRASE, or asked for on the terminal.";

/** Where a passphrase comes from: two of them are needed to change one. */
export interface UnlockSource {
  readonly passphraseFile: string;
  readonly wrappingKeyFile: string;
  readonly variable: string;
  readonly question: string;
}

/** The usual one. */
export const CURRENT: UnlockSource = {
  passphraseFile: "--passphrase-file",
  wrappingKeyFile: "--wrapping-key-file",
  variable: "SECCF_PASSPHRASE",
  question: "Passphrase: ",
};

/** What takes its place. */
export const RENEWED: UnlockSource = {
  passphraseFile: "--new-passphrase-file",
  wrappingKeyFile: "--new-wrapping-key-file",
  variable: "SECCF_NEW_PASSPHRASE",
  question: "New passphrase: ",
};

/** In both forms that files are told in. Disposing wipes what was read. */
export type GivenUnlock = Disposable & { readonly unlock: Unlock; readonly opener: Opener };

/** Looks in the options, then in the environment, then asks; twice with `repeat`. Throws {@link UsageError}. */
export async function unlockOf(
  given: Arguments,
  console: Console,
  options: { readonly source?: UnlockSource; readonly repeat?: boolean } = {},
): Promise<GivenUnlock> {
  const { source = CURRENT, repeat = false } = options;
  const [words, key] = [given.one(source.passphraseFile), given.one(source.wrappingKeyFile)];
  if (words !== undefined && key !== undefined) {
    throw new UsageError(`${source.passphraseFile} or ${source.wrappingKeyFile}, not both`);
  }
  if (key !== undefined) return wrapping(await readSecretText(key, console));
  if (words !== undefined) return passphrase(toSecret(await readSecretText(words, console)));
  const variable = console.env(source.variable);
  if (variable !== undefined && variable !== "") return passphrase(toSecret(variable));
  if (!console.askSecret) {
    throw new UsageError(`a passphrase is needed: ${source.passphraseFile} FILE or ${source.variable}`);
  }
  const answer = await console.askSecret(source.question);
  if (repeat) {
    using again = await console.askSecret(`${source.question.replace(/: $/, "")}, again: `);
    if (!secretEqual(again, answer)) throw new UsageError("the two are not the same");
  }
  return passphrase(answer);
}

/** A file's text without the end of its line. Throws {@link UsageError} when it can not be read. */
export async function readSecretText(path: string, console: Console): Promise<string> {
  try {
    return (await console.readText(path)).replace(/\r?\n$/, "");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    throw new UsageError(`a file of the command line can not be read: ${code || error}`);
  }
}

/** Throws {@link UsageError} unless `text` is an even number of hexadecimal digits. */
export function hexSecret(text: string, what: string): SecretBytes {
  if (!/^(?:[0-9A-Fa-f]{2})+$/.test(text)) throw new UsageError(`${what} is an even number of hexadecimal digits`);
  const bytes = fromHex(text);
  const secret = secretFrom(bytes);
  wipe(bytes);
  return secret;
}

function wrapping(text: string): GivenUnlock {
  const wrappingKey = hexSecret(text.trim(), "a wrapping key");
  if (wrappingKey.byteLength < 16) throw new UsageError("a wrapping key has at least 16 bytes");
  return { unlock: { wrappingKey }, opener: { wrappingKey }, [Symbol.dispose]: () => wrappingKey[Symbol.dispose]() };
}

function passphrase(words: SecretBytes): GivenUnlock {
  if (words.byteLength === 0) throw new UsageError("an empty passphrase");
  return { unlock: { passphrase: words }, opener: { unlock: words }, [Symbol.dispose]: () => words[Symbol.dispose]() };
}

/** Composed as `seccf/file` composes text, so that a file made here opens there. */
function toSecret(text: string): SecretBytes {
  const bytes = toUtf8(text.normalize("NFC"));
  const secret = secretFrom(bytes);
  wipe(bytes);
  return secret;
}
