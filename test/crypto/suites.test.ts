// The table of cipher suites agrees with IANA's registry and with what the ciphers take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cipherSuites, createAead, createCbcHmac, secretFrom, suiteById, suiteByName } from "../../lib/crypto/mod.ts";
import { pattern } from "./cases.ts";

test("numbers and names are IANA's, best first, and what is not an AEAD is legacy", () => {
  // TLS Cipher Suites registry: RFC 5487, RFC 6655, RFC 5487, RFC 4279.
  assert.deepEqual(cipherSuites.map(({ id, name, legacy }) => [id, name, legacy]), [
    [0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", false],
    [0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8", false],
    [0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256", true],
    [0x008c, "TLS_PSK_WITH_AES_128_CBC_SHA", true],
  ]);
  for (const { protection, legacy } of cipherSuites) assert.equal(legacy, protection.kind === "cbc");
});

test("a suite is found by number and by exact name, and nothing else is", () => {
  for (const suite of cipherSuites) {
    assert.equal(suiteById(suite.id), suite);
    assert.equal(suiteByName(suite.name), suite);
    assert.equal(suiteByName(suite.name.toLowerCase()), undefined);
  }
  for (const id of [0, 0x00ff, 0x5600, 0x1301, NaN, -1]) {
    assert.equal(suiteById(id), undefined);
  }
  assert.equal(suiteByName(""), undefined);
});

test("each suite's lengths make its cipher: nonce of fixed and explicit part, key and MAC", () => {
  for (const { protection } of cipherSuites) {
    const key = secretFrom(pattern(protection.keyLength));
    if (protection.kind === "aead") {
      using aead = createAead(protection.spec, key);
      assert.equal(aead.nonceLength, protection.fixedIvLength + protection.explicitNonceLength);
    } else {
      const macKey = secretFrom(pattern(protection.macLength));
      using cbc = createCbcHmac({ hash: protection.hash, encryptThenMac: true }, key, macKey);
      assert.equal(cbc.macLength, protection.macLength);
    }
  }
});

test("CCM_8 has a tag of 8 bytes (RFC 6655 4), GCM one of 16 (RFC 5116 5.1)", () => {
  const tagOf = (name: string) => {
    const suite = suiteByName(name)!;
    assert.ok(suite.protection.kind === "aead");
    using aead = createAead(suite.protection.spec, secretFrom(pattern(16)));
    return aead.tagLength;
  };
  assert.equal(tagOf("TLS_PSK_WITH_AES_128_CCM_8"), 8);
  assert.equal(tagOf("TLS_PSK_WITH_AES_128_GCM_SHA256"), 16);
});
