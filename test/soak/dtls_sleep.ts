/**
 * `node test/soak/dtls_sleep.ts [COUNT [VERSION]]`: two processes talk over UDP in one DTLS session, of version 1.3 unless told
 * otherwise, and one of them is killed, three hundred times unless told otherwise, at moments spread over what it does. All
 * goes through a relay that reads the number of every record: none may come twice, nothing may be delivered twice, and there
 * may be one handshake, the first.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { isUnified } from "../../lib/tls/record/unified_header.ts";
import { type Running, startScript } from "../support/spawn.ts";
import { seededNumbers } from "../support/virtual.ts";
import { Openers } from "../tls/durable_world.ts";

type Side = "client" | "server";

/** Everything that passed, by whom it was sent. */
const numbers = { client: new Set<string>(), server: new Set<string>() };
let hellos = 0;

function fail(what: string): never {
  console.error(what);
  process.exit(1);
}

/** Reads what a sender did: records under the keys by their epoch and number, handshakes by their hellos. */
function note(side: Side, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) {
    if (isUnified(bytes[at]!)) {
      noted.push({ side, bytes: bytes.slice(at) });
      return;
    }
    const record = recordAt(bytes, at, side === "client" ? 8 : 0);
    if (!record) fail("a datagram that is none");
    if (record.epoch === 0 && record.type === 22 && record.body[0] === 1) hellos++;
    const name = `${record.number}`;
    if (record.epoch === 1 && numbers[side].has(name)) fail(`the ${side} used number ${name} twice`);
    if (record.epoch === 1) numbers[side].add(name);
    at += record.whole.length;
  }
}

/** Version 1.3, once its keys are known. */
const noted: { readonly side: Side; readonly bytes: Uint8Array }[] = [];
let openers: Openers | undefined;

/** Opens what has passed: the nonce of version 1.3 is its epoch's key and its number. */
function open(client: Running): void {
  const lines = [...client.outText.matchAll(/key (.+)\n/g)].map(([, line = ""]) => line);
  if (!openers && lines.length > 0) openers = new Openers(lines, 0x1301);
  for (const { side, bytes } of noted.splice(0)) {
    for (const name of openers?.tryNumbers(side, bytes) ?? []) {
      if (numbers[side].has(name)) fail(`the ${side} used number ${name} twice`);
      numbers[side].add(name);
    }
  }
}

async function bound(): Promise<Socket> {
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}

/** Gives each address that a client has an address of its own at the server, as a network does whose devices move. */
class Relay {
  readonly front: Socket;
  readonly #server: number;
  readonly #ways = new Map<number, Promise<Socket>>();

  constructor(front: Socket, server: number) {
    this.front = front;
    this.#server = server;
    front.on("message", (bytes, { port }) => {
      note("client", bytes);
      const way = this.#ways.get(port) ?? this.#open(port);
      void way.then((socket) => socket.send(bytes, this.#server, "127.0.0.1"));
    });
  }

  close(): void {
    this.front.close();
    for (const way of this.#ways.values()) void way.then((socket) => socket.close());
  }

  #open(port: number): Promise<Socket> {
    const way = bound().then((socket) => {
      socket.on("error", () => {});
      socket.on("message", (bytes) => {
        note("server", bytes);
        this.front.send(bytes, port, "127.0.0.1");
      });
      return socket;
    });
    this.#ways.set(port, way);
    return way;
  }
}

const count = Number(process.argv[2] ?? 300);
const version = process.argv[3] ?? "1.3";
const next = seededNumbers(1);
const folder = mkdtempSync(join(tmpdir(), "seccf-sleep-"));
const place = await bound();
const serverPort = place.address().port;
await new Promise<void>((resolve) => place.close(() => resolve()));
const relay = new Relay(await bound(), serverPort);
const clientPort = relay.front.address().port;

const heard = { client: new Set<string>(), server: new Set<string>() };
let first = 0;
let delivered = 0;

async function begin(side: Side): Promise<Running> {
  const port = side === "client" ? clientPort : serverPort;
  const words = [side, join(folder, side), `${port}`, version, ...(side === "client" ? [`${first}`] : [])];
  first += 100_000;
  const child = startScript("test/soak/dtls_sleep_child.ts", words);
  await child.until(/ready\n/);
  return child;
}

/** What a process was given, from which it was killed away. */
function collect(side: Side, child: Running): void {
  for (const [, text = ""] of child.outText.matchAll(/heard ([0-9]+)\n/g)) {
    if (heard[side].has(text)) fail(`${text} was delivered to the ${side} twice`);
    heard[side].add(text);
    delivered++;
  }
}

/** Kills and starts one end, and waits until both hear each other again. */
async function strike(running: { [side in Side]: Running }, side: Side): Promise<void> {
  await new Promise<void>((resolve) => setTimeout(resolve, next() * 60));
  running[side].signal("SIGKILL");
  await running[side].exit;
  collect(side, running[side]);
  running[side] = await begin(side);
  const seen = running.client.outText.length;
  for (let tries = 0; running.client.outText.length === seen; tries++) {
    if (tries > 400) fail(`the session is lost: ${running.client.errText}${running.server.errText}`);
    await new Promise<void>((resolve) => setTimeout(resolve, 50));
  }
}

const running = { server: await begin("server"), client: await begin("client") };
const handshake = hellos;
open(running.client);
for (let i = 1; i <= count; i++) {
  await strike(running, next() < 0.5 ? "client" : "server");
  if (hellos !== handshake) fail("a second handshake");
  open(running.client);
  if (i % 25 === 0 || i === count) {
    const records = numbers.client.size + numbers.server.size;
    console.log(`${i} kills in one session, ${records} records, ${delivered} delivered and collected, no number twice`);
  }
}
for (const side of ["client", "server"] as const) {
  running[side].signal("SIGKILL");
  await running[side].exit;
  collect(side, running[side]);
}
open(running.client);
relay.close();
rmSync(folder, { recursive: true });
