/** Protected records of DTLS 1.3 as they come in: finds their epoch and number, and opens each once (RFC 9147 4.2.2, 4.5). @module */

import { equal } from "../../bytes/mod.ts";
import { MAX_PLAINTEXT, MAX_RECORDS } from "../limits.ts";
import type { Epoch } from "./datagram_header.ts";
import type { EpochKeys } from "./epoch_keys.ts";
import { SAMPLE_LENGTH } from "./epoch_keys.ts";
import { ReplayWindow } from "./replay_window.ts";
import { nearestNumber, type UnifiedRecord } from "./unified_header.ts";

/** A record that opened. `payload` is a view of what it was opened into. */
export interface OpenedRecord {
  readonly epoch: Epoch;
  readonly number: number;
  readonly type: number;
  readonly payload: Uint8Array;
}

/** Whether what was opened, and stands as `whole` in its datagram, may be delivered now. */
export type Admission = (opened: OpenedRecord, whole: Uint8Array) => boolean;

/** One epoch that is read. */
interface Line {
  readonly epoch: Epoch;
  readonly keys: EpochKeys;
  readonly window: ReplayWindow;
  failed: number;
}

/** The epochs of one association that have keys. What does not open changes nothing but a count. */
export class UnifiedReader implements Disposable {
  /** Newest first. */
  #lines: Line[] = [];
  #newest = -1;
  /** The epoch of the newest record. */
  #newestEpoch: Epoch = 0;
  #failed = 0;
  /** A copy of the header that is being turned. */
  #header: Uint8Array = new Uint8Array(0);

  /** Grows with every record that is newer than all that opened before it; -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** The epoch of the newest record; 0 before the first. */
  get heardEpoch(): Epoch {
    return this.#newestEpoch;
  }

  /** The newest epoch that has keys; 0 before the first. */
  get epoch(): Epoch {
    return this.#lines[0]?.epoch ?? 0;
  }

  /** Fresh records that no key opened. A count. */
  get failed(): number {
    return this.#failed;
  }

  /** How much of what may fail under the newest epoch's keys has failed, 0 to 1 (RFC 9147 4.5.3). */
  get wear(): number {
    const [line] = this.#lines;
    return line ? line.failed / line.keys.limits.failed : 0;
  }

  /** `epoch`, newer than all before it, is under `keys`, which are this reader's to dispose. */
  open(epoch: Epoch, keys: EpochKeys): void {
    this.#lines.unshift({ epoch, keys, window: new ReplayWindow(), failed: 0 });
  }

  /** Epochs before `epoch` are not read any more: wipes their keys. */
  forget(epoch: Epoch): void {
    for (const line of this.#lines) if (line.epoch < epoch) line.keys[Symbol.dispose]();
    this.#lines = this.#lines.filter((line) => line.epoch >= epoch);
  }

  /** Whether some epoch that is read has the bits of `record`. */
  knows({ epochBits }: UnifiedRecord): boolean {
    return this.#lines.some(({ epoch }) => epoch % 4 === epochBits);
  }

  /** Which records of `epoch` were used; `undefined` where it has no keys. */
  windowOf(epoch: Epoch): ReplayWindow | undefined {
    return this.#lines.find((line) => line.epoch === epoch)?.window;
  }

  /**
   * Opens `record` into `out`, which has room for its ciphertext; `undefined` for what does not belong here, is not fresh, or
   * is not admitted by now, and then it is as if it had not come.
   */
  read(record: UnifiedRecord, out: Uint8Array, admits?: Admission): OpenedRecord | undefined {
    const { whole, bodyAt } = record;
    const body = whole.subarray(bodyAt);
    // Newest first: of two epochs with the same bits it is the later one (RFC 9147 4.2.2).
    const line = this.#lines.find(({ epoch }) => epoch % 4 === record.epochBits);
    if (!line || body.length < SAMPLE_LENGTH || body.length > MAX_PLAINTEXT + MAX_EXPANSION) return undefined;
    // RFC 9147 4.5.3: what failed too often is not tried again.
    if (line.failed >= line.keys.limits.failed) return undefined;
    const header = this.#copyOf(whole.subarray(0, bodyAt));
    const number = showNumber(line, header, record, body);
    if (number >= MAX_RECORDS || !line.window.isFresh(number)) return undefined;
    const length = line.keys.openInto(header, number, body, out);
    if (length < 0) {
      line.failed++;
      this.#failed++;
      return undefined;
    }
    // RFC 9147 4: the limit is the inner plaintext's, padding and all.
    const opened = length > MAX_PLAINTEXT + 1 ? undefined : unwrap(line.epoch, number, out.subarray(0, length));
    if (opened && admits && !admits(opened, whole)) return undefined;
    this.#use(line, number);
    return opened;
  }

  /** Wipes all keys. */
  [Symbol.dispose](): void {
    for (const { keys } of this.#lines) keys[Symbol.dispose]();
    this.#lines = [];
  }

  #use(line: Line, number: number): void {
    if (line.epoch > this.#newestEpoch || (line.epoch === this.#newestEpoch && number > line.window.highest)) {
      this.#newestEpoch = line.epoch;
      this.#newest++;
    }
    line.window.use(number);
  }

  #copyOf(header: Uint8Array): Uint8Array {
    if (this.#header.length !== header.length) this.#header = new Uint8Array(header.length);
    this.#header.set(header);
    return this.#header;
  }
}

/** Makes `header` what is authenticated, with its number in the clear, and returns the whole number. */
function showNumber(
  { keys, window }: Line,
  header: Uint8Array,
  { numberAt, numberLength }: UnifiedRecord,
  body: Uint8Array,
): number {
  keys.turnNumber(header, numberAt, numberLength, body);
  const low = numberLength === 1 ? header[numberAt]! : (header[numberAt]! << 8) | header[numberAt + 1]!;
  return nearestNumber(window.highest + 1, low, numberLength);
}

/** RFC 9147 4: content, its type, and any number of zeros. */
function unwrap(epoch: Epoch, number: number, inner: Uint8Array): OpenedRecord | undefined {
  let end = inner.length - 1;
  while (end >= 0 && inner[end] === 0) end--;
  return end < 0 ? undefined : { epoch, number, type: inner[end]!, payload: inner.subarray(0, end) };
}

/** Whether what `record` calls its receiver by is `ownId`, or may be left out since an earlier record of its datagram said it. */
export function isFor(record: UnifiedRecord, ownId: Uint8Array, isIdentified: boolean): boolean {
  if (!record.connectionId) return ownId.length === 0 || isIdentified;
  return ownId.length > 0 && equal(record.connectionId, ownId);
}

/** RFC 8446 5.2: how much longer than its content ciphertext can be. */
const MAX_EXPANSION = 256;
