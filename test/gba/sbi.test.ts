import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromHex, fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import {
  createNbspHandler,
  decodeInfoRequest,
  decodeInfoResponse,
  enablerOrigin,
  encodeInfoRequest,
  encodeInfoResponse,
  type NafId,
  NBSP_PATH,
  type NbspEvent,
  type NbspHandlerOptions,
  retrieveBootstrappingInfo,
} from "../../lib/gba/mod.ts";
import type { Fetch } from "../../lib/platform.ts";
import { isHex, v, withCode } from "./vectors.ts";
import { answered, IMPI, run, scriptedCentre, scriptedModule, type World, world } from "./world.ts";

const nafId: NafId = { fqdn: v.run.fqdn, ua: fromHex("0100000002") };
const key = v.naf[0]!;
const ENABLER = toUtf8("meter");
const BASE = "https://bsf.example.net/";

test("a request has the members of TS 29.309 6.1.6, and reads back", () => {
  const json = encodeInfoRequest({ btid: v.run.btid, nafId: { ...nafId, fqdn: "NAF.example.com." } });
  assert.deepEqual(JSON.parse(fromUtf8(json)), {
    btId: v.run.btid,
    nafId: { nafFqdn: "naf.example.com", uaSecProtId: "0100000002" },
  });
  assert.deepEqual(decodeInfoRequest(json), { btid: v.run.btid, nafId, gbaUAware: false });
  assert.equal(decodeInfoRequest(encodeInfoRequest({ btid: v.run.btid, nafId, gbaUAware: true })).gbaUAware, true);
  assert.throws(() => encodeInfoRequest({ btid: "x", nafId }), withCode("malformed"));
});

test("a response holds the key as 64 hexadecimal digits, and reads back with its digits blanked", () => {
  const times = { expiresAtWall: Date.UTC(2026, 0, 2), bootstrappedAtWall: Date.UTC(2026, 0, 1) };
  const [mine, uiccKey] = [secretFrom(fromHex(key.ksNaf)), secretFrom(fromHex(key.ksIntNaf))];
  const json = encodeInfoResponse({ key: mine, uiccKey, ...times, gbaType: "3G_GBA", impi: IMPI });
  assert.deepEqual(JSON.parse(fromUtf8(json)), {
    meKeyMaterial: key.ksNaf,
    uiccKeyMaterial: key.ksIntNaf,
    keyExpiryTime: "2026-01-02T00:00:00Z",
    bootstrappingInfoCreationTime: "2026-01-01T00:00:00Z",
    gbaType: "3G_GBA",
    impi: IMPI,
  });
  const info = decodeInfoResponse(json);
  assert.ok(isHex(info.key, key.ksNaf) && info.uiccKey && isHex(info.uiccKey, key.ksIntNaf));
  assert.deepEqual([info.expiresAtWall, info.bootstrappedAtWall], [times.expiresAtWall, times.bootstrappedAtWall]);
  assert.deepEqual([info.gbaType, info.impi], ["3G_GBA", IMPI]);
  assert.ok(!fromUtf8(json).includes(key.ksNaf) && !fromUtf8(json).includes(key.ksIntNaf));
});

test("white space, upper-case digits, member order and unknown members do not matter", () => {
  const text =
    `{ "later" : [1] , "keyExpiryTime":"2026-01-02T00:00:00+00:00","gbaType":"NEW", "meKeyMaterial"\n:\t"${key.ksNaf.toUpperCase()}" }`;
  const info = decodeInfoResponse(toUtf8(text));
  assert.ok(isHex(info.key, key.ksNaf));
  assert.equal(info.gbaType, undefined);
  const request =
    `{"x":{},"btId":"${v.run.btid}","nafId":{"uaSecProtId":"0100000002","nafFqdn":"naf.example.com","y":1},"gsIds":[1]}`;
  assert.deepEqual(decodeInfoRequest(toUtf8(request)), { btid: v.run.btid, nafId, gbaUAware: false });
});

test("requests and responses of another form are malformed or too large", () => {
  const request = fromUtf8(encodeInfoRequest({ btid: v.run.btid, nafId }));
  const badRequests = [
    "",
    "null",
    "[]",
    "{}",
    "1",
    request.slice(1),
    request.replace("0100000002", "010000000"),
    request.replace("0100000002", "010000000g"),
    request.replace("naf.example.com", "127.0.0.1"),
    request.replace("naf.example.com", ""),
    request.replace(v.run.btid, "x"),
    request.replace(/"btId":"[^"]*"/, '"btId":1'),
    request.replace(/"nafId":/, '"nafId":null,"x":'),
    request.replace(/}$/, ',"gbaUAware":"yes"}'),
    request.replace('"btId"', '"__proto__"'),
  ];
  for (const text of badRequests) assert.throws(() => decodeInfoRequest(toUtf8(text)), withCode("malformed"), text);
  const digits = key.ksNaf;
  const badResponses = [
    "{}",
    "",
    `{"meKeyMaterial":"${digits.slice(1)}"}`,
    `{"meKeyMaterial":"${digits}0"}`,
    `{"meKeyMaterial":"${digits.replace(/^./, "g")}"}`,
    `{"meKeyMaterial":"${digits}","meKeyMaterial":"${digits}"}`,
    `{"x":{"meKeyMaterial":"${digits}"}}`,
    `{"\\u006deKeyMaterial":"${digits}"}`,
    `{"meKeyMaterial":"${digits}","uiccKeyMaterial":"x"}`,
    `{"meKeyMaterial":"${digits}","keyExpiryTime":"soon"}`,
    `{"meKeyMaterial":"${digits}","keyExpiryTime":1}`,
    `{"meKeyMaterial":"${digits}","impi":""}`,
    `["meKeyMaterial":"${digits}"]`,
  ];
  for (const text of badResponses) {
    const isMalformed = (error: unknown) =>
      withCode("malformed")(error) && !String((error as Error).cause).includes(digits);
    assert.throws(() => decodeInfoResponse(toUtf8(text)), isMalformed, text);
  }
  for (const decode of [decodeInfoRequest, decodeInfoResponse]) {
    assert.throws(() => decode(new Uint8Array(16_385).fill(0x20)), withCode("too-large"));
    assert.throws(() => decode(toUtf8("[".repeat(16_000))), withCode("malformed"));
    assert.throws(() => decode(Uint8Array.of(0xff)), withCode("malformed"));
  }
});

test("readers of hostile JSON throw nothing but SeccfError", () => {
  const good =
    `{"meKeyMaterial":"${key.ksNaf}","btId":"${v.run.btid}","nafId":{"nafFqdn":"a.b","uaSecProtId":"0100000002"}}`;
  const text = fc.oneof(
    fc.json(),
    fc.tuple(fc.nat(good.length), fc.string({ unit: "binary" })).map(([at, junk]) =>
      good.slice(0, at) + junk + good.slice(at + 3)
    ),
  );
  fc.assert(
    fc.property(text, fc.uint8Array(), (json, bytes) => {
      for (const input of [toUtf8(json), bytes]) {
        for (const decode of [decodeInfoRequest, decodeInfoResponse]) {
          try {
            decode(input.slice());
          } catch (error) {
            assert.ok(error instanceof SeccfError, String(error));
          }
        }
      }
    }),
    { seed: 71, numRuns: 120 },
  );
});

/** A bootstrapped subscriber, and the service face of his BSF. */
async function service(
  more: Partial<NbspHandlerOptions> = {},
): Promise<World & { fetch: Fetch; told: NbspEvent[]; way: Way }> {
  const w = world({ centreFor: () => scriptedCentre(v.run) });
  await run(w, scriptedModule(answered()));
  const told: NbspEvent[] = [];
  const handler = createNbspHandler({
    lookup: w.server.lookup,
    authorise: (identity, { fqdn }) => fromUtf8(identity) === "meter" && fqdn === v.run.fqdn,
    clock: w.clock,
    onEvent: (event) => void told.push(event),
    ...more,
  });
  const fetch: Fetch = (request) => handler(request, { identity: ENABLER });
  return { ...w, fetch, told, way: { fetch, base: BASE, clock: w.clock } };
}
type Way = Omit<Parameters<typeof retrieveBootstrappingInfo>[1], "signal">;

test("an enabler gets the vectors' key for its own name, and how long it lasts by the BSF's clock", async () => {
  const { way, told, clock } = await service();
  await clock.advance(3_600_000);
  // An enabler whose own clock is wrong counts by the BSF's.
  const wrong = { now: () => clock.now(), alarm: clock.alarm.bind(clock), wall: () => 0 };
  const info = await retrieveBootstrappingInfo({ btid: v.run.btid, nafId }, { ...way, clock: wrong });
  assert.ok(info && isHex(info.key, key.ksNaf));
  assert.equal(info.remainingSeconds, 82_800);
  assert.equal(info.impi, undefined);
  assert.deepEqual(told, [{ kind: "delivered", identity: ENABLER, btid: v.run.btid, nafId }]);
  assert.equal(clock.pending, 0);
});

test("the IMPI goes only to enablers that may learn it, Ks_int_NAF only to those that ask", async () => {
  const { way } = await service({ showsImpi: () => true });
  const info = await retrieveBootstrappingInfo({ btid: v.run.btid, nafId, gbaUAware: true }, way);
  assert.equal(info?.impi, IMPI);
  assert.equal(info.uiccKey, undefined);
  const found = {
    ...info,
    key: secretFrom(fromHex(key.ksNaf)),
    uiccKey: secretFrom(fromHex(key.ksIntNaf)),
    impi: IMPI,
  };
  for (const gbaUAware of [true, false]) {
    const lookup = () =>
      Promise.resolve({
        ...found,
        key: secretFrom(fromHex(key.ksNaf)),
        uiccKey: secretFrom(fromHex(key.ksIntNaf)),
        bootstrappedAtWall: 0,
        expiresAtWall: 1e12,
      });
    const inner = await service({ lookup });
    const got = await retrieveBootstrappingInfo({ btid: v.run.btid, nafId, gbaUAware }, inner.way);
    assert.equal(got?.uiccKey !== undefined, gbaUAware);
  }
});

test("an enabler may not ask for another's name, whatever the B-TID, and is told nothing about it", async () => {
  const { way, told, store } = await service();
  const before = store.calls.length;
  for (const btid of [v.run.btid, "x@y"]) {
    const asked = retrieveBootstrappingInfo({ btid, nafId: { ...nafId, fqdn: "other.example.com" } }, way);
    await assert.rejects(
      asked,
      (error) => withCode("key-unavailable")(error) && withCode("auth-failed")((error as Error).cause),
    );
  }
  assert.deepEqual(told.map(({ kind }) => kind), ["forbidden", "forbidden"]);
  assert.equal(store.calls.length, before);
});

test("unknown and expired B-TIDs are not found", async () => {
  const { way, told, clock } = await service();
  assert.equal(await retrieveBootstrappingInfo({ btid: `a${v.run.btid}`, nafId }, way), undefined);
  await clock.advance(86_400_000);
  assert.equal(await retrieveBootstrappingInfo({ btid: v.run.btid, nafId }, way), undefined);
  assert.deepEqual(told.map(({ kind }) => kind), ["unknown", "unknown"]);
});

test("paths, methods, types, sizes and failures have their problem documents", async () => {
  const { fetch, told, store } = await service();
  const body = encodeInfoRequest({ btid: v.run.btid, nafId }).slice();
  const json = { "content-type": "application/json" };
  const post = (init: RequestInit, path = NBSP_PATH) =>
    fetch(new Request(`https://bsf.example.net${path}`, { method: "POST", headers: json, body, ...init }));
  const expected: [number, Promise<Response>][] = [
    [404, post({}, "/nbsp-gba/v1/push-info-retrieval")],
    [405, fetch(new Request(`https://bsf.example.net${NBSP_PATH}`))],
    [415, post({ headers: { "content-type": "text/plain" } })],
    [400, post({ body: "{}" })],
    [413, post({ body: " ".repeat(20_000) })],
    [200, post({ headers: { "content-type": "Application/JSON; charset=utf-8" } }, `/api${NBSP_PATH}`)],
  ];
  for (const [status, response] of expected) {
    const { status: got, headers } = await response;
    assert.equal(got, status);
    assert.equal(headers.get("content-type"), status === 200 ? "application/json" : "application/problem+json");
  }
  store.failAt(1);
  const failed = await post({});
  assert.deepEqual(await failed.json(), { title: "Service Unavailable", status: 503 });
  assert.deepEqual(told.map(({ kind }) => kind), ["failed", "failed", "delivered", "failed"]);
});

test("a Key Manager that answers late, wrongly or never is key-unavailable within the time limit", async () => {
  const w = await service();
  const ask = (fetch: Fetch, more = {}) =>
    retrieveBootstrappingInfo({ btid: v.run.btid, nafId }, { ...w.way, fetch, ...more });
  const causes: [string, Fetch][] = [
    ["unsupported", () => Promise.resolve(new Response(null, { status: 500 }))],
    ["unsupported", () => Promise.resolve(new Response(null, { status: 302 }))],
    ["malformed", () => Promise.resolve(new Response("{}"))],
    ["too-large", () => Promise.resolve(new Response("x".repeat(20_000)))],
  ];
  for (const [code, fetch] of causes) {
    const isCause = (error: unknown) => withCode("key-unavailable")(error) && withCode(code)((error as Error).cause);
    await assert.rejects(ask(fetch), isCause);
  }
  await assert.rejects(ask(() => Promise.reject(new TypeError("no route"))), withCode("key-unavailable"));
  let told: AbortSignal | undefined;
  const never = assert.rejects(
    ask((request) => {
      told = request.signal;
      return new Promise(() => {});
    }),
    withCode("key-unavailable"),
  );
  await w.clock.advance(5000);
  await never;
  assert.ok(told?.aborted);
  const controller = new AbortController();
  const aborted = assert.rejects(ask(() => new Promise(() => {}), { signal: controller.signal }), /enough/);
  await w.clock.settle();
  controller.abort(new Error("enough"));
  await aborted;
  assert.equal(w.clock.pending, 0);
  assert.ok(await ask(w.fetch));
});

test("a lookup that hangs ends in a 503 within the handler's time", async () => {
  const w = await service({ lookup: () => new Promise(() => {}) });
  const hung = retrieveBootstrappingInfo({ btid: v.run.btid, nafId }, { ...w.way, timeoutSeconds: 60 });
  const ended = assert.rejects(hung, withCode("key-unavailable"));
  await w.clock.advance(5000);
  await ended;
  assert.equal(w.clock.pending, 0);
});

test("[SEC_CF-AUTH-002] the enabler's origin has the device's keys under either profile, and shows the same identities", async () => {
  const { way } = await service();
  for (const [uaProfile, psk] of [["oma", v.psk.oma], ["3gpp", v.psk.threeGpp]] as const) {
    await using origin = enablerOrigin({ btid: v.run.btid, serverName: "Naf.Example.com", uaProfile, way });
    using found = await origin.key({ kind: "tls", suite: v.psk.suite });
    assert.ok(isHex(found, psk), uaProfile);
    assert.equal(origin.kind, "gba");
    assert.equal(fromUtf8(origin.identity({ kind: "tls", suite: 1 })), v.psk.identity);
    assert.equal(fromUtf8(origin.identity({ kind: "tls", suite: 1 }, toUtf8("3GPP-bootstrapping"))), v.psk.identity);
    assert.equal(fromUtf8(origin.identity({ kind: "http" })), v.run.btid);
    assert.equal(fromUtf8(origin.identity({ kind: "object", purpose: "message" })), v.run.btid);
    assert.throws(() => origin.identity({ kind: "tls", suite: 1 }, toUtf8("other")), withCode("unsupported"));
    await assert.rejects(origin.key({ kind: "object", purpose: "?" }), RangeError);
  }
  await using forgotten = enablerOrigin({ btid: "a@b", serverName: v.run.fqdn, way });
  await assert.rejects(forgotten.key({ kind: "http" }), withCode("expired"));
});
