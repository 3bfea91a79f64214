// What one core serves: the processor time that a server's process spends on each new handshake and on each echo of 64
// bytes, while this process loads it; `a second` is what one core would do with nothing else. Ours beside node:tls with
// PSK over TCP where there is one; there is no other DTLS server for JavaScript.
import { full, type Measure, publish } from "./harness.ts";
import { type OwnPeer, peerHere } from "./support/peer.ts";
import { hasTlsPsk, type Line, nodeTls, ours, type Rival } from "./support/rivals.ts";

const rivals = [ours, nodeTls];
const CLIENTS = 32;
/** Echoes under way for each. */
const AHEAD = 4;

using peer = await peerHere();
const handshakes: Measure[] = [];
const echoes: Measure[] = [];
for (const rival of rivals) {
  const { name } = rival;
  if (rival === nodeTls && !hasTlsPsk) {
    handshakes.push({ name });
    echoes.push({ name });
    continue;
  }
  const connecting = (total: number) => inParallel(CLIENTS, total, () => connectAndClose(rival));
  await connecting(full ? 2000 : 800);
  const newOnes = full ? 8000 : 1600;
  handshakes.push({ name, time: await spent(peer, newOnes, () => connecting(newOnes)) });

  await using lines = new AsyncDisposableStack();
  const clients: ((total: number) => Promise<void>)[] = [];
  while (clients.length < CLIENTS) clients.push(echo(lines.use(await rival.connect(peer))));
  const echoing = (total: number) => Promise.all(clients.map((client) => client(total / CLIENTS)));
  await echoing(full ? 32_000 : 16_000);
  const trips = full ? 320_000 : 64_000;
  echoes.push({ name, time: await spent(peer, trips, () => echoing(trips)) });
}
publish("dtls server, processor time", [
  { name: "new handshake", bytes: 0, measures: handshakes },
  { name: "echo of 64 bytes", bytes: 128, measures: echoes },
]);

/** Nanoseconds of the server's processor for each. */
async function spent(server: OwnPeer, count: number, work: () => Promise<unknown>): Promise<number> {
  const before = await server.used();
  await work();
  return (await server.used() - before) * 1000 / count;
}

async function inParallel(many: number, total: number, work: () => Promise<void>): Promise<void> {
  let left = total;
  await Promise.all(Array.from({ length: many }, async () => {
    while (left-- > 0) await work();
  }));
}

async function connectAndClose(rival: Rival): Promise<void> {
  const line = await rival.connect(peer, 30);
  await line[Symbol.asyncDispose]();
}

function echo(line: Line): (total: number) => Promise<void> {
  const payload = new Uint8Array(64).fill(7);
  let left = 0;
  let heard = 0;
  let done = () => {};
  const send = () => {
    left--;
    line.send(payload);
  };
  // On a stream an echo may come in pieces, or several together.
  line.listen((piece) => {
    heard += piece.length;
    for (; heard >= payload.length; heard -= payload.length) {
      if (left > 0) send();
      else if (--left === -AHEAD) done();
    }
  });
  return (total) =>
    new Promise((resolve) => {
      left = total;
      done = resolve;
      for (let i = 0; i < AHEAD; i++) send();
    });
}
