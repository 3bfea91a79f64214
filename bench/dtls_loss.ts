// How many of 100 handshakes at once are established through a network that loses datagrams, the same seed for all: ours,
// by the default time limit, and node-dtls-client, which says nothing twice, so that what has not come soon does not come.
// The peer is our listener on Node.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { type Measured, publish } from "./harness.ts";
import { peerOnNode } from "./support/peer.ts";
import { ours, type Rival, theirs } from "./support/rivals.ts";

const SECONDS: ReadonlyMap<Rival, number> = new Map([[ours, 30], [theirs, 3]]);

const groups: Measured[] = [];
{
  using peer = await peerOnNode();
  for (const loss of [0, 0.1, 0.2]) {
    const measures = [];
    for (const [rival, seconds] of SECONDS) {
      await using proxy = await lossyProxy(peer.dtls, loss, 12_345);
      const target = { dtls: proxy.port, tls: 0, [Symbol.dispose]: () => {} };
      const all = Array.from({ length: 100 }, async () => {
        const line = await rival.connect(target, seconds);
        await line[Symbol.asyncDispose]();
      });
      const outcomes = await Promise.allSettled(all);
      measures.push({ name: rival.name, value: outcomes.filter(({ status }) => status === "fulfilled").length });
    }
    groups.push({ name: `${loss * 100} % of datagrams lost`, bytes: 0, unit: "established of 100", measures });
  }
}
publish("dtls loss", groups);

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

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  // Who has given up says so.
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}
