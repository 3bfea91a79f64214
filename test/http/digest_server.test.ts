import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import {
  createDigestClient,
  createDigestServer,
  type DigestAlgorithm,
  type DigestOutcome,
  type DigestServer,
  readDigestChallenges,
} from "../../lib/http/mod.ts";
import { seededRandom, VirtualClock } from "../support/virtual.ts";
import { secretText, withCode } from "./vectors.ts";

interface Setup {
  readonly clock: VirtualClock;
  readonly server: DigestServer<{ readonly id: number }>;
  readonly asked: string[];
}

function setup(capacity?: number, algorithms?: readonly DigestAlgorithm[], seed = 5): Setup {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const server = createDigestServer({
    realm: "realm@example.net",
    clock,
    random: seededRandom(seed),
    ...(capacity === undefined ? {} : { capacity }),
    ...(algorithms === undefined ? {} : { algorithms }),
    find(username) {
      asked.push(username);
      return Promise.resolve(username.startsWith("user") ? { id: 7, password: secretText("secret") } : undefined);
    },
  });
  return { clock, server, asked };
}

const request = { method: "PUT", uri: "/x?y=1", body: toUtf8("hello") };

async function challengesOf({ server }: Setup, binding = ""): Promise<readonly string[]> {
  const outcome = await server.verify({ ...request, authorization: null, binding });
  assert.equal(outcome.kind, "challenge");
  return outcome.kind === "challenge" ? outcome.challenges : [];
}

async function clientFor(
  setup: Setup,
  { username = "user", password = "secret", qop = "auth-int" as const, binding = "", index = 0 } = {},
) {
  const [challenge] = readDigestChallenges((await challengesOf(setup, binding))[index] ?? null);
  assert.ok(challenge);
  return createDigestClient({ challenge, username, password: secretText(password), qop, random: seededRandom(6) });
}

function reasonOf(outcome: DigestOutcome<unknown>): string {
  return outcome.kind === "challenge" ? outcome.reason : outcome.kind;
}

const isStale = (outcome: DigestOutcome<unknown>): boolean =>
  outcome.kind === "challenge" && outcome.challenges.every((one) => one.includes("stale=true"));

test("client and server agree with every algorithm, and each proves itself to the other", async () => {
  const algorithms: DigestAlgorithm[] = ["MD5", "SHA-256", "SHA-512-256", "AKAv1-MD5", "AKAv2-MD5"];
  for (const algorithm of algorithms) {
    const world = setup(undefined, [algorithm]);
    using server = world.server;
    using client = await clientFor(world);
    for (let round = 0; round < 3; round++) {
      const answer = client.authorize(request);
      const outcome = await server.verify({ ...request, authorization: answer.authorization });
      assert.equal(outcome.kind, "authenticated", algorithm);
      if (outcome.kind !== "authenticated") return;
      using proved = outcome;
      assert.deepEqual([proved.username, proved.found.id], ["user", 7]);
      answer.verify(proved.info(toUtf8("response")), toUtf8("response"));
      assert.throws(() => answer.verify(proved.info(toUtf8("response")), toUtf8("other")), withCode("auth-failed"));
    }
  }
});

test("both algorithms are offered, the stronger first, with the same realm", async () => {
  const challenges = (await challengesOf(setup())).map((field) => readDigestChallenges(field)[0]);
  assert.deepEqual(challenges.map((challenge) => challenge?.algorithm), ["SHA-256", "MD5"]);
  assert.deepEqual(challenges.map((challenge) => challenge?.realm), ["realm@example.net", "realm@example.net"]);
});

test("an unknown user and a wrong password get the same answer, but for the nonces", async () => {
  const world = setup();
  const answers: unknown[] = [];
  for (const who of [{ username: "stranger" }, { password: "wrong" }]) {
    using client = await clientFor(world, who);
    const outcome = await world.server.verify({ ...request, authorization: client.authorize(request).authorization });
    assert.equal(reasonOf(outcome), "auth-failed");
    assert.ok(outcome.kind === "challenge");
    answers.push(outcome.challenges.map((field) => field.replace(/nonce="[^"]{64}"/, "nonce")));
  }
  assert.deepEqual(answers[0], answers[1]);
});

test("a change of method, target, body or any term is refused", async () => {
  const world = setup();
  using client = await clientFor(world);
  const { authorization } = client.authorize(request);
  const attempts = [
    { ...request, method: "GET", authorization },
    { ...request, uri: "/x?y=2", authorization },
    { ...request, body: toUtf8("hello!"), authorization },
    { ...request, authorization: authorization.replace("nc=00000001", "nc=00000002") },
    { ...request, authorization: authorization.replace('realm="realm@', 'realm="Realm@') },
    { ...request, authorization: authorization.replace("qop=auth-int", "qop=auth") },
    { ...request, authorization: authorization.replace("algorithm=SHA-256", "algorithm=MD5") },
    { ...request, authorization: authorization.replace("algorithm=SHA-256, ", "") },
    { ...request, authorization: "Digest" },
    { ...request, authorization: "Basic YTpi" },
    { ...request, authorization: "\u0000" },
  ];
  for (const attempt of attempts) assert.equal((await world.server.verify(attempt)).kind, "challenge");
  assert.equal((await world.server.verify({ ...request, authorization })).kind, "authenticated");
});

test("a replayed request is refused with a fresh nonce, and a lost one may be overtaken", async () => {
  const world = setup();
  using client = await clientFor(world);
  const fields = Array.from({ length: 70 }, () => client.authorize(request).authorization);
  const verify = async (index: number) =>
    reasonOf(await world.server.verify({ ...request, authorization: fields[index]! }));
  assert.equal(await verify(1), "authenticated");
  assert.equal(await verify(0), "authenticated");
  assert.equal(await verify(0), "replayed");
  assert.equal(await verify(1), "replayed");
  assert.equal(await verify(69), "authenticated");
  assert.equal(await verify(6), "authenticated");
  assert.equal(await verify(6), "replayed");
  assert.equal(await verify(5), "replayed", "too far behind to tell");
  assert.ok(isStale(await world.server.verify({ ...request, authorization: fields[0]! })));
});

test("nonces expire by the monotonic clock, and a stale one is told before any password is looked for", async () => {
  const world = setup();
  using client = await clientFor(world);
  const { authorization } = client.authorize(request);
  world.clock.setWall(0);
  assert.equal((await world.server.verify({ ...request, authorization })).kind, "authenticated");
  await world.clock.advance(299_999);
  assert.equal(
    (await world.server.verify({ ...request, authorization: client.authorize(request).authorization })).kind,
    "authenticated",
  );
  const asked = world.asked.length;
  await world.clock.advance(1);
  const outcome = await world.server.verify({ ...request, authorization: client.authorize(request).authorization });
  assert.equal(reasonOf(outcome), "stale");
  assert.ok(isStale(outcome));
  assert.equal(world.asked.length, asked);
});

test("a nonce of another server, binding, algorithm or with any bit changed is stale, and costs no look-up", async () => {
  const world = setup();
  const nonces = new Map<string, string>();
  for (
    const [name, from, binding, index] of [
      ["other", setup(undefined, undefined, 99), "", 0],
      ["bound", world, "b", 0],
      [
        "md5",
        world,
        "",
        1,
      ],
    ] as const
  ) {
    const nonce = readDigestChallenges((await challengesOf(from, binding))[index] ?? null)[0]?.nonce;
    nonces.set(name, nonce ?? "");
  }
  using client = await clientFor(world);
  const { authorization } = client.authorize(request);
  const own = /[^c]nonce="([^"]*)"/.exec(authorization)?.[1] ?? "";
  const bytes = Uint8Array.from(atob(own), (character) => character.charCodeAt(0));
  for (let bit = 0; bit < bytes.length * 8; bit += 5) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    nonces.set(`bit ${bit}`, btoa(String.fromCharCode(...flipped)));
  }
  for (const text of ["x", own.slice(4), `${own}AAAA`, own.replace(/.$/, "=")]) nonces.set(text, text);
  for (const [name, nonce] of nonces) {
    const outcome = await world.server.verify({ ...request, authorization: authorization.replace(own, nonce) });
    assert.equal(reasonOf(outcome), "stale", name);
  }
  assert.deepEqual(world.asked, []);
  assert.equal((await world.server.verify({ ...request, authorization })).kind, "authenticated");
});

test("ten thousand strangers leave nothing behind that would push out a user", async () => {
  const world = setup(2);
  using user = await clientFor(world);
  assert.equal(
    (await world.server.verify({ ...request, authorization: user.authorize(request).authorization })).kind,
    "authenticated",
  );
  for (let i = 0; i < 2_500; i++) {
    await challengesOf(world);
    using stranger = await clientFor(world, { username: "stranger" });
    const { authorization } = stranger.authorize(request);
    assert.equal(reasonOf(await world.server.verify({ ...request, authorization })), "auth-failed");
  }
  assert.equal(
    (await world.server.verify({ ...request, authorization: user.authorize(request).authorization })).kind,
    "authenticated",
  );
});

test("beyond its capacity the server forgets the oldest nonces, which are stale from then on, never good again", async () => {
  const world = setup(4);
  const clients = [];
  const first: string[] = [];
  for (let i = 0; i < 8; i++) {
    await world.clock.advance(1);
    const client = await clientFor(world);
    clients.push(client);
    const { authorization } = client.authorize(request);
    first.push(authorization);
    assert.equal((await world.server.verify({ ...request, authorization })).kind, "authenticated");
  }
  for (const authorization of first) {
    assert.equal(reasonOf(await world.server.verify({ ...request, authorization })), "replayed");
  }
  const reasons = [];
  for (const client of clients) {
    reasons.push(
      reasonOf(await world.server.verify({ ...request, authorization: client.authorize(request).authorization })),
    );
  }
  assert.equal(reasons[0], "replayed");
  assert.equal(reasons[7], "authenticated");
  for (const client of clients) client[Symbol.dispose]();
});

test("what the look-up throws passes through, and nothing to offer is refused", async () => {
  const clock = new VirtualClock();
  const options = { realm: "r", clock, random: seededRandom(1), find: () => Promise.reject(new TypeError("down")) };
  const server = createDigestServer(options);
  const world: Setup = { clock, server: server as Setup["server"], asked: [] };
  using client = await clientFor(world);
  await assert.rejects(
    server.verify({ ...request, authorization: client.authorize(request).authorization }),
    TypeError,
  );
  assert.throws(() => createDigestServer({ ...options, algorithms: [] }), RangeError);
});

test("who has a password of his own can not use up the counts of another's nonce", async () => {
  const world = setup();
  const [field] = await challengesOf(world);
  const [challenge] = readDigestChallenges(field ?? null);
  assert.ok(challenge);
  const of = (username: string) =>
    createDigestClient({ challenge, username, password: secretText("secret"), random: seededRandom(6) });
  using victim = of("user");
  const answer = async ({ authorization }: { readonly authorization: string }) =>
    reasonOf(await world.server.verify({ ...request, authorization }));
  assert.equal(await answer(victim.authorize(request)), "authenticated");
  using thief = of("user-2");
  for (let i = 0; i < 100; i++) assert.equal(await answer(thief.authorize(request)), "authenticated");
  assert.equal(await answer(victim.authorize(request)), "authenticated");
});
