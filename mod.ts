/**
 * The OMA Security Common Functions: agree a key once, from a SIM or a provisioned root, and bind it to what carries the
 * data. The everyday names; carriers, stores and identity modules have subpaths of their own.
 *
 * @module
 */

import type { Platform } from "./lib/platform.ts";
import {
  type Agent,
  type AgentOptions,
  createAgent as agent,
  createEnabler as enabler,
  createKeyManager as keyManager,
  type Enabler,
  type EnablerOptions,
  type KeyManager,
  type KeyManagerOptions,
} from "./lib/roles/mod.ts";
import { webPlatform } from "./web_platform.ts";

export type { SecurityAssociation } from "./lib/association/mod.ts";
export { SecretBytes, secretFrom } from "./lib/crypto/mod.ts";
export { type ErrorCode, SeccfError } from "./lib/error.ts";
export type { IdentityModule } from "./lib/identity/mod.ts";
export { type Audit, type AuditOptions, createAudit, verifyAudit } from "./lib/roles/mod.ts";
export { webPlatform };

/** A device's agent on the web platform's clock, randomness and `fetch`, unless `options` bring others. */
export function createAgent(options: AgentOptions & Partial<Platform>): Agent {
  return agent({ ...webPlatform, ...options });
}

/** An enabler on the web platform's clock and randomness; its `fetch` is the way to the Key Manager. */
export function createEnabler(options: EnablerOptions & Partial<Platform>): Enabler {
  return enabler({ ...webPlatform, ...options });
}

/** A Key Manager on the web platform's clock and randomness. */
export function createKeyManager(options: KeyManagerOptions & Partial<Platform>): KeyManager {
  return keyManager({ ...webPlatform, ...options });
}
