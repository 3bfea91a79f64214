// Keys that a session exports, against openssl's -keymatexport at the other end of the same session (RFC 5705).
import assert from "node:assert/strict";
import { createServer, type Socket } from "node:net";
import { test } from "node:test";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { createTlsEngine, type Engine } from "../../lib/tls/mod.ts";
import { start } from "../support/spawn.ts";
import { webPlatform } from "../../web_platform.ts";

const KEY = "0102030405060708090a0b0c0d0e0f10";
const LABEL = "EXPERIMENTAL_seccf";

/** Does what the engine says, until its session is there; then exports. */
function drive(engine: Engine, socket: Socket): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => {
    const pump = (): void => {
      for (let output = engine.poll(); output; output = engine.poll()) {
        if (output.kind === "transmit") socket.write(new Uint8Array(output.bytes));
        else if (output.kind === "closed") resolve(undefined);
        else if (output.kind === "established") resolve(output.session.identity);
        else if (output.kind === "demand") {
          using key = secretFrom(fromHex(KEY));
          engine.answer(output.demand, { kind: "psk", identity: output.demand.identity ?? toUtf8("c"), key }, 0);
        }
      }
    };
    socket.on("data", (bytes) => {
      engine.receive(new Uint8Array(bytes), 0);
      pump();
    });
  });
}

for (const [name, version, words] of [["1.2", 0x0303, ["-tls1_2"]], ["1.3", 0x0304, ["-tls1_3"]]] as const) {
  test(`a session of version ${name} with openssl exports the same key at both ends`, async () => {
    const { random } = webPlatform;
    const versions = [version];
    const engine = createTlsEngine({ role: "server", now: 0, random, versions, exporter: true });
    let socket: Socket | undefined;
    let known: Promise<Uint8Array | undefined> | undefined;
    const listener = createServer((found) => {
      socket = found.on("error", () => {});
      known = drive(engine, found);
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    const address = listener.address();
    assert.ok(address !== null && typeof address === "object");
    try {
      await using client = start("openssl", [
        ...["s_client", ...words, "-connect", `127.0.0.1:${address.port}`, "-nocommands", "-psk", KEY],
        ...["-keymatexport", LABEL, "-keymatexportlen", "40"],
      ]);
      const [, exported = ""] = await client.until(/Keying material: ([0-9A-F]{80})/);
      assert.ok(await known);
      using key = engine.exportKey(LABEL, undefined, 40);
      assert.ok(secretEqual(key, fromHex(exported.toLowerCase())));
    } finally {
      socket?.destroy();
      engine[Symbol.dispose]();
      await new Promise((resolve) => listener.close(resolve));
    }
  });
}
