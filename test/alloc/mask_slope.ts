// Run as its own process by mask.test.ts.
import { createRecordNumberMask, secretFrom } from "../../lib/crypto/mod.ts";
import { printSlopes } from "./slope.ts";

const sample = new Uint8Array(40).fill(5);
const out = new Uint8Array(2);
const aes = createRecordNumberMask({ cipher: "aes-gcm" }, secretFrom(new Uint8Array(16)));
const chacha = createRecordNumberMask({ cipher: "chacha20-poly1305" }, secretFrom(new Uint8Array(32)));

await printSlopes({
  "AES": { run: () => aes.maskInto(sample, out), expected: undefined, count: 1000 },
  "ChaCha20": { run: () => chacha.maskInto(sample, out), expected: undefined, count: 1000 },
});
