// Adds entries to an identity file, one change each, while another process does the same.
import process from "node:process";
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import { openIdentityFile } from "../../../transports/files/mod.ts";

const [path = "", prefix = "", count = "0"] = process.argv.slice(2);
using file = await openIdentityFile(path, { wrappingKey: secretFrom(new Uint8Array(32).fill(1)) });
for (let i = 0; i < Number(count); i++) {
  const name = `${prefix}${i}`;
  const key = secretFrom(toUtf8(name.padEnd(16)));
  await file.change((entries) => entries.add({ kind: "key", name, key }));
}
