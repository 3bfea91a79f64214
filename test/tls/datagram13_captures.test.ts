// Source: test/vectors/tls/wolfssl_datagram13.json: captures of wolfSSL 5.5.4. The one in mode psk_ke is derived from its
// pre-shared key alone; of the one in mode psk_dhe_ke the binders are, since nothing agreed afresh is in them.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concat, equal, fromHex, Reader, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { digest, type SecretBytes, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { readFragment } from "../../lib/tls/handshake/fragment.ts";
import { frameMessage, HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { bindersLength } from "../../lib/tls/handshake/pre_shared_key.ts";
import { decodeServerHello, isRetryRequest } from "../../lib/tls/handshake/server_hello.ts";
import { decodeAck, encodeAck } from "../../lib/tls/record/ack.ts";
import { CONTENT } from "../../lib/tls/record/content_type.ts";
import { DatagramReader } from "../../lib/tls/record/datagram_reader.ts";
import type { DatagramRecord } from "../../lib/tls/record/datagram_record.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { EpochKeys } from "../../lib/tls/record/epoch_keys.ts";
import {
  applicationTraffic,
  binder,
  earlySecret,
  finishedData,
  handshakeSecret,
  handshakeTraffic,
  mainSecret,
  type Schedule,
  type SecretPair,
  trafficKeys,
} from "../../lib/tls/tls13/key_schedule.ts";

type Side = "client" | "server";

interface Capture {
  readonly name: string;
  readonly mode: string;
  readonly ids: Readonly<Record<Side, Uint8Array>>;
  readonly datagrams: readonly { readonly from: Side; readonly bytes: Uint8Array }[];
}

interface Stored {
  readonly psk: string;
  readonly identity: string;
  readonly captures: readonly (Record<"name" | "mode" | "clientId" | "serverId", string> & { datagrams: string[] })[];
}

const file: Stored = JSON.parse(
  readFileSync(new URL("../vectors/tls/wolfssl_datagram13.json", import.meta.url), "utf8"),
);
const captures: readonly Capture[] = file.captures.map((each) => ({
  name: each.name,
  mode: each.mode,
  ids: { client: fromHex(each.clientId), server: fromHex(each.serverId) },
  datagrams: each.datagrams.map((datagram) => ({
    from: datagram.startsWith("c") ? "client" : "server",
    bytes: fromHex(datagram.slice(1)),
  })),
}));
const derivable = captures.find(({ mode }) => mode === "psk_ke")!;
const SUITE = suiteById(0x1301)!;
const SCHEDULE: Schedule = { prefix: "dtls13", hash: "sha-256" };
const other = (side: Side): Side => side === "client" ? "server" : "client";

interface Seen extends DatagramRecord {
  readonly from: Side;
}

/** A passive reading: both directions through our own reader. */
class Observer {
  readonly readers: Record<Side, DatagramReader>;
  /** The transcript, message by message. */
  #transcript: Uint8Array[] = [];
  readonly records: Seen[] = [];
  readonly binders: boolean[] = [];
  readonly finished: Side[] = [];
  /** Of epochs 2 and 3. */
  readonly traffic: SecretPair[] = [];
  readonly #early: SecretBytes = earlySecret(SCHEDULE, secretFrom(fromHex(file.psk)));

  constructor({ ids }: Capture) {
    // What the client sends, the server receives by its own.
    this.readers = { client: new DatagramReader(ids.server), server: new DatagramReader(ids.client) };
    for (const side of ["client", "server"] as const) this.readers[side].expectId(ids[other(side)].length > 0);
  }

  read(from: Side, bytes: Uint8Array): void {
    this.readers[from].push(bytes);
    for (let record = this.readers[from].next(); record; record = this.readers[from].next()) {
      this.records.push({ ...record, from, payload: new Uint8Array(record.payload) });
      if (record.type === CONTENT.handshake && record.epoch < 3) this.#message(from, record.payload);
    }
  }

  #message(from: Side, payload: Uint8Array): void {
    const { type, body, length } = readFragment(new Reader(payload));
    assert.equal(body.length, length);
    if (type === HANDSHAKE.clientHello) this.#clientHello(body);
    if (type === HANDSHAKE.finished) this.#finished(from, body);
    this.#transcript.push(frameMessage(type, body));
    if (type === HANDSHAKE.serverHello) this.#serverHello(body);
    if (type === HANDSHAKE.finished && from === "server") this.#proceed();
  }

  #clientHello(body: Uint8Array): void {
    const { offeredPsks } = decodeClientHello(body, "datagram");
    assert.equal(toHex(offeredPsks!.identities[0]!.identity), toHex(toUtf8(`${file.identity}SHA256`)).slice(0, 42));
    const framed = frameMessage(HANDSHAKE.clientHello, body);
    const truncated = framed.subarray(0, framed.length - bindersLength(offeredPsks!.binders));
    const hash = digest("sha-256", ...this.#transcript, truncated);
    this.binders.push(equal(binder(SCHEDULE, this.#early, "external", hash), offeredPsks!.binders[0]!));
  }

  #serverHello(body: Uint8Array): void {
    const hello = decodeServerHello(body);
    assert.equal(hello.supportedVersion, 0xfefc);
    if (isRetryRequest(hello)) {
      const first = digest("sha-256", this.#transcript[0]!);
      this.#transcript = [frameMessage(254, first), this.#transcript[1]!];
    } else if (!hello.keyShare) {
      using handshake = handshakeSecret(SCHEDULE, this.#early, undefined);
      this.#open(2, handshakeTraffic(SCHEDULE, handshake, digest("sha-256", ...this.#transcript)));
    }
  }

  #proceed(): void {
    using handshake = handshakeSecret(SCHEDULE, this.#early, undefined);
    using main = mainSecret(SCHEDULE, handshake);
    this.#open(3, applicationTraffic(SCHEDULE, main, digest("sha-256", ...this.#transcript)));
  }

  #open(epoch: number, secrets: SecretPair): void {
    this.traffic.push(secrets);
    for (const side of ["client", "server"] as const) this.readers[side].open(epoch, keysOf(secrets[side]));
  }

  #finished(from: Side, body: Uint8Array): void {
    const hash = digest("sha-256", ...this.#transcript);
    if (equal(finishedData(SCHEDULE, this.traffic[0]![from], hash), body)) this.finished.push(from);
  }
}

function keysOf(secret: SecretBytes): EpochKeys {
  using keys = trafficKeys("dtls13", SUITE, secret);
  return new EpochKeys(SUITE, keys);
}

function observe(capture: Capture): Observer {
  const observer = new Observer(capture);
  for (const { from, bytes } of capture.datagrams) observer.read(from, bytes);
  return observer;
}

test("wolfSSL's handshake comes out of its pre-shared key: binders, both Finished, every record [SEC_CF-AUTH-003]", () => {
  const observer = observe(derivable);
  assert.deepEqual(observer.binders, [true, true]);
  assert.deepEqual(observer.finished, ["server", "client"]);
  assert.deepEqual(
    observer.records.map(({ from, epoch, number, type }) => `${from[0]} ${epoch}:${number} ${type}`),
    [
      "c 0:0 22",
      "s 0:0 22",
      "c 0:1 22",
      "s 0:1 22",
      "s 2:0 22",
      "s 2:1 22",
      "c 2:0 22",
      "s 3:0 26",
      "s 3:1 22",
      "c 3:0 23",
      "c 3:1 26",
      "s 3:2 23",
      "s 3:3 21",
      "c 3:2 21",
    ],
  );
  const said = observer.records.filter(({ type }) => type === CONTENT.applicationData);
  assert.deepEqual(said.map(({ payload }) => new TextDecoder().decode(payload)), [
    "hello wolfssl!",
    "I hear you fa shizzle!",
  ]);
});

test("the binders of both hellos hold where the agreement is fresh", () => {
  assert.deepEqual(observe(captures.find(({ mode }) => mode === "psk_dhe_ke")!).binders, [true, true]);
});

test("what wolfSSL acknowledges is what came, and is written alike (RFC 9147 7)", () => {
  const acks = observe(derivable).records.filter(({ type }) => type === CONTENT.ack);
  assert.deepEqual(acks.map(({ payload }) => decodeAck(payload)), [
    [{ epoch: 2, number: 0 }],
    [{ epoch: 3, number: 1 }],
  ]);
  for (const { payload } of acks) assert.equal(toHex(encodeAck(decodeAck(payload))), toHex(payload));
});

test("our writer makes every protected record of the capture, byte for byte", () => {
  const observer = observe(derivable);
  for (const side of ["client", "server"] as const) {
    const writer = new DatagramWriter(1232);
    writer.address(derivable.ids[other(side)]);
    for (const [i, secrets] of observer.traffic.entries()) writer.open(2 + i, keysOf(secrets[side]));
    const written: string[] = [];
    for (const { from, epoch, number, type, payload } of observer.records) {
      if (from !== side || epoch < 2) continue;
      assert.equal(writer.write(epoch, type, payload), number);
      for (let out = writer.poll(); out; out = writer.poll()) written.push(toHex(out.bytes));
    }
    const sent = derivable.datagrams.filter(({ from, bytes }) => from === side && bytes[0]! >> 5 === 1);
    assert.deepEqual(written, sent.map(({ bytes }) => toHex(bytes)));
    assert.ok(written.length > 2);
  }
});

test("no bit of a protected record can be turned: nothing opens, and the true one opens after it", () => {
  const observer = observe(derivable);
  const record = derivable.datagrams.find(({ from, bytes }) => from === "client" && (bytes[0]! & 3) === 3)!.bytes;
  for (let bit = 0; bit < 8 * record.length; bit++) {
    const reader = new DatagramReader(derivable.ids.server);
    reader.expectId(true);
    reader.open(2, keysOf(observer.traffic[0]!.client));
    reader.open(3, keysOf(observer.traffic[1]!.client));
    const turned = new Uint8Array(record);
    turned[bit >> 3]! ^= 1 << (bit & 7);
    reader.push(turned);
    assert.equal(reader.next(), undefined, `bit ${bit}`);
    reader.push(record);
    assert.equal(reader.next()?.type, CONTENT.applicationData);
  }
});

test("no other pre-shared key, label or hash position opens the capture", () => {
  const { bytes } = derivable.datagrams.find(({ bytes }) => bytes[0]! >> 5 === 1)!;
  const secret = observe(derivable).traffic[0]!.server;
  const read = (prefix: "tls13 " | "dtls13", key: SecretBytes): boolean => {
    using keys = trafficKeys(prefix, SUITE, key);
    using sn = trafficKeys("dtls13", SUITE, key);
    const reader = new DatagramReader(derivable.ids.client);
    reader.open(2, new EpochKeys(SUITE, { ...keys, sn: sn.sn! }));
    reader.push(bytes);
    return reader.next() !== undefined;
  };
  assert.equal(read("dtls13", secret), true);
  assert.equal(read("tls13 ", secret), false);
  assert.equal(read("dtls13", observe(derivable).traffic[0]!.client), false);
});

test("records that overtook ServerHello wait for their keys (RFC 9147 4.2.1)", () => {
  const [hello, retry, again, answer, first, second] = derivable.datagrams;
  for (const early of [[first!.bytes, second!.bytes], [concat(first!.bytes, second!.bytes)]]) {
    const observer = new Observer(derivable);
    for (const { from, bytes } of [hello!, retry!, again!]) observer.read(from, bytes);
    for (const bytes of early) observer.read("server", bytes);
    assert.equal(observer.readers.server.held, 2);
    observer.read("server", answer!.bytes);
    assert.deepEqual(observer.finished, ["server"]);
    assert.equal(observer.readers.server.held, 0);
  }
});
