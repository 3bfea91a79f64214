/** Generic bootstrapping architecture: agreeing on Ks (Ub), keys of it (Zn, by Nbsp_GBA), proofs with them (Ua). @module */

export { deriveKAf, deriveKAkma, type SupiForm } from "./akma.ts";
export { type ApplicationClient, type ApplicationClientOptions, createApplicationClient } from "./application.ts";
export { type AkaAlgorithmName, bootstrap, type BootstrapOptions, type Bootstrapped } from "./bootstrap.ts";
export {
  type BootstrapEvent,
  type BootstrapServer,
  type BootstrapServerOptions,
  createBootstrapServer,
} from "./bootstrap_server.ts";
export { type BootstrappingInfo, decodeBootstrappingInfo, encodeBootstrappingInfo } from "./bootstrapping_info.ts";
export { BOOTSTRAPPING, btidDomain, checkBtid, makeBtid, MAX_BTID, parseBtid } from "./btid.ts";
export { formatDateTime, parseDateTime } from "./date_time.ts";
export { canonicalFqdn } from "./fqdn.ts";
export { derive2gKs, derive2gResponse, type GsmTriplet } from "./gba_2g.ts";
export { deriveDigestKs, deriveDigestPassword } from "./gba_digest.ts";
export {
  createKeyLookup,
  type KeyLookup,
  type KeyLookupOptions,
  type NafKey,
  type NafKeyRequest,
} from "./key_lookup.ts";
export { decodeNafId, encodeNafId, type NafId } from "./naf_id.ts";
export { deviceOrigin, enablerOrigin, type GbaOriginOptions } from "./origin.ts";
export { deriveATid, deriveTmpi } from "./pseudonym.ts";
export { checkHint, formatPskIdentity, parsePskIdentity } from "./psk_identity.ts";
export {
  type BootstrappingInfoRequest,
  type BootstrappingInfoResponse,
  decodeInfoRequest,
  decodeInfoResponse,
  encodeInfoRequest,
  encodeInfoResponse,
  NBSP_PATH,
} from "./sbi.ts";
export { retrieveBootstrappingInfo, type RetrievedInfo, type RetrieveOptions } from "./sbi_client.ts";
export { createNbspHandler, type NbspEvent, type NbspHandler, type NbspHandlerOptions } from "./sbi_server.ts";
export { type FieldKind, openRecord, type RecordFields, type RecordPlace, sealRecord } from "./sealed_record.ts";
