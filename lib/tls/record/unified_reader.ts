/** Protected records of DTLS 1.3 as they come in: finds their epoch and number, and opens each once (RFC 9147 4.2.2, 4.5). @module */

import { MAX_PLAINTEXT, MAX_RECORDS } from "../limits.ts";
import type { Epoch } from "./datagram_header.ts";
import type { FoundRecord } from "./datagram_record.ts";
import { admits, type DurableNumbers } from "./durable_numbers.ts";
import type { EpochKeys } from "./epoch_keys.ts";
import { SAMPLE_LENGTH } from "./epoch_keys.ts";
import type { Pad } from "./pad.ts";
import type { RecordPlace } from "./record_place.ts";
import { ReplayWindow } from "./replay_window.ts";
import { scratch } from "./scratch.ts";
import { nearestNumber } from "./unified_header.ts";

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

  /** Whether some epoch that is read has these two low bits. */
  knows(epochBits: number): boolean {
    return this.#lineOf(epochBits) !== undefined;
  }

  /** Which records of `epoch` were used; `undefined` where it has no keys. */
  windowOf(epoch: Epoch): ReplayWindow | undefined {
    return this.#lines.find((line) => line.epoch === epoch)?.window;
  }

  /**
   * Opens the record at `place` in `pad`, where it lies: `found` is what came out. False for what does not belong here, is not
   * fresh, or is not admitted by now, and then it is as if it had not come.
   */
  read(pad: Pad, place: RecordPlace, found: FoundRecord, durable?: DurableNumbers): boolean {
    const { bodyAt } = place;
    const bodyLength = place.end - bodyAt;
    // Newest first: of two epochs with the same bits it is the later one (RFC 9147 4.2.2).
    const line = this.#lineOf(place.epoch);
    if (!line || bodyLength < SAMPLE_LENGTH || bodyLength > MAX_PLAINTEXT + MAX_EXPANSION) return false;
    // RFC 9147 4.5.3: what failed too often is not tried again.
    if (line.failed >= line.keys.limits.failed) return false;
    const header = headerAt(pad, place);
    const number = showNumber(line, header, place, pad.view(bodyAt, place.end));
    if (number >= MAX_RECORDS || !line.window.isFresh(number)) return false;
    // What has to wait until it is on record waits as it came.
    const whole = durable ? pad.bytes.slice(place.at, place.end) : NOTHING;
    const length = line.keys.open(header, number, pad, bodyAt, bodyLength);
    if (length < 0) {
      line.failed++;
      this.#failed++;
      return false;
    }
    // RFC 9147 4: the limit is the inner plaintext's, padding and all.
    const isRead = length <= MAX_PLAINTEXT + 1 && found.unwrap(line.epoch, number, pad, bodyAt, length);
    if (isRead && durable && !admits(durable, found, whole)) return false;
    this.#use(line, number);
    return isRead;
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

  #lineOf(epochBits: number): Line | undefined {
    for (const line of this.#lines) if (line.epoch % 4 === epochBits) return line;
    return undefined;
  }
}

/** A copy, since the number is hidden where it stands: valid until the next. */
function headerAt({ bytes }: Pad, { at, bodyAt }: RecordPlace): Uint8Array {
  const header = scratch(bodyAt - at);
  for (let i = 0; i < header.length; i++) header[i] = bytes[at + i]!;
  return header;
}

/** Makes `header` what is authenticated, with its number in the clear, and returns the whole number. */
function showNumber(
  { keys, window }: Line,
  header: Uint8Array,
  { at, numberAt, numberLength }: RecordPlace,
  body: Uint8Array,
): number {
  const from = numberAt - at;
  keys.turnNumber(header, from, numberLength, body);
  const low = numberLength === 1 ? header[from]! : (header[from]! << 8) | header[from + 1]!;
  return nearestNumber(window.highest + 1, low, numberLength);
}

/** RFC 8446 5.2: how much longer than its content ciphertext can be. */
const MAX_EXPANSION = 256;
const NOTHING: Uint8Array = new Uint8Array(0);
