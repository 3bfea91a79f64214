/** Deterministic CBOR, COSE_Encrypt0 and COSE_Mac0 (RFC 9052), and OSCORE's derivations (RFC 8613). @module */

export {
  A128GCM,
  A256GCM,
  AES_CCM_16_128_128,
  AES_CCM_16_64_128,
  CHACHA20_POLY1305,
  type EncryptionAlgorithm,
  encryptionAlgorithm,
  HMAC_256_256,
  type MacAlgorithm,
  macAlgorithm,
} from "./algorithms.ts";
export { type CborKey, type CborMap, CborTag, type CborValue, encodeCbor, headLength, writeHead } from "./cbor.ts";
export { type CborLimits, decodeCbor } from "./cbor_decode.ts";
export { decodeEncrypt0, type Encrypt0Options, encStructure, openEncrypt0, sealEncrypt0 } from "./encrypt0.ts";
export { decodeMac0, type Mac0Options, signMac0, verifyMac0 } from "./mac0.ts";
export { type CoseDecodeOptions, type CoseMessage, LABEL } from "./message.ts";
export {
  MAXIMUM_PARTIAL_IV,
  oscoreBaseNonce,
  oscoreCommonIv,
  oscoreExtract,
  type OscoreInfo,
  oscoreKey,
  oscoreNonceInto,
} from "./oscore.ts";
