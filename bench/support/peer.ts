/** Servers in processes of their own, so that what a bench measures in its process is the client. @module */

import { type ChildProcess, spawn } from "node:child_process";
import { createServer } from "node:net";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { toHex } from "../../lib/bytes/mod.ts";
import { IDENTITY, KEY, OPENSSL_SUITE } from "./keys.ts";

/** A running server. */
export interface Peer extends Disposable {
  /** DTLS over UDP. */
  readonly dtls: number;
  /** TLS over TCP; 0 where there is none. */
  readonly tls: number;
}

/** One that tells what it has used. */
export interface OwnPeer extends Peer {
  /** UDP, without any protection. */
  readonly udp: number;
  /** Microseconds of processor time since its start. */
  used(): Promise<number>;
}

const script = fileURLToPath(new URL("serve.ts", import.meta.url));
const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));

/** Our listener on Node, whatever runtime asks: all clients have the same peer. */
export function peerOnNode(): Promise<OwnPeer> {
  return start(node, [script]);
}

/** Our listener on the runtime that asks. */
export function peerHere(): Promise<OwnPeer> {
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
  return start(process.execPath, [...flags, script]);
}

async function start(command: string, words: readonly string[]): Promise<OwnPeer> {
  const child = spawn(command, words, { stdio: ["pipe", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const said = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`the peer ended: ${command}`);
    return JSON.parse(value);
  };
  const ports = await said() as { dtls: number; tls: number; udp: number };
  return {
    ...ports,
    used() {
      child.stdin.write("\n");
      return said();
    },
    ...killed(child),
  };
}

/** Two of openssl's s_server, one for DTLS and one for TLS. They do not echo. */
export async function opensslPeer(): Promise<Peer> {
  const [dtls, tls] = [await freePort(), await freePort()];
  const children = ([["-dtls1_2", dtls, "-mtu", "1400"], ["-tls1_2", tls]] as const).map(([version, port, ...more]) =>
    spawn("openssl", [
      ...["s_server", version, "-accept", `127.0.0.1:${port}`, "-nocert", "-quiet", ...more],
      ...["-psk", toHex(KEY), "-psk_identity", IDENTITY, "-cipher", OPENSSL_SUITE],
    ], { stdio: ["pipe", "ignore", "ignore"] })
  );
  for (const child of children) {
    child.on("error", (cause) => {
      throw new Error("this bench wants the program openssl", { cause });
    });
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  return { dtls, tls, [Symbol.dispose]: () => children.forEach((child) => child.kill("SIGKILL")) };
}

function killed(child: ChildProcess): Disposable {
  return { [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
