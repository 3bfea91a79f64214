/** How the records of one epoch of DTLS 1.3 are written (RFC 9147 4). @module */

import type { Epoch } from "./datagram_header.ts";
import type { EpochKeys } from "./epoch_keys.ts";
import type { Pad } from "./pad.ts";
import type { Sealer } from "./sealer.ts";
import { unifiedHeaderLength, writeUnifiedHeader } from "./unified_header.ts";

/** Records that say their length, with numbers of two bytes, hidden. */
export class UnifiedSealer implements Sealer {
  readonly inside = 1;
  readonly #keys: EpochKeys;
  readonly #epoch: Epoch;
  readonly #connectionId: string;
  readonly #headerLength: number;

  /** `keys` are this sealer's to dispose; `connectionId` is what the receiver chose, as `keyOf` writes it, none where it is empty. */
  constructor(keys: EpochKeys, epoch: Epoch, connectionId: string) {
    this.#keys = keys;
    this.#epoch = epoch;
    this.#connectionId = connectionId;
    this.#headerLength = unifiedHeaderLength(connectionId);
  }

  hasNumber(number: number): boolean {
    return number < this.#keys.limits.sealed;
  }

  lengthOf(contentLength: number): number {
    return this.#headerLength + this.#keys.sealedLength(contentLength);
  }

  seal(pad: Pad, at: number, type: number, number: number, content: Uint8Array): number {
    const bodyAt = at + this.#headerLength;
    const bodyLength = this.#keys.sealedLength(content.length);
    const header = pad.view(at, bodyAt);
    writeUnifiedHeader(header, this.#connectionId, this.#epoch, number, bodyLength);
    pad.bytes.set(content, bodyAt);
    this.#keys.seal(header, number, type, pad, bodyAt, content.length);
    this.#keys.turnNumber(header, 1 + this.#connectionId.length, 2, pad.view(bodyAt, bodyAt + bodyLength));
    return this.#headerLength + bodyLength;
  }

  /** The same keys under another name of the receiver (RFC 9147 9). The one before is not to be used any more. */
  renamed(connectionId: string): UnifiedSealer {
    return new UnifiedSealer(this.#keys, this.#epoch, connectionId);
  }

  [Symbol.dispose](): void {
    this.#keys[Symbol.dispose]();
  }
}
