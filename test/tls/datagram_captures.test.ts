// Source: test/vectors/tls/datagrams.json: captures of OpenSSL 3.0.19 and of mbedTLS 3.6.6 with Connection IDs, the
// master secrets by their own key logs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { concat, fromHex, Reader, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type CipherSuite, digest, type SecretBytes, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { DatagramEngine } from "../../lib/tls/datagram_engine.ts";
import { createDtlsAcceptor, createDtlsEngine } from "../../lib/tls/mod.ts";
import { decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeClientKeyExchange, encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { decodeServerKeyExchange, encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { connectionIdIn, readExtensions } from "../../lib/tls/handshake/extension.ts";
import { encodeFragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { decodeHelloVerifyRequest } from "../../lib/tls/handshake/hello_verify_request.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { Reassembler } from "../../lib/tls/handshake/reassembler.ts";
import {
  extendedMasterSecret,
  keyLogLine,
  pskPremaster,
  trafficKeys,
  verifyData,
} from "../../lib/tls/tls12/key_schedule.ts";
import { DatagramReader, recordAt } from "../../lib/tls/record/datagram_reader.ts";
import { headerOf } from "../../lib/tls/record/datagram_header.ts";
import { DatagramWriter } from "../../lib/tls/record/datagram_writer.ts";
import { createProtection, type Protection } from "../../lib/tls/record/protection.ts";
import { ServerHandshake } from "../../lib/tls/server.ts";
import { toDatagramPolicy, toServerPolicy } from "../../lib/tls/dtls_options.ts";
import { seededRandom } from "../support/virtual.ts";
import { End, IDENTITY, PSK } from "./pair.ts";
import { keyOf } from "../../lib/tls/key_of.ts";
import { openWith, sealWith } from "./pads.ts";

interface Capture {
  readonly name: string;
  readonly suite: CipherSuite;
  readonly encryptThenMac: boolean;
  readonly keyLog: string;
  /** What each side receives by; empty: no Connection IDs. */
  readonly ids: { readonly client: Uint8Array; readonly server: Uint8Array };
  readonly datagrams: readonly { readonly from: "client" | "server"; readonly bytes: Uint8Array }[];
}

const file = JSON.parse(readFileSync(new URL("../vectors/tls/datagrams.json", import.meta.url), "utf8"));
const captures: readonly Capture[] = file.captures.map((
  each: { [name: string]: string } & { datagrams: string[] },
) => ({
  ...each,
  suite: suiteById(Number(each.suite))!,
  ids: { client: fromHex(each.clientId!), server: fromHex(each.serverId!) },
  datagrams: each.datagrams.map((datagram) => ({
    from: datagram.startsWith("c") ? "client" : "server",
    bytes: fromHex(datagram.slice(1)),
  })),
}));

type Side = "client" | "server";

interface Message {
  readonly from: Side;
  readonly type: number;
  readonly body: Uint8Array;
  readonly framed: Uint8Array;
}

/** A passive reading: both directions through our own reader and reassembler. */
class Observer {
  readonly #capture: Capture;
  readonly #readers: Record<Side, DatagramReader>;
  readonly #reassemblers: Record<Side, Reassembler> = { client: new Reassembler(0), server: new Reassembler(0) };
  readonly messages: Message[] = [];
  readonly records: { readonly from: Side; readonly type: number; readonly payload: Uint8Array }[] = [];
  keyLog = "";
  readonly finished: string[] = [];
  #keys: { readonly master: ReturnType<typeof secretFrom>; readonly protections: Record<Side, Protection> } | undefined;

  constructor(capture: Capture) {
    this.#capture = capture;
    // What the client sends, the server receives by its own.
    this.#readers = {
      client: new DatagramReader(capture.ids.server),
      server: new DatagramReader(capture.ids.client),
    };
  }

  read(from: Side, bytes: Uint8Array): void {
    const reader = this.#readers[from];
    reader.push(bytes);
    for (let record = reader.next(); record; record = reader.next()) {
      const { type } = record;
      const payload = new Uint8Array(record.payload);
      this.records.push({ from, type, payload });
      if (type === 20) {
        reader.protect(this.#protection(from), this.#capture.ids[from === "client" ? "server" : "client"]);
      } else if (type === 22) this.#handshake(from, payload);
    }
  }

  #handshake(from: Side, payload: Uint8Array): void {
    const reader = new Reader(payload);
    const reassembler = this.#reassemblers[from];
    while (reader.remaining > 0) assert.equal(reassembler.push(readFragment(reader)), "taken");
    for (let message = reassembler.peek(); message; message = reassembler.peek()) {
      reassembler.advance();
      this.#message({ from, type: message.type, body: message.body, framed: message.framed });
    }
  }

  #message(message: Message): void {
    // RFC 6347 4.2.1: neither the first hello nor its answer is in the transcript.
    if (message.type === HANDSHAKE.helloVerifyRequest) {
      this.messages.length = 0;
      return;
    }
    if (message.type === HANDSHAKE.finished) {
      const hash = digest(this.#capture.suite.prf, concat(...this.messages.map(({ framed }) => framed)));
      const expected = verifyData(this.#capture.suite, this.#keys!.master, message.from, hash);
      assert.deepEqual(message.body, expected);
      this.finished.push(message.from);
    }
    this.messages.push(message);
  }

  #protection(from: Side): Protection {
    if (!this.#keys) {
      const { suite, encryptThenMac } = this.#capture;
      const randoms = {
        client: decodeClientHello(this.#body(HANDSHAKE.clientHello), "datagram").random,
        server: this.#body(HANDSHAKE.serverHello).slice(2, 34),
      };
      const upTo = this.messages.findIndex(({ type }) => type === HANDSHAKE.clientKeyExchange) + 1;
      const session = digest(suite.prf, concat(...this.messages.slice(0, upTo).map(({ framed }) => framed)));
      const master = masterOf(this.#capture, session);
      this.keyLog = keyLogLine(randoms.client, master);
      const keys = trafficKeys(suite, master, randoms);
      const options = { encryptThenMac, random: () => {} };
      const protections = {
        client: createProtection(suite, keys.client, options),
        server: createProtection(suite, keys.server, options),
      };
      this.#keys = { master, protections };
    }
    return this.#keys.protections[from];
  }

  #body(type: number): Uint8Array {
    return this.messages.find((message) => message.type === type)!.body;
  }

  /** The keys of what `from` sends. */
  protection(from: Side): Protection {
    return this.#protection(from);
  }
}

/** Made of the pre-shared key; of ECDHE_PSK, whose other half nobody recorded, the program's own. */
function masterOf({ suite, keyLog }: Capture, session: Uint8Array): SecretBytes {
  if (suite.exchange === "ecdhe_psk") return secretFrom(fromHex(keyLog.split(" ")[2]!));
  using key = secretFrom(PSK);
  using premaster = pskPremaster(key);
  return extendedMasterSecret(suite, premaster, session);
}

function observed(capture: Capture): Observer {
  const observer = new Observer(capture);
  for (const { from, bytes } of capture.datagrams) observer.read(from, bytes);
  return observer;
}

for (const capture of captures) {
  test(`${capture.name}: read from its datagrams, both Finished and every record come out [SEC_CF-KEM-001]`, () => {
    const observer = observed(capture);
    assert.equal(observer.keyLog, capture.keyLog);
    assert.deepEqual(observer.finished, ["client", "server"]);
    const data = observer.records.filter(({ type }) => type === 23).map(({ payload }) => toHex(payload));
    assert.ok(data.length > 0);
    const alerts = observer.records.filter(({ type }) => type === 21);
    for (const { payload } of alerts) assert.deepEqual([...payload], [1, 0]);
    const identity = observer.messages.find(({ type }) => type === HANDSHAKE.clientKeyExchange)!;
    const exchange = capture.suite.exchange === "ecdhe_psk" ? "ecdhe_psk" : "psk";
    const { publicKey, ...shown } = decodeClientKeyExchange(identity.body, exchange);
    assert.deepEqual(shown.identity, toUtf8("Client_identity"));
    assert.equal(publicKey?.length, exchange === "ecdhe_psk" ? 32 : undefined);
    const said = observer.messages.find(({ type }) => type === HANDSHAKE.serverKeyExchange);
    if (!said) return;
    const { hint, share } = decodeServerKeyExchange(said.body, exchange);
    assert.deepEqual(hint, toUtf8("hint1"));
    assert.deepEqual(share && [share.group, share.publicKey.length], exchange === "psk" ? undefined : [0x001d, 32]);
    assert.deepEqual(encodeServerKeyExchange({ hint, ...(share && { share }) }), said.body);
    assert.deepEqual(encodeClientKeyExchange({ ...shown, ...(publicKey && { publicKey }) }), identity.body);
  });

  test(`${capture.name}: what is read is written to the same bytes`, () => {
    const observer = observed(capture);
    for (const { from, bytes } of capture.datagrams) {
      const id = capture.ids[from === "client" ? "server" : "client"];
      for (let at = 0; at < bytes.length;) {
        const record = recordAt(bytes, at, id.length)!;
        at += record.whole.length;
        if (record.epoch === 0) clearAgain(record.whole, record.type, record.number, record.body);
        else sealedAgain(capture, observer.protection(from), id, record);
      }
    }
  });
}

/** A clear record, written by our writer with the same number: all the same but the version, which OpenSSL begins lower. */
function clearAgain(whole: Uint8Array, type: number, number: number, body: Uint8Array): void {
  const writer = new DatagramWriter(1232, number);
  writer.write(0, type, body);
  const written = writer.poll()!.bytes;
  assert.deepEqual(written.with(2, 0), whole.with(2, 0));
  if (type !== 22) return;
  const fragment = readFragment(new Reader(body));
  assert.deepEqual(encodeFragment(fragment), body);
  if (fragment.type === HANDSHAKE.helloVerifyRequest) {
    assert.ok(decodeHelloVerifyRequest(fragment.body).cookie.length > 0);
  }
}

function sealedAgain(
  capture: Capture,
  protection: Protection,
  id: Uint8Array,
  record: NonNullable<ReturnType<typeof recordAt>>,
): void {
  const header = headerOf(keyOf(id), record.type, record.number);
  const plaintext = openWith(protection, header, record.body);
  assert.ok(plaintext);
  assert.equal(protection.sealedLength(plaintext.length), record.body.length);
  // OpenSSL's GCM counts its explicit nonce from a random start, and the IVs of CBC are random.
  if (capture.suite.protection.kind === "cbc" || capture.name === "ossl-gcm") return;
  assert.deepEqual(sealWith(protection, header, plaintext), record.body);
}

test("mbedTLS: both hellos with their Connection IDs are read as they were meant", () => {
  const capture = captures.find(({ name }) => name === "mbed-ccm8-cid")!;
  const observer = observed(capture);
  const body = (type: number) => observer.messages.find((message) => message.type === type)!.body;
  const clientHello = decodeClientHello(body(HANDSHAKE.clientHello), "datagram");
  assert.deepEqual(clientHello.connectionId, fromHex("dead"));
  assert.equal(clientHello.returnRoutability, undefined);
  // Version, random, session id, suite and compression: what is left are the extensions.
  const answer = new Reader(body(HANDSHAKE.serverHello));
  answer.take(34);
  answer.vector8();
  answer.take(3);
  assert.deepEqual(connectionIdIn(readExtensions(answer)), fromHex("beef"));
  assert.deepEqual(decodeClientHello(encodeClientHello(clientHello), "datagram"), clientHello);
});

test("a record of mbedTLS behind another Connection ID, or with any bit changed, does not open", () => {
  const capture = captures.find(({ name }) => name === "mbed-ccm8-cid")!;
  const observer = observed(capture);
  const found = capture.datagrams.findLast(({ from, bytes }) => from === "client" && bytes[0] === 25)!.bytes;
  const record = recordAt(found, 0, 2)!;
  for (let bit = 0; bit < 8 * record.whole.length; bit++) {
    const changed = new Uint8Array(record.whole);
    changed[bit >> 3]! ^= 1 << (bit & 7);
    const reader = new DatagramReader(fromHex("beef"));
    reader.protect(borrowed(observer.protection("client")), fromHex("beef"));
    reader.push(changed);
    assert.equal(reader.next(), undefined, `bit ${bit}`);
  }
});

/** The same keys for one reader more. */
function borrowed(protection: Protection): Protection {
  return {
    lead: protection.lead,
    overhead: protection.overhead,
    sealedLength: (length) => protection.sealedLength(length),
    seal: (...args) => protection.seal(...args),
    open: (...args) => protection.open(...args),
    [Symbol.dispose]: () => {},
  };
}

for (const capture of captures) {
  test(`${capture.name}: a client's recorded hellos and key exchange lead our server as far as its own random lets them`, () => {
    const options = { random: seededRandom(4), suites: [capture.suite.id] };
    using acceptor = createDtlsAcceptor(options);
    const fromClient = capture.datagrams.filter(({ from }) => from === "client").map(({ bytes }) => bytes);
    acceptor.receive(fromClient[0]!, "a:1", 0);
    const cookie = acceptor.poll()!;
    assert.equal(cookie.kind, "transmit");
    assert.equal(acceptor.poll(), undefined);
    // The recorded cookie is another server's.
    acceptor.receive(fromClient[1]!, "a:1", 0);
    assert.equal(acceptor.poll()?.kind, "transmit");
    assert.equal(acceptor.poll(), undefined);

    const record = recordAt(fromClient[1]!, 0, 0)!;
    const end = new End(
      new DatagramEngine({
        role: "server",
        policy: toServerPolicy(options, 0, fromHex("beef")),
        datagrams: toDatagramPolicy({}),
        now: 0,
        start: (link, policy) => new ServerHandshake(link, policy, {}),
        first: { messageSeq: 1, recordNumber: record.number },
      }),
    );
    for (const bytes of fromClient.slice(1)) end.receive(bytes);
    assert.deepEqual(end.demands.map(({ identity }) => identity), [IDENTITY]);
    assert.equal(end.session, undefined);
    end.expire(30_000);
    assert.equal(end.code, "timeout");
  });
}

test("a recorded ServerHello with a ticket that our client did not ask for makes room for one that it did ask for", () => {
  for (const capture of captures) {
    const suites = [capture.suite.id];
    const engine = createDtlsEngine({
      role: "client",
      now: 0,
      random: seededRandom(4),
      suites,
      connectionId: fromHex("dead"),
    });
    const end = new End(engine);
    for (const { from, bytes } of capture.datagrams) if (from === "server") end.receive(bytes);
    assert.deepEqual(end.demands, []);
    assert.equal(end.code, "open");
    end.expire(30_000);
    assert.equal(end.code, "timeout");
  }
});
