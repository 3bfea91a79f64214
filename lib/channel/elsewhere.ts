/** A peer that is heard from an address at which it is not answered (RFC 9146 6). @module */

import { SeccfError } from "../error.ts";

/**
 * Where the newest that a peer said came from, if that is not where it is answered. Anybody who sees a record can send it on
 * from an address of his own choice, faster than the peer does: so until the peer has shown that it receives there, no
 * more goes there than `send` lets through, and nobody but the application can ask it to show that, for instance by
 * CoAP's Echo (RFC 9175), with a value that is fresh and was said nowhere else.
 */
export interface Elsewhere {
  /** `host:port`. */
  readonly address: string;
  /**
   * Sends one datagram there, beside what the channel sends. Throws `exhausted` beyond three times what came from there,
   * `state` where newer things came from another place meanwhile, and as the channel's `send` does.
   */
  send(payload: Uint8Array): void;
  /**
   * From now on the peer is answered there. To be called when it has shown that it receives there, and for no less: who
   * follows whatever comes lets anybody on the path send the channel's answers to whom he likes, and cut the peer off.
   * What shows it has to have come from there itself: throws `state` where newer things came from another place, and
   * `closed` or `expired`.
   */
  follow(): void;
}

/** What a listener knows of one of its peers. */
export interface Whereabouts {
  /** The address in question, now. */
  elsewhere(): string | undefined;
  /** False beyond what may go there. Throws `too-large`. */
  send(payload: Uint8Array): boolean;
  /** False where that is not the address in question. */
  follow(address: string): boolean;
}

/** One address of one channel; `throwUnlessOpen` throws where the channel is over. */
export function elsewhereOf(whereabouts: Whereabouts, throwUnlessOpen: () => void): Elsewhere | undefined {
  const address = whereabouts.elsewhere();
  if (address === undefined) return undefined;
  return {
    address,
    send(payload) {
      throwUnlessOpen();
      if (whereabouts.elsewhere() !== address) throw isNotThere();
      if (!whereabouts.send(payload)) {
        throw new SeccfError("exhausted", "no more goes to an address than three times what came from there");
      }
    },
    follow() {
      throwUnlessOpen();
      if (!whereabouts.follow(address)) throw isNotThere();
    },
  };
}

function isNotThere(): SeccfError {
  return new SeccfError("state", "the peer was heard from another place since");
}
