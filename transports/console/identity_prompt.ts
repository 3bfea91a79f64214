/** A question on a terminal whose answer does not show. @module */

import { type SecretBytes, secretFrom, wipe } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";

/** What is used of a terminal's input stream. */
export interface Terminal {
  setRawMode(on: boolean): unknown;
  on(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  off(event: "data", listener: (bytes: Uint8Array) => void): unknown;
  resume(): unknown;
  pause(): unknown;
}

const MOST = 1024;

/**
 * What is typed up to the end of the line. Backspace takes a letter back and Ctrl-U all of them; Ctrl-C rejects with
 * `"SIGINT"`, as a signal would, and the end of input with `closed`. The terminal is left as it was found.
 */
export function askOnTerminal(
  terminal: Terminal,
  write: (text: string) => void,
  question: string,
): Promise<SecretBytes> {
  const typed = new Uint8Array(new ArrayBuffer(MOST));
  let length = 0;
  return new Promise<SecretBytes>((resolve, reject) => {
    const end = (settle: () => void): void => {
      terminal.off("data", listen);
      terminal.setRawMode(false);
      terminal.pause();
      write("\n");
      settle();
      wipe(typed);
    };
    const take = (byte: number): boolean => {
      if (byte === 0x0d || byte === 0x0a) end(() => resolve(secretFrom(typed.subarray(0, length))));
      else if (byte === 0x03) end(() => reject("SIGINT"));
      else if (byte === 0x04 && length === 0) end(() => reject(new SeccfError("closed", "the input ended")));
      else if (length === MOST) end(() => reject(new SeccfError("too-large", "an answer of unlikely length")));
      else {
        length = edited(typed, length, byte);
        return true;
      }
      return false;
    };
    const listen = (bytes: Uint8Array): void => {
      // What follows the end of the line is nobody's: it is dropped, as a terminal drops what is typed ahead of a prompt.
      bytes.every(take);
      wipe(bytes);
    };
    write(question);
    terminal.setRawMode(true);
    terminal.on("data", listen);
    terminal.resume();
  });
}

function edited(typed: Uint8Array, length: number, byte: number): number {
  if (byte === 0x15) return 0;
  if (byte === 0x7f || byte === 0x08) {
    let left = length - 1;
    // A letter of UTF-8 begins with a byte that does not go on with another.
    while (left > 0 && (typed[left]! & 0xc0) === 0x80) left--;
    return Math.max(0, left);
  }
  if (byte < 0x20) return length;
  typed[length] = byte;
  return length + 1;
}
