/** Identity modules: a USIM behind an APDU channel, one in software, provisioned keys. Operations, never keys. @module */

export { type Answer, type Command, decodeAnswer, decodeCommand, encodeCommand, exchange } from "./apdu.ts";
export { type ApplicationKind, type CardApplication, decodeDirectoryRecord } from "./card_application.ts";
export { reopeningIdentity, type ReopeningOptions } from "./card_reopen.ts";
export { type SubscriberOptions } from "./card_subscriber.ts";
export { type CardSummary, readCard } from "./card_summary.ts";
export type { Access, Directory, ElementaryFile, RecordFile, RuleReference, TransparentFile } from "./card_files.ts";
export { CardStore, type CardStoreOptions } from "./card_store.ts";
export { type CardObject, CardObjectForm, type CardPlace } from "./card_store_object.ts";
export type { PlacePair } from "./card_store_places.ts";
export { type FurtherFiles, type IsimProfile } from "./card_tree.ts";
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
export type { ScryptCost } from "../crypto/mod.ts";
export { DEFAULT_COST, FileKey, newFileKey, type Opening, type Unlock } from "./file_format.ts";
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
export {
  type DataObject,
  decodeDataDirectory,
  decodeObjectDirectory,
  DM_BOOTSTRAP_OID,
  LWM2M_BOOTSTRAP_OID,
  type ObjectDirectory,
  type ObjectPlace,
  PKCS15_AID,
} from "./pkcs15.ts";
export { type FindOptions, type FoundObject, readDataObjects } from "./pkcs15_card.ts";
export {
  bindingDigest,
  type CardAuthority,
  type CardBinding,
  type CardParameter,
  CardParameters,
  type CardParametersOptions,
  type CardSlot,
} from "./pkcs15_parameters.ts";
export type { AkaModule, AkaOutcome, ApduChannel, IdentityModule, ProvisionedModule } from "./ports.ts";
export { type GuardedIdentity, type GuardedOperation, type PresenceOptions, withUserPresence } from "./presence.ts";
export { PresencePin, type PresencePinOptions, type SetPinOptions } from "./presence_pin.ts";
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
export { type ToolkitApplet, toolkitCard } from "./usat_card.ts";
export {
  decodeFileList,
  decodeProactiveCommand,
  decodeSmsDownload,
  decodeTerminalResponse,
  encodeFileList,
  encodeProactiveCommand,
  encodeSmsDownload,
  encodeTerminalResponse,
  PROACTIVE,
  type ProactiveCommand,
  REFRESH,
  type SmsDownload,
  terminalProfile,
  TOOLKIT_RESULT,
  TOOLKIT_TAG,
  type ToolkitResult,
} from "./usat_message.ts";
export { type DownloadOutcome, type ToolkitHandler, type UsatOptions, UsatSession } from "./usat_session.ts";
export { readToolkitObjects, type ToolkitObject, toolkitObject } from "./usat_tlv.ts";
