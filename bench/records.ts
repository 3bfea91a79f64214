// Records of 64 bytes and 1 KiB, sealed and opened: ours beside node:crypto as a user writes it (a cipher made for each
// record from the key's bytes), node:crypto at its best (a KeyObject kept), and noble, in one run.
import { Buffer } from "node:buffer";
import {
  createCipheriv,
  createDecipheriv,
  createHmac as createHmacOfNode,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
} from "node:crypto";
import { cbc as cbcOfNoble, gcm as gcmOfNoble } from "@noble/ciphers/aes.js";
import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { hmac as hmacOfNoble } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { concat, equal } from "../lib/bytes/mod.ts";
import { type AeadSpec, createAead, createCbcHmac, secretFrom } from "../lib/crypto/mod.ts";
import { type Contender, type Group, run } from "./harness.ts";

/** Seals into, or opens out of, arrays of its own; undefined where the runtime lacks the cipher. */
interface Record {
  seal(): Uint8Array;
  open(): Uint8Array;
}

/** What noble's AEADs have in common. */
type NobleAead = (key: Uint8Array, nonce: Uint8Array, aad: Uint8Array) => {
  encrypt(plaintext: Uint8Array): Uint8Array;
  decrypt(sealed: Uint8Array): Uint8Array;
};

const NONCE = Uint8Array.from({ length: 12 }, (_, i) => i);
const IV = Uint8Array.from({ length: 16 }, (_, i) => i);
const AAD = Uint8Array.from({ length: 13 }, (_, i) => 200 - i);
const HEADER = AAD.subarray(0, 11);

const groups: Group[] = [];
for (const size of [64, 1024]) {
  const plaintext = Uint8Array.from({ length: size }, (_, i) => i * 7);
  const aeads: readonly [
    name: string,
    spec: AeadSpec,
    native: string,
    key: number,
    noble: NobleAead | undefined,
  ][] = [
    ["AES-128-GCM", { cipher: "aes-gcm" }, "aes-128-gcm", 16, gcmOfNoble],
    ["AES-128-CCM_8", { cipher: "aes-ccm", nonceLength: 12, tagLength: 8 }, "aes-128-ccm", 16, undefined],
    ["ChaCha20-Poly1305", { cipher: "chacha20-poly1305" }, "chacha20-poly1305", 32, chacha20poly1305],
  ];
  for (const [name, spec, native, keyLength, noble] of aeads) {
    const key = Uint8Array.from({ length: keyLength }, (_, i) => i + 1);
    const ours = oursAead(spec, key, plaintext);
    const sealed = ours.seal().slice();
    add(`${name} ${size}`, size, plaintext, sealed, {
      ours,
      "node:crypto": tried(() => nodeAead(native, sealed.length - size, key, plaintext, sealed)),
      "node:crypto KeyObject": tried(() =>
        nodeAead(native, sealed.length - size, createSecretKey(key), plaintext, sealed)
      ),
      noble: noble && nobleAead(noble, key, plaintext, sealed),
    });
  }
  const key = Uint8Array.from({ length: 16 }, (_, i) => i + 1);
  const macKey = Uint8Array.from({ length: 32 }, (_, i) => i + 101);
  const ours = oursCbc(key, macKey, plaintext);
  const sealed = ours.seal().slice();
  add(`AES-128-CBC-SHA256 EtM ${size}`, size, plaintext, sealed, {
    ours,
    "node:crypto": nodeCbc(key, macKey, plaintext, sealed),
    "node:crypto KeyObject": nodeCbc(createSecretKey(key), createSecretKey(macKey), plaintext, sealed),
    noble: nobleCbc(key, macKey, plaintext, sealed),
  });
}
run("records", groups);

/** Two groups, after a look that every rival writes and reads the same bytes. */
function add(
  name: string,
  bytes: number,
  plaintext: Uint8Array,
  sealed: Uint8Array,
  rivals: { readonly [name: string]: Record | undefined },
): void {
  const seal: Contender[] = [];
  const open: Contender[] = [];
  for (const [rival, record] of Object.entries(rivals)) {
    if (record !== undefined && !(equal(record.seal(), sealed) && equal(record.open(), plaintext))) {
      throw new Error(`${rival} differs in ${name}`);
    }
    seal.push({ name: rival, call: record && (() => record.seal()) });
    open.push({ name: rival, call: record && (() => record.open()) });
  }
  groups.push({ name: `${name} seal`, bytes, contenders: seal }, { name: `${name} open`, bytes, contenders: open });
}

function tried(make: () => Record): Record | undefined {
  try {
    const record = make();
    record.seal();
    return record;
  } catch {
    return undefined;
  }
}

function oursAead(spec: AeadSpec, key: Uint8Array, plaintext: Uint8Array): Record {
  const aead = createAead(spec, secretFrom(key));
  const sealed = new Uint8Array(plaintext.length + aead.tagLength);
  const opened = new Uint8Array(plaintext.length);
  return {
    seal() {
      aead.sealInto(NONCE, AAD, plaintext, sealed);
      return sealed;
    },
    open() {
      if (aead.openInto(NONCE, AAD, sealed, opened) !== opened.length) throw new Error("refused");
      return opened;
    },
  };
}

function nodeAead(
  name: string,
  authTagLength: number,
  key: Uint8Array | KeyObject,
  plaintext: Uint8Array,
  sealed: Uint8Array,
): Record {
  // One type for all: GCM's takes what CCM and ChaCha20 need.
  const cipher = name as "aes-128-gcm";
  const plaintextLength = plaintext.length;
  return {
    seal() {
      const sealer = createCipheriv(cipher, key, NONCE, { authTagLength });
      sealer.setAAD(AAD, { plaintextLength });
      return Buffer.concat([sealer.update(plaintext), sealer.final(), sealer.getAuthTag()]);
    },
    open() {
      const opener = createDecipheriv(cipher, key, NONCE, { authTagLength });
      opener.setAuthTag(sealed.subarray(plaintextLength));
      opener.setAAD(AAD, { plaintextLength });
      const opened = opener.update(sealed.subarray(0, plaintextLength));
      opener.final();
      return opened;
    },
  };
}

function nobleAead(
  cipher: NobleAead,
  key: Uint8Array,
  plaintext: Uint8Array,
  sealed: Uint8Array,
): Record {
  return {
    seal: () => cipher(key, NONCE, AAD).encrypt(plaintext),
    open: () => cipher(key, NONCE, AAD).decrypt(sealed),
  };
}

function oursCbc(key: Uint8Array, macKey: Uint8Array, plaintext: Uint8Array): Record {
  const cbc = createCbcHmac({ hash: "sha-256", encryptThenMac: true }, secretFrom(key), secretFrom(macKey));
  const room = new Uint8Array(plaintext.length + 64);
  let sealed: Uint8Array = room.subarray(0, cbc.sealInto(IV, HEADER, plaintext, room));
  const opened = new Uint8Array(sealed.length);
  return {
    seal() {
      sealed = room.subarray(0, cbc.sealInto(IV, HEADER, plaintext, room));
      return sealed;
    },
    open() {
      return opened.subarray(0, cbc.openInto(HEADER, sealed, opened));
    },
  };
}

/** RFC 7366 3: the MAC goes over header, length, IV and ciphertext. */
function macInput(body: Uint8Array): Uint8Array {
  return concat(HEADER, Uint8Array.of(body.length >> 8, body.length & 255), body);
}

function pad(plaintext: Uint8Array): Uint8Array {
  const padding = 15 - (plaintext.length % 16);
  return concat(plaintext, new Uint8Array(padding + 1).fill(padding));
}

function unpad(padded: Uint8Array): Uint8Array {
  return padded.subarray(0, padded.length - 1 - padded.at(-1)!);
}

function nodeCbc(
  key: Uint8Array | KeyObject,
  macKey: Uint8Array | KeyObject,
  plaintext: Uint8Array,
  sealed: Uint8Array,
): Record {
  const mac = (body: Uint8Array) => createHmacOfNode("sha256", macKey).update(macInput(body)).digest();
  return {
    seal() {
      const cipher = createCipheriv("aes-128-cbc", key, IV).setAutoPadding(false);
      const body = Buffer.concat([IV, cipher.update(pad(plaintext)), cipher.final()]);
      return Buffer.concat([body, mac(body)]);
    },
    open() {
      const body = sealed.subarray(0, -32);
      if (!timingSafeEqual(mac(body), sealed.subarray(-32))) throw new Error("refused");
      const decipher = createDecipheriv("aes-128-cbc", key, body.subarray(0, 16)).setAutoPadding(false);
      return unpad(Buffer.concat([decipher.update(body.subarray(16)), decipher.final()]));
    },
  };
}

function nobleCbc(key: Uint8Array, macKey: Uint8Array, plaintext: Uint8Array, sealed: Uint8Array): Record {
  const mac = (body: Uint8Array) => hmacOfNoble(sha256, macKey, macInput(body));
  const unpadded = { disablePadding: true };
  return {
    seal() {
      const body = concat(IV, cbcOfNoble(key, IV, unpadded).encrypt(pad(plaintext)));
      return concat(body, mac(body));
    },
    open() {
      const body = sealed.subarray(0, -32);
      if (!equal(mac(body), sealed.subarray(-32))) throw new Error("refused");
      return unpad(cbcOfNoble(key, body.slice(0, 16), unpadded).decrypt(body.subarray(16)));
    },
  };
}
