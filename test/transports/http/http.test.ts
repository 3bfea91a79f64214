import assert from "node:assert/strict";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { test } from "node:test";
import { createAssociation, createKeyTable, rawPsk, type Role, startLifetime } from "../../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../../lib/bytes/mod.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import { SeccfError } from "../../../lib/error.ts";
import { type Handler, httpOver, plainHttp, serveHttp, serveHttpOver } from "../../../transports/http/mod.ts";
import { tls } from "../../../transports/tls/mod.ts";
import { webPlatform } from "../../../web_platform.ts";

const NAME = "bsf.example.net";

function associate(role: Role) {
  using key = secretFrom(new Uint8Array(32).fill(1));
  return createAssociation({
    ...{ reference: "enabler-1", serverName: NAME, role, platform: webPlatform },
    peer: { identity: toUtf8(role === "initiator" ? NAME : "enabler-1"), assurance: "psk" },
    origin: rawPsk({ identity: toUtf8("enabler-1"), key, use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 60 }),
  });
}

const describe: Handler = async (request, peer) =>
  Response.json({
    ...{ method: request.method, url: request.url, body: await request.text() },
    peer: peer && fromUtf8(peer.identity),
  }, { headers: { "x-kept": "yes" } });

test("plain HTTP carries a request and its answer, and names stay names", async () => {
  await using server = await serveHttp(describe, { port: 0 });
  await using client = plainHttp({ resolve: { [NAME]: server.url.host } });
  const request = new Request(`http://${NAME}/path?q=1`, { method: "POST", body: "hello" });
  const response = await client.fetch(request);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get("x-kept"), "yes");
  assert.deepEqual(await response.json(), { method: "POST", url: `http://${NAME}/path?q=1`, body: "hello" });
});

test("HTTP inside PSK-TLS tells the handler who asks, request after request", async () => {
  const keys = createKeyTable();
  keys.set(toUtf8("enabler-1"), associate("responder"));
  const listener = await tls({ host: "127.0.0.1", port: 0 }).listen(keys, { platform: webPlatform });
  await using _server = serveHttpOver(listener, describe);
  await using association = associate("initiator");
  await using client = httpOver(() => association.bind(tls({ host: "127.0.0.1", port: Number(listener.url.port) })));
  for (const body of ["one", "two", "three"]) {
    const response = await client.fetch(new Request(`https://${NAME}/`, { method: "POST", body }));
    assert.deepEqual(await response.json(), { method: "POST", url: `https://${NAME}/`, body, peer: "enabler-1" });
  }
});

test("many requests at the same time each get their own answer", async () => {
  await using server = await serveHttp(describe, { port: 0 });
  await using client = plainHttp();
  const asked = Array.from({ length: 40 }, (_, i) => `body ${i}`);
  const answers = await Promise.all(asked.map(async (body) => {
    const response = await client.fetch(new Request(server.url, { method: "POST", body }));
    return (await response.json()).body;
  }));
  assert.deepEqual(answers, asked);
});

test("a body beyond the limit is refused, and the next request works", async () => {
  await using server = await serveHttp(describe, { port: 0 });
  await using client = plainHttp();
  const tooLarge = new Uint8Array((1 << 20) + 1);
  const refused = await client.fetch(new Request(server.url, { method: "POST", body: tooLarge })).then(
    ({ status }) => status,
    (error: SeccfError) => error.code, // the server may have hung up before all was written
  );
  assert.ok(refused === 413 || refused === "unreachable", String(refused));
  assert.equal((await client.fetch(new Request(server.url))).status, 200);
});

test("what a handler throws becomes a status without words", async () => {
  const throwing: Handler = ({ url }) => {
    if (url.endsWith("/key")) throw new SeccfError("key-unavailable", "a secret reason");
    if (url.endsWith("/bad")) throw new SeccfError("malformed", "a secret reason");
    throw new Error("a secret reason");
  };
  await using server = await serveHttp(throwing, { port: 0 });
  await using client = plainHttp();
  for (const [path, status] of [["key", 503], ["bad", 400], ["", 500]] as const) {
    const response = await client.fetch(new Request(new URL(path, server.url)));
    assert.equal(response.status, status);
    assert.equal(await response.text(), "");
  }
});

test("nobody there is unreachable, an aborted request says why, and TLS is not pretended", async () => {
  await using client = plainHttp();
  const gone = await serveHttp(describe, { port: 0 });
  await gone[Symbol.asyncDispose]();
  await assert.rejects(client.fetch(new Request(gone.url)), { code: "unreachable" });
  const aborted = AbortSignal.abort(new Error("changed my mind"));
  await assert.rejects(client.fetch(new Request(gone.url, { signal: aborted })), /changed my mind|aborted/);
  await assert.rejects(client.fetch(new Request("https://127.0.0.1:1/")), { code: "unsupported" });
});

test("a port that is taken is unreachable to who wants to listen on it", async () => {
  await using server = await serveHttp(describe, { port: 0 });
  await assert.rejects(serveHttp(describe, { port: Number(server.url.port) }), { code: "unreachable" });
});

/** What the server answers to these bytes, written as they are. The connection is closed when \`enough\` has come. */
async function raw(url: URL, text: string, enough = "\r\n\r\n"): Promise<string> {
  const socket = connect(Number(url.port), url.hostname);
  socket.on("error", () => undefined); // the server may hang up
  socket.write(text);
  let answer = "";
  for await (const bytes of socket) {
    answer += bytes;
    if (answer.includes(enough)) break;
  }
  return answer;
}

test("requests that two readers would read in two ways are refused: two hosts, two lengths, another authority", async () => {
  let heard = 0;
  await using server = await serveHttp(() => new Response(String(++heard)), { port: 0 });
  const fields = [
    "GET / HTTP/1.1\r\nHost: a.example\r\nHost: b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a@b.example\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET http://b.example/ HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "POST / HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
  ];
  for (const text of fields) assert.match(await raw(server.url, text), /^HTTP\/1\.1 400 /, text);
  assert.equal(heard, 0);
  assert.match(await raw(server.url, "GET / HTTP/1.1\r\nHost: a.example\r\n\r\n"), /^HTTP\/1\.1 200 /);
});

test("a body that the handler does not want is not waited for", async () => {
  await using server = await serveHttp(({ headers }) => new Response(null, { status: headers.has("x") ? 200 : 401 }), {
    port: 0,
  });
  const head = "POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1000000\r\n\r\nno more than this";
  assert.match(await raw(server.url, head), /^HTTP\/1\.1 401 /);
});

test("a request that is aborted while its answer comes says why", async () => {
  const half = createServer((_, out) => void out.writeHead(200, { "content-length": "100" }).write("half"));
  await new Promise<void>((resolve) => half.listen(0, "127.0.0.1", resolve));
  const { port } = half.address() as AddressInfo;
  await using client = plainHttp();
  const controller = new AbortController();
  const fetching = client.fetch(new Request(`http://127.0.0.1:${port}/`, { signal: controller.signal }));
  setTimeout(() => controller.abort(new Error("changed my mind")), 50);
  await assert.rejects(fetching, /changed my mind|aborted/);
  half.closeAllConnections();
  await new Promise((resolve) => half.close(resolve));
});
