/** A Key Manager, an enabler and a device on one virtual clock and a network in memory, each part open to interference. */
import { createAuthenticationCentre } from "../../lib/aka/mod.ts";
import type { Listener, SecureChannel } from "../../lib/association/mod.ts";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type IdentityModule, impiOf, memoryIdentity } from "../../lib/identity/mod.ts";
import type { Fetch, Platform } from "../../lib/platform.ts";
import {
  type Agent,
  type Audit,
  createAgent,
  createAudit,
  createEnabler,
  createKeyManager,
  type Enabler,
  type EnablerOptions,
  type HttpPeer,
} from "../../lib/roles/mod.ts";
import { memoryNetwork } from "../../transports/memory/mod.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { type StreamDialer, tls, type TlsCarrierOptions } from "../../transports/tls/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";

export const IMSI = "001010000000001";
export const IMPI = impiOf(IMSI, 2);
export const BSF = "bsf.mnc001.mcc001.pub.3gppnetwork.org";
export const METER = "meter.example.net";
/** Of TS 35.208 set 1: any values do. */
const K = "465b5ce8b199b49faa5f0a2ee238a6bc";
const OPC = "cd63cb71954a9f4e48a5994e37a02baf";

export interface WorldOptions {
  readonly seed?: number;
  readonly lifetimeSeconds?: number;
  /** The subscriber's key in the card, where it should differ from the Key Manager's. */
  readonly cardKey?: string;
  /** Stands between the enabler and the Key Manager. */
  readonly nbsp?: (ask: Fetch) => Fetch;
  /** Stands between the device and everything it fetches. */
  readonly way?: (go: Fetch) => Fetch;
  /** Names that the Key Manager lets the enabler ask for. Default its own. */
  readonly allowed?: readonly string[];
  /** The highest SEQ that the card has accepted in every slot. Default none. */
  readonly seen?: number;
  /** More about the enabler. */
  readonly enabler?: Partial<EnablerOptions>;
}

export interface World extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly platform: Platform;
  readonly agent: Agent;
  readonly enabler: Enabler;
  readonly identity: IdentityModule;
  readonly listener: Listener;
  readonly over: StreamDialer;
  /** What the enabler's and the Key Manager's audits hold, `event code`. */
  readonly told: string[];
  readonly heard: { readonly text: string; readonly peer: HttpPeer }[];
  /** Requests that reached the Key Manager's service face. */
  readonly asked: { count: number };
  carrier(options?: Partial<TlsCarrierOptions>): ReturnType<typeof tls>;
  readonly requests: Fetch;
}

export async function createWorld(options: WorldOptions = {}): Promise<World> {
  const { seed = 1, lifetimeSeconds = 3600, cardKey = K } = options;
  const clock = new VirtualClock();
  const random = seededRandom(seed);
  const store = memoryStore({ clock });
  const told: string[] = [];
  const audit: Audit = createAudit({
    clock,
    key: secretFrom(new Uint8Array(32)),
    append: (line) => {
      const { event, code } = JSON.parse(line);
      told.push(code === undefined ? event : `${event} ${code}`);
    },
  });
  const base: Platform = { clock, random, fetch: () => Promise.reject(new TypeError("nobody is there")) };
  const credentials = { k: secretFrom(fromHex(K)), opc: secretFrom(fromHex(OPC)) };
  const keyManager = createKeyManager({
    ...base,
    name: BSF,
    centre: createAuthenticationCentre({
      subscribers: (impi) => impi === IMPI ? { credentials } : undefined,
      store,
      random,
    }),
    store,
    wrappingKey: secretFrom(new Uint8Array(32).fill(9)),
    lifetimeSeconds,
    enablers: { "enabler-1": { names: options.allowed ?? [METER], showImpi: true } },
    audit,
  });

  const asked = { count: 0 };
  const ask: Fetch = (request) => {
    asked.count++;
    return keyManager.handle(request, { identity: toUtf8("enabler-1"), assurance: "psk" });
  };
  const enabler = createEnabler({
    ...base,
    fetch: options.nbsp?.(ask) ?? ask,
    id: METER,
    keyManager: `https://${BSF}/`,
    audit,
    ...options.enabler,
  });
  const heard: { text: string; peer: HttpPeer }[] = [];
  const requests = enabler.handle(async (request, peer) => {
    const text = await request.text();
    heard.push({ text, peer });
    return new Response(`got ${text}`);
  });

  const network = memoryNetwork({ clock, seed });
  const over: StreamDialer = {
    connect: (host, port, wait) => network.connect(`${host}:${port}`, wait),
    listen: (_host, port) => Promise.resolve(network.listen(`${METER}:${port}`)),
  };
  const carrier = (more: Partial<TlsCarrierOptions> = {}) => tls({ host: METER, port: 4433, over, ...more });
  const listener = await enabler.listen(carrier());
  void (async () => {
    for await (const channel of listener) void echo(channel);
  })();

  const go: Fetch = (request) => {
    const { hostname } = new URL(request.url);
    return hostname === BSF ? keyManager.handle(request) : hostname === METER ? requests(request) : base.fetch(request);
  };
  const platform: Platform = { ...base, fetch: options.way?.(go) ?? go };
  const sequence = Array.from({ length: 32 }, () => options.seen ?? 0);
  const identity = await memoryIdentity({
    aka: {
      credentials: { k: secretFrom(fromHex(cardKey)), opc: secretFrom(fromHex(OPC)) },
      imsi: IMSI,
      card: { state: { sequence, pinTries: 3, gbabp: new Uint8Array(255).fill(0xff), gbanl: [] } },
    },
  });
  const agent = createAgent({ ...platform, identity, keyManager: `http://${BSF}/` });
  return {
    ...{ clock, platform, agent, enabler, identity, listener, over, told, heard, asked, carrier, requests },
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]();
      await listener[Symbol.asyncDispose]();
      await enabler[Symbol.asyncDispose]();
      await identity[Symbol.asyncDispose]();
      keyManager[Symbol.dispose]();
    },
  };
}

async function echo(channel: SecureChannel): Promise<void> {
  try {
    for await (const { payload } of channel) await channel.send(payload);
  } catch {
    // The test at the other end says what it expected.
  } finally {
    await channel[Symbol.asyncDispose]();
  }
}

/** Lets virtual time pass until `work` settles, at most `ms` of it. */
export async function passing<T>(clock: VirtualClock, work: Promise<T>, ms = 60_000): Promise<T> {
  let settled = false;
  work.then(() => settled = true, () => settled = true);
  for (let passed = 0; !settled && passed < ms; passed += 100) await clock.advance(100);
  if (!settled) throw new Error(`not settled within ${ms} ms of virtual time`);
  return await work;
}

/** One message there and back. */
export async function roundTrip(channel: SecureChannel, text: string): Promise<string> {
  await channel.send(toUtf8(text));
  for await (const { payload } of channel) return new TextDecoder().decode(payload);
  throw new Error("the channel ended");
}
