/** The subscriber's home: a card with a PIN, a Key Manager in memory, and whole bootstrapping runs between the two. */
import assert from "node:assert/strict";
import { createAuthenticationCentre } from "../../../lib/aka/mod.ts";
import { fromHex, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual, secretFrom } from "../../../lib/crypto/mod.ts";
// A test may look.
import { expose as exposed } from "../../../lib/crypto/secret.ts";
import { bootstrap, createBootstrapServer, decodeNafId } from "../../../lib/gba/mod.ts";
import {
  type CardIdentity,
  decodeBootstrap,
  decodeNafRecord,
  type SoftUsim,
  type SoftUsimOptions,
} from "../../../lib/identity/mod.ts";
import { memoryStore } from "../../../transports/stores/memory.ts";
import { type NafVectors, vectors } from "../../aka/vectors.ts";
import { card, credentials, IMSI, pin, v } from "../../identity/cards.ts";
import { seededRandom, VirtualClock } from "../../support/virtual.ts";

export const nafs: NafVectors = vectors<NafVectors>("aka");
export const PIN = "2468";
export { exposed, IMSI, pin, v };

/** A card with a PIN that takes the SQN of Milenage set 1 next. */
export function near(options: Partial<SoftUsimOptions> = {}): SoftUsim {
  const state = { ...card().state, sequence: new Array<number>(32).fill(0x7fcdda685af) };
  return card({ pin: pin(PIN), state, ...options });
}

/** Milenage set 1's challenge, as it is. */
export const set1 = { rand: fromHex(v.RAND!), autn: fromHex(v.AUTN!), scheme: "akav1" } as const;

/**
 * Runs Ub between `identity` and a Key Manager in memory, derives the keys of two uses at both ends and compares; in
 * GBA_U the card's own half as well, and what it wrote into EF_GBABP and EF_GBANL. Gives CK, IK and Ks_int_NAF in
 * hexadecimal digits: what no wire may show.
 */
export async function bootstrapAndCompare(
  identity: CardIdentity,
  usim: SoftUsim,
  mode: "gba-me" | "gba-u",
): Promise<readonly string[]> {
  const clock = new VirtualClock();
  const random = seededRandom(11);
  const store = memoryStore({ clock });
  const wrappingKey = secretFrom(new Uint8Array(32).fill(5));
  const subscribers = (impi: string) => impi === identity.aka.impi ? { credentials: credentials() } : undefined;
  const secrets: string[] = [];
  const keep = (...kept: SecretBytes[]) => secrets.push(...kept.map((secret) => toHex(exposed(secret))));
  const centre = createAuthenticationCentre({ subscribers, store, random });
  using server = createBootstrapServer({
    ...{ name: identity.keyManager, store, wrappingKey, clock, random, lifetimeSeconds: 3600 },
    centre: {
      async vector(impi, request) {
        const vector = await centre.vector(impi, request);
        if (vector) keep(vector.ck, vector.ik);
        return vector;
      },
    },
    gbaU: () => mode === "gba-u",
  });
  const { btid } = await bootstrap({
    module: identity.aka,
    platform: { clock, random, fetch: (request) => server.handle(request) },
    url: `http://${identity.keyManager}/`,
  });
  for (const { NAF_Id } of nafs.naf.slice(0, 2)) {
    const bytes = fromHex(NAF_Id);
    using here = await identity.aka.derive({ btid, nafId: bytes });
    const there = await server.lookup({ btid, nafId: decodeNafId(bytes) });
    assert.ok(there && secretEqual(here, exposed(there.key)), "Ks_(ext_)NAF is the same at both ends");
    assert.equal(there.uiccKey === undefined, mode === "gba-me");
    if (!there.uiccKey) continue;
    using inCard = usim.internalKey(bytes)!;
    assert.ok(secretEqual(inCard, exposed(there.uiccKey)), "Ks_int_NAF is the same in card and Key Manager");
    keep(there.uiccKey);
  }
  if (mode === "gba-u") {
    const { gbabp, gbanl } = usim.state;
    assert.deepEqual(decodeBootstrap(gbabp)?.btid, toUtf8(btid));
    const written = gbanl.map((record) => decodeNafRecord(record)).filter((record) => record !== undefined);
    assert.deepEqual(written.map(({ nafId }) => toHex(nafId)), nafs.naf.slice(0, 2).map(({ NAF_Id }) => NAF_Id));
    assert.ok(written.every((record) => toHex(record.btid) === toHex(toUtf8(btid))));
  }
  return secrets;
}

/** Passes when no 4 bytes of any of `secrets` cross `wire`, which is hexadecimal digits in lower case. */
export function assertUnseen(wire: string, secrets: readonly string[]): void {
  for (const secret of secrets) {
    for (let at = 0; at + 8 <= secret.length; at += 2) assert.ok(!wire.includes(secret.slice(at, at + 8)), "unseen");
  }
}

/** Lets virtual time pass until `work` settles, at most `ms` of it. */
export async function passing<T>(clock: VirtualClock, work: Promise<T>, ms: number): Promise<T> {
  let settled = false;
  work.then(() => settled = true, () => settled = true);
  for (let passed = 0; !settled && passed < ms; passed += 50) await clock.advance(50);
  assert.ok(settled, `settled within ${ms} ms of virtual time`);
  return await work;
}
