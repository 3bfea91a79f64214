// One end of a DTLS session that is kept in a folder: `server FOLDER PORT VERSION` says again what it hears, `client FOLDER PORT VERSION FIRST`
// counts from FIRST. Each says on its standard output what was delivered to it, before anybody else can know.
import { writeSync } from "node:fs";
import process from "node:process";
import { createAssociation, createKeyTable, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type DatagramChannel, dtls, savedSessions } from "../../transports/dtls/mod.ts";
import { fileStore } from "../../transports/files/mod.ts";
import { webPlatform } from "../../web_platform.ts";

const [role = "", folder = "", port = "0", version = "1.2", first = "0"] = process.argv.slice(2);
const identity = toUtf8("device-1");
const association = createAssociation({
  reference: "device-1",
  serverName: "meter.example.net",
  role: role === "client" ? "initiator" : "responder",
  peer: { identity, assurance: "psk" },
  origin: rawPsk({ identity, key: secretFrom(new Uint8Array(16).fill(1)), use: "tls" }),
  lifetime: startLifetime({ clock: webPlatform.clock, seconds: 86_400 }),
  platform: webPlatform,
});
const sessions = savedSessions({ store: await fileStore(folder), wrappingKey: secretFrom(new Uint8Array(32).fill(2)) });
const carrier = dtls({
  ...{ port: Number(port), host: "127.0.0.1", sessions, versions: [version === "1.3" ? "1.3" : "1.2"] },
  // The relay opens every record.
  ...(role === "client" && { keyLog: (line: string) => void writeSync(1, `key ${line}\n`) }),
});

async function hear(channel: DatagramChannel, heard: (text: string) => Promise<void> | void): Promise<void> {
  for await (const { payload } of channel) {
    const text = fromUtf8(payload);
    writeSync(1, `heard ${text}\n`);
    await heard(text);
  }
}

if (role === "server") {
  const table = createKeyTable();
  table.set(identity, association);
  const listener = await carrier.listen(table, { platform: webPlatform });
  writeSync(1, "ready\n");
  for await (const channel of listener) void hear(channel, (text) => channel.send(toUtf8(text)));
} else {
  const channel = await association.bind(carrier);
  writeSync(1, "ready\n");
  void hear(channel, () => {});
  for (let i = Number(first);; i++) {
    await channel.send(toUtf8(`${i}`));
    await new Promise<void>((resolve) => setTimeout(resolve, i % 50 === 0 ? 300 : 3));
  }
}
