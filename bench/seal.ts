// Sealed messages of 64 bytes and 1 KiB: ours beside the same COSE_Encrypt0 made by hand around node:crypto, and around
// noble, as someone without this library writes it: keys derived once, headers and nonce built for each message.
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { gcm as gcmOfNoble } from "@noble/ciphers/aes.js";
import { openSealing } from "../lib/association/sealer.ts";
import {
  A128GCM,
  AES_CCM_16_64_128,
  decodeEncrypt0,
  encodeCbor,
  LABEL,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreExtract,
  oscoreKey,
} from "../lib/cose/mod.ts";
import { secretFrom } from "../lib/crypto/mod.ts";
import { expose } from "../lib/crypto/secret.ts";
import type { Sealer } from "../lib/association/ports.ts";
import { aeadGroups } from "./support/aead_rows.ts";
import { type Group, run } from "./harness.ts";

const KEY = Uint8Array.from({ length: 32 }, (_, i) => i);
const KID = Uint8Array.from({ length: 8 }, (_, i) => 0xa1 + i);
const USE = Uint8Array.of(0xff, 0, 0, 0, 1);
const clock = { now: () => 0, wall: () => 1.8e12, alarm: () => ({ [Symbol.dispose]: () => {} }) };
const random = (out: Uint8Array) => void out.fill(7);

async function end(role: "initiator" | "responder", algorithm: number): Promise<Sealer> {
  const sealing = await openSealing({
    ...{ key: secretFrom(KEY), associationId: KID, role, use: USE, algorithm, platform: { clock, random } },
    lifetime: { left: 1000 },
  });
  return sealing.sealer();
}

/** What a rival does to one message, and back. */
interface Cipher {
  seal(nonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  open(nonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array;
}

function nodeCipher(name: string, key: KeyObject, tagLength: number): Cipher {
  // One type for all: GCM's takes what CCM needs.
  const cipher = name as "aes-128-gcm";
  const options = { authTagLength: tagLength };
  return {
    seal(nonce, aad, plaintext) {
      const sealer = createCipheriv(cipher, key, nonce, options);
      sealer.setAAD(aad, { plaintextLength: plaintext.length });
      return Buffer.concat([sealer.update(plaintext), sealer.final(), sealer.getAuthTag()]);
    },
    open(nonce, aad, sealed) {
      const length = sealed.length - tagLength;
      const opener = createDecipheriv(cipher, key, nonce, options);
      opener.setAuthTag(sealed.subarray(length));
      opener.setAAD(aad, { plaintextLength: length });
      return Buffer.concat([opener.update(sealed.subarray(0, length)), opener.final()]);
    },
  };
}

/** A COSE message by hand: the header's parts put together, and taken apart by their known places. */
function byHand(cipher: Cipher, algorithm: number, base: Uint8Array, idContext: Uint8Array) {
  const protectedBytes = Uint8Array.of(0xa1, 0x01, algorithm);
  const externalAad = encodeCbor([1, USE, 0, null, new Uint8Array(0)]);
  const aad = encodeCbor(["Encrypt0", protectedBytes, externalAad]);
  let next = 0;
  const nonceOf = (partialIv: Buffer) => {
    const nonce = Buffer.from(base);
    for (let i = 0; i < 4; i++) nonce[nonce.length - 4 + i]! ^= partialIv[i]!;
    return nonce;
  };
  return {
    seal(message: Uint8Array): Uint8Array {
      const partialIv = Buffer.alloc(4);
      partialIv.writeUInt32BE(next++);
      const content = cipher.seal(nonceOf(partialIv), aad, message);
      const head = content.length < 0x100 ? [0x58, content.length] : [0x59, content.length >> 8, content.length & 0xff];
      return Buffer.concat([
        ...[Buffer.from([0xd0, 0x83, 0x43]), protectedBytes, Buffer.from([0xa3, 0x04, 0x48]), KID],
        ...[Buffer.from([0x06, 0x44]), partialIv, Buffer.from([0x0a, 0x4f]), idContext, Buffer.from(head), content],
      ]);
    },
    open(sealed: Uint8Array): Uint8Array {
      const partialIv = Buffer.from(sealed.subarray(19, 23));
      const at = sealed[40] === 0x58 ? 42 : 43;
      return cipher.open(nonceOf(partialIv), aad, sealed.subarray(at));
    },
  };
}

/** A rival's work; undefined where this runtime lacks the cipher. */
interface Hand {
  readonly name: string;
  readonly seal: (() => unknown) | undefined;
  readonly sealAndOpen: (() => unknown) | undefined;
}

/** Looks first whether the rival's message comes back from it. It keeps no window, so one message serves for opening. */
function hand(name: string, { seal, open }: ReturnType<typeof byHand>, message: Uint8Array): Hand {
  let sealed: Uint8Array;
  try {
    sealed = seal(message);
  } catch {
    return { name, seal: undefined, sealAndOpen: undefined };
  }
  if (Buffer.compare(open(sealed), message) !== 0) throw new Error(`${name} does not open its own`);
  return { name, seal: () => seal(message), sealAndOpen: () => (seal(message), open(sealed)) };
}

/** The rivals, with the keys that our first message was sealed under. */
function rivals(first: Uint8Array, algorithm: number, native: string, message: Uint8Array): Hand[] {
  const [nonceLength, tagLength] = algorithm === AES_CCM_16_64_128 ? [13, 8] : [12, 16];
  const idContext = decodeEncrypt0(first).unprotectedHeaders.get(LABEL.kidContext) as Uint8Array;
  const prk = oscoreExtract(secretFrom(KEY), new Uint8Array(0));
  const id = Uint8Array.of(0);
  const base = oscoreBaseNonce(oscoreCommonIv(prk, { idContext, algorithm, nonceLength }), id);
  const key = expose(oscoreKey(prk, { idContext, algorithm, id, type: "Key", length: 16 }));
  const noble: Cipher = {
    seal: (nonce, aad, plaintext) => gcmOfNoble(key, nonce, aad).encrypt(plaintext),
    open: (nonce, aad, sealed) => gcmOfNoble(key, nonce, aad).decrypt(sealed),
  };
  const node = nodeCipher(native, createSecretKey(key), tagLength);
  const hands = [hand("node:crypto by hand", byHand(node, algorithm, base, idContext), message)];
  if (algorithm === A128GCM) hands.push(hand("noble by hand", byHand(noble, algorithm, base, idContext), message));
  return hands;
}

/** Only fresh messages open, so opening is measured together with sealing; ours is copied to an array of its length between. */
async function groupsOf(name: string, algorithm: number, native: string, size: number): Promise<Group[]> {
  const message = Uint8Array.from({ length: size }, (_, i) => i * 7);
  const from = await end("initiator", algorithm);
  const to = await end("responder", algorithm);
  const out = new Uint8Array(size + from.overhead);
  const back = new Uint8Array(size);
  const exact = new Map<number, Uint8Array>();
  const sealAndOpen = () => {
    const length = from.sealInto(message, out);
    let sealed = exact.get(length);
    if (!sealed) exact.set(length, sealed = new Uint8Array(length));
    for (let i = 0; i < length; i++) sealed[i] = out[i]!;
    return to.openInto(sealed, back);
  };
  const hands = rivals(out.slice(0, from.sealInto(message, out)), algorithm, native, message);
  const ours: Hand = { name: "ours", seal: () => from.sealInto(message, out), sealAndOpen };
  const group = (what: "seal" | "sealAndOpen") =>
    [ours, ...hands].map((each) => ({ name: each.name, call: each[what] }));
  return [
    { name: `${name} seal ${size}`, bytes: size, contenders: group("seal") },
    { name: `${name} seal and open ${size}`, bytes: size, contenders: group("sealAndOpen") },
  ];
}

const groups: Group[] = [];
for (const size of [64, 1024]) {
  groups.push(...await groupsOf("AES-CCM-16-64-128", AES_CCM_16_64_128, "aes-128-ccm", size));
  groups.push(...await groupsOf("A128GCM", A128GCM, "aes-128-gcm", size));
}
run("sealed messages, and their ciphers alone", [...groups, ...aeadGroups()]);
