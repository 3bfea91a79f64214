// Records that OpenSSL made and took (DTLS 1.2 with a PSK), opened with keys derived from the captured master secret.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromUtf8, toHex } from "../../lib/bytes/mod.ts";
import {
  type CipherSuite,
  createAead,
  createCbcHmac,
  prf,
  prfPublic,
  secretFrom,
  secretSlice,
  suiteById,
} from "../../lib/crypto/mod.ts";
import { bytesOf, eachFlip, readVectors } from "./cases.ts";

interface Trace {
  readonly name: string;
  readonly suite: number;
  readonly encryptThenMac: boolean;
  readonly clientRandom: string;
  readonly serverRandom: string;
  readonly masterSecret: string;
  readonly records: readonly {
    readonly from: "client" | "server";
    readonly header: string;
    readonly fragment: string;
  }[];
}
interface Protection {
  open(header: Uint8Array, fragment: Uint8Array): Uint8Array | undefined;
  seal(header: Uint8Array, plaintext: Uint8Array, like: Uint8Array): Uint8Array;
}

const { traces } = readVectors<{ traces: readonly Trace[] }>("tls/records.json");

for (const trace of traces) {
  test(`the records of OpenSSL's ${trace.name} open, are sealed again to the same bytes, and fail with any bit flipped`, () => {
    const suite = suiteById(trace.suite);
    assert.ok(suite);
    const contents: string[] = [];
    for (const record of trace.records) {
      const protection = protectionOf(trace, suite, record.from);
      const header = bytesOf(record.header);
      const fragment = bytesOf(record.fragment);
      const plaintext = protection.open(header, fragment);
      assert.ok(plaintext);
      contents.push(`${record.from} ${header[0]} ${describe(header[0]!, plaintext)}`);
      // CBC leaves the sender a choice of padding: OpenSSL takes the shortest, as we do.
      assert.equal(toHex(protection.seal(header, plaintext, fragment)), record.fragment);
      eachFlip(fragment, () => assert.equal(protection.open(header, fragment), undefined));
      eachFlip(header.subarray(0, 11), () => assert.equal(protection.open(header, fragment), undefined));
    }
    assert.deepEqual(contents, [
      "client 22 Finished of 12 bytes",
      "server 22 Finished of 12 bytes",
      "client 23 hello\n",
      "client 21 0100",
      "server 21 0100",
    ]);
  });
}

function describe(type: number, plaintext: Uint8Array): string {
  if (type === 23) return fromUtf8(plaintext);
  if (type === 21) return toHex(plaintext);
  assert.equal(plaintext.length, 24);
  return plaintext[0] === 20 ? `Finished of ${plaintext[3]} bytes` : "another message";
}

function protectionOf(trace: Trace, suite: CipherSuite, from: "client" | "server"): Protection {
  const { protection } = suite;
  const macLength = protection.kind === "cbc" ? protection.macLength : 0;
  const ivLength = protection.kind === "cbc" ? 0 : protection.fixedIvLength;
  const seed = concat(bytesOf(trace.serverRandom), bytesOf(trace.clientRandom));
  const total = 2 * (macLength + protection.keyLength + ivLength);
  const block = prf(suite.prf, secretFrom(bytesOf(trace.masterSecret)), "key expansion", seed, total);
  const nth = from === "client" ? 0 : 1;
  // RFC 5246 6.3: both MAC keys, both keys, both IVs.
  const part = (start: number, length: number) => secretSlice(block, start + nth * length, start + (nth + 1) * length);
  const key = part(2 * macLength, protection.keyLength);
  if (protection.kind === "cbc") {
    const options = { hash: protection.hash, encryptThenMac: trace.encryptThenMac };
    return cbcProtection(createCbcHmac(options, key, part(0, macLength)));
  }
  // A test may see the salt: the nonce is public but for it.
  const salt = saltOf(trace, suite, seed, total, 2 * protection.keyLength + nth * ivLength, ivLength);
  const aead = createAead(protection.spec, key);
  return {
    open(header, fragment) {
      const length = fragment.length - 8 - aead.tagLength;
      const out = new Uint8Array(length);
      const nonce = concat(salt, fragment.subarray(0, 8));
      return aead.openInto(nonce, aadOf(header, length), fragment.subarray(8), out) === length ? out : undefined;
    },
    seal(header, plaintext, like) {
      const out = new Uint8Array(8 + plaintext.length + aead.tagLength);
      out.set(like.subarray(0, 8));
      const nonce = concat(salt, like.subarray(0, 8));
      aead.sealInto(nonce, aadOf(header, plaintext.length), plaintext, out.subarray(8));
      return out;
    },
  };
}

function saltOf(
  trace: Trace,
  suite: CipherSuite,
  seed: Uint8Array,
  total: number,
  at: number,
  length: number,
): Uint8Array {
  const block = prfPublic(suite.prf, secretFrom(bytesOf(trace.masterSecret)), "key expansion", seed, total);
  return block.slice(at, at + length);
}

function cbcProtection(cbc: ReturnType<typeof createCbcHmac>): Protection {
  const head = (header: Uint8Array) => concat(header.subarray(3, 11), header.subarray(0, 3));
  return {
    open(header, fragment) {
      const out = new Uint8Array(fragment.length);
      const length = cbc.openInto(head(header), fragment, out);
      return length === -1 ? undefined : out.slice(0, length);
    },
    seal(header, plaintext, like) {
      const out = new Uint8Array(plaintext.length + 96);
      return out.slice(0, cbc.sealInto(like.subarray(0, 16), head(header), plaintext, out));
    },
  };
}

/** Epoch and sequence number, type, version, length of the plaintext (RFC 5246 6.2.3.3, RFC 6347 4.1.2.1). */
function aadOf(header: Uint8Array, length: number): Uint8Array {
  return concat(header.subarray(3, 11), header.subarray(0, 3), Uint8Array.of(length >> 8, length & 255));
}
