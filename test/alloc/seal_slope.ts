// Run as its own process by seal.test.ts. The lifetime stands still: a runtime's clock makes a number each time.
import { openSealing, type Sealing } from "../../lib/association/sealer.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import type { Sealer } from "../../lib/association/ports.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { type Operation, printSlopes } from "./slope.ts";

const clock = new VirtualClock();
const random = seededRandom(1);

function end(role: "initiator" | "responder", algorithm: number): Promise<Sealing> {
  return openSealing({
    key: secretFrom(new Uint8Array(32)),
    associationId: new Uint8Array(8),
    role,
    use: new Uint8Array(5),
    lifetime: { left: 1000 },
    platform: { clock, random },
    algorithm,
  });
}

const operations: Record<string, Operation> = {};
for (const [name, algorithm] of [["AES-CCM", 10], ["HMAC", 5]] as const) {
  const from = (await end("initiator", algorithm)).sealer();
  const to = (await end("responder", algorithm)).sealer();
  for (const size of [64, 1024]) {
    const message = new Uint8Array(size).fill(1);
    const out = new Uint8Array(size + from.overhead);
    const back = new Uint8Array(size);
    const count = size === 64 ? 1000 : 200;
    const seal = () => from.sealInto(message, out) > size ? size : -1;
    // Fresh messages, or the window would refuse them: what sealing costs is known from the line above.
    const sealAndOpen = () => openExactly(to, out, from.sealInto(message, out), back);
    operations[`${name} seal ${size}`] = { run: seal, expected: size, count };
    operations[`${name} seal and open ${size}`] = { run: sealAndOpen, expected: size, count };
  }
}

/** Opens the first `length` bytes: the array of that length is made once, as a receiver's buffer is. */
function openExactly(to: Sealer, sealed: Uint8Array, length: number, back: Uint8Array): number {
  let exact = exacts.get(length);
  if (!exact) exacts.set(length, exact = new Uint8Array(length));
  for (let i = 0; i < length; i++) exact[i] = sealed[i]!;
  return to.openInto(exact, back);
}

const exacts = new Map<number, Uint8Array>();

await printSlopes(operations);
