// The handshakes of RFC 8448 and one with an external key, computed again from their private keys: every secret, every
// record, every Finished, every binder.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, equal, fromHex, fromUtf8, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { createKeyShare, secretEqual, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { createTlsEngine } from "../../lib/tls/mod.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeEncryptedExtensions } from "../../lib/tls/handshake/encrypted_extensions.ts";
import { HANDSHAKE, MessageJoiner } from "../../lib/tls/handshake/message.ts";
import { decodeNewSessionTicket } from "../../lib/tls/handshake/new_session_ticket.ts";
import { bindersLength } from "../../lib/tls/handshake/pre_shared_key.ts";
import { decodeServerHello, isRetryRequest } from "../../lib/tls/handshake/server_hello.ts";
import { InnerProtection } from "../../lib/tls/record/inner_protection.ts";
import { openInner } from "./pads.ts";
import {
  applicationTraffic,
  binder,
  earlySecret,
  exportedKey,
  exporterSecret,
  finishedData,
  handshakeSecret,
  handshakeTraffic,
  mainSecret,
  nextTrafficSecret,
  resumptionKey,
  resumptionSecret,
  type Schedule,
  type SecretPair,
  trafficKeys,
} from "../../lib/tls/tls13/key_schedule.ts";
import { Transcript13 } from "../../lib/tls/tls13/transcript.ts";
import vectors from "../vectors/tls/rfc8448.json" with { type: "json" };
import { End } from "./pair.ts";

type Trace = (typeof vectors.traces)[number];

const SCHEDULE: Schedule = { prefix: "tls13 ", hash: "sha-256" };
const SUITE = suiteById(0x1301)!;

function trace(name: string): Trace {
  return vectors.traces.find((each) => each.name === name) ?? assert.fail(name);
}

/** Follows a trace record by record, with the client's private keys alone. */
class Follower {
  readonly #trace: Trace;
  readonly #transcript = new Transcript13("sha-256");
  readonly #early;
  readonly #joiner = new MessageJoiner();
  readonly seen: string[] = [];
  readonly data: string[] = [];
  #keys: { c?: InnerProtection; s?: InnerProtection } = {};
  #handshake: SecretPair | undefined;
  #application: SecretPair | undefined;
  #main: ReturnType<typeof mainSecret> | undefined;
  #exporter: ReturnType<typeof mainSecret> | undefined;
  #resumption: ReturnType<typeof mainSecret> | undefined;

  constructor(trace: Trace) {
    this.#trace = trace;
    const psk = "psk" in trace && trace.psk ? fromHex(trace.psk) : new Uint8Array(32);
    this.#early = earlySecret(SCHEDULE, secretFrom(psk));
  }

  follow(): void {
    for (const { from, record } of this.#trace.records) {
      const side = from === "c" ? "c" : "s";
      this.#record(side, fromHex(record));
    }
  }

  #record(side: "c" | "s", record: Uint8Array): void {
    const keys = this.#keys[side];
    if (!keys) {
      assert.equal(record[0], 22);
      this.#messages(side, record.subarray(5));
      return;
    }
    const opened = openInner(keys, record);
    assert.ok(opened, `a record of ${side} does not open`);
    const { type, content } = opened;
    if (type === 22) this.#messages(side, content);
    else if (type === 23) this.data.push(toHex(content));
    else this.seen.push(`${side} alert ${content[0]} ${content[1]}`);
  }

  #messages(side: "c" | "s", bytes: Uint8Array): void {
    this.#joiner.push(bytes);
    for (let message = this.#joiner.next(1 << 16); message; message = this.#joiner.next(1 << 16)) {
      const { type, body } = message;
      this.seen.push(`${side} ${type}`);
      if (type === HANDSHAKE.clientHello) this.#clientHello(body);
      if (type === HANDSHAKE.encryptedExtensions) decodeEncryptedExtensions(withoutEarlyData(body));
      if (type === HANDSHAKE.finished) this.#finished(side, body);
      if (type === HANDSHAKE.newSessionTicket) this.#ticket(body);
      else if (type === HANDSHAKE.serverHello) this.#serverHello(body);
      else this.#transcript.add(type, body);
      if (type === HANDSHAKE.finished) this.#afterFinished(side);
    }
    this.#joiner.settle();
  }

  #clientHello(body: Uint8Array): void {
    const { offeredPsks } = decodeClientHello(body);
    if (!offeredPsks) return;
    const { binders } = offeredPsks;
    const origin = "origin" in this.#trace && this.#trace.origin === "resumption" ? "resumption" : "external";
    const truncated = this.#transcript.digestTruncated(HANDSHAKE.clientHello, body, bindersLength(binders));
    assert.deepEqual(binder(SCHEDULE, this.#early, origin, truncated), binders[0]);
    const other = origin === "external" ? "resumption" : "external";
    assert.notDeepEqual(binder(SCHEDULE, this.#early, other, truncated), binders[0]);
    if ("binder" in this.#trace && this.#trace.binder) assert.equal(toHex(binders[0]!), this.#trace.binder);
  }

  #serverHello(body: Uint8Array): void {
    const hello = decodeServerHello(body);
    assert.equal(hello.supportedVersion, 0x0304);
    if (isRetryRequest(hello)) {
      assert.equal(hello.retryGroup, this.#trace.group);
      this.#transcript.retry();
      this.#transcript.add(HANDSHAKE.serverHello, body);
      return;
    }
    this.#transcript.add(HANDSHAKE.serverHello, body);
    const { group, privateKeys } = this.#trace;
    const share = createKeyShare(group, (bytes) => bytes.set(fromHex(privateKeys.at(-1)!)));
    using shared = share.agree(hello.keyShare!.publicKey);
    const handshake = handshakeSecret(SCHEDULE, this.#early, shared);
    this.#handshake = handshakeTraffic(SCHEDULE, handshake, this.#transcript.digest());
    this.#main = mainSecret(SCHEDULE, handshake);
    this.#keys = { c: protection(this.#handshake.client), s: protection(this.#handshake.server) };
    this.#check("clientHandshake", this.#handshake.client);
    this.#check("serverHandshake", this.#handshake.server);
  }

  #finished(side: "c" | "s", body: Uint8Array): void {
    // EndOfEarlyData, which came under keys that nothing here makes.
    if (side === "c" && "earlyRecord" in this.#trace && this.#trace.earlyRecord) this.#transcript.add(5, NOTHING);
    const base = side === "c" ? this.#handshake!.client : this.#handshake!.server;
    assert.deepEqual(body, finishedData(SCHEDULE, base, this.#transcript.digest()));
  }

  #afterFinished(side: "c" | "s"): void {
    if (side === "s") {
      this.#application = applicationTraffic(SCHEDULE, this.#main!, this.#transcript.digest());
      this.#exporter = exporterSecret(SCHEDULE, this.#main!, this.#transcript.digest());
      this.#keys.s = protection(this.#application.server);
      this.#check("client", this.#application.client);
      this.#check("server", this.#application.server);
      this.#check("exporter", this.#exporter);
      this.#check("nextClient", nextTrafficSecret(SCHEDULE, this.#application.client));
      this.#check("nextServer", nextTrafficSecret(SCHEDULE, this.#application.server));
      this.#checkExported();
    } else {
      this.#keys.c = protection(this.#application!.client);
      this.#resumption = resumptionSecret(SCHEDULE, this.#main!, this.#transcript.digest());
    }
  }

  #ticket(body: Uint8Array): void {
    const { nonce, lifetime } = decodeNewSessionTicket(body);
    assert.equal(lifetime, 30);
    this.#check("resumption", resumptionKey(SCHEDULE, this.#resumption!, nonce));
  }

  #checkExported(): void {
    if (!("exported" in this.#trace) || !this.#trace.exported) return;
    const { label, context, key } = this.#trace.exported;
    const use = { label, context: toUtf8(context), length: key.length / 2 };
    assert.ok(secretEqual(exportedKey(SCHEDULE, this.#exporter!, use), fromHex(key)));
    const other = { ...use, label: `${label}2` };
    assert.ok(!secretEqual(exportedKey(SCHEDULE, this.#exporter!, other), fromHex(key)));
  }

  #check(name: string, secret: ReturnType<typeof mainSecret>): void {
    const { secrets } = this.#trace as { readonly secrets?: Readonly<Record<string, string>> };
    const expected = secrets?.[name];
    if (expected !== undefined) assert.ok(secretEqual(secret, fromHex(expected)), name);
  }
}

function protection(secret: ReturnType<typeof mainSecret>): InnerProtection {
  return new InnerProtection(SUITE, trafficKeys("tls13 ", SUITE, secret));
}

/** The server of RFC 8448 4 takes early data, which nobody here offers. */
function withoutEarlyData(body: Uint8Array): Uint8Array {
  const end = Uint8Array.of(0, 42, 0, 0);
  if (!equal(body.subarray(-4), end)) return body;
  const shorter = body.slice(0, -4);
  shorter[1]! -= 4;
  return shorter;
}

const NOTHING = new Uint8Array(0);

test("RFC 8448 3: every secret of a handshake of one round trip, its ticket's key and all its records [SEC_CF-KEM-001]", () => {
  const follower = new Follower(trace("simple"));
  follower.follow();
  assert.deepEqual(follower.seen, [
    ...["c 1", "s 2", "s 8", "s 11", "s 15", "s 20", "c 20", "s 4"],
    ...["c alert 1 0", "s alert 1 0"],
  ]);
  assert.deepEqual(follower.data, [trace("simple").data, trace("simple").data]);
});

test("RFC 8448 4: the binder of a resumption, and its handshake [SEC_CF-AUTH-001]", () => {
  const follower = new Follower(trace("resumed"));
  follower.follow();
  assert.deepEqual(follower.seen, ["c 1", "s 2", "s 8", "s 20", "c 20"]);
  assert.deepEqual(follower.data, [trace("resumed").data, trace("resumed").data]);
});

test("RFC 8448 5: a handshake with HelloRetryRequest, whose first hello is in the transcript as its hash", () => {
  const follower = new Follower(trace("retried"));
  follower.follow();
  const flight = ["s 8", "s 11", "s 15", "s 20", "c 20"];
  assert.deepEqual(follower.seen, ["c 1", "s 2", "c 1", "s 2", ...flight, "c alert 1 0", "s alert 1 0"]);
});

test("a handshake with an external key that another stack recorded, to the last byte", () => {
  const follower = new Follower(trace("external"));
  follower.follow();
  assert.deepEqual(follower.seen, ["c 1", "s 2", "s 8", "s 20", "c 20", "c alert 1 0", "s alert 1 0"]);
  assert.deepEqual(follower.data, [trace("external").data, trace("external").data]);
});

test("our server says the same ServerHello to that hello, and refuses it with any bit of its binder flipped", () => {
  const { records, psk, identity, serverRandomness } = trace("external");
  const hello = fromHex(records[0]!.record);
  const answer = () => ({ kind: "psk", identity: NOTHING, key: secretFrom(fromHex(psk!)) }) as const;
  // What answers an unknown identity is drawn first.
  const drawn = concat(new Uint8Array(32), fromHex(serverRandomness!));
  const engine = () => {
    let at = 0;
    const random = (bytes: Uint8Array) => {
      bytes.set(drawn.subarray(at, at + bytes.length));
      at += bytes.length;
    };
    return new End(createTlsEngine({ role: "server", now: 0, random, versions: [0x0304], suites: [0x1301] }), answer);
  };
  const end = engine();
  const sent = end.receive(hello);
  assert.equal(toHex(sent.subarray(0, records[1]!.record.length / 2)), records[1]!.record);
  assert.equal(fromUtf8(end.demands[0]!.identity!), identity);
  for (let bit = 0; bit < 256; bit++) {
    const changed = new Uint8Array(hello);
    changed[changed.length - 1 - (bit >> 3)]! ^= 1 << (bit & 7);
    const refused = engine();
    assert.deepEqual([...refused.receive(changed)], [21, 3, 3, 0, 2, 2, 51]);
    assert.equal(refused.code, "auth-failed");
  }
});

test("no secret of one step is that of another, and those of datagrams are others", () => {
  using psk = secretFrom(new Uint8Array(32).fill(7));
  using early = earlySecret(SCHEDULE, psk);
  const datagram: Schedule = { prefix: "dtls13", hash: "sha-256" };
  const transcript = new Uint8Array(32);
  const all = [SCHEDULE, datagram].flatMap((schedule) => {
    const handshake = handshakeSecret(schedule, early, undefined);
    const main = mainSecret(schedule, handshake);
    const { client, server } = handshakeTraffic(schedule, handshake, transcript);
    const data = applicationTraffic(schedule, main, transcript);
    return [
      ...[handshake, main, client, server, data.client, data.server],
      ...[exporterSecret(schedule, main, transcript), resumptionSecret(schedule, main, transcript)],
      nextTrafficSecret(schedule, client),
      secretFrom(binder(schedule, early, "external", transcript)),
      secretFrom(binder(schedule, early, "resumption", transcript)),
    ];
  });
  for (const [i, one] of all.entries()) {
    for (const other of all.slice(i + 1)) assert.ok(!secretEqual(one, other));
  }
});
