// One DTLS client and its round trips to one peer, our echoing listener on Node in a process of its own: ours beside
// node-dtls-client, node:tls with PSK over TCP where there is one, and bare datagrams to a bare socket, which nobody can be
// faster than. One message at a time, then several on their way, which is what the client itself can do. A round trip's time
// has the peer's in it, which is the same for all: so the client's own processor time as well.
import { full, inTurns, type Measured, processorTime, publish } from "./harness.ts";
import { peerOnNode } from "./support/peer.ts";
import { bare, hasTlsPsk, type Line, nodeTls, ours, theirs } from "./support/rivals.ts";

const groups: Measured[] = [];
{
  using peer = await peerOnNode();
  for (const size of [64, 1024, 16_384]) {
    // What is on its way fits into the socket's buffers, or the system drops it.
    for (const ahead of [1, size < 16_384 ? 32 : 4]) {
      const payload = new Uint8Array(size).fill(7);
      const works: { [name: string]: (() => Promise<void>) | undefined } = {};
      await using lines = new AsyncDisposableStack();
      for (const rival of [ours, theirs, nodeTls, bare]) {
        works[rival.name] = undefined;
        if (rival === nodeTls && !hasTlsPsk) continue;
        const line = lines.use(await rival.connect(peer));
        const trips = echo(line, payload, ahead);
        if (await within(1000, trips())) works[rival.name] = trips;
      }
      for (const [what, clock] of [["", undefined], [", processor time of the client", processorTime]] as const) {
        const measures = await inTurns(works, {
          ...{ count: (full ? 8000 : 1000) / ahead | 0, rounds: full ? 11 : 5, warmUp: 2 },
          ...(clock && { clock }),
        });
        groups.push({
          ...{ name: `echo of ${size} bytes, ${ahead} on the way${what}`, bytes: clock ? 0 : 2 * size },
          measures: measures.map((each) => each.time === undefined ? each : { ...each, time: each.time / ahead }),
        });
      }
    }
  }
}
publish("dtls echo", groups);

/** Sends `ahead` messages and resolves when as many bytes are back. */
function echo(line: Line, payload: Uint8Array, ahead: number): () => Promise<void> {
  let left = 0;
  let done = () => {};
  line.listen((piece) => {
    left -= piece.length;
    if (left === 0) done();
  });
  return () =>
    new Promise((resolve) => {
      left = ahead * payload.length;
      done = resolve;
      for (let i = 0; i < ahead; i++) line.send(payload);
    });
}

async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer;
  const late = new Promise<false>((resolve) => timer = setTimeout(() => resolve(false), ms));
  const isDone = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return isDone;
}
