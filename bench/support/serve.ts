// The peer of the benches, a process of its own: our DTLS listener, on Node a TLS-PSK server of node:tls, and a bare socket. All echo.
// Prints the ports; for each line that comes it prints how much processor time this process has had, in microseconds.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import process from "node:process";
import { createServer } from "node:tls";
import { createKeyTable } from "../../lib/association/mod.ts";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { dtls } from "../../transports/dtls/mod.ts";
import { webPlatform } from "../../web_platform.ts";
import { associate, IDENTITY, KEY, OPENSSL_SUITE } from "./keys.ts";

async function serveDtls(): Promise<number> {
  const keys = createKeyTable();
  keys.set(toUtf8(IDENTITY), associate("responder"));
  // node-dtls-client has no extensions and reads no hint; all come from one host.
  const listener = await dtls({
    ...{ port: 0, host: "127.0.0.1", mtu: 65_507, requireExtendedMasterSecret: false, hint: "" },
    ...{ maxHandshakesPerHost: 1000, maxHandshakes: 1000, maxLookupsPerHost: 1_000_000 },
  }).listen(keys, { platform: webPlatform });
  void (async () => {
    for await (const channel of listener) {
      void (async () => {
        for await (const { payload } of channel) await channel.send(payload);
      })().catch(() => {}).finally(() => channel[Symbol.asyncDispose]());
    }
  })();
  return Number(listener.url.port);
}

/** 0 where there is no PSK in the runtime's own TLS. */
async function serveTls(): Promise<number> {
  if ("Deno" in globalThis || "Bun" in globalThis) return 0;
  const server = createServer({
    ...{ ciphers: OPENSSL_SUITE, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" },
    pskCallback: () => KEY,
  }, (socket) => {
    socket.setNoDelay();
    socket.on("data", (data) => socket.write(data));
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** What goes without any protection, as a floor. */
async function serveBare(): Promise<number> {
  const socket = createSocket("udp4");
  socket.on("message", (datagram, { port, address }) => socket.send(datagram, port, address));
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket.address().port;
}

console.log(JSON.stringify({ dtls: await serveDtls(), tls: await serveTls(), udp: await serveBare() }));
process.stdin.on("data", () => {
  const { user, system } = process.cpuUsage();
  console.log(JSON.stringify(user + system));
});
process.stdin.on("end", () => process.exit(0));
