// Every implementation of Diffie-Hellman that createKeyShare may choose, so that each is tested wherever it runs at all.
import { CheckedShare, namedGroups, type RawShare } from "../../lib/crypto/groups.ts";
import { createKeyShare, type KeyShare } from "../../lib/crypto/mod.ts";
import { nativeShare } from "../../lib/crypto/native_shares.ts";
import { nobleShare } from "../../lib/crypto/noble_shares.ts";

/** A group's name. */
export type GroupName = "x25519" | "secp256r1";

/** All of them, by name, behind the checks of the door. */
export const everyShare: readonly {
  readonly name: string;
  readonly create: (group: GroupName, scalar: Uint8Array) => KeyShare;
}[] = [
  { name: "door", create: (group, scalar) => createKeyShare(named(group).id, (out) => out.set(scalar)) },
  { name: "native", create: (group, scalar) => new CheckedShare(named(group), native(group, scalar)) },
  { name: "noble", create: (group, scalar) => new CheckedShare(named(group), nobleShare(group, scalar)) },
];

/** The row of the table. */
export function named(group: GroupName): typeof namedGroups[number] {
  return namedGroups.find(({ name }) => name === group)!;
}

/** Throws where the runtime lacks the group: the three of the tests have both. */
function native(group: GroupName, scalar: Uint8Array): RawShare {
  const share = nativeShare(group, scalar);
  if (share === undefined) throw new Error(`the runtime has no ${group}`);
  return share;
}
