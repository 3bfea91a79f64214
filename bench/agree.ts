// One end of an ephemeral Diffie-Hellman over X25519 and P-256, from the draw of the scalar to the secret shared with a
// peer whose public key is bytes: ours beside noble and node:crypto, which draws its keys itself, by KeyObjects and by ECDH.
import { createECDH, createPublicKey, diffieHellman, generateKeyPairSync, type KeyObject } from "node:crypto";
import { x25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { concat, equal, fromHex } from "../lib/bytes/mod.ts";
import { createKeyShare, secretEqual } from "../lib/crypto/mod.ts";
import { full, inTurns, type Measured, publish } from "./harness.ts";

/** What went to the peer, and whether a secret is the one shared with it. */
interface Agreed {
  readonly publicKey: Uint8Array;
  readonly is: (secret: Uint8Array) => boolean;
}

const random = (out: Uint8Array): void => {
  crypto.getRandomValues(out as Uint8Array<ArrayBuffer>);
};
const peerScalar = Uint8Array.from({ length: 32 }, (_, i) => i + 1);
const groups: Measured[] = [];

const x25519Peer = x25519.getPublicKey(peerScalar);
const x25519Spki = fromHex("302a300506032b656e032100");
await add("X25519", (publicKey) => x25519.getSharedSecret(peerScalar, publicKey), {
  "ours": () => ours(0x001d, x25519Peer),
  "noble": () => {
    const { secretKey, publicKey } = x25519.keygen();
    return agreed(publicKey, x25519.getSharedSecret(secretKey, x25519Peer));
  },
  "node:crypto KeyObject": () => byKeyObjects(generateKeyPairSync("x25519"), x25519Spki, x25519Peer),
});

const p256Peer = p256.getPublicKey(peerScalar, false);
const p256Spki = fromHex("3059301306072a8648ce3d020106082a8648ce3d030107034200");
await add("P-256", (publicKey) => p256.getSharedSecret(peerScalar, publicKey).subarray(1), {
  "ours": () => ours(0x0017, p256Peer),
  "noble": () => {
    const { secretKey } = p256.keygen();
    return agreed(p256.getPublicKey(secretKey, false), p256.getSharedSecret(secretKey, p256Peer).subarray(1));
  },
  "node:crypto KeyObject": () => byKeyObjects(generateKeyPairSync("ec", { namedCurve: "P-256" }), p256Spki, p256Peer),
  "node:crypto ECDH": () => {
    const own = createECDH("prime256v1");
    const publicKey = own.generateKeys();
    return agreed(publicKey, own.computeSecret(p256Peer));
  },
});
publish("agree", groups);

function ours(group: number, peer: Uint8Array): Agreed {
  using share = createKeyShare(group, random);
  const secret = share.agree(peer);
  return { publicKey: share.publicKey, is: (other) => secretEqual(secret, other) };
}

function byKeyObjects(
  own: { readonly publicKey: KeyObject; readonly privateKey: KeyObject },
  spki: Uint8Array,
  peer: Uint8Array,
): Agreed {
  const der = own.publicKey.export({ format: "der", type: "spki" });
  const publicKey = createPublicKey({ key: Buffer.from(concat(spki, peer)), format: "der", type: "spki" });
  return agreed(der.subarray(spki.length), diffieHellman({ privateKey: own.privateKey, publicKey }));
}

function agreed(publicKey: Uint8Array, secret: Uint8Array): Agreed {
  return { publicKey, is: (other) => equal(secret, other) };
}

/** A group, after a look that every rival and the peer come to the same secret. */
async function add(
  name: string,
  asPeer: (publicKey: Uint8Array) => Uint8Array,
  calls: Readonly<Record<string, () => Agreed>>,
): Promise<void> {
  for (const [rival, call] of Object.entries(calls)) {
    const { publicKey, is } = call();
    if (!is(asPeer(publicKey))) throw new Error(`${rival} differs in ${name}`);
  }
  const measures = await inTurns(calls, { count: 50, rounds: full ? 31 : 11, warmUp: 3 });
  groups.push({ name, bytes: 0, measures });
}
