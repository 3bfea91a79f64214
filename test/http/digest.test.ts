import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import {
  createDigestClient,
  digestAlgorithm,
  type DigestChallenge,
  digestResponse,
  type DigestTerms,
  parseCredentials,
  passwordHash,
  readClaim,
  readDigestChallenges,
  sameResponse,
} from "../../lib/http/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { type DigestSet, digestVectors, secretHex, secretText, withCode } from "./vectors.ts";

function compute(set: DigestSet, change: Partial<DigestSet> = {}): string {
  const { algorithm, username, realm, password, body, ...terms } = { ...set, ...change };
  using secret = secretHex(password);
  using ha1 = passwordHash({ algorithm, username, realm }, secret);
  return digestResponse(algorithm, ha1, { ...terms, body: toUtf8(body) } satisfies DigestTerms);
}

test("the responses of RFC 2617 3.5, RFC 7616 3.9.1 and 3.9.2, and of Ub and Ua with both qops come out", () => {
  assert.equal(digestVectors.sets.length, 12);
  for (const set of digestVectors.sets) {
    assert.equal(compute(set), set.response, `${set.source}, ${set.algorithm} ${set.qop}`);
    assert.ok(sameResponse(compute(set), set.response.toUpperCase()));
  }
});

test("a change of any single term changes the response", () => {
  const terms = ["username", "realm", "method", "uri", "nonce", "nc", "cnonce"] as const;
  for (const set of digestVectors.sets) {
    for (const term of terms) assert.notEqual(compute(set, { [term]: `${set[term]}0` }), set.response, term);
    assert.notEqual(compute(set, { password: `${set.password}00` }), set.response);
    assert.notEqual(compute(set, { qop: set.qop === "auth" ? "auth-int" : "auth" }), set.response);
    if (set.qop === "auth-int") assert.notEqual(compute(set, { body: `${set.body} ` }), set.response);
  }
});

test("algorithms are known by name in any case, and -sess, AKAv3 and nonsense are not", () => {
  assert.equal(digestAlgorithm(undefined), "MD5");
  assert.equal(digestAlgorithm("sha-256"), "SHA-256");
  assert.equal(digestAlgorithm("akaV1-md5"), "AKAv1-MD5");
  for (const name of ["MD5-sess", "SHA-256-sess", "AKAv3-MD5", "", "constructor"]) {
    assert.equal(digestAlgorithm(name), undefined, name);
  }
});

test("the hash of a password takes raw octets that are no text", () => {
  const principal = { algorithm: "MD5", username: "u", realm: "r" } as const;
  using one = passwordHash(principal, secretHex("ff00fe"));
  using other = passwordHash(principal, secretText("\u00ff\u0000\u00fe"));
  assert.equal(one.byteLength, 32);
  const terms: DigestTerms = {
    nonce: "n",
    nc: "00000001",
    cnonce: "c",
    qop: "auth",
    method: "GET",
    uri: "/",
    body: new Uint8Array(),
  };
  assert.notEqual(digestResponse("MD5", one, terms), digestResponse("MD5", other, terms));
});

const challenge: DigestChallenge = {
  realm: "r",
  nonce: "n",
  algorithm: "MD5",
  qop: ["auth", "auth-int"],
  opaque: 'o"p',
  stale: false,
};
const clientOf = (change: Partial<DigestChallenge> = {}, more: { qop?: "auth" | "auth-int"; auts?: string } = {}) =>
  createDigestClient({
    challenge: { ...challenge, ...change },
    username: "u",
    password: secretText("p"),
    random: seededRandom(3),
    ...more,
  });
const request = { method: "POST", uri: "/a?b", body: toUtf8("body") };

test("challenges are read with what can be answered; other schemes and algorithms are passed over", () => {
  const field =
    'Basic realm="b", Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth-int, auth", opaque="x", stale=TRUE, ' +
    'Digest realm="r", nonce="n", qop="auth", Digest realm="r", nonce="n", algorithm=MD5-sess, qop="auth", ' +
    'Digest realm="r", nonce="n", Digest realm="r", nonce="n", qop="auth-conf"';
  assert.deepEqual(readDigestChallenges(field), [
    { realm: "r", nonce: "n", algorithm: "SHA-256", qop: ["auth", "auth-int"], opaque: "x", stale: true },
    { realm: "r", nonce: "n", algorithm: "MD5", qop: ["auth"], stale: false },
  ]);
  assert.deepEqual(readDigestChallenges(null), []);
  assert.throws(() => readDigestChallenges('Digest realm="r", qop="auth"'), withCode("malformed"));
});

test("an answer names all its terms, counts nc, and never repeats a cnonce", () => {
  using client = clientOf();
  const first = parseCredentials(client.authorize(request).authorization).parameters;
  const second = parseCredentials(client.authorize(request).authorization).parameters;
  assert.equal(first.get("nc"), "00000001");
  assert.equal(second.get("nc"), "00000002");
  assert.notEqual(first.get("cnonce"), second.get("cnonce"));
  assert.equal(first.get("opaque"), 'o"p');
  assert.equal(first.get("uri"), "/a?b");
  assert.equal(first.get("qop"), "auth-int");
  assert.equal(first.get("auts"), undefined);
  using resync = clientOf({}, { auts: digestVectors.ub.auts });
  assert.equal(readClaim(resync.authorize(request).authorization)?.auts, digestVectors.ub.auts);
});

test("a challenge without the wanted qop is a downgrade", () => {
  assert.throws(() => clientOf({ qop: ["auth"] }), withCode("downgrade"));
  assert.throws(() => clientOf({ qop: ["auth-int"] }, { qop: "auth" }), withCode("downgrade"));
  clientOf({ qop: ["auth"] }, { qop: "auth" })[Symbol.dispose]();
});

test("the server's proof is checked: wrong, missing, for other bytes, another request or a weaker qop, none passes", () => {
  using client = clientOf();
  const answer = client.authorize(request);
  const { cnonce = "", nc = "" } = Object.fromEntries(parseCredentials(answer.authorization).parameters);
  using ha1 = passwordHash({ algorithm: "MD5", username: "u", realm: "r" }, secretText("p"));
  const terms = { nonce: "n", nc, cnonce, method: "", uri: request.uri } as const;
  const body = toUtf8("answer");
  const proof = (qop: "auth" | "auth-int", over = body) => digestResponse("MD5", ha1, { ...terms, qop, body: over });
  const good = `qop=auth-int, rspauth="${proof("auth-int")}", cnonce="${cnonce}", nc=${nc}`;
  answer.verify(good, body);
  answer.verify(`rspauth="${proof("auth-int")}"`, body);
  const bad: (string | null)[] = [
    null,
    `qop=auth-int, cnonce="${cnonce}", nc=${nc}`,
    good.replace(/rspauth="./, (start) => `${start.slice(0, -1)}${start.endsWith("0") ? "1" : "0"}`),
    `qop=auth, rspauth="${proof("auth")}", cnonce="${cnonce}", nc=${nc}`,
    `rspauth="${proof("auth")}"`,
    good.replace(cnonce, `${cnonce}0`),
    good.replace(`nc=${nc}`, "nc=00000002"),
    good.replace(proof("auth-int"), ""),
    // Our own response sent back (DESIGN 4.11): its method is not empty.
    good.replace(proof("auth-int"), parseCredentials(answer.authorization).parameters.get("response") ?? ""),
  ];
  for (const info of bad) assert.throws(() => answer.verify(info, body), withCode("auth-failed"), String(info));
  assert.throws(() => answer.verify(good, toUtf8("answer.")), withCode("auth-failed"));
  assert.throws(() => answer.verify("qop", body), withCode("malformed"));
});

test("nextnonce is taken over from a proved response, but not for AKA, whose nonce is a RAND", () => {
  for (const [algorithm, expected] of [["MD5", "next"], ["AKAv1-MD5", "n"]] as const) {
    using client = clientOf({ algorithm });
    const answer = client.authorize(request);
    const claim = readClaim(answer.authorization);
    assert.ok(claim);
    using ha1 = passwordHash({ algorithm, username: "u", realm: "r" }, secretText("p"));
    const rspauth = digestResponse(algorithm, ha1, { ...claim, method: "", body: new Uint8Array() });
    assert.throws(() => answer.verify(`rspauth="${"0".repeat(32)}", nextnonce="evil"`, new Uint8Array()));
    answer.verify(`rspauth="${rspauth}", nextnonce="next"`, new Uint8Array());
    const next = readClaim(client.authorize(request).authorization);
    assert.equal(next?.nonce, expected);
    assert.equal(next?.nc, algorithm === "MD5" ? "00000001" : "00000002");
  }
});

test("a client is renewed by a challenge of its own realm and algorithm alone", () => {
  using client = clientOf();
  client.authorize(request);
  assert.equal(client.renew({ ...challenge, realm: "other", nonce: "m" }), false);
  assert.equal(client.renew({ ...challenge, algorithm: "SHA-256", nonce: "m" }), false);
  assert.equal(client.renew({ ...challenge, qop: ["auth"], nonce: "m" }), false);
  assert.equal(readClaim(client.authorize(request).authorization)?.nonce, "n");
  assert.equal(client.renew({ ...challenge, nonce: "m" }), true);
  const claim = readClaim(client.authorize(request).authorization);
  assert.deepEqual([claim?.nonce, claim?.nc], ["m", "00000001"]);
});

test("claims without every term, with nc 0 or in another scheme are none", () => {
  using client = clientOf();
  const { authorization } = client.authorize(request);
  assert.ok(readClaim(authorization));
  const without = (name: string) => authorization.replace(new RegExp(`${name}=("[^"]*"|[^,]*)(, )?`), "");
  for (const name of ["username", "realm", "nonce", "uri", "response", "cnonce", "qop", "nc"]) {
    assert.equal(readClaim(without(name)), undefined, name);
  }
  assert.equal(readClaim(authorization.replace("nc=00000001", "nc=00000000")), undefined);
  assert.equal(readClaim(authorization.replace("Digest", "Basic")), undefined);
  assert.equal(readClaim(authorization.replace("algorithm=MD5", "algorithm=MD5-sess")), undefined);
  assert.equal(readClaim("Digest"), undefined);
});

test("an empty password is one: RFC 3310's resynchronisation", () => {
  using empty = secretFrom(new Uint8Array());
  using ha1 = passwordHash({ algorithm: "AKAv1-MD5", username: "u", realm: "r" }, empty);
  assert.equal(ha1.byteLength, 32);
});
