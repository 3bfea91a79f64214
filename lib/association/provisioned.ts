/** Roots that are not GBA: a raw PSK bound to one use, and a root from which each use derives its own key. @module */

import { concat, toUtf8 } from "../bytes/mod.ts";
import { type SecretBytes, secretConcat } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { KeyOrigin, Use } from "./ports.ts";
import { uaIdentifier, type UaProfile } from "./uses.ts";

/** What {@link rawPsk} takes. */
export interface RawPskOptions {
  /** 1 to 128 bytes (RFC 4279 5.3). */
  readonly identity: Uint8Array;
  /** 16 to 64 bytes; copied, the caller disposes its own. */
  readonly key: SecretBytes;
  /** The one kind of use it may serve: a raw key under two protocols would let one be played against the other. */
  readonly use: Use["kind"];
}

/** A key that both ends were given as it is, for one kind of use. Any other use throws `unsupported`. */
// req: SEC_CF-ADM-001
export function rawPsk({ identity, key, use }: RawPskOptions): KeyOrigin {
  checkIdentity(identity);
  if (key.byteLength < 16 || key.byteLength > 64) throw new RangeError("a raw PSK has 16 to 64 bytes");
  const own = secretConcat(key);
  const check = (asked: Use) => {
    if (asked.kind !== use) throw new SeccfError("unsupported", `this key serves ${use} alone`);
  };
  return {
    kind: "provisioned",
    identity(asked) {
      check(asked);
      return identity.slice();
    },
    key(asked) {
      try {
        check(asked);
        return Promise.resolve(secretConcat(own));
      } catch (error) {
        return Promise.reject(error);
      }
    },
    [Symbol.asyncDispose]() {
      own[Symbol.dispose]();
      return Promise.resolve();
    },
  };
}

/** What {@link derivedRoot} takes. */
export interface DerivedRootOptions {
  /** 1 to 128 bytes. */
  readonly identity: Uint8Array;
  /** The enabler's name, canonical: part of every label. */
  readonly serverName: string;
  /** A module's derivation from the root, 32 bytes a label; the root itself never shows. */
  readonly derive: (label: Uint8Array, options?: Wait) => Promise<SecretBytes>;
  /** Whose numbers stand for TLS and HTTP in the label. Default `"oma"`. */
  readonly uaProfile?: UaProfile;
}

/** A root that both ends hold: each use gets its own key, separated by name and use as NAF_Ids are (TS 33.220 Annex H). */
// req: SEC_CF-KEM-001
export function derivedRoot(options: DerivedRootOptions): KeyOrigin {
  const { identity, serverName, derive, uaProfile = "oma" } = options;
  checkIdentity(identity);
  return {
    kind: "provisioned",
    identity: () => identity.slice(),
    key: (use, wait) => derive(concat(toUtf8(serverName), uaIdentifier(use, uaProfile)), wait),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function checkIdentity(identity: Uint8Array): void {
  if (identity.length < 1 || identity.length > 128) throw new RangeError("an identity has 1 to 128 bytes");
}
