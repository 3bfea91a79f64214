// X25519 and P-256 by their documents, and every key that is none, each with the runtime's and with noble's arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { createKeyShare, namedGroups } from "../../lib/crypto/mod.ts";
import { CheckedShare } from "../../lib/crypto/groups.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { SeccfError } from "../../lib/error.ts";
import { eachFlip, pattern, readVectors } from "./cases.ts";
import { recordRooms } from "./rooms.ts";
import { everyShare, type GroupName, named } from "./shares.ts";

type Row = [clause: string, group: GroupName, scalar: string, own: string, peer: string, shared: string];
const { tests, iterated } = readVectors<{ tests: Row[]; iterated: [string, string, string] }>("crypto/agree.json");

const isCode = (code: string) => (error: unknown) => error instanceof SeccfError && error.code === code;
const GROUPS = ["x25519", "secp256r1"] as const;
/** G of P-256, SP 800-186 3.2.1.3, and its order. */
const G_X = "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296";
const G_Y = "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
const N = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
const P = 2n ** 256n - 2n ** 224n + 2n ** 192n + 2n ** 96n - 1n;
const B = 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn;

test("RFC 7748, RFC 8448 and RFC 5903: each public key and each shared secret, in each way", () => {
  assert.equal(tests.length, 8);
  for (const { name, create } of everyShare) {
    for (const [clause, group, scalar, own, peer, shared] of tests) {
      using share = create(group, fromHex(scalar));
      assert.equal(share.group, named(group).id);
      assert.equal(share.publicKey.constructor, Uint8Array);
      if (own !== "") assert.equal(toHex(share.publicKey), own, `${name} ${clause}`);
      using secret = share.agree(fromHex(peer));
      assert.equal(toHex(expose(secret)), shared, `${name} ${clause}`);
    }
  }
});

test("RFC 7748 5.2: X25519 of its own output, once and 1000 times", () => {
  const [, once, thousand] = iterated;
  for (const { name, create } of everyShare.slice(1)) {
    let scalar = Uint8Array.of(9, ...new Uint8Array(31));
    let point = scalar;
    for (let i = 1; i <= 1000; i++) {
      using share = create("x25519", scalar);
      using secret = share.agree(point);
      point = scalar;
      scalar = expose(secret).slice();
      if (i === 1) assert.equal(toHex(scalar), once, name);
    }
    assert.equal(toHex(scalar), thousand, name);
  }
});

test("the runtime's arithmetic and noble's have the same public keys and secrets, from both ends", () => {
  const scalars = fc.uint8Array({ minLength: 32, maxLength: 32 });
  for (const group of GROUPS) {
    const agree = (a: Uint8Array, b: Uint8Array) => {
      const [, native, noble] = everyShare;
      // Any 32 bytes but those from n on, which are one in 2^32.
      using left = native!.create(group, a);
      using right = noble!.create(group, b);
      using same = noble!.create(group, a);
      assert.deepEqual(same.publicKey, left.publicKey);
      using secret = left.agree(right.publicKey);
      assert.equal(secret.byteLength, 32);
      for (const [share, peer] of [[right, left], [same, right]] as const) {
        assert.deepEqual(expose(share.agree(peer.publicKey)), expose(secret));
      }
    };
    const valid = scalars.filter((bytes) => group === "x25519" || (bytes[0]! > 0 && bytes[0]! < 0xff));
    fc.assert(fc.property(valid, valid, agree), { numRuns: 15, seed: 7748 });
  }
});

test("IANA's numbers, and no other group", () => {
  assert.deepEqual(namedGroups.map(({ id, name, publicLength }) => [id, name, publicLength]), [
    [0x001d, "x25519", 32],
    [0x0017, "secp256r1", 65],
  ]);
  for (const group of [0, 0x18, 0x1e, 0x11ec, -1, NaN, 0x1d + 65536]) {
    assert.throws(() => createKeyShare(group, (out) => out.fill(1)), RangeError, `${group}`);
  }
});

test("a public key of another length is malformed, at every length to 140", () => {
  for (const { create } of everyShare) {
    for (const group of GROUPS) {
      using share = create(group, pattern(32));
      const { publicLength } = named(group);
      for (let length = 0; length <= 140; length++) {
        if (length === publicLength) continue;
        const peer = pattern(length);
        peer[0] = 4;
        assert.throws(() => share.agree(peer), isCode("malformed"), `${group} ${length}`);
      }
    }
  }
});

test("RFC 8446 4.2.8.2: a point has the form 4; the compressed, the hybrid and the identity are malformed", () => {
  for (const { name, create } of everyShare) {
    using share = create("secp256r1", pattern(32));
    const peer = fromHex(`04${G_X}${G_Y}`);
    share.agree(peer)[Symbol.dispose]();
    for (let form = 0; form < 256; form++) {
      if (form === 4) continue;
      peer[0] = form;
      assert.throws(() => share.agree(peer), isCode("malformed"), `${name} ${form}`);
    }
    const compressed = fromHex(`03${G_X}`);
    for (const bytes of [compressed, Uint8Array.of(0), new Uint8Array(65), fromHex(`04${"00".repeat(64)}`)]) {
      assert.throws(() => share.agree(bytes), isCode("malformed"), `${name} ${bytes.length}`);
    }
  }
});

test("a point of P-256 with any bit flipped is off the curve", () => {
  for (const { name, create } of everyShare.slice(1)) {
    using share = create("secp256r1", pattern(32));
    const peer = fromHex(`04${G_X}${G_Y}`);
    eachFlip(peer, (bit) => assert.throws(() => share.agree(peer), isCode("malformed"), `${name} bit ${bit}`));
  }
});

test("a coordinate of P-256 is below p: the same point with p added is malformed", () => {
  // x below 2^256 - p, so that x + p has 32 bytes too.
  let [x, y] = [0n, 0n];
  for (x = 1n; y === 0n; x++) {
    const square = (x ** 3n - 3n * x + B + 3n * P) % P;
    const root = power(square, (P + 1n) / 4n);
    if ((root * root) % P === square) y = root;
  }
  x--;
  const point = (value: bigint) => fromHex(`04${digits(value)}${digits(y)}`);
  for (const { name, create } of everyShare) {
    using share = create("secp256r1", pattern(32));
    share.agree(point(x))[Symbol.dispose]();
    assert.throws(() => share.agree(point(x + P)), isCode("malformed"), name);
  }
});

test("RFC 7748 6.1: what gives zeros whatever the scalar is malformed, with the ignored bit set too", () => {
  // Orders 1, 2, 4 and 8 on the curve and its twist, and what is equal to them modulo p.
  const small = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
  ];
  for (const { name, create } of everyShare) {
    using share = create("x25519", pattern(32));
    for (const peer of small.map(fromHex)) {
      assert.throws(() => share.agree(peer), isCode("malformed"), name);
      peer[31]! |= 0x80;
      assert.throws(() => share.agree(peer), isCode("malformed"), name);
    }
  }
});

test("zeros are malformed where an implementation lets them through, but for P-256, whose curve has a point with x = 0", () => {
  const zeros = { publicKey: new Uint8Array(0), agreeInto: () => true, dispose() {} };
  assert.throws(() => new CheckedShare(named("x25519"), zeros).agree(pattern(32)), isCode("malformed"));
  assert.equal(new CheckedShare(named("secp256r1"), zeros).agree(Uint8Array.of(4, ...pattern(64))).byteLength, 32);
});

test("a scalar of P-256 is drawn again until it is from 1 to n - 1 (FIPS 186-5 A.2.2)", () => {
  const drawn = (...scalars: string[]) => {
    let calls = 0;
    const share = createKeyShare(0x0017, (out) => out.set(fromHex(scalars[calls++]!)));
    return { publicKey: toHex(share.publicKey), calls };
  };
  const [one, nMinusOne] = [digits(1n), digits(BigInt(`0x${N}`) - 1n)];
  assert.deepEqual(drawn(one), { publicKey: `04${G_X}${G_Y}`, calls: 1 });
  // -G.
  assert.deepEqual(drawn(digits(0n), N, "ff".repeat(32), digits(BigInt(`0x${N}`) + 1n), nMinusOne), {
    publicKey: `04${G_X}${digits(P - BigInt(`0x${G_Y}`))}`,
    calls: 5,
  });
  for (const byte of [0, 0xff]) {
    assert.throws(() => createKeyShare(0x0017, (out) => out.fill(byte)), isCode("state"));
  }
});

test("X25519 takes any 32 bytes and clamps them (RFC 7748 5)", () => {
  for (const { name, create } of everyShare) {
    const scalar = pattern(32);
    using share = create("x25519", scalar);
    for (const [at, bit] of [[0, 1], [0, 2], [0, 4], [31, 0x40], [31, 0x80]] as const) {
      const other = scalar.slice();
      other[at]! ^= bit;
      using same = create("x25519", other);
      assert.deepEqual(same.publicKey, share.publicKey, `${name} ${at} ${bit}`);
    }
    scalar[0]! ^= 8;
    using another = create("x25519", scalar);
    assert.notDeepEqual(another.publicKey, share.publicKey);
  }
});

test("a share agrees with many until it is disposed, and then with nobody", () => {
  for (const { create } of everyShare) {
    for (const group of GROUPS) {
      const [share, one, other] = [pattern(32), pattern(32, 5), pattern(32, 9)].map((scalar) => create(group, scalar));
      assert.notDeepEqual(expose(share!.agree(one!.publicKey)), expose(share!.agree(other!.publicKey)));
      assert.deepEqual(expose(share!.agree(one!.publicKey)), expose(one!.agree(share!.publicKey)));
      share![Symbol.dispose]();
      share![Symbol.dispose]();
      assert.throws(() => share!.agree(one!.publicKey), isCode("state"));
      assert.throws(() => share!.agree(new Uint8Array(3)), isCode("state"));
    }
  }
});

test("room for a scalar and for a shared secret is zero once share and secret are disposed", () => {
  for (const { name, create } of everyShare) {
    for (const group of GROUPS) {
      const scalar = pattern(32);
      const peer = create(group, pattern(32, 9)).publicKey.slice();
      const rooms = recordRooms(() => {
        using share = create(group, scalar);
        using _secret = share.agree(peer);
        assert.throws(() => share.agree(new Uint8Array(peer.length)), SeccfError);
      });
      assert.ok(rooms.length >= 2, `${name} ${rooms.length}`);
      for (const room of rooms) assert.ok(new Uint8Array(room).every((byte) => byte === 0), `${name} ${group}`);
    }
  }
});

test("an error shows neither scalar nor peer's key", () => {
  using share = createKeyShare(0x0017, (out) => out.set(pattern(32)));
  const peer = fromHex(`04${G_X}${G_X}`);
  assert.throws(() => share.agree(peer), (error: unknown) => {
    assert.ok(error instanceof SeccfError);
    assert.equal(error.cause, undefined);
    assert.equal(error.fault, "peer");
    return !`${error.stack}`.includes(G_X.slice(0, 8)) && !`${error.stack}`.includes(toHex(pattern(4)));
  });
});

function digits(value: bigint): string {
  return value.toString(16).padStart(64, "0");
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (let factor = base; exponent > 0n; exponent >>= 1n, factor = factor * factor % P) {
    if (exponent & 1n) result = result * factor % P;
  }
  return result;
}
