/** Who takes part: the device's agent, the Key Manager, the enabler. @module */

export { type Agent, type AgentOptions, createAgent } from "./agent.ts";
export { type Audit, type AuditEvent, type AuditOptions, createAudit, verifyAudit } from "./audit.ts";
export { createEnabler, type Enabler, type EnablerOptions, type Opened } from "./enabler.ts";
export type { HttpHandler, HttpPeer } from "./enabler_http.ts";
export { createKeyManager, type EnablerRights, type KeyManager, type KeyManagerOptions } from "./key_manager.ts";
