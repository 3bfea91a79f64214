import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, fromUtf8, toHex } from "../../lib/bytes/mod.ts";
import { secretBase64, secretEqual } from "../../lib/crypto/mod.ts";
import {
  decodeNafId,
  derive2gKs,
  derive2gResponse,
  deriveATid,
  deriveDigestKs,
  deriveDigestPassword,
  deriveKAf,
  deriveKAkma,
  deriveTmpi,
  encodeNafId,
} from "../../lib/gba/mod.ts";
import { akaPassword } from "../../lib/gba/aka_password.ts";
import { deriveNafKey } from "../../lib/identity/mod.ts";
import { uaIdentifier } from "../../lib/association/mod.ts";
import { digestVectors } from "../http/vectors.ts";
import { isHex, secretHex, v } from "./vectors.ts";

const rand = fromHex(v.run.rand);
const { impi } = v.run;

test("[SEC_CF-HLF-003] Ks_NAF and Ks_int_NAF of TS 33.220 B.3 come out for every Ua identifier, in 3GPP's and the OMA's range", () => {
  using ks = secretHex(v.run.ks);
  assert.equal(v.naf.length + v.oma.length, 8);
  for (const { name, nafId, ksNaf, ksNafBase64, ksIntNaf } of v.naf) {
    using key = deriveNafKey(ks, { label: "gba-me", rand, impi, nafId: fromHex(nafId) });
    assert.ok(isHex(key, ksNaf), name);
    assert.ok(secretEqual(secretBase64(key), new TextEncoder().encode(ksNafBase64)), name);
    using inner = deriveNafKey(ks, { label: "gba-u", rand, impi, nafId: fromHex(nafId) });
    assert.ok(isHex(inner, ksIntNaf), name);
  }
  for (const { ua, ksNaf } of v.oma) {
    const nafId = encodeNafId({ fqdn: v.run.fqdn, ua: fromHex(ua) });
    assert.ok(isHex(deriveNafKey(ks, { label: "gba-me", rand, impi, nafId }), ksNaf), ua);
  }
});

test("the PSK of TLS comes out under both profiles", () => {
  using ks = secretHex(v.run.ks);
  for (const [profile, psk] of [["oma", v.psk.oma], ["3gpp", v.psk.threeGpp]] as const) {
    const nafId = encodeNafId({ fqdn: v.run.fqdn, ua: uaIdentifier({ kind: "tls", suite: v.psk.suite }, profile) });
    assert.ok(isHex(deriveNafKey(ks, { label: "gba-me", rand, impi, nafId }), psk), profile);
  }
});

test("TMPI of TS 33.220 B.4 comes out, and is another for another name", () => {
  using ks = secretHex(v.run.ks);
  assert.equal(deriveTmpi(ks, { rand, impi, bsf: v.run.bsf }), v.tmpi);
  assert.notEqual(deriveTmpi(ks, { rand, impi, bsf: v.run.fqdn }), v.tmpi);
  assert.notEqual(deriveTmpi(ks, { rand, impi: `0${impi}`, bsf: v.run.bsf }), v.tmpi);
});

test("the passwords of AKAv1 (RFC 3310) and AKAv2 (RFC 4169) come out", () => {
  const secrets = { xres: secretHex(v.run.res), ck: secretHex(v.run.ck), ik: secretHex(v.run.ik) };
  assert.ok(isHex(akaPassword("akav1", secrets), v.run.res));
  assert.ok(secretEqual(akaPassword("akav2", secrets), new TextEncoder().encode(digestVectors.ub.akav2Password)));
});

test("RES and Ks of 2G GBA (TS 33.220 I.5) come out", () => {
  const triplet = { rand, sres: secretHex(v.twoG.sres), kc: secretHex(v.twoG.kc) };
  assert.ok(isHex(derive2gResponse(triplet), v.twoG.res));
  assert.ok(isHex(derive2gKs(triplet, fromHex(v.twoG.ksInput)), v.twoG.ks));
  const other = fromHex(v.twoG.ksInput);
  other[0]! ^= 1;
  assert.ok(!isHex(derive2gKs(triplet, other), v.twoG.ks));
  assert.throws(() => derive2gKs(triplet, other.subarray(1)), RangeError);
  assert.throws(() => derive2gResponse({ ...triplet, kc: triplet.sres }), RangeError);
});

test("the password and Ks of GBA_Digest (TS 33.220 B.5) come out", () => {
  const [ha1, tlsKey] = [secretHex(v.digest.ha1), secretHex(v.digest.tlsKey)];
  assert.ok(isHex(deriveDigestPassword(ha1, tlsKey), v.digest.password));
  assert.ok(isHex(deriveDigestKs(ha1, tlsKey, fromHex(v.digest.response)), v.digest.ks));
  assert.ok(!isHex(deriveDigestKs(ha1, tlsKey, new Uint8Array(16)), v.digest.ks));
  assert.throws(() => deriveDigestPassword(ha1, ha1), RangeError);
});

test("K_AKMA, A-TID and K_AF (TS 33.535 Annex A) come out for both forms of a SUPI", () => {
  for (const form of ["digits", "prefixed"] as const) {
    const set = v.akma[form];
    using kAusf = secretHex(set.kAusf);
    for (const supi of ["imsi-001010123456789", "001010123456789"]) {
      using kAkma = deriveKAkma(kAusf, supi, form);
      assert.ok(isHex(kAkma, set.kAkma), form);
      assert.equal(toHex(deriveATid(kAusf, supi, form)), set.aTid);
      assert.ok(isHex(deriveKAf(kAkma, decodeNafId(fromHex(set.afId))), set.kAf), form);
    }
  }
  using kAusf = secretHex(v.akma.digits.kAusf);
  assert.ok(isHex(deriveKAkma(kAusf, "imsi-001010123456789"), v.akma.digits.kAkma), "digits by default");
  assert.equal(fromUtf8(fromHex(v.akma.digits.afId).subarray(0, 14)), "af.example.com");
});
