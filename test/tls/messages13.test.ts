// Messages of version 1.3, by the hellos of RFC 8448 (test/vectors/tls/rfc8448.json) and by RFC 8446 4 itself.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { type ClientHello, decodeClientHello, encodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { decodeEncryptedExtensions, encodeEncryptedExtensions } from "../../lib/tls/handshake/encrypted_extensions.ts";
import { decodeKeyShare, decodeKeyShares, encodeKeyShare, encodeKeyShares } from "../../lib/tls/handshake/key_share.ts";
import { decodeKeyUpdate, encodeKeyUpdate } from "../../lib/tls/handshake/key_update.ts";
import {
  decodeNewSessionTicket,
  encodeNewSessionTicket,
  MAX_TICKET_LIFETIME,
} from "../../lib/tls/handshake/new_session_ticket.ts";
import { bindersLength, decodeOfferedPsks, encodeOfferedPsks } from "../../lib/tls/handshake/pre_shared_key.ts";
import {
  decodeServerHello,
  encodeServerHello,
  isRetryRequest,
  type ServerHello,
} from "../../lib/tls/handshake/server_hello.ts";
import vectors from "../vectors/tls/rfc8448.json" with { type: "json" };

/** The body of the handshake message that record `index` of a trace has in the clear. */
function bodyOf(name: string, index: number): Uint8Array {
  const trace = vectors.traces.find((each) => each.name === name) ?? assert.fail(name);
  return fromHex(trace.records[index]!.record).subarray(5 + 4);
}

test("the hello of RFC 8448 4 is read in all its parts", () => {
  const hello = decodeClientHello(bodyOf("resumed", 0));
  assert.equal(hello.version, 0x0303);
  assert.deepEqual(hello.suites, [0x1301, 0x1303, 0x1302]);
  assert.equal(hello.serverName, "server");
  assert.deepEqual(hello.supportedVersions, [0x0304]);
  assert.deepEqual(hello.supportedGroups, [0x1d, 0x17, 0x18, 0x19, 0x100, 0x101, 0x102, 0x103, 0x104]);
  assert.deepEqual(hello.keyShares?.map(({ group, publicKey }) => [group, publicKey.length]), [[0x1d, 32]]);
  assert.deepEqual(hello.pskModes, [1]);
  assert.equal(hello.recordSizeLimit, 0x4001);
  assert.equal(hello.earlyData, true);
  const { identities, binders } = hello.offeredPsks!;
  assert.deepEqual(identities.map(({ identity, obfuscatedAge }) => [identity.length, obfuscatedAge]), [[
    178,
    0xfad6aacb,
  ]]);
  assert.deepEqual(binders.map(({ length }) => length), [32]);
  assert.equal(bindersLength(binders), 35);
});

test("the ServerHello and the HelloRetryRequest of RFC 8448 are read, and written again to the byte", () => {
  const simple = decodeServerHello(bodyOf("simple", 1));
  assert.equal(simple.suite, 0x1301);
  assert.equal(simple.supportedVersion, 0x0304);
  assert.equal(simple.keyShare?.group, 0x1d);
  assert.equal(isRetryRequest(simple), false);
  const resumed = decodeServerHello(bodyOf("resumed", 1));
  assert.equal(resumed.selectedIdentity, 0);
  const retry = decodeServerHello(bodyOf("retried", 1));
  assert.equal(isRetryRequest(retry), true);
  assert.equal(retry.retryGroup, 0x17);
  assert.equal(retry.retryCookie?.length, 114);
  assert.equal(retry.keyShare, undefined);
  // The order of extensions is each stack's own: Botan's external trace has ours.
  const body = bodyOf("external", 1);
  assert.equal(toHex(encodeServerHello(decodeServerHello(body))), toHex(body));
});

test("a hello of version 1.3 keeps all that is put into it, and pre_shared_key stands last", () => {
  const hello: ClientHello = {
    version: 0x0303,
    random: new Uint8Array(32).fill(1),
    sessionId: new Uint8Array(32).fill(2),
    suites: [0x1301, 0x1303],
    serverName: "a.example",
    extendedMasterSecret: false,
    encryptThenMac: false,
    renegotiationInfo: false,
    supportedVersions: [0x0304, 0x0303],
    recordSizeLimit: 512,
    supportedGroups: [0x1d, 0x17],
    keyShares: [{ group: 0x1d, publicKey: new Uint8Array(32).fill(3) }],
    pskModes: [1, 0],
    retryCookie: toUtf8("cookie"),
    earlyData: true,
    offeredPsks: {
      identities: [{ identity: toUtf8("one"), obfuscatedAge: 0 }, {
        identity: toUtf8("two"),
        obfuscatedAge: 2 ** 32 - 1,
      }],
      binders: [new Uint8Array(32).fill(4), new Uint8Array(48).fill(5)],
    },
  };
  const body = encodeClientHello(hello);
  assert.deepEqual(decodeClientHello(body), hello);
  const last = encodeOfferedPsks(hello.offeredPsks!);
  assert.equal(
    toHex(body.subarray(-last.length - 4)),
    `0029${last.length.toString(16).padStart(4, "0")}${toHex(last)}`,
  );
  assert.deepEqual([...body.subarray(-49)], [48, ...new Uint8Array(48).fill(5)]);
});

test("EncryptedExtensions: the name, sizes, groups; and the block is always there", () => {
  assert.deepEqual([...encodeEncryptedExtensions({ serverName: false })], [0, 0]);
  assert.deepEqual([...encodeEncryptedExtensions({ serverName: true })], [0, 4, 0, 0, 0, 0]);
  const full = { serverName: true, recordSizeLimit: 512 };
  assert.deepEqual(decodeEncryptedExtensions(encodeEncryptedExtensions(full)), full);
  const short = { serverName: false, maxFragmentLength: 2 };
  assert.deepEqual(decodeEncryptedExtensions(encodeEncryptedExtensions(short)), short);
  // RFC 8448 3.
  const document = fromHex("0022000a00140012001d00170018001901000101010201030104001c0002400100000000");
  assert.deepEqual(decodeEncryptedExtensions(document), {
    serverName: true,
    recordSizeLimit: 0x4001,
    supportedGroups: [0x1d, 0x17, 0x18, 0x19, 0x100, 0x101, 0x102, 0x103, 0x104],
  });
  for (const wrong of ["", "00", "0001", "000400000001", "00060000000200aa", "0000ff"]) {
    assert.throws(() => decodeEncryptedExtensions(fromHex(wrong)), SeccfError, wrong);
  }
});

test("NewSessionTicket: lifetime, age, nonce and ticket; at most seven days, never empty, extensions passed over", () => {
  const message = { lifetime: 7200, ageAdd: 0xfedcba98, nonce: Uint8Array.of(0, 1), ticket: toUtf8("ticket") };
  const body = encodeNewSessionTicket(message);
  assert.equal(toHex(body), "00001c20fedcba9802000100067469636b65740000");
  assert.deepEqual(decodeNewSessionTicket(body), message);
  const extended = concat(body.subarray(0, -2), fromHex("0008002a000400000400"));
  assert.deepEqual(decodeNewSessionTicket(extended), message);
  assert.doesNotThrow(() =>
    decodeNewSessionTicket(encodeNewSessionTicket({ ...message, lifetime: MAX_TICKET_LIFETIME }))
  );
  const long = encodeNewSessionTicket({ ...message, lifetime: MAX_TICKET_LIFETIME + 1 });
  assert.throws(() => decodeNewSessionTicket(long), { code: "malformed" });
  assert.throws(() => decodeNewSessionTicket(encodeNewSessionTicket({ ...message, ticket: new Uint8Array(0) })), {
    code: "malformed",
  });
  for (let length = 0; length < body.length; length++) {
    assert.throws(() => decodeNewSessionTicket(body.subarray(0, length)), { code: "malformed" }, `${length}`);
  }
  assert.throws(() => decodeNewSessionTicket(concat(body, Uint8Array.of(0))), { code: "malformed" });
});

test("KeyUpdate is one byte of two values", () => {
  for (const requested of [false, true]) {
    const body = encodeKeyUpdate({ requested });
    assert.deepEqual([...body], [requested ? 1 : 0]);
    assert.deepEqual(decodeKeyUpdate(body), { requested });
  }
  for (const wrong of [[], [2], [255], [0, 0]]) {
    assert.throws(() => decodeKeyUpdate(Uint8Array.from(wrong)), { code: "malformed" });
  }
});

test("any key shares and any offered keys come back as they were", () => {
  const bytes = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
  const share = fc.record({ group: fc.nat(0xffff), publicKey: bytes(1, 70) }, { noNullPrototype: true });
  fc.assert(
    fc.property(fc.uniqueArray(share, { selector: ({ group }) => group, maxLength: 5 }), (shares) => {
      assert.deepEqual(decodeKeyShares(encodeKeyShares(shares)), shares);
      for (const each of shares) assert.deepEqual(decodeKeyShare(encodeKeyShare(each)), each);
    }),
    { seed: 1, numRuns: 100 },
  );
  const offer = fc.record({ identity: bytes(1, 300), obfuscatedAge: fc.nat(2 ** 32 - 1), binder: bytes(32, 255) });
  fc.assert(
    fc.property(fc.array(offer, { minLength: 1, maxLength: 8 }), (offers) => {
      const identities = offers.map(({ identity, obfuscatedAge }) => ({ identity, obfuscatedAge }));
      const binders = offers.map(({ binder }) => binder);
      const body = encodeOfferedPsks({ identities, binders });
      assert.deepEqual(decodeOfferedPsks(body), { identities, binders });
      const tail = concat(...binders.map((binder) => concat(Uint8Array.of(binder.length), binder)));
      assert.equal(bindersLength(binders), tail.length + 2);
      assert.deepEqual(body.subarray(-tail.length), tail);
    }),
    { seed: 2, numRuns: 100 },
  );
});

test("nine keys are too many, and so are more binders than identities", () => {
  const identity = { identity: Uint8Array.of(1), obfuscatedAge: 0 };
  const binder = new Uint8Array(32);
  const offer = (identities: number, binders: number) =>
    encodeOfferedPsks({ identities: Array(identities).fill(identity), binders: Array(binders).fill(binder) });
  assert.doesNotThrow(() => decodeOfferedPsks(offer(8, 8)));
  assert.throws(() => decodeOfferedPsks(offer(9, 9)), { code: "too-large" });
  for (const [identities, binders] of [[1, 2], [2, 1], [0, 0], [0, 1], [1, 0]] as const) {
    assert.throws(() => decodeOfferedPsks(offer(identities, binders)), { code: "malformed" });
  }
});

test("decoders of version 1.3 throw nothing but SeccfError, whatever they are given", () => {
  const decoders = [
    decodeClientHello,
    (body: Uint8Array) => decodeClientHello(body, "datagram"),
    decodeServerHello,
    decodeEncryptedExtensions,
    decodeNewSessionTicket,
    decodeKeyUpdate,
    decodeKeyShares,
    decodeKeyShare,
    decodeOfferedPsks,
  ];
  const seeds = [
    bodyOf("resumed", 0),
    bodyOf("retried", 1),
    encodeNewSessionTicket({ lifetime: 1, ageAdd: 2, nonce: Uint8Array.of(3), ticket: Uint8Array.of(4) }),
  ];
  const changed = fc.tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(600), fc.nat(255)), { maxLength: 6 }))
    .map(([seed, changes]) => {
      const bytes = new Uint8Array(seed);
      for (const [at, value] of changes) if (at < bytes.length) bytes[at] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 100 }), changed), (bytes) => {
      for (const decode of decoders) {
        try {
          decode(bytes);
        } catch (error) {
          assert.ok(error instanceof SeccfError, String(error));
        }
      }
    }),
    { seed: 3, numRuns: 300 },
  );
});

test("what a ServerHello of version 1.3 keeps, with and without each of its parts", () => {
  const base: ServerHello = {
    version: 0x0303,
    random: new Uint8Array(32).fill(6),
    sessionId: new Uint8Array(0),
    suite: 0x1303,
    serverName: false,
    extendedMasterSecret: false,
    encryptThenMac: false,
    renegotiationInfo: false,
    supportedVersion: 0x0304,
  };
  for (
    const more of [
      {},
      { selectedIdentity: 3 },
      { keyShare: { group: 0x17, publicKey: new Uint8Array(65).fill(4) } },
      { connectionId: Uint8Array.of(1, 2), returnRoutability: true } as const,
    ]
  ) {
    const hello = { ...base, ...more };
    assert.deepEqual(decodeServerHello(encodeServerHello(hello)), hello);
  }
});
