/** One record of a datagram as its reader found it: the reader's own object, overwritten by the next. @module */

import { CONTENT, DTLS_1_0, DTLS_1_2 } from "./content_type.ts";
import type { Epoch } from "./datagram_header.ts";
import { typeAt } from "./inner_type.ts";
import type { Pad } from "./pad.ts";
import type { RecordPlace } from "./record_place.ts";

/** Nobody answers for what is in epoch 0. */
export interface DatagramRecord {
  readonly epoch: Epoch;
  /** 0 to 2^48 - 1. */
  readonly number: number;
  readonly type: number;
  /** A view that stays until the reader's next `push` or `trim`. */
  readonly payload: Uint8Array;
}

/** What a reader fills. */
export class FoundRecord implements DatagramRecord {
  epoch: Epoch = 0;
  number = 0;
  type = 0;
  payload: Uint8Array = new Uint8Array(0);

  /** Takes what is in the clear; false for what can not be (RFC 6347 4.2.1: hellos carry the version 1.0 as long as no other is agreed). */
  readClear(pad: Pad, { type, version, number, bodyAt, end }: RecordPlace): boolean {
    const isKnown = type === CONTENT.handshake || type === CONTENT.alert || type === CONTENT.changeCipherSpec;
    if (!isKnown || (version !== DTLS_1_2 && version !== DTLS_1_0)) return false;
    return this.set(0, number, type, pad.view(bodyAt, end));
  }

  /** Takes content, its type, and any number of zeros, which lie at `at`; false where there is no type (RFC 9146 4, RFC 9147 4). */
  unwrap(epoch: Epoch, number: number, pad: Pad, at: number, length: number): boolean {
    const typeIsAt = typeAt(pad.bytes, at, at + length);
    return typeIsAt >= 0 && this.set(epoch, number, pad.bytes[typeIsAt]!, pad.view(at, typeIsAt));
  }

  /** True. */
  set(epoch: Epoch, number: number, type: number, payload: Uint8Array): true {
    this.epoch = epoch;
    this.number = number;
    this.type = type;
    this.payload = payload;
    return true;
  }
}
