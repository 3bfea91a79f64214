import assert from "node:assert/strict";
import { test } from "node:test";
import type { Binding, SecurityAssociation } from "../../lib/association/mod.ts";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { createApplicationClient } from "../../lib/gba/mod.ts";
import { createDigestServer, type DigestAlgorithm, readBody } from "../../lib/http/mod.ts";
import type { Fetch } from "../../lib/platform.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { secretText } from "../http/vectors.ts";
import { v, withCode } from "./vectors.ts";

const key = v.naf[0]!;
const ORIGIN = `https://${v.run.fqdn}`;

/** The part of an association that Ua over HTTP uses. */
function associationOf(btid = v.run.btid): SecurityAssociation & { readonly bindings: Binding[]; asked: number } {
  const bindings: Binding[] = [];
  const unused = () => {
    throw new TypeError("not in this test");
  };
  const association = {
    id: new Uint8Array(8),
    serverName: v.run.fqdn,
    peer: { identity: toUtf8(v.run.fqdn), assurance: "digest" as const },
    role: "initiator" as const,
    origin: "gba" as const,
    expiresAt: Infinity,
    expired: false,
    weakest: undefined,
    bindings,
    asked: 0,
    find() {
      association.asked++;
      return Promise.resolve({ identity: toUtf8(btid), key: secretFrom(fromHex(key.ksNaf)), association });
    },
    bound: (binding: Binding) => void bindings.push(binding),
    bind: unused,
    sealer: unused,
    snapshot: unused,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return association;
}

interface Enabler {
  readonly fetch: Fetch;
  readonly seen: Request[];
  readonly clock: VirtualClock;
}

/** An enabler that echoes what authenticated subscribers send; its password is the base64 of the vectors' Ks_NAF. */
function enabler(
  { algorithms = ["SHA-256", "MD5"], realm = `3GPP-bootstrapping@${v.run.fqdn}` }: {
    algorithms?: readonly DigestAlgorithm[];
    realm?: string;
  } = {},
): Enabler {
  const clock = new VirtualClock();
  const seen: Request[] = [];
  const server = createDigestServer({
    realm,
    algorithms,
    qop: ["auth-int"],
    clock,
    random: seededRandom(81),
    find: (btid) => Promise.resolve(btid === v.run.btid ? { password: secretText(key.ksNafBase64) } : undefined),
  });
  const fetch: Fetch = async (request) => {
    seen.push(request.clone() as Request);
    const { pathname, search } = new URL(request.url);
    const body = await readBody(request, 1e6);
    const { method } = request;
    const authorization = request.headers.get("authorization");
    const outcome = await server.verify({ authorization, method, uri: pathname + search, body });
    const headers = new Headers();
    if (outcome.kind === "challenge") {
      for (const challenge of outcome.challenges) headers.append("www-authenticate", challenge);
      return new Response(null, { status: 401, headers });
    }
    headers.set("authentication-info", outcome.info(body));
    return new Response(body.length > 0 ? body.slice() : null, { status: body.length > 0 ? 200 : 204, headers });
  };
  return { fetch, seen, clock };
}

const clientOf = (fetch: Fetch, association = associationOf(), bodyLimit?: number) =>
  createApplicationClient({
    association,
    fetch,
    random: seededRandom(82),
    ...(bodyLimit === undefined ? {} : { bodyLimit }),
  });

const post = (text: string, path = "/a?b=1") => new Request(`${ORIGIN}${path}`, { method: "POST", body: text });

test("[SEC_CF-AUTH-001] [SEC_CF-AUTH-002] requests are proved with the vectors' Ks_NAF, responses too, with every algorithm TS 24.109 and RFC 7616 name", async () => {
  for (const algorithm of ["MD5", "SHA-256", "SHA-512-256"] as const) {
    const { fetch, seen } = enabler({ algorithms: [algorithm] });
    const association = associationOf();
    using client = clientOf(fetch, association);
    for (const text of ["one", "two"]) assert.equal(await (await client.fetch(post(text))).text(), text);
    assert.equal((await client.fetch(new Request(`${ORIGIN}/`))).status, 204);
    // One challenge, then one request each; the key was asked for once.
    assert.equal(seen.length, 4);
    assert.equal(association.asked, 1);
    assert.deepEqual(association.bindings, Array(3).fill({ carrier: "http", strength: 0 }));
  }
});

test("the first request shows neither body nor identity, and says that a key can be bootstrapped", async () => {
  const { fetch, seen } = enabler();
  using client = clientOf(fetch);
  await client.fetch(post("secret"));
  assert.equal(await seen[0]?.text(), "");
  assert.equal(seen[0]?.headers.get("authorization"), null);
  for (const request of seen) assert.match(request.headers.get("user-agent") ?? "", /(^| )3gpp-gba$/);
  assert.match(seen[1]?.headers.get("authorization") ?? "", /algorithm=SHA-256/);
});

test("many first requests at once are all answered", async () => {
  const { fetch } = enabler();
  using client = clientOf(fetch);
  const texts = Array.from({ length: 10 }, (_, i) => `text ${i}`);
  const answers = await Promise.all(texts.map(async (text) => (await client.fetch(post(text))).text()));
  assert.deepEqual(answers, texts);
});

test("a stale nonce is renewed without asking for the key again", async () => {
  const { fetch, seen, clock } = enabler();
  const association = associationOf();
  using client = clientOf(fetch, association);
  await client.fetch(post("one"));
  await clock.advance(300_000);
  assert.equal(await (await client.fetch(post("two"))).text(), "two");
  assert.equal(seen.length, 4);
  assert.equal(association.asked, 1);
});

test("a wrong key, another name's challenge, or an enabler that asks for nothing: each has its code", async () => {
  const { fetch } = enabler();
  await assert.rejects(clientOf(fetch, associationOf("x@y")).fetch(post("x")), withCode("auth-failed"));
  for (
    const realm of ["3GPP-bootstrapping@other.example.com", v.run.fqdn, `3GPP-bootstrapping-uicc@${v.run.fqdn}`, "x"]
  ) {
    await assert.rejects(clientOf(enabler({ realm }).fetch).fetch(post("x")), withCode("wrong-realm"), realm);
  }
  const listed = enabler({ realm: `3GPP-bootstrapping-uicc@${v.run.fqdn};3GPP-bootstrapping@${v.run.fqdn}` });
  assert.equal(await (await clientOf(listed.fetch).fetch(post("x"))).text(), "x");
  await assert.rejects(clientOf(() => Promise.resolve(new Response("x"))).fetch(post("x")), withCode("auth-failed"));
  await assert.rejects(
    clientOf(enabler({ algorithms: ["AKAv1-MD5"] }).fetch).fetch(post("x")),
    withCode("unsupported"),
  );
  await assert.rejects(clientOf(fetch).fetch(new Request("https://other.example.com/")), withCode("wrong-realm"));
});

test("a response that is changed, stripped of its proof or too large does not reach the caller", async () => {
  const { fetch } = enabler();
  const changes: [string, (response: Response, body: string) => Response][] = [
    ["auth-failed", (response, body) => new Response(`${body}.`, response)],
    ["auth-failed", (_, body) => new Response(body)],
    ["auth-failed", () => new Response(null, { status: 500 })],
    ["too-large", (response) => new Response("x".repeat(101), response)],
  ];
  for (const [code, change] of changes) {
    const between: Fetch = async (request) => {
      const response = await fetch(request);
      return response.status === 401 ? response : change(response, await response.text());
    };
    const association = associationOf();
    await assert.rejects(clientOf(between, association, 100).fetch(post("x")), withCode(code));
    assert.deepEqual(association.bindings, []);
  }
  await assert.rejects(clientOf(fetch, associationOf(), 100).fetch(post("x".repeat(101))), withCode("too-large"));
});
