/** Identity modules: a USIM behind an APDU channel, one in software, provisioned keys. Operations, never keys. @module */

export { type Answer, type Command, decodeAnswer, decodeCommand, encodeCommand, exchange } from "./apdu.ts";
export {
  type BootstrapParameters,
  decodeBootstrap,
  decodeNafRecord,
  encodeBootstrap,
  encodeNafRecord,
  type NafRecord,
} from "./gba_files.ts";
export { type MemoryAka, memoryIdentity, type MemoryIdentityOptions } from "./memory.ts";
export { deriveNafKey, type NafKeyInput } from "./naf_key.ts";
export { bsfNameOf, decodeImsi, decodeMncLength, encodeImsi, impiOf, type MncLength } from "./names.ts";
export type { AkaModule, AkaOutcome, ApduChannel, IdentityModule, ProvisionedModule } from "./ports.ts";
export { deriveProvisioned, type ProvisionedKey } from "./provisioned.ts";
export { type SoftUsim, softUsim, type SoftUsimOptions, type SoftUsimState } from "./soft_usim.ts";
export { statusError, SW, triesLeft } from "./status.ts";
export { readTlvs, type Tlv, tlv } from "./tlv.ts";
export { type GbaMode, usimIdentity, type UsimOptions } from "./usim.ts";
