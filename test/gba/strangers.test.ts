import assert from "node:assert/strict";
import { test } from "node:test";
import { fromBase64 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { digestResponse, passwordHash } from "../../lib/http/mod.ts";
import { ask, BSF, IMPI, nonceOf, run, URL_, usim, type World, world } from "./world.ts";

const UNKNOWN = "001010999999999@ims.mnc001.mcc001.3gppnetwork.org";

/** All of a response but its nonce. */
async function looks(response: Response): Promise<unknown> {
  const headers = [...response.headers].map(([name, value]) => [name, value.replace(/nonce="[^"]*"/, "nonce")]);
  return { status: response.status, headers, body: await response.text(), length: nonceOf(response).length };
}

/** What a stranger can compute for any name: the response of a resynchronisation, which has an empty password (RFC 3310 3.4). */
function emptyResponse(impi: string, nonce: string): string {
  const claim = { username: impi, realm: BSF, algorithm: "AKAv1-MD5" } as const;
  using nothing = secretFrom(new Uint8Array());
  using ha1 = passwordHash(claim, nothing);
  const terms = { nonce, nc: "00000001", cnonce: "c", qop: "auth-int", method: "GET", uri: "/" } as const;
  return digestResponse(claim.algorithm, ha1, { ...terms, body: new Uint8Array() });
}

/** An answer that a stranger makes up for a nonce that he was given. */
function guess(w: World, impi: string, nonce: string, more = "", response = "0".repeat(32)): Promise<Response> {
  const authorization = `Digest username="${impi}", realm="${BSF}", nonce="${nonce}", uri="/", algorithm=AKAv1-MD5, ` +
    `qop=auth-int, nc=00000001, cnonce="c", response="${response}"${more}`;
  return w.server.handle(new Request(URL_, { headers: { authorization } }));
}

test("an unknown subscriber's challenge looks like a known one's: status, fields, lengths, AMF", async () => {
  const w = world();
  const [known, unknown] = [await ask(w, IMPI), await ask(w, UNKNOWN)];
  const [one, other] = [fromBase64(nonceOf(known)), fromBase64(nonceOf(unknown))];
  assert.deepEqual(one.subarray(22, 24), other.subarray(22, 24));
  assert.notDeepEqual(one, other);
  assert.deepEqual(await looks(known), await looks(unknown));
});

test("operators with another AMF and longer RES tell it, and false challenges follow", async () => {
  const w = world({ looks: { amf: Uint8Array.of(0x12, 0x34), resLength: 16 } });
  const nonce = fromBase64(nonceOf(await ask(w, UNKNOWN)));
  assert.deepEqual([...nonce.subarray(22, 24)], [0x12, 0x34]);
});

test("wrong answers, wrong realms, wrong targets and bogus AUTS are answered as a first question is, known or not", async () => {
  for (const impi of [IMPI, UNKNOWN]) {
    const w = world();
    const first = await ask(w, impi);
    const nonce = nonceOf(first);
    const expected = await looks(first);
    const auts = `, auts="${btoa("a".repeat(14))}"`;
    const rest = 'uri="/", algorithm=AKAv1-MD5, qop=auth-int, nc=00000001, cnonce="c"';
    const full = `Digest username="${impi}", realm="${BSF}", nonce="${nonce}", ${rest}, response="${"0".repeat(32)}"`;
    const fields = [
      full,
      full + auts,
      full + ', auts="?"',
      full.replace(`realm="${BSF}"`, 'realm="evil.example"'),
      full.replace('uri="/"', 'uri="/other"'),
      full.replace("auth-int", "auth"),
      full.replace("AKAv1", "AKAv2"),
      full.replace("AKAv1-MD5", "MD5"),
      full.replace(nonce, btoa("x".repeat(32))),
      full.replace(/, nc=.*?,/, ","),
      full.replace(/response="0+"/, 'response="zz"'),
    ];
    for (const authorization of fields) {
      const response = await w.server.handle(new Request(URL_, { headers: { authorization } }));
      assert.equal(nonceOf(response), nonce, authorization);
      assert.deepEqual(await looks(response), expected);
    }
    assert.equal(w.events.filter(({ kind }) => kind === "refused").length, fields.length);
    assert.equal(w.centre.asked.filter((asked) => asked === UNKNOWN).length > 0, impi === UNKNOWN);
    if (impi === IMPI) assert.equal(w.centre.asked.filter((asked) => asked === IMPI).length, 1);
  }
});

test("true and false challenges stay within a period and change with it, each name at its own moment", async () => {
  const changes = new Map<string, number[]>();
  for (const impi of [IMPI, UNKNOWN, `2${UNKNOWN}`, `3${UNKNOWN}`]) {
    const w = world();
    const at: number[] = [];
    let last = nonceOf(await ask(w, impi));
    for (let second = 10; second <= 900; second += 10) {
      await w.clock.advance(10_000);
      const nonce = nonceOf(await ask(w, impi));
      if (nonce !== last) at.push(second);
      last = nonce;
    }
    changes.set(impi, at);
  }
  for (const [impi, at] of changes) {
    assert.equal(at.length, 3, impi);
    assert.deepEqual([at[1]! - at[0]!, at[2]! - at[1]!], [300, 300], impi);
  }
  assert.ok(new Set([...changes.values()].map(([first]) => first)).size > 1);
});

test("false challenges are the same in every process that has the secret, and nobody else's", async () => {
  const [one, other] = [world(), world()];
  assert.equal(nonceOf(await ask(one, UNKNOWN)), nonceOf(await ask(other, UNKNOWN)));
  const { secretRandom } = await import("../../lib/crypto/mod.ts");
  const foreign = world({ wrappingKey: secretRandom(32, (out) => void out.fill(9)) });
  assert.notEqual(nonceOf(await ask(foreign, UNKNOWN)), nonceOf(await ask(one, UNKNOWN)));
});

test("known or not, asked first or again, answered wrongly or resynchronised: the store is called alike", async () => {
  const auts = `, auts="${btoa("a".repeat(14))}"`;
  const traces: string[][] = [];
  for (const impi of [IMPI, UNKNOWN]) {
    const w = world();
    const trace: string[] = [];
    let nonce = "";
    const steps: (() => Promise<Response>)[] = [
      () => ask(w, impi),
      () => ask(w, impi),
      () => guess(w, impi, nonce),
      () => guess(w, impi, nonce, auts),
      () => guess(w, impi, btoa("x".repeat(32)), auts),
      () => guess(w, impi, nonce, ', auts="?"'),
      () => guess(w, impi, nonce, auts, emptyResponse(impi, nonce)),
      () => guess(w, impi, nonce, ', auts="?"', emptyResponse(impi, nonce)),
    ];
    for (const step of steps) {
      const before = w.store.calls.length;
      const asked = w.centre.asked.length;
      nonce = nonceOf(await step());
      trace.push(`${w.store.calls.slice(before).join()} ${w.centre.asked.length - asked}`);
    }
    traces.push(trace);
  }
  assert.deepEqual(traces[0], traces[1]);
});

test("ten thousand strangers leave store, memory of them and subscribers' numbers as they were", async () => {
  const w = world();
  await ask(w, IMPI);
  for (let i = 0; i < 10_000; i++) await ask(w, `${i}@ims.mnc001.mcc001.3gppnetwork.org`);
  // The subscriber's challenge, and the one decoy of this process.
  assert.equal(w.store.keys.size, 2);
  assert.equal(w.centre.asked.filter((impi) => impi === IMPI).length, 1);
  assert.equal(w.clock.pending, 0);
  await run(w, await usim());
});

test("ten thousand who ask for one subscriber get one challenge and burn one sequence number, together or in turn", async () => {
  const w = world();
  const nonces = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const together = await Promise.all(Array.from({ length: 100 }, () => ask(w, IMPI)));
    for (const response of together) nonces.add(nonceOf(response));
  }
  assert.equal(nonces.size, 1);
  assert.equal(w.centre.asked.filter((impi) => impi === IMPI).length, 1);
  assert.equal(w.store.keys.size, 2);
  // And the subscriber can still answer it.
  await run(w, await usim());
  assert.equal(w.centre.asked.filter((impi) => impi === IMPI).length, 1);
});

test("wrong guesses do not use up the vector either", async () => {
  const w = world();
  const nonce = nonceOf(await ask(w, IMPI));
  for (let i = 0; i < 200; i++) assert.equal(nonceOf(await guess(w, IMPI, nonce)), nonce);
  await run(w, await usim());
  assert.equal(w.centre.asked.filter((impi) => impi === IMPI).length, 1);
});

test("requests that name nobody, or in a way nobody has, are refused without a challenge", async () => {
  const w = world();
  const send = (authorization: string | undefined, init: RequestInit = {}) =>
    w.server.handle(new Request(URL_, { ...init, headers: authorization === undefined ? {} : { authorization } }));
  const long = `Digest username="${"a".repeat(254)}", nonce="", response=""`;
  for (
    const field of [
      undefined,
      "",
      "Basic YTpi",
      "Digest",
      'Digest username=""',
      'Digest realm="x"',
      long,
      "Digest a=b,a=c",
    ]
  ) {
    const response = await send(field);
    assert.equal(response.status, 400, field);
    assert.equal(response.headers.get("www-authenticate"), null);
  }
  assert.equal((await send("Digest", { method: "POST", body: "x" })).status, 405);
  assert.deepEqual(w.store.calls, []);
  assert.equal((await send(`Digest username="${"a".repeat(253)}", nonce="", response=""`)).status, 401);
});
