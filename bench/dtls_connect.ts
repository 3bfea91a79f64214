// DTLS clients against the same peer in the same run, ours and node-dtls-client: connect latency cold and warm, echo round
// trips and MB/s, and how many of 100 handshakes survive a network that loses datagrams. The peers are openssl's s_server
// for the latency and our own listener (in a process of its own) for echoes and loss, since s_server does not echo.
// `node bench/dtls_connect.ts`; `--rounds N` for more. The CPU is shared with the peer: read the ratios.
import { type ChildProcess, spawn } from "node:child_process";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { arch, cpus } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Connector, SecurityAssociation } from "../lib/association/mod.ts";
import { createAssociation, createKeyTable, rawPsk, startLifetime } from "../lib/association/mod.ts";
import { fromHex, toUtf8 } from "../lib/bytes/mod.ts";
import { secretFrom } from "../lib/crypto/mod.ts";
import { type DatagramChannel, dtls, nodeDtlsClient } from "../transports/dtls/mod.ts";
import { webPlatform } from "../web_platform.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const IDENTITY = "Client_identity";
const SUITE = "TLS_PSK_WITH_AES_128_GCM_SHA256";
const OPENSSL_SUITE = "PSK-AES128-GCM-SHA256:@SECLEVEL=0";

const option = (name: string, value: number) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? value : Number(process.argv[at + 1]);
};
const rounds = option("--rounds", 100);

function associate(role: "initiator" | "responder"): SecurityAssociation {
  return createAssociation({
    reference: IDENTITY,
    serverName: "127.0.0.1",
    role,
    peer: { identity: toUtf8(IDENTITY), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8(IDENTITY), key: secretFrom(fromHex(KEY)), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 3600 }),
    platform: webPlatform,
  });
}

/** The echoing peer, when this file is run with `--serve`. */
async function serve(): Promise<void> {
  const keys = createKeyTable();
  keys.set(toUtf8(IDENTITY), associate("responder"));
  // node-dtls-client has no extensions; all come from one host.
  const listener = await dtls({
    ...{ port: 0, host: "127.0.0.1", mtu: 16_500, requireExtendedMasterSecret: false, hint: "" },
    ...{ maxHandshakesPerHost: 1000, maxHandshakes: 1000, maxLookupsPerHost: 10_000 },
  }).listen(keys, { platform: webPlatform });
  console.log(listener.url.port);
  for await (const channel of listener) {
    void (async () => {
      for await (const { payload } of channel) await channel.send(payload);
    })().catch(() => {}).finally(() => channel[Symbol.asyncDispose]());
  }
}

interface Peer extends Disposable {
  readonly port: number;
}

function ended(child: ChildProcess): Disposable {
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

async function ownPeer(): Promise<Peer> {
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
  const path = fileURLToPath(import.meta.url);
  const child = spawn(process.execPath, [...flags, path, "--serve"], { stdio: ["ignore", "pipe", "inherit"] });
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (text) => resolve(Number(text))));
  return { port, ...ended(child) };
}

async function opensslPeer(): Promise<Peer> {
  const probe = await bound();
  const { port } = probe.address();
  await new Promise<void>((resolve) => probe.close(() => resolve()));
  const child = spawn("openssl", [
    ...["s_server", "-dtls1_2", "-accept", `127.0.0.1:${port}`, "-mtu", "1400", "-nocert", "-quiet"],
    ...["-psk", KEY, "-psk_identity", IDENTITY, "-cipher", OPENSSL_SUITE],
  ], { stdio: ["pipe", "ignore", "ignore"] });
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { port, ...ended(child) };
}

const rivals = {
  "seccf": (port: number, seconds: number, mtu = 1232) =>
    dtls({ port, host: "127.0.0.1", suites: [SUITE], handshakeSeconds: seconds, mtu }),
  "node-dtls-client": (port: number, seconds: number) =>
    nodeDtlsClient({ port, host: "127.0.0.1", suite: SUITE, handshakeSeconds: seconds }),
} as const;
type Rival = keyof typeof rivals;
const NAMES = Object.keys(rivals) as Rival[];

async function connect(carrier: Connector<DatagramChannel>): Promise<number> {
  await using association = associate("initiator");
  const begin = performance.now();
  const channel = await association.bind(carrier);
  const took = performance.now() - begin;
  await channel[Symbol.asyncDispose]();
  return took;
}

const median = (list: number[]) => list.sort((a, b) => a - b)[list.length >> 1] ?? NaN;
const p95 = (list: number[]) => list.sort((a, b) => a - b)[Math.floor(list.length * 0.95)] ?? NaN;

/** Each cold figure is the first connection of this process: the order is drawn, so run it more than once. */
async function latency(): Promise<void> {
  using peer = await opensslPeer();
  const cold = {} as Record<Rival, number>;
  for (const name of Math.random() < 0.5 ? NAMES : [...NAMES].reverse()) {
    cold[name] = await connect(rivals[name](peer.port, 5));
  }
  const warm: Record<Rival, number[]> = { "seccf": [], "node-dtls-client": [] };
  for (let i = 0; i < rounds; i++) for (const name of NAMES) warm[name].push(await connect(rivals[name](peer.port, 5)));
  console.log(`connect to openssl s_server, ms, ${rounds} each in turns`);
  for (const name of NAMES) {
    const middle = median(warm[name]);
    const ratio = (middle / median(warm.seccf)).toFixed(2);
    console.log(
      `  ${name.padEnd(20)} cold ${cold[name].toFixed(1).padStart(6)}  median ${middle.toFixed(2)}  p95 ${
        p95(warm[name]).toFixed(2)
      }  times ours ${ratio}`,
    );
  }
}

async function echoes(): Promise<void> {
  using peer = await ownPeer();
  const count = rounds * 10;
  for (const size of [64, 1024, 16_000]) {
    console.log(`echo of ${size} bytes with our own listener, one at a time, ${count} each, the median of 5 turns`);
    // This library's door to the rival sends one datagram of 1200 bytes at most.
    const names = NAMES.filter((name) => name === "seccf" || size <= 1200);
    await using association = associate("initiator");
    await using channels = new AsyncDisposableStack();
    const trips = new Map<Rival, () => Promise<void>>();
    for (const name of names) {
      const carrier = name === "seccf" ? rivals.seccf(peer.port, 5, 16_500) : rivals[name](peer.port, 5);
      const channel: DatagramChannel = channels.use(await association.bind(carrier));
      const payload = new Uint8Array(size).fill(7);
      const answers = channel[Symbol.asyncIterator]();
      trips.set(name, async () => {
        await channel.send(payload);
        await answers.next();
      });
    }
    const each: Record<Rival, number[]> = { "seccf": [], "node-dtls-client": [] };
    for (let turn = -2; turn < 5; turn++) {
      for (const [name, trip] of trips) {
        const begin = performance.now();
        for (let i = 0; i < count / 5; i++) await trip();
        // The first two are the JIT's.
        if (turn >= 0) each[name].push((performance.now() - begin) / (count / 5));
      }
    }
    for (const name of names) {
      const ms = median(each[name]);
      const perSecond = (1000 / ms).toFixed(0).padStart(7);
      const rate = (2 * size / ms / 1000).toFixed(2).padStart(7);
      const ratio = (ms / median(each.seccf)).toFixed(2);
      console.log(`  ${name.padEnd(20)} ${perSecond} round trips/s  ${rate} MB/s  times ours ${ratio}`);
    }
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}

/** Each client gets a socket of its own towards the server; each datagram is lost with the same chance. */
async function lossyProxy(port: number, loss: number, seed: number) {
  let state = seed >>> 0;
  const lost = () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223 >>> 0;
    return state / 0x100000000 < loss;
  };
  const front = await bound();
  const backs = new Map<string, Promise<Socket>>();
  const open = async (from: RemoteInfo) => {
    const back = await bound();
    back.on("message", (bytes) => {
      if (!lost()) front.send(bytes, from.port, from.address);
    });
    return back;
  };
  front.on("message", (bytes, from) => {
    const copy = Uint8Array.from(bytes);
    const key = `${from.address}:${from.port}`;
    const back = backs.get(key) ?? open(from);
    backs.set(key, back);
    if (!lost()) void back.then((socket) => socket.send(copy, port, "127.0.0.1"));
  });
  return {
    port: front.address().port,
    async [Symbol.asyncDispose]() {
      front.close();
      for (const back of backs.values()) (await back).close();
    },
  };
}

async function survival(): Promise<void> {
  using peer = await ownPeer();
  console.log("handshakes of 100 that are established within 30 s, through a lossy proxy, the same seed for both");
  for (const loss of [0, 0.1, 0.2]) {
    for (const name of NAMES) {
      await using proxy = await lossyProxy(peer.port, loss, 12_345);
      // node-dtls-client says nothing twice: what has not come after 3 s does not come.
      const seconds = name === "seccf" ? 30 : 3;
      const all = Array.from({ length: 100 }, () => connect(rivals[name](proxy.port, seconds)));
      const took = (await Promise.allSettled(all)).flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
      console.log(`  loss ${loss * 100} %  ${name.padEnd(20)} ${took.length}  median ${median(took).toFixed(0)} ms`);
    }
  }
}

if (process.argv.includes("--serve")) {
  await serve();
} else {
  const { deno, bun, node } = process.versions;
  const runtime = deno ? `Deno ${deno}` : bun ? `Bun ${bun}` : `Node ${node}`;
  console.log(`DTLS connections: ${runtime}, ${cpus()[0]?.model}, ${cpus().length} x ${arch()}, ${SUITE}`);
  await latency();
  await echoes();
  await survival();
  process.exit(0);
}
