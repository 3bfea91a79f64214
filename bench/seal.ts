// Sealed messages of 64 bytes and 1 KiB: ours beside the same COSE_Encrypt0 made by hand around node:crypto, and around
// noble, as someone without this library writes it: keys derived once, headers and nonce built for each message.
import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from "node:crypto";
import { gcm as gcmOfNoble } from "@noble/ciphers/aes.js";
import { openSealing } from "../lib/association/sealer.ts";
import {
  decodeEncrypt0,
  encodeCbor,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreExtract,
  oscoreKey,
} from "../lib/cose/mod.ts";
import { secretFrom } from "../lib/crypto/mod.ts";
import { expose } from "../lib/crypto/secret.ts";
import type { Sealer } from "../lib/association/ports.ts";
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

const groups: Group[] = [];
for (
  const [name, algorithm, native] of [["AES-CCM-16-64-128", 10, "aes-128-ccm"], ["A128GCM", 1, "aes-128-gcm"]] as const
) {
  const [nonceLength, tagLength] = algorithm === 10 ? [13, 8] : [12, 16];
  for (const size of [64, 1024]) {
    const message = Uint8Array.from({ length: size }, (_, i) => i * 7);
    const from = await end("initiator", algorithm);
    const to = await end("responder", algorithm);
    const out = new Uint8Array(size + from.overhead);
    const back = new Uint8Array(size);
    const first = out.slice(0, from.sealInto(message, out));
    const idContext = decodeEncrypt0(first).unprotectedHeaders.get(10) as Uint8Array;
    const prk = oscoreExtract(secretFrom(KEY), new Uint8Array(0));
    const shared = { idContext, algorithm };
    const id = Uint8Array.of(0);
    const base = oscoreBaseNonce(oscoreCommonIv(prk, { ...shared, nonceLength }), id);
    const key = expose(oscoreKey(prk, { ...shared, id, type: "Key", length: 16 }));
    const noble: Cipher = {
      seal: (nonce, aad, plaintext) => gcmOfNoble(key, nonce, aad).encrypt(plaintext),
      open: (nonce, aad, sealed) => gcmOfNoble(key, nonce, aad).decrypt(sealed),
    };
    const rivals = {
      "node:crypto by hand": byHand(nodeCipher(native, createSecretKey(key), tagLength), algorithm, base, idContext),
      ...algorithm === 1 ? { "noble by hand": byHand(noble, algorithm, base, idContext) } : {},
    };
    const works = (rival: ReturnType<typeof byHand>) => {
      try {
        const sealed = rival.seal(message);
        return Buffer.compare(rival.open(sealed), message) === 0;
      } catch {
        return false;
      }
    };
    const open = Object.entries(rivals).map(([rival, hand]) => {
      const good = works(hand);
      // They keep no window: opening one message again and again is all they do.
      const sealed = good ? hand.seal(message) : first;
      return {
        name: rival,
        seal: good ? () => hand.seal(message) : undefined,
        both: good ? () => (hand.seal(message), hand.open(sealed)) : undefined,
      };
    });
    // Only fresh messages open, so opening is measured together with sealing.
    const exact = new Map<number, Uint8Array>();
    const ourBoth = () => {
      const length = from.sealInto(message, out);
      let sealed = exact.get(length);
      if (!sealed) exact.set(length, sealed = new Uint8Array(length));
      for (let i = 0; i < length; i++) sealed[i] = out[i]!;
      return to.openInto(sealed, back);
    };
    groups.push(
      {
        name: `${name} seal ${size}`,
        bytes: size,
        contenders: [
          { name: "ours", call: () => from.sealInto(message, out) },
          ...open.map(({ name: rival, seal }) => ({ name: rival, call: seal })),
        ],
      },
      {
        name: `${name} seal and open ${size}`,
        bytes: size,
        contenders: [
          { name: "ours", call: ourBoth },
          ...open.map(({ name: rival, both }) => ({ name: rival, call: both })),
        ],
      },
    );
  }
}
run("sealed messages", groups);
