// Run as its own process by dtls_connect.ts: one connection as a program on the installed package has it, from nothing. What
// is ours is `dist`, the JavaScript that is published. Prints when it was connected, in milliseconds since 1970.
import { Buffer } from "node:buffer";
import process from "node:process";

const [which, port, identity, key, suite] = process.argv.slice(2) as [string, string, string, string, string];
await (which === "ours" ? ours() : theirs());

async function ours(): Promise<void> {
  const published = new URL("../../dist/", import.meta.url);
  const load = (path: string) => import(new URL(path, published).href);
  const { createAssociation, rawPsk, startLifetime } = await load(
    "lib/association/mod.js",
  ) as typeof import("../../lib/association/mod.ts");
  const { secretFrom } = await load("lib/crypto/mod.js") as typeof import("../../lib/crypto/mod.ts");
  const { dtls } = await load("transports/dtls/mod.js") as typeof import("../../transports/dtls/mod.ts");
  const { webPlatform: platform } = await load("web_platform.js") as typeof import("../../web_platform.ts");
  const name = new TextEncoder().encode(identity);
  const association = createAssociation({
    ...{ reference: identity, serverName: "127.0.0.1", role: "initiator", platform },
    peer: { identity: name, assurance: "psk" },
    origin: rawPsk({ identity: name, key: secretFrom(Buffer.from(key, "hex")), use: "tls" }),
    lifetime: startLifetime({ clock: platform.clock, seconds: 3600 }),
  });
  const channel = await association.bind(
    dtls({ port: Number(port), host: "127.0.0.1", suites: [suite], connectionId: false }),
  );
  tell();
  await channel[Symbol.asyncDispose]();
}

async function theirs(): Promise<void> {
  const { dtls } = await import("node-dtls-client");
  const socket = dtls.createSocket({
    ...{ type: "udp4", address: "127.0.0.1", port: Number(port), timeout: 5000 },
    psk: { [identity]: Buffer.from(key, "hex") as never },
    ciphers: [suite as never],
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connected", resolve);
    socket.on("error", reject);
  });
  tell();
  await new Promise<void>((done) => {
    socket.once("close", done);
    socket.close();
  });
}

function tell(): void {
  console.log(performance.timeOrigin + performance.now());
}
