// Two ends of one association, opened for sealing, on a virtual clock, seeded bytes and a store that can be made to fail.
import { fromHex } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Random } from "../../lib/platform.ts";
import type { RecordStore } from "../../lib/store.ts";
import { startLifetime } from "../../lib/association/lifetime.ts";
import { openSealing, type Sealing, type SealingOptions } from "../../lib/association/sealer.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";

export const KEY = fromHex("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
export const ASSOCIATION = fromHex("a1a2a3a4a5a6a7a8");
export const USE = fromHex("ff00000001");

export interface World {
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly store: RecordStore;
}

export function world(seed = 1): World {
  const clock = new VirtualClock();
  return { clock, random: seededRandom(seed), store: memoryStore({ clock }) };
}

export const key = (): SecretBytes => secretFrom(KEY);

/** Opens one end; volatile unless `store` is given. */
export async function end(
  { clock, random }: Pick<World, "clock" | "random">,
  role: "initiator" | "responder",
  more: Partial<SealingOptions> = {},
): Promise<Sealing> {
  return await openSealing({
    key: key(),
    associationId: ASSOCIATION,
    role,
    use: USE,
    lifetime: startLifetime({ clock, seconds: 3600 }),
    platform: { clock, random },
    ...more,
  });
}

/** A store over `store` that stops at the call numbered `at`, counted from 1: before it has an effect, or after. */
export function stoppingStore(
  store: RecordStore,
  at: number,
  when: "before" | "after",
): RecordStore & { calls: number } {
  const stopped = () => Promise.reject(new SeccfError("unreachable", "the store stopped"));
  const run = async <T>(act: () => Promise<T>): Promise<T> => {
    wrapper.calls++;
    if (wrapper.calls > at || (wrapper.calls === at && when === "before")) return await stopped();
    const result = await act();
    return wrapper.calls === at ? await stopped() : result;
  };
  const wrapper: RecordStore & { calls: number } = {
    calls: 0,
    get: (...args) => run(() => store.get(...args)),
    put: (...args) => run(() => store.put(...args)),
    delete: (...args) => run(() => store.delete(...args)),
    reserve: (...args) => run(() => store.reserve(...args)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return wrapper;
}
