/**
 * CoAP over our DTLS, both ends: `node examples/coap.ts` asks its own server; `serve HOST PORT` stays and answers any
 * CoAP client; `get HOST PORT PATH [SUITE...]` asks any CoAP server. The key is text, because libcoap takes no other.
 */
import { Buffer } from "node:buffer";
import process from "node:process";
import { generate, type Packet, parse, type ParsedPacket } from "coap-packet";
import {
  createAssociation,
  createKeyTable,
  rawPsk,
  type SecurityAssociation,
  startLifetime,
} from "../lib/association/mod.ts";
import { secretFrom, webPlatform } from "../mod.ts";
import { type DatagramChannel, dtls } from "../transports/dtls/mod.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const IDENTITY = "Client_identity";
/** 16 bytes: libcoap takes a key as text. */
const KEY = "a key for a test";
/** RFC 7252 9.1.3.1 makes this suite mandatory for CoAP. */
const MANDATORY = "TLS_PSK_WITH_AES_128_CCM_8";
/** RFC 7252 4.8: ACK_TIMEOUT and MAX_RETRANSMIT, without the random factor. */
const ACK_TIMEOUT_MS = 2000;
const MAX_RETRANSMIT = 4;

function associate(role: "initiator" | "responder", serverName: string): SecurityAssociation {
  return createAssociation({
    reference: IDENTITY,
    serverName,
    role,
    peer: { identity: utf8(role === "initiator" ? serverName : IDENTITY), assurance: "psk" },
    origin: rawPsk({ identity: utf8(IDENTITY), key: secretFrom(utf8(KEY)), use: "tls" }),
    lifetime: startLifetime({ clock: webPlatform.clock, seconds: 86_400 }),
    platform: webPlatform,
  });
}

/** The server's one resource, and the answer to everything else; a ping wants a reset (RFC 7252 4.3). */
function answer({ code, confirmable, messageId, token, options }: ParsedPacket): Packet | undefined {
  if (code === "0.00") return confirmable ? { messageId, code, reset: true } : undefined;
  const ours = { messageId, token, ack: confirmable };
  if (code !== "0.01") return { ...ours, code: "4.05" };
  const path = options.filter(({ name }) => name === "Uri-Path").map(({ value }) => String(value)).join("/");
  if (path !== "reading") return { ...ours, code: "4.04" };
  // Text, whose number is 0 and has no bytes.
  const format = { name: "Content-Format", value: Buffer.alloc(0) } as const;
  return { ...ours, code: "2.05", options: [format], payload: Buffer.from("21.5") };
}

/** Undefined for what is no CoAP message. */
function messageIn(payload: Uint8Array): ParsedPacket | undefined {
  try {
    return parse(Buffer.from(payload));
  } catch {
    return undefined;
  }
}

async function attend(channel: DatagramChannel): Promise<void> {
  await using _closed = channel;
  for await (const { payload } of channel) {
    const request = messageIn(payload);
    const response = request && answer(request);
    if (response) await channel.send(generate(response));
  }
}

async function serve(host: string, port: number) {
  const keys = createKeyTable();
  keys.set(utf8(IDENTITY), associate("responder", host));
  const listener = await dtls({ host, port, suites, hint: "CoAP" }).listen(keys, { platform: webPlatform });
  console.log(`listening ${listener.url.href.replace("dtls:", "coaps:")}`);
  void (async () => {
    for await (const channel of listener) attend(channel).catch((error) => console.error(String(error)));
  })();
  return listener;
}

async function get(host: string, port: number, path: string): Promise<ParsedPacket> {
  await using association = associate("initiator", host);
  await using channel = await association.bind(dtls({ host, port, suites }));
  const token = Buffer.from(crypto.getRandomValues(new Uint8Array(4)));
  const options = path.split("/").filter(Boolean)
    .map((segment) => ({ name: "Uri-Path", value: Buffer.from(segment) }) as const);
  const messageId = crypto.getRandomValues(new Uint16Array(1))[0]!;
  const request = generate({ code: "GET", confirmable: true, messageId, token, options });
  // DTLS keeps what is received authentic and in single copies; that it is received at all is CoAP's to see to.
  let tries = 0;
  const say = () => {
    if (tries++ <= MAX_RETRANSMIT) channel.send(request).catch(() => {});
    else void channel[Symbol.asyncDispose]();
  };
  say();
  const again = setInterval(say, ACK_TIMEOUT_MS);
  try {
    for await (const { payload } of channel) {
      const response = messageIn(payload);
      if (!response || response.code === "0.00" || !token.equals(response.token)) continue;
      const { messageId, confirmable } = response;
      if (confirmable) await channel.send(generate({ code: "0.00", ack: true, messageId }));
      return response;
    }
    throw new Error("the server closed");
  } catch (error) {
    throw tries > MAX_RETRANSMIT + 1 ? new Error("no answer", { cause: error }) : error;
  } finally {
    clearInterval(again);
  }
}

const [mode, host = "127.0.0.1", port = "0", path = "/reading", ...named] = process.argv.slice(2);
const suites = named.length > 0 ? named : [MANDATORY, "TLS_PSK_WITH_AES_128_GCM_SHA256"];
if (mode === "serve") {
  await serve(host, Number(port));
} else {
  const own = mode === "get" ? undefined : await serve(host, 0);
  const { code, payload } = await get(host, own ? Number(own.url.port) : Number(port), path);
  console.log(code, new TextDecoder().decode(payload));
  await own?.[Symbol.asyncDispose]();
}
