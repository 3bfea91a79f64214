/** How the records of one epoch are written on datagrams: in the clear, and under the keys of DTLS 1.2. @module */

import { writeKey } from "../key_of.ts";
import { MAX_RECORDS } from "../limits.ts";
import { CONTENT, DATAGRAM_HEADER_LENGTH, DTLS_1_2 } from "./content_type.ts";
import { type Epoch, headerOf, writeNumber } from "./datagram_header.ts";
import type { Pad } from "./pad.ts";
import type { Protection } from "./protection.ts";

/** One form of records. Lengths are bytes. */
export interface Sealer extends Disposable {
  /** Whether it may write the record with `number`. A question, since the limit is no small integer: reading one makes an object. */
  hasNumber(number: number): boolean;
  /** What of the longest plaintext is not for the content. */
  readonly inside: number;
  /** How long a record with so much content is, header and all. */
  lengthOf(contentLength: number): number;
  /** Writes one record at `at` in `pad`, where `lengthOf` bytes have room, and returns its length. `content` lies elsewhere. */
  seal(pad: Pad, at: number, type: number, number: number, content: Uint8Array): number;
}

/** Epoch 0, the same in all versions. */
export class ClearSealer implements Sealer {
  readonly inside = 0;

  hasNumber(number: number): boolean {
    return number < MAX_RECORDS;
  }

  lengthOf(contentLength: number): number {
    return DATAGRAM_HEADER_LENGTH + contentLength;
  }

  seal({ bytes }: Pad, at: number, type: number, number: number, content: Uint8Array): number {
    writeHeader(bytes, at, type, 0, number);
    bytes[at + 11] = content.length >> 8;
    bytes[at + 12] = content.length;
    bytes.set(content, at + DATAGRAM_HEADER_LENGTH);
    return DATAGRAM_HEADER_LENGTH + content.length;
  }

  [Symbol.dispose](): void {}
}

/** Epoch 1 of DTLS 1.2; with a Connection ID the type is inside, behind the content (RFC 9146 4). */
export class Sealer12 implements Sealer {
  readonly inside: 0 | 1;
  readonly #protection: Protection;
  /** As `keyOf` writes it. */
  readonly #connectionId: string;

  /** `protection` is this sealer's to dispose; `connectionId` is what the receiver chose, as `keyOf` writes it, none where it is empty. */
  constructor(protection: Protection, connectionId: string) {
    this.#protection = protection;
    this.#connectionId = connectionId;
    this.inside = connectionId.length > 0 ? 1 : 0;
  }

  hasNumber(number: number): boolean {
    return number < MAX_RECORDS;
  }

  lengthOf(contentLength: number): number {
    const inner = contentLength + this.inside;
    return DATAGRAM_HEADER_LENGTH + this.#connectionId.length + this.#protection.sealedLength(inner);
  }

  seal(pad: Pad, at: number, type: number, number: number, content: Uint8Array): number {
    const { bytes } = pad;
    const id = this.#connectionId;
    const bodyAt = at + DATAGRAM_HEADER_LENGTH + id.length;
    const contentAt = bodyAt + this.#protection.lead;
    bytes.set(content, contentAt);
    if (this.inside === 1) bytes[contentAt + content.length] = type;
    const length = this.#protection.seal(headerOf(id, type, number), pad, bodyAt, content.length + this.inside);
    writeHeader(bytes, at, this.inside === 1 ? CONTENT.connectionId : type, 1, number);
    writeKey(id, bytes, at + 11);
    bytes[bodyAt - 2] = length >> 8;
    bytes[bodyAt - 1] = length;
    return bodyAt - at + length;
  }

  [Symbol.dispose](): void {
    this.#protection[Symbol.dispose]();
  }
}

function writeHeader(out: Uint8Array, at: number, type: number, epoch: Epoch, number: number): void {
  out[at] = type;
  out[at + 1] = DTLS_1_2 >> 8;
  out[at + 2] = DTLS_1_2 & 0xff;
  writeNumber(out, at + 3, epoch, number);
}
