import test from "node:test";
import assert from "node:assert/strict";
import { type ErrorCode, type Fault, SeccfError } from "../lib/error.ts";

// DESIGN 10: the codes a program may branch on, and who has to act.
const CODES: Readonly<Record<Fault, readonly ErrorCode[]>> = {
  peer: [
    ...["auth-failed", "replayed", "expired", "reflected", "downgrade", "unsupported", "malformed"] as const,
    ...["too-large", "wrong-realm"] as const,
  ],
  identity: ["mac-failure", "pin-required", "pin-blocked", "identity-unavailable"],
  "key-manager": ["key-unavailable"],
  carrier: ["timeout", "closed", "unreachable"],
  caller: ["state", "exhausted"],
};

test("each code names the party that has to act", () => {
  for (const [fault, codes] of Object.entries(CODES)) {
    for (const code of codes) assert.equal(new SeccfError(code, "").fault, fault, code);
  }
});

test("an error says its code, its cause and its clause, and has neither when there is none", () => {
  const cause = new Error("socket");
  const error = new SeccfError("malformed", "a length of 3", { cause, clause: "RFC 5246 7.4.9" });
  assert.ok(error instanceof Error);
  assert.equal(error.name, "SeccfError");
  assert.equal(error.code, "malformed");
  assert.equal(error.cause, cause);
  assert.equal(error.clause, "RFC 5246 7.4.9");
  assert.match(String(error), /^SeccfError: a length of 3$/);
  const bare = new SeccfError("closed", "");
  assert.equal(bare.clause, undefined);
  assert.ok(!("cause" in bare));
});
