import { toHex } from "../bytes/mod.ts";
import type { KeySource, SecurityAssociation } from "./ports.ts";

/** A {@link KeySource} over associations that are known before anybody connects: provisioned peers, by the identity they show. */
export interface KeyTable extends KeySource {
  /** From now on `identity` (1 to 128 bytes) finds `association`, which a later `set` replaces. */
  set(identity: Uint8Array, association: SecurityAssociation): void;
  /** False if it was not there. */
  delete(identity: Uint8Array): boolean;
}

/** An empty table. Identities are public and looked up by hash, not compared byte by byte. */
export function createKeyTable(): KeyTable {
  const table = new Map<string, SecurityAssociation>();
  return {
    set: (identity, association) => void table.set(toHex(identity), association),
    delete: (identity) => table.delete(toHex(identity)),
    async find(request, options) {
      const association = request.identity && table.get(toHex(request.identity));
      const found = await association?.find(request, options);
      return found && request.identity ? { ...found, identity: request.identity.slice() } : undefined;
    },
  };
}
