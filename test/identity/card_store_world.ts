/** A card and a device that share objects, and what may interrupt them at any command and any write. */
import { fromHex } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import type { ApduChannel } from "../../lib/identity/mod.ts";
import { CardStore, type CardStoreOptions } from "../../lib/identity/card_store.ts";
import type { RecordStore } from "../../lib/store.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { VirtualClock } from "../support/virtual.ts";
import { AID15, cardWith, ICCID, transparent } from "./pkcs15_card.ts";

export const BINDING = { device: new Uint8Array(8).fill(3), iccid: fromHex(ICCID), impi: "u@example.org" };
export const KEY = new Uint8Array(32).fill(9);

/** How the step that fails fails: before its effect, after it, or in the midst of it. */
export type Failure = "before" | "after" | "half";

/** Counts commands and writes, and fails from the chosen one on: whoever is interrupted does not come back. */
export class Fault {
  at: number;
  readonly failure: Failure;
  count = 0;

  constructor(at: number, failure: Failure) {
    this.at = at;
    this.failure = failure;
  }

  async around<T>(whole: () => Promise<T>, half: () => Promise<unknown>): Promise<T> {
    const step = this.count++;
    if (step < this.at) return await whole();
    if (step === this.at && this.failure === "after") await whole();
    if (step === this.at && this.failure === "half") await half();
    throw new Error("interrupted");
  }
}

export class World {
  /** The files' bytes, which a reset of the card does not change. */
  readonly files: Uint8Array[];
  readonly store: RecordStore = memoryStore({ clock: new VirtualClock() });
  readonly conflicts: string[] = [];
  readonly #size: number;

  constructor(pairs = 2, size = 600) {
    this.#size = size;
    this.files = Array.from({ length: 2 * pairs }, () => new Uint8Array(size).fill(0xff));
  }

  /** The device after a restart. */
  device(more: Partial<CardStoreOptions> = {}, fault?: Fault): CardStore {
    using key = secretFrom(KEY);
    return new CardStore({
      key,
      binding: BINDING,
      store: fault ? faultyStore(this.store, fault) : this.store,
      application: AID15,
      places: this.files.filter((_, i) => i % 2 === 0).map((_, i) =>
        [Uint8Array.of(0x70, 2 * i), Uint8Array.of(0x70, 2 * i + 1)] as const
      ),
      onConflict: ({ name, kept, lost }) => {
        this.conflicts.push(`${name}: ${kept} kept, ${lost?.[0] ?? "deleted"} lost`);
      },
      ...more,
    });
  }

  /** The card, reset. */
  channel(fault?: Fault): ApduChannel {
    const usim = cardWith(this.files.map((content, i) => transparent(0x7000 + i, content)));
    const channel = usim.connect();
    return fault ? faultyChannel(channel, fault) : channel;
  }

  async sync(more: Partial<CardStoreOptions> = {}, fault?: Fault): Promise<void> {
    using device = this.device(more, fault);
    await device.sync(this.channel(fault));
  }

  /** What both sides hold when they are in step, by a device that was never here: the card's side, then this one's. */
  async view(): Promise<[Record<string, number | undefined>, Record<string, number | undefined>]> {
    using here = this.device();
    using stranger = this.device({ store: memoryStore({ clock: new VirtualClock() }) });
    await stranger.sync(this.channel());
    return [await contents(stranger), await contents(here)];
  }
}

/** The first byte of each object, which tells its version in these tests. */
export async function contents(store: CardStore): Promise<Record<string, number | undefined>> {
  const all: Record<string, number | undefined> = {};
  for (const name of (await store.names()).sort()) all[name] = (await store.get(name))?.[0];
  return all;
}

export function object(first: number, length = 400): Uint8Array {
  return new Uint8Array(length).fill(first);
}

/** A half command: of an UPDATE BINARY a part of its bytes is written; of others nothing happens. */
function faultyChannel(channel: ApduChannel, fault: Fault): ApduChannel {
  return {
    transmit: (command, options) =>
      fault.around(() => channel.transmit(command, options), async () => {
        if (command[1] !== 0xd6) return;
        const kept = command[4]! >> 1;
        const cut = command.slice(0, 5 + kept);
        cut[4] = kept;
        await channel.transmit(cut, options);
      }),
    [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
  };
}

function faultyStore(store: RecordStore, fault: Fault): RecordStore {
  const nothing = () => Promise.resolve();
  return {
    get: (...call) => fault.around(() => store.get(...call), nothing),
    put: (...call) => fault.around(() => store.put(...call), nothing),
    delete: (...call) => fault.around(() => store.delete(...call), nothing),
    reserve: (...call) => fault.around(() => store.reserve(...call), nothing),
    [Symbol.asyncDispose]: nothing,
  };
}
