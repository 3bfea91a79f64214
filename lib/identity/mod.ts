/** Identity modules: a USIM behind an APDU channel, one in software, provisioned keys. Operations, never keys. @module */

export { type Answer, type Command, decodeAnswer, decodeCommand, encodeCommand, exchange } from "./apdu.ts";
export { type ApplicationKind, type CardApplication, decodeDirectoryRecord } from "./card_application.ts";
export { reopeningIdentity, type ReopeningOptions } from "./card_reopen.ts";
export { type SubscriberOptions } from "./card_subscriber.ts";
export { type CardSummary, readCard } from "./card_summary.ts";
export { type IsimProfile } from "./card_tree.ts";
export {
  type CreateFileOptions,
  createIdentityFile,
  type FilePlace,
  type IdentityFile,
  type OpenFileOptions,
  openIdentityFile,
} from "./file.ts";
export type { FileEntry, FileFact, KeyEntry, ProvisionedEntry, SubscriberEntry } from "./file_content.ts";
export { subscriberImpi } from "./file_content.ts";
export { type MonotonicCounter, storedCounter } from "./file_counter.ts";
export { FileEntries } from "./file_entries.ts";
export { DEFAULT_COST, FileKey, newFileKey, type Unlock } from "./file_format.ts";
export { type FileIdentity, type FileIdentityOptions, identityOfFile, type KeyOffer } from "./file_identity.ts";
export { type ImportOptions, importSubscribers } from "./file_import.ts";
export { type FoundSubscribers, subscribersOfFile } from "./file_subscribers.ts";
export type { FileFacts, FileRead, FileSystem, NewFile } from "./file_system.ts";
export {
  type BootstrapParameters,
  decodeBootstrap,
  decodeNafRecord,
  encodeBootstrap,
  encodeNafRecord,
  type NafRecord,
} from "./gba_files.ts";
export {
  deriveIotSafe,
  IotSafeApplet,
  type IotSafeApplication,
  type IotSafeDerivations,
  iotSafeIdentity,
  type IotSafeKey,
  type IotSafeKind,
  type IotSafeObject,
  type IotSafeOptions,
} from "./iot_safe.ts";
export { decodeDomain, decodeImpi, decodeImpu, encodeName } from "./isim.ts";
export { type MemoryAka, memoryIdentity, type MemoryIdentityOptions } from "./memory.ts";
export { deriveNafKey, type NafKeyInput } from "./naf_key.ts";
export { bsfNameOf, bsfNameOfImpi, decodeImsi, decodeMncLength, encodeImsi, impiOf, type MncLength } from "./names.ts";
export type { AkaModule, AkaOutcome, ApduChannel, IdentityModule, ProvisionedModule } from "./ports.ts";
export { deriveProvisioned, provisionedInput, type ProvisionedKey } from "./provisioned.ts";
export {
  deviceExpire,
  deviceInstall,
  deviceProved,
  type Rotation,
  type RotationHook,
  rotationHook,
  serverHeard,
  serverOffer,
  serverTold,
  startRotation,
  usable,
} from "./rotation.ts";
export { type SoftUsim, softUsim, type SoftUsimOptions, type SoftUsimState } from "./soft_usim.ts";
export { statusError, SW, triesLeft } from "./status.ts";
export { readTlvs, type Tlv, tlv } from "./tlv.ts";
export { type CardIdentity, type GbaMode, usimIdentity, type UsimOptions } from "./usim.ts";
