/** The default platform: web globals only, no import. Outside `lib/`, which knows no clock, randomness or network. @module */

import type { Platform } from "./lib/platform.ts";

/** `performance`, `Date`, `setTimeout`, `crypto` and `fetch`, as every runtime has them. */
export const webPlatform: Platform = {
  clock: {
    now: () => performance.now(),
    wall: () => Date.now(),
    alarm(at, wake) {
      // A timer longer than 2^31 ms fires at once everywhere: wake early and look again.
      const again = () => {
        const left = at - performance.now();
        if (left <= 0) wake();
        else timer = setTimeout(again, Math.min(left, 2 ** 31 - 1));
      };
      let timer = setTimeout(again, Math.max(0, Math.min(at - performance.now(), 2 ** 31 - 1)));
      return { [Symbol.dispose]: () => clearTimeout(timer) };
    },
  },
  random: (out) => {
    for (let at = 0; at < out.length; at += 65536) {
      crypto.getRandomValues(out.subarray(at, at + 65536) as Uint8Array<ArrayBuffer>);
    }
  },
  fetch: (request) => fetch(request),
};
