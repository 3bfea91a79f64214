/** Cryptography over secrets that do not print: digests, HMAC, key derivation, ciphers. Computation alone, native where the runtime has it. @module */

export { type Aead, type AeadSpec, createAead } from "./aead.ts";
export { aesBlock, type BlockCipher } from "./aes.ts";
export { type CbcHmac, createCbcHmac } from "./cbc_hmac.ts";
export { createKeyShare, type KeyShare, type NamedGroup, namedGroups } from "./groups.ts";
export { createHasher, digest, type Hasher, hashLength, type HashName } from "./hash.ts";
export { hkdfExpand, hkdfExpandLabel, hkdfExtract } from "./hkdf.ts";
export { createHmac, type Hmac, hmacSecret } from "./hmac.ts";
export { kdf3gpp } from "./kdf3gpp.ts";
export { keccakF1600 } from "./keccak.ts";
export { prf, prfPublic } from "./prf.ts";
export { createRecordNumberMask, type RecordNumberMask } from "./record_number_mask.ts";
export { MOST_SCRYPT_MEMORY, type ScryptCost, scryptCostFits, scryptKey } from "./scrypt.ts";
export {
  fingerprint,
  secretBase64,
  SecretBytes,
  secretConcat,
  secretEqual,
  secretFrom,
  secretRandom,
  secretSlice,
  wipe,
} from "./secret.ts";
export { type CipherSuite, cipherSuites, type Protection, suiteById, suiteByName } from "./suites.ts";
