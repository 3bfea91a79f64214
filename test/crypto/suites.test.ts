// The table of cipher suites agrees with IANA's registry and with what the ciphers take.
import assert from "node:assert/strict";
import { test } from "node:test";
import { cipherSuites, createAead, createCbcHmac, secretFrom, suiteById, suiteByName } from "../../lib/crypto/mod.ts";
import { pattern } from "./cases.ts";

test("numbers and names are IANA's, and what is neither an AEAD nor has a whole tag in TLS 1.3 is legacy", () => {
  // TLS Cipher Suites registry: RFC 8446 B.4; RFC 8442 3, RFC 7905 3; RFC 5487 2, RFC 6655 4, RFC 7905 3; RFC 5487 3, RFC 4279 2.
  assert.deepEqual(cipherSuites.map(({ id, name, exchange, prf, legacy }) => [id, name, exchange, prf, legacy]), [
    [0x1301, "TLS_AES_128_GCM_SHA256", "tls13", "sha-256", false],
    [0x1303, "TLS_CHACHA20_POLY1305_SHA256", "tls13", "sha-256", false],
    [0x1304, "TLS_AES_128_CCM_SHA256", "tls13", "sha-256", false],
    [0x1305, "TLS_AES_128_CCM_8_SHA256", "tls13", "sha-256", true],
    [0x1302, "TLS_AES_256_GCM_SHA384", "tls13", "sha-384", false],
    [0xd001, "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", "ecdhe_psk", "sha-256", false],
    [0xccac, "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256", "ecdhe_psk", "sha-256", false],
    [0xd003, "TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256", "ecdhe_psk", "sha-256", false],
    [0x00a8, "TLS_PSK_WITH_AES_128_GCM_SHA256", "psk", "sha-256", false],
    [0xc0a4, "TLS_PSK_WITH_AES_128_CCM", "psk", "sha-256", false],
    [0xc0a8, "TLS_PSK_WITH_AES_128_CCM_8", "psk", "sha-256", false],
    [0x00a9, "TLS_PSK_WITH_AES_256_GCM_SHA384", "psk", "sha-384", false],
    [0xccab, "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256", "psk", "sha-256", false],
    [0x00ae, "TLS_PSK_WITH_AES_128_CBC_SHA256", "psk", "sha-256", true],
    [0x008c, "TLS_PSK_WITH_AES_128_CBC_SHA", "psk", "sha-256", true],
  ]);
  for (const { id, protection, legacy } of cipherSuites) {
    assert.equal(legacy, protection.kind === "cbc" || id === 0x1305);
  }
});

test("no number and no name stands twice", () => {
  assert.equal(new Set(cipherSuites.map(({ id }) => id)).size, cipherSuites.length);
  assert.equal(new Set(cipherSuites.map(({ name }) => name)).size, cipherSuites.length);
});

test("names say what the rows do: cipher, length of key, hash, and how nonces are made", () => {
  for (const { name, exchange, prf, protection } of cipherSuites) {
    assert.equal(exchange, name.includes("_WITH_") ? (name.includes("ECDHE") ? "ecdhe_psk" : "psk") : "tls13");
    assert.equal(prf, name.endsWith("SHA384") ? "sha-384" : "sha-256");
    assert.equal(protection.keyLength, /AES_256|CHACHA20/.test(name) ? 32 : 16, name);
    if (protection.kind === "cbc") continue;
    assert.equal(
      protection.spec.cipher,
      /GCM/.test(name) ? "aes-gcm" : /CCM/.test(name) ? "aes-ccm" : "chacha20-poly1305",
    );
    // RFC 5288 3 and RFC 6655 3 send 8 bytes; RFC 7905 2 and RFC 8446 5.3 none.
    const implicit = exchange === "tls13" || protection.spec.cipher === "chacha20-poly1305";
    assert.deepEqual([protection.fixedIvLength, protection.explicitNonceLength], implicit ? [12, 0] : [4, 8], name);
  }
});

test("a suite is found by number and by exact name, and nothing else is", () => {
  for (const suite of cipherSuites) {
    assert.equal(suiteById(suite.id), suite);
    assert.equal(suiteByName(suite.name), suite);
    assert.equal(suiteByName(suite.name.toLowerCase()), undefined);
  }
  for (const id of [0, 0x00ff, 0x5600, 0x1300, 0xd002, 0xd005, 0x0a0a, NaN, -1]) {
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

test("CCM_8 has a tag of 8 bytes (RFC 6655 4, RFC 8446 B.4), every other AEAD one of 16 (RFC 5116 5.1, RFC 8439 2.8)", () => {
  for (const { name, protection } of cipherSuites) {
    if (protection.kind === "cbc") continue;
    using aead = createAead(protection.spec, secretFrom(pattern(protection.keyLength)));
    assert.equal(aead.tagLength, name.includes("CCM_8") ? 8 : 16, name);
  }
});
