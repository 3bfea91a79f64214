/** How the soft USIM hands over an answer: at once, or when GET RESPONSE asks for it (TS 102 221 7.3.1.1). @module */

import { concat } from "../bytes/mod.ts";
import { wipe } from "../crypto/mod.ts";
import type { Answer, Command } from "./apdu.ts";
import { SW } from "./status.ts";

/** An answer in its bytes: the data, SW1, SW2. */
export function answerBytes({ data, sw }: Answer): Uint8Array {
  return concat(data, Uint8Array.of(sw >> 8, sw & 255));
}

/** What one command left for the next to fetch. */
export class CardOutput {
  readonly #protocol: "T=0" | "T=1";
  #waiting: Uint8Array = NOTHING;

  constructor(protocol: "T=0" | "T=1") {
    this.#protocol = protocol;
  }

  /** Forgets what was not fetched: any command but GET RESPONSE does. */
  clear(): void {
    wipe(this.#waiting);
    this.#waiting = NOTHING;
  }

  /** The bytes to send for `answer` to `command`. `answer.data` is wiped, or kept for {@link CardOutput.fetch}. */
  deliver(answer: Answer, command: Command): Uint8Array {
    const { data, sw } = answer;
    const { le } = command;
    if (data.length === 0) return answerBytes(answer);
    if (le === undefined || (this.#protocol === "T=0" && command.data?.length)) {
      this.#waiting = data;
      return pointer(0x61, data.length);
    }
    // Le 00 takes what there is over T=1; over T=0 the length must be told first.
    const fits = le <= data.length || (le === 256 && this.#protocol === "T=1");
    const out = fits ? answerBytes({ data: data.subarray(0, le), sw }) : pointer(0x6c, data.length);
    wipe(data);
    return out;
  }

  /** The answer to GET RESPONSE for at most `le` bytes. */
  fetch(le: number): Uint8Array {
    const { length } = this.#waiting;
    if (length === 0) return answerBytes({ data: NOTHING, sw: SW.conditionsOfUse });
    if (le > length && le !== 256) return pointer(0x6c, length);
    const rest = this.#waiting.slice(le);
    const sw = rest.length > 0 ? 0x6100 | rest.length % 256 : SW.ok;
    const out = answerBytes({ data: this.#waiting.subarray(0, le), sw });
    wipe(this.#waiting);
    this.#waiting = rest;
    return out;
  }
}

function pointer(sw1: number, length: number): Uint8Array {
  return Uint8Array.of(sw1, length % 256);
}

const NOTHING = new Uint8Array(0);
