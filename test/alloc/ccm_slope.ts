// Run as its own process by ccm.test.ts.
import { Ccm } from "../../lib/crypto/ccm.ts";
import { createAead, secretFrom } from "../../lib/crypto/mod.ts";
import { printSlopes } from "./slope.ts";

const nonce = new Uint8Array(12);
const aad = new Uint8Array(13);
const out = new Uint8Array(1100);

const door = createAead({ cipher: "aes-ccm", nonceLength: 12, tagLength: 8 }, secretFrom(new Uint8Array(16)));
const own = new Ccm(new Uint8Array(16), 12, 8);
const short = { plaintext: new Uint8Array(64), sealed: new Uint8Array(72) };
const long = { plaintext: new Uint8Array(1001), sealed: new Uint8Array(1009) };
door.sealInto(nonce, aad, short.plaintext, short.sealed);
own.seal(nonce, aad, long.plaintext, long.sealed);
const forged = short.sealed.slice();
forged[3]! ^= 1;

await printSlopes({
  "seal 64": { run: () => door.sealInto(nonce, aad, short.plaintext, out), expected: 72, count: 1000 },
  "open 64": { run: () => door.openInto(nonce, aad, short.sealed, out), expected: 64, count: 1000 },
  "refuse 64": { run: () => door.openInto(nonce, aad, forged, out), expected: -1, count: 1000 },
  "seal 1001": { run: () => own.seal(nonce, aad, long.plaintext, out), expected: undefined, count: 200 },
  "open 1001": { run: () => own.open(nonce, aad, long.sealed, out), expected: true, count: 200 },
});
