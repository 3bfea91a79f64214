/** Keys that were put into a module by a factory or by device management, and what is derived from them. @module */

import { equal, toUtf8, Writer } from "../bytes/mod.ts";
import { kdf3gpp, type SecretBytes, secretSlice } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { ProvisionedModule } from "./ports.ts";

/** A provisioned key. The secret is the owner's. */
export interface ProvisionedKey {
  /** The name that both sides know the key by. */
  readonly identity: Uint8Array;
  /** What {@link deriveProvisioned} keys its HMAC-SHA-256 with. An identity file takes 16 to 64 bytes. */
  readonly key: SecretBytes;
}

/**
 * 32 bytes for `label`, at most 65535 bytes, from a provisioned key: KDF(key, FC FE, "seccf-provisioned", label). Our own use of
 * the KDF of TS 33.220 B.2, under a number that 3GPP has not given out, to our knowledge, and a string of ours.
 */
// req: SEC_CF-KEM-001
export function deriveProvisioned(key: SecretBytes, label: Uint8Array): SecretBytes {
  return kdf3gpp(key, OUR_FC, OURS, label);
}

/**
 * What {@link deriveProvisioned} computes HMAC-SHA-256 of, S of TS 33.220 B.2, for a token that computes it under a key which
 * stays inside. A label of more than 65535 bytes is a RangeError.
 */
export function provisionedInput(label: Uint8Array): Uint8Array {
  if (label.length > 0xffff) throw new RangeError(`a label of ${label.length} bytes, at most 65535`);
  return new Writer().u8(OUR_FC).bytes(OURS).u16(OURS.length).bytes(label).u16(label.length).done();
}

/** A {@link ProvisionedModule} in memory, with copies of `keys`, which disposing wipes. An identity named twice is a RangeError. */
export class ProvisionedKeys implements ProvisionedModule, Disposable {
  readonly #keys: readonly ProvisionedKey[];

  constructor(keys: readonly ProvisionedKey[]) {
    keys.forEach(({ identity }, i) => {
      if (keys.slice(0, i).some((other) => equal(other.identity, identity))) {
        throw new RangeError("an identity named twice");
      }
    });
    this.#keys = keys.map(({ identity, key }) => ({ identity: new Uint8Array(identity), key: secretSlice(key, 0) }));
  }

  get identities(): readonly Uint8Array[] {
    return this.#keys.map(({ identity }) => identity.slice());
  }

  derive(identity: Uint8Array, label: Uint8Array): Promise<SecretBytes> {
    return new Promise((resolve) => {
      const found = this.#keys.find((candidate) => equal(candidate.identity, identity));
      if (!found) throw new SeccfError("identity-unavailable", "no key was provisioned for this identity");
      resolve(deriveProvisioned(found.key, label));
    });
  }

  [Symbol.dispose](): void {
    for (const { key } of this.#keys) key[Symbol.dispose]();
  }
}

const OURS = toUtf8("seccf-provisioned");
const OUR_FC = 0xfe;
