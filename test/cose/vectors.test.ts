// The COSE working group's examples and RFC 8613 Appendix C. Sources are named in the vector files.
import test from "node:test";
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import {
  type CborMap,
  CborTag,
  decodeCbor,
  decodeEncrypt0,
  decodeMac0,
  encodeCbor,
  encryptionAlgorithm,
  LABEL,
  macAlgorithm,
  openEncrypt0,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreExtract,
  oscoreKey,
  oscoreNonceInto,
  sealEncrypt0,
  signMac0,
  verifyMac0,
} from "../../lib/cose/mod.ts";
import { createAead, secretEqual, secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";

interface Example {
  readonly file: string;
  readonly type: "encrypt0" | "mac0";
  readonly algorithm: number;
  readonly key: string;
  readonly plaintext: string;
  readonly cbor: string;
  readonly external?: string;
  readonly contextIv?: string;
  readonly fail?: true;
}

const load = (name: string) => JSON.parse(readFileSync(new URL(`../vectors/cose/${name}`, import.meta.url), "utf8"));
const examples: readonly Example[] = load("cose_wg.json").vectors;

/** What is not offered, and how it is refused. */
const OUT_OF_SCOPE: Readonly<Record<string, { readonly why: string; readonly code: string }>> = {
  "hmac-examples_HMac-01": { why: "COSE_Mac with recipients (tag 97), not COSE_Mac0", code: "malformed" },
  "RFC8152_Appendix_C_6_1": { why: "AES-MAC, which no use of the association needs", code: "unsupported" },
};

/** Why each failing example must fail: its own `failures` field, as our codes. */
const REASONS: Readonly<Record<string, { readonly why: string; readonly code: string }>> = {
  "encrypted-tests_enc-fail-01": { why: "CBOR tag 995", code: "malformed" },
  "encrypted-tests_enc-fail-02": { why: "one bit of the tag", code: "auth-failed" },
  "encrypted-tests_enc-fail-03": { why: "algorithm -999", code: "unsupported" },
  "encrypted-tests_enc-fail-04": { why: "algorithm `Unknown`", code: "unsupported" },
  "encrypted-tests_enc-fail-06": { why: "a protected header added", code: "auth-failed" },
  "encrypted-tests_enc-fail-07": { why: "a protected header removed", code: "auth-failed" },
  "mac0-tests_mac-fail-01": { why: "CBOR tag 992", code: "malformed" },
  "mac0-tests_mac-fail-02": { why: "one bit of the tag", code: "auth-failed" },
  "mac0-tests_mac-fail-03": { why: "algorithm -999", code: "unsupported" },
  "mac0-tests_mac-fail-04": { why: "algorithm `Unknown`", code: "unsupported" },
  "mac0-tests_mac-fail-06": { why: "a protected header added", code: "auth-failed" },
  "hmac-examples_HMac-enc-04": { why: "one bit of the tag", code: "auth-failed" },
};

const tagged = ({ cbor }: Example) => fromHex(cbor)[0]! >> 5 === 6;

function optionsOf(example: Example, algorithm = example.algorithm) {
  return {
    algorithm,
    key: secretFrom(fromHex(example.key)),
    tagged: tagged(example),
    ...example.external ? { externalAad: fromHex(example.external) } : {},
    ...example.contextIv ? { contextIv: fromHex(example.contextIv) } : {},
  };
}

function open(example: Example, bytes = fromHex(example.cbor)): Uint8Array {
  const algorithm = macAlgorithm(example.algorithm) || encryptionAlgorithm(example.algorithm) ? example.algorithm : 5;
  const options = optionsOf(example, algorithm);
  return example.type === "mac0" ? verifyMac0(bytes, options) : openEncrypt0(bytes, options);
}

const inScope = examples.filter(({ file }) => !OUT_OF_SCOPE[file]);
const passing = inScope.filter(({ fail }) => !fail);

test("every passing example of the COSE working group opens to its plaintext", () => {
  assert.equal(examples.length, 37);
  assert.equal(passing.length, 23);
  for (const example of passing) assert.deepEqual(open(example), toUtf8(example.plaintext), example.file);
});

test("every failing example of the COSE working group fails for its own reason", () => {
  const failing = inScope.filter(({ fail }) => fail);
  assert.deepEqual(failing.map(({ file }) => file).sort(), Object.keys(REASONS).sort());
  for (const example of failing) {
    assert.throws(() => open(example), { code: REASONS[example.file]!.code }, example.file);
  }
});

test("the two examples of other kinds are refused as what they are", () => {
  const other = examples.filter(({ file }) => OUT_OF_SCOPE[file]);
  assert.equal(other.length, Object.keys(OUT_OF_SCOPE).length);
  for (const example of other) assert.throws(() => open(example), { code: OUT_OF_SCOPE[example.file]!.code });
});

test("every bit of every passing example matters", () => {
  for (const example of passing) {
    const bytes = fromHex(example.cbor);
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      assert.throws(() => open(example, bytes), SeccfError, `${example.file}, bit ${bit}`);
      bytes[bit >> 3]! ^= 1 << (bit & 7);
    }
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(
        () => open(example, bytes.subarray(0, length)),
        { code: "malformed" },
        `${example.file}, ${length}`,
      );
    }
  }
});

test("another external_aad opens no example", () => {
  for (const example of passing) assert.throws(() => open({ ...example, external: "00" }), { code: "auth-failed" });
});

test("sealing with an example's headers and IV makes the example's bytes", () => {
  let made = 0;
  // Four examples have the algorithm in the unprotected bucket, which is never written here.
  for (const example of passing) {
    const bytes = fromHex(example.cbor);
    const options = optionsOf(example);
    const { protectedHeaders, unprotectedHeaders } = example.type === "mac0"
      ? decodeMac0(bytes, options)
      : decodeEncrypt0(bytes, options);
    if (!protectedHeaders.has(LABEL.alg)) continue;
    const again = example.type === "mac0"
      ? signMac0(toUtf8(example.plaintext), { protectedHeaders, unprotectedHeaders }, options)
      : sealEncrypt0(toUtf8(example.plaintext), { protectedHeaders, unprotectedHeaders }, options);
    assert.equal(toHex(again), example.cbor, example.file);
    made++;
  }
  assert.equal(made, 19);
});

interface OscoreVector {
  readonly section: string;
  readonly master_secret: string;
  readonly master_salt?: string;
  readonly id_context?: string;
  readonly sender_id: string;
  readonly recipient_id: string;
  readonly sender_key?: string;
  readonly recipient_key: string;
  readonly common_iv: string;
  readonly sender_nonce: string;
  readonly recipient_nonce: string;
  readonly unprotected_coap_request: string;
  readonly protected_coap_request?: string;
  readonly protected?: string;
  readonly unprotected_coap_response?: string;
  readonly protected_coap_response?: string;
}

const oscore: readonly OscoreVector[] = load("oscore.json").vectors;

/** Both keys and the Common IV of one endpoint, with the algorithm of all the vectors. */
function contextOf(vector: OscoreVector, masterSecret = vector.master_secret) {
  const prk = oscoreExtract(secretFrom(fromHex(masterSecret)), fromHex(vector.master_salt ?? ""));
  const shared = {
    algorithm: 10,
    ...vector.id_context === undefined ? {} : { idContext: fromHex(vector.id_context) },
  };
  const key = (id: string) => oscoreKey(prk, { ...shared, id: fromHex(id), type: "Key", length: 16 });
  return {
    senderKey: key(vector.sender_id),
    recipientKey: key(vector.recipient_id),
    commonIv: oscoreCommonIv(prk, { ...shared, nonceLength: 13 }),
  };
}

function nonceOf(commonIv: Uint8Array, id: string, partialIv: number): Uint8Array {
  const nonce = new Uint8Array(commonIv.length);
  oscoreNonceInto(oscoreBaseNonce(commonIv, fromHex(id)), partialIv, nonce);
  return nonce;
}

test("RFC 8613 C.1 to C.3: keys, Common IV and nonces on both sides, and nothing else from another secret", () => {
  const derivations = oscore.filter((vector) => vector.sender_key);
  assert.equal(derivations.length, 6);
  for (const vector of derivations) {
    const context = contextOf(vector);
    assert.ok(secretEqual(context.senderKey, fromHex(vector.sender_key!)), vector.section);
    assert.ok(secretEqual(context.recipientKey, fromHex(vector.recipient_key)), vector.section);
    assert.equal(toHex(context.commonIv), vector.common_iv);
    assert.equal(toHex(nonceOf(context.commonIv, vector.sender_id, 0)), vector.sender_nonce);
    assert.equal(toHex(nonceOf(context.commonIv, vector.recipient_id, 0)), vector.recipient_nonce);
    const other = contextOf(vector, vector.master_secret.replace(/10$/, "11"));
    assert.ok(!secretEqual(other.senderKey, fromHex(vector.sender_key!)));
    assert.notEqual(toHex(other.commonIv), vector.common_iv);
  }
});

/** Code and what follows the token: where the vectors' inner message comes from. The outer Uri-Host stays outside. */
function inner(message: string): Uint8Array {
  const bytes = fromHex(message);
  const rest = toHex(bytes.subarray(4 + (bytes[0]! & 15)));
  return fromHex(toHex(bytes.subarray(1, 2)) + rest.replace("396c6f63616c686f7374837476", "b37476"));
}

/** RFC 8613 5.4: protected is empty, and the algorithm stands in the external_aad alone. */
function oscoreAad(requestKid: string, requestPiv: number): Uint8Array {
  const external = encodeCbor([1, [10], fromHex(requestKid), new Uint8Array([requestPiv]), new Uint8Array(0)]);
  return encodeCbor(["Encrypt0", new Uint8Array(0), external]);
}

test("RFC 8613 C.4 to C.8: requests and responses seal to the vector's ciphertext", () => {
  const messages = oscore.filter((vector) => !vector.sender_key);
  assert.equal(messages.length, 5);
  for (const vector of messages) {
    const { senderKey, commonIv } = contextOf(vector);
    const response = vector.unprotected_coap_response;
    const plaintext = inner(response ?? vector.unprotected_coap_request);
    const requestKid = response ? vector.recipient_id : vector.sender_id;
    // C.7 answers under the request's nonce, C.8 under a Partial IV of its own, 0.
    const nonce = !response
      ? nonceOf(commonIv, vector.sender_id, 20)
      : vector.section === "C.8"
      ? nonceOf(commonIv, vector.sender_id, 0)
      : nonceOf(commonIv, vector.recipient_id, 20);
    using aead = createAead({ cipher: "aes-ccm", nonceLength: 13, tagLength: 8 }, senderKey);
    const sealed = new Uint8Array(plaintext.length + 8);
    aead.sealInto(nonce, oscoreAad(requestKid, 20), plaintext, sealed);
    const expected = vector.protected_coap_response ?? vector.protected_coap_request ?? vector.protected!;
    assert.equal(expected.slice(-2 * sealed.length), toHex(sealed), vector.section);
    const opened = new Uint8Array(plaintext.length);
    assert.equal(aead.openInto(nonce, oscoreAad(requestKid, 21), sealed, opened), -1, "another request's Partial IV");
    assert.equal(aead.openInto(nonceOf(commonIv, "07", 20), oscoreAad(requestKid, 20), sealed, opened), -1);
  }
});

test("a nonce on a sender's base equals COSE's Partial IV on a context IV, at every length of Partial IV", () => {
  const commonIv = fromHex("4622d4dd6d944168eefb54987c");
  const base = oscoreBaseNonce(commonIv, fromHex("01"));
  const key = secretFrom(new Uint8Array(16));
  for (const partialIv of [0, 1, 0xff, 0x100, 0xffff, 0x10000, 0xffffffff, 0x100000000, 2 ** 40 - 1]) {
    let digits = partialIv.toString(16);
    if (digits.length % 2) digits = `0${digits}`;
    const unprotectedHeaders: CborMap = new Map([[LABEL.partialIv, fromHex(digits)]]);
    const sealed = sealEncrypt0(toUtf8("m"), { unprotectedHeaders }, { algorithm: 10, key, contextIv: base });
    using aead = createAead({ cipher: "aes-ccm", nonceLength: 13, tagLength: 8 }, key);
    const out = new Uint8Array(9);
    const aad = encodeCbor(["Encrypt0", fromHex("a1010a"), new Uint8Array(0)]);
    aead.sealInto(nonceOf(commonIv, "01", partialIv), aad, toUtf8("m"), out);
    assert.equal(toHex(sealed).slice(-18), toHex(out), String(partialIv));
  }
});

test("an id that does not fit the nonce is misuse", () => {
  assert.throws(() => oscoreBaseNonce(new Uint8Array(13), new Uint8Array(8)), RangeError);
  assert.throws(() => oscoreBaseNonce(new Uint8Array(7), new Uint8Array(2)), RangeError);
  assert.equal(oscoreBaseNonce(new Uint8Array(13), new Uint8Array(7)).length, 13);
});

test("our own decoding of an example agrees with re-encoding it", () => {
  for (const example of passing.filter(tagged)) {
    const value = decodeCbor(fromHex(example.cbor));
    assert.ok(value instanceof CborTag);
    assert.equal(toHex(encodeCbor(value)), example.cbor, example.file);
  }
});
