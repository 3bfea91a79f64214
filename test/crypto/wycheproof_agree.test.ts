// Project Wycheproof's files for X25519 and P-256, whole, with the runtime's and with noble's arithmetic. "Acceptable"
// is what standards leave open: RFC 7748 takes points of the twist and numbers that are not below p, and refuses what
// gives zeros; TLS refuses compressed points (RFC 8446 4.2.8.2).
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { SeccfError } from "../../lib/error.ts";
import { readVectors } from "./cases.ts";
import { everyShare, type GroupName } from "./shares.ts";

type Row = [id: number, peer: string, scalar: string, shared: string, result: "valid" | "invalid" | "acceptable"];

test("X25519 answers all 518 tests of Wycheproof, in each of its ways", () => {
  for (const { name } of everyShare) {
    assert.deepEqual(answers(name, "x25519"), { agreed: 487, refused: 31 }, name);
  }
});

test("P-256 answers all 355 tests of Wycheproof, in each of its ways", () => {
  for (const { name } of everyShare) {
    assert.deepEqual(answers(name, "secp256r1"), { agreed: 330, refused: 25 }, name);
  }
});

function answers(way: string, group: GroupName): { agreed: number; refused: number } {
  const { create } = everyShare.find(({ name }) => name === way)!;
  const file = group === "x25519" ? "x25519" : "ecdh_secp256r1";
  const counts = { agreed: 0, refused: 0 };
  for (const [id, peer, scalar, shared, result] of readVectors<{ tests: Row[] }>(`wycheproof/${file}.json`).tests) {
    const zeros = /^0*$/.test(shared);
    const good = group === "x25519" ? !zeros : result === "valid";
    // P-256's are integers of ASN.1: with a zero before them, or without those that lead.
    using share = create(group, fromHex(scalar.slice(-64).padStart(64, "0")));
    let found: string | undefined;
    try {
      using secret = share.agree(fromHex(peer));
      found = toHex(expose(secret));
    } catch (error) {
      assert.ok(error instanceof SeccfError && error.code === "malformed", `${way} ${id}`);
    }
    assert.equal(found, good ? shared : undefined, `${way} ${id}`);
    counts[good ? "agreed" : "refused"]++;
  }
  return counts;
}
