/** What two sides agreed, and what may be done with it. @module */

export {
  associationId,
  type AssociationOptions,
  createAssociation,
  keyFingerprint,
  restoreAssociation,
  type RestoreOptions,
} from "./association.ts";
export { createKeyTable, type KeyTable } from "./key_table.ts";
export { type Lifetime, type LifetimeOptions, startLifetime } from "./lifetime.ts";
export type {
  Acceptor,
  Binding,
  Carrier,
  Connector,
  FoundKey,
  KeyOrigin,
  KeyRequest,
  KeySource,
  Listener,
  Peer,
  Received,
  Role,
  SealedFor,
  Sealer,
  SecureChannel,
  SecurityAssociation,
  Use,
} from "./ports.ts";
export { derivedRoot, type DerivedRootOptions, rawPsk, type RawPskOptions } from "./provisioned.ts";
export { open as openSealed, seal as sealMessage, sealedTo } from "./sealer.ts";
export { uaIdentifier, type UaProfile } from "./uses.ts";
