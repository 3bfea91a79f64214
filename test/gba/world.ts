/** A BSF, its store and its subscribers on virtual time, and devices to go with them. */
import { type AuthenticationCentre, type AuthenticationVector, createAuthenticationCentre } from "../../lib/aka/mod.ts";
import { fromHex } from "../../lib/bytes/mod.ts";
import { secretRandom } from "../../lib/crypto/mod.ts";
import {
  bootstrap,
  type BootstrapEvent,
  type BootstrapOptions,
  type Bootstrapped,
  type BootstrapServer,
  type BootstrapServerOptions,
  createBootstrapServer,
} from "../../lib/gba/mod.ts";
import { type AkaModule, type AkaOutcome, memoryIdentity } from "../../lib/identity/mod.ts";
import type { RecordStore } from "../../lib/store.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { secretHex, v } from "./vectors.ts";

export const { impi: IMPI, bsf: BSF } = v.run;
export const IMSI = "001010123456789";
export const URL_ = `http://${BSF}/`;
/** TS 35.208 test set 1. */
const K = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OPC = "cd63cb71954a9f4e48a5994e37a02baf";

/** A store that can be counted, and broken at its Nth call. */
export interface ProbedStore extends RecordStore {
  readonly calls: string[];
  /** Keys that were written and not deleted; expiry is not seen. */
  readonly keys: Set<string>;
  /** Fails the call with this number, counted from now; `undefined` for none. */
  failAt(call: number | undefined): void;
}

export function probedStore(clock: VirtualClock): ProbedStore {
  const inner = memoryStore({ clock });
  const calls: string[] = [];
  const keys = new Set<string>();
  let left: number | undefined;
  const count = (name: string): void => {
    calls.push(name);
    if (left !== undefined && --left === 0) throw new TypeError("the disk is full");
  };
  return {
    calls,
    keys,
    failAt: (call) => void (left = call),
    async get(key, options) {
      count("get");
      return await inner.get(key, options);
    },
    async put(key, record, options) {
      count("put");
      keys.add(key);
      return await inner.put(key, record, options);
    },
    async delete(key, options) {
      count("delete");
      const gone = await inner.delete(key, options);
      if (gone) keys.delete(key);
      return gone;
    },
    async reserve(counter, number, options) {
      count("reserve");
      return await inner.reserve(counter, number, options);
    },
    [Symbol.asyncDispose]: () => inner[Symbol.asyncDispose](),
  };
}

export interface World {
  readonly clock: VirtualClock;
  readonly store: ProbedStore;
  readonly centre: AuthenticationCentre & { readonly asked: string[] };
  readonly server: BootstrapServer;
  readonly events: BootstrapEvent[];
}

/** The built-in centre with one subscriber, writing down whom it was asked for. */
export function milenageCentre(store: RecordStore, seed = 31): World["centre"] {
  const credentials = { k: secretHex(K), opc: secretHex(OPC) };
  const asked: string[] = [];
  const inner = createAuthenticationCentre({
    subscribers: (impi) => impi === IMPI ? { credentials } : undefined,
    store,
    random: seededRandom(seed),
  });
  return {
    asked,
    vector(impi, request) {
      asked.push(impi);
      return inner.vector(impi, request);
    },
  };
}

/** A centre that gives out these, in order, to its one subscriber, and `undefined` when they are used up. */
export function scriptedCentre(...vectors: readonly { rand: string; autn: string }[]): World["centre"] {
  const asked: string[] = [];
  const left = [...vectors];
  return {
    asked,
    vector(impi) {
      asked.push(impi);
      const next = impi === IMPI ? left.shift() : undefined;
      return Promise.resolve(next && vectorOf(next));
    },
  };
}

function vectorOf({ rand, autn }: { rand: string; autn: string }): AuthenticationVector {
  const [xres, ck, ik] = [secretHex(v.run.res), secretHex(v.run.ck), secretHex(v.run.ik)];
  return {
    rand: fromHex(rand),
    autn: fromHex(autn),
    xres,
    ck,
    ik,
    [Symbol.dispose]() {
      for (const secret of [xres, ck, ik]) secret[Symbol.dispose]();
    },
  };
}

export function world(
  options: Partial<Omit<BootstrapServerOptions, "clock">> & {
    clock?: VirtualClock;
    centreFor?: (store: RecordStore) => World["centre"];
  } = {},
): World {
  const { centreFor = milenageCentre, clock = new VirtualClock(), ...more } = options;
  const store = probedStore(clock);
  const centre = centreFor(store);
  const events: BootstrapEvent[] = [];
  const random = seededRandom(41);
  const server = createBootstrapServer({
    name: BSF,
    centre,
    store,
    wrappingKey: secretRandom(32, random),
    clock,
    random,
    onEvent: (event) => void events.push(event),
    ...more,
  });
  return { clock, store, centre, server, events };
}

/** The subscriber's own soft USIM. */
export async function usim(): Promise<AkaModule> {
  const { aka } = await memoryIdentity({ aka: { credentials: { k: secretHex(K), opc: secretHex(OPC) }, imsi: IMSI } });
  if (!aka) throw new TypeError("no AKA");
  return aka;
}

/** A module that answers by script and writes down what it is asked to keep. */
export function scriptedModule(
  ...outcomes: readonly (AkaOutcome | (() => AkaOutcome))[]
): AkaModule & { readonly kept: { btid: string; lifetimeSeconds: number }[]; readonly asked: string[] } {
  const left = [...outcomes];
  const kept: { btid: string; lifetimeSeconds: number }[] = [];
  const asked: string[] = [];
  return {
    impi: IMPI,
    kept,
    asked,
    answer({ scheme }) {
      asked.push(scheme);
      const next = left.shift();
      if (!next) return Promise.reject(new TypeError("the script is over"));
      return Promise.resolve(typeof next === "function" ? next() : next);
    },
    keep(what) {
      kept.push({ ...what });
      return Promise.resolve();
    },
    derive: () => Promise.reject(new TypeError("not in this test")),
  };
}

export const answered = (): AkaOutcome => ({ kind: "answered", password: secretHex(v.run.res) });

/** One run of `module` against the world, or against another `fetch`. */
export function run(world: World, module: AkaModule, more: Partial<BootstrapOptions> = {}): Promise<Bootstrapped> {
  const platform = { clock: world.clock, random: seededRandom(51), fetch: world.server.handle };
  return bootstrap({ module, platform, url: URL_, ...more });
}

/** A first request for `impi`, as a stranger sends it. */
export function ask(world: World, impi: string): Promise<Response> {
  const authorization = `Digest username="${impi}", realm="${BSF}", nonce="", uri="/", response=""`;
  return world.server.handle(new Request(URL_, { headers: { authorization } }));
}

/** The nonce in a 401. */
export function nonceOf(response: Response): string {
  return /nonce="([^"]*)"/.exec(response.headers.get("www-authenticate") ?? "")?.[1] ?? "";
}
