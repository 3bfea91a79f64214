/** A server and a device that can be switched off and on again, with stores that survive them. */
import type { KeySource, Listener } from "../../lib/association/ports.ts";
import { type DatagramChannel, type PskVersion, type Refusal, savedSessions } from "../../lib/channel/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { DatagramSocket } from "../../lib/link.ts";
import type { RecordStore } from "../../lib/store.ts";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { dtls, type DtlsCarrierOptions } from "../../transports/dtls/mod.ts";
import { type MemoryNetwork, memoryNetwork } from "../../transports/memory/mod.ts";
import { memoryStore } from "../../transports/stores/memory.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { Openers } from "../tls/durable_world.ts";
import { tapped } from "./datagram_fixtures.ts";
import { type TestAssociation, testAssociation, testKeys } from "./fixtures.ts";

export const WRAPPING = secretFrom(new Uint8Array(32).fill(7));

/** A process: what is off does nothing any more, and what it asked for is never answered. */
class Process {
  on = true;
  readonly sockets: DatagramSocket[] = [];

  async kill(): Promise<void> {
    this.on = false;
    for (const socket of this.sockets) await socket[Symbol.asyncDispose]();
  }
}

/** `store`, as a process sees it that may be killed before or after any of its writes. */
function of(process: Process, store: RecordStore, onWrite: () => void, note: (key: string) => void): RecordStore {
  const ask = async <T>(work: () => Promise<T>, writes: boolean): Promise<T> => {
    if (!process.on) return await new Promise<T>(() => {});
    if (writes) onWrite();
    if (!process.on) return await new Promise<T>(() => {});
    const result = await work();
    if (writes) onWrite();
    return process.on ? result : await new Promise<T>(() => {});
  };
  return {
    get: (...all) => ask(() => store.get(...all), false),
    put: (...all) => {
      note(all[0]);
      return ask(() => store.put(...all), true);
    },
    delete: (...all) => ask(() => store.delete(...all), true),
    reserve: (...all) => ask(() => store.reserve(...all), true),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** The two machines, their network and all that passes on it. */
export class Scene {
  readonly clock = new VirtualClock();
  readonly random = seededRandom(1);
  readonly network: MemoryNetwork = memoryNetwork({ clock: this.clock, seed: 1 });
  readonly stores: { client: RecordStore; server: RecordStore };
  readonly refused: Refusal[] = [];
  /** Every datagram, as it was sent. */
  readonly sent: { readonly from: string; readonly bytes: Uint8Array }[] = [];
  /** The keys of all records that were written. */
  readonly written = { client: [] as string[], server: [] as string[] };
  /** Called before and after each write of either. */
  onWrite: (side: "client" | "server") => void = () => {};
  readonly #processes = { client: new Process(), server: new Process() };
  readonly version: PskVersion;
  /** The key log of all sessions. */
  readonly lines: string[] = [];
  #port = 1000;

  constructor(version: PskVersion = "1.2") {
    this.version = version;
    this.stores = { client: memoryStore(this), server: memoryStore(this) };
  }

  /** `kill -9`: nothing that ran until now does anything any more. */
  kill(side: "client" | "server"): Promise<void> {
    const process = this.#processes[side];
    this.#processes[side] = new Process();
    return process.kill();
  }

  /** A second process in the place of the first, which lives on. */
  fork(side: "client" | "server"): void {
    this.#processes[side] = new Process();
  }

  async listen(
    association: TestAssociation = testAssociation(),
    options: Partial<DtlsCarrierOptions> = {},
    keys: KeySource = testKeys(association),
  ): Promise<Listener<DatagramChannel>> {
    const process = this.#processes.server;
    const carrier = dtls({
      port: 5684,
      over: this.#dialer("server", process),
      sessions: savedSessions({ store: this.#store("server", process), wrappingKey: WRAPPING }),
      onRefused: (refusal) => this.refused.push(refusal),
      versions: [this.version],
      ...options,
    });
    return await carrier.listen(keys, { platform: this.#platform });
  }

  /** A process of the device: what is bound in one shares its sessions. */
  device(
    options: Partial<DtlsCarrierOptions> = {},
    host = "10.0.0.1",
  ): (association?: TestAssociation) => Promise<DatagramChannel> {
    const process = this.#processes.client;
    const carrier = dtls({
      port: 5684,
      host: "server",
      over: this.#dialer(host, process),
      sessions: savedSessions({ store: this.#store("client", process), wrappingKey: WRAPPING }),
      versions: [this.version],
      keyLog: (line) => this.lines.push(line),
      ...options,
    });
    return (association = testAssociation()) => carrier.connect(association, { platform: this.#platform });
  }

  get codes(): unknown[] {
    return this.refused.map(({ error }) => error instanceof SeccfError ? error.code : error);
  }

  get #platform() {
    return { clock: this.clock, random: this.random, fetch: () => Promise.reject(new TypeError("no network")) };
  }

  #store(side: "client" | "server", process: Process): RecordStore {
    return of(process, this.stores[side], () => this.onWrite(side), (key) => this.written[side].push(key));
  }

  #dialer(host: string, process: Process): NonNullable<DtlsCarrierOptions["over"]> {
    const bind = (address: string) => {
      const socket = this.network.bind(address);
      process.sockets.push(socket);
      return tapped(socket, (bytes) => this.sent.push({ from: address, bytes: new Uint8Array(bytes) }));
    };
    return {
      // deno-lint-ignore require-await -- what is thrown here is a rejection
      connect: async (to, port, { localPort } = {}) => ({
        socket: bind(`${host}:${localPort ?? ++this.#port}`),
        remote: `${to}:${port}`,
      }),
      // deno-lint-ignore require-await -- as above
      bind: async (_host, port) => bind(`${host}:${port}`),
    };
  }
}

/** Key, epoch and number of all records under the keys of data that went from hosts beginning with `from`, in order. */
export function numbersFrom(scene: Scene, from: string): string[] {
  const sent = scene.sent.filter((each) => each.from.startsWith(from)).map(({ bytes }) => bytes);
  return scene.version === "1.3" ? numbersIn13(scene, from, sent) : sent.flatMap((bytes) => {
    const found: string[] = [];
    for (let at = 0; at < bytes.length;) {
      const record = recordAt(bytes, at, 8)!;
      if (record.epoch === 1) found.push(`${record.number}`);
      at += record.whole.length;
    }
    return found;
  });
}

function numbersIn13(scene: Scene, from: string, sent: readonly Uint8Array[]): string[] {
  const randoms = [...new Set(scene.lines.map((line) => line.split(" ")[1]!))];
  const openers = randoms.map((random) => new Openers(scene.lines.filter((line) => line.includes(random)), 0x1301));
  const side = from.startsWith("server") ? "server" : "client";
  return sent.flatMap((bytes) => openers.flatMap((each, i) => each.tryNumbers(side, bytes).map((at) => `${i}:${at}`)));
}
