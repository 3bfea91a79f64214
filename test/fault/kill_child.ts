// Changes an identity file again and again, and says so before and after each change, until it is killed.
import { writeSync } from "node:fs";
import process from "node:process";
import { openIdentityFile } from "../../transports/files/mod.ts";
import { keyOf, stepOf, WRAPPING } from "./kill.ts";

const [path = "", first = "0"] = process.argv.slice(2);
using file = await openIdentityFile(path, { wrappingKey: WRAPPING[stepOf(Number(first)).wrapping]! });
for (let step = Number(first) + 1;; step++) {
  const before = stepOf(step - 1);
  const after = stepOf(step);
  writeSync(1, `begin ${step}\n`);
  if (before.wrapping === after.wrapping) {
    await file.change((entries) => entries.replace({ kind: "key", name: "k", key: keyOf(after.key) }));
  } else {
    await file.relock({ wrappingKey: WRAPPING[before.wrapping]! }, { wrappingKey: WRAPPING[after.wrapping]! });
  }
  writeSync(1, `done ${step}\n`);
}
