// Opens an identity file, uses all that is in it, closes it, and waits to be looked at.
import { closeSync, openSync, readSync } from "node:fs";
import process from "node:process";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import { fileIdentity } from "../../../transports/files/mod.ts";

const [path = "", words = "", when = "after"] = process.argv.slice(2);
await use();
// What holds no name any more goes: the runtimes' own copies of keys go with the objects that held them.
for (let i = 0; i < 5; i++) {
  collect();
  await new Promise((resolve) => setTimeout(resolve, 20));
}
process.stdout.write(`ready ${process.pid}\n`);
setInterval(() => undefined, 1000);

async function use(): Promise<void> {
  const bytes = new Uint8Array(new ArrayBuffer(64));
  const file = openSync(words, "r");
  const length = readSync(file, bytes, 0, 64, 0);
  closeSync(file);
  const passphrase = secretFrom(bytes.subarray(0, length));
  bytes.fill(0);
  const identity = await fileIdentity(path, { unlock: passphrase });
  passphrase[Symbol.dispose]();
  const answer = await identity.aka!.answer({ rand: new Uint8Array(16), autn: new Uint8Array(16), scheme: "akav1" });
  if (answer.kind !== "refused") throw new Error("a challenge of zeros is nobody's");
  (await identity.provisioned!.derive(toUtf8("device-7"), toUtf8("label")))[Symbol.dispose]();
  if (when === "before") Object.assign(globalThis, { identity });
  else await identity[Symbol.asyncDispose]();
}

function collect(): void {
  const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(now: boolean): void } };
  gc?.();
  Bun?.gc(true);
}
