/** Between node:http's messages and the web's Request and Response, with every size bounded. @module */

import type { IncomingMessage, ServerResponse } from "node:http";
import { SeccfError } from "../../lib/error.ts";

/** Bytes of a body that are read before `too-large`. */
export const BODY_LIMIT: number = 1 << 20;

/** Header fields that speak of the hop, not of the message (RFC 9110 7.6.1): they are not passed on. */
const HOP_BY_HOP = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "te",
  "trailer",
]);

/** Reads the whole body; throws `too-large` beyond `limit` bytes, `closed` when it breaks off. */
export async function readBody(message: IncomingMessage, limit: number = BODY_LIMIT): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const part of message as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > limit) throw new SeccfError("too-large", `a body of more than ${limit} bytes`);
      parts.push(part);
    }
  } catch (cause) {
    throw cause instanceof SeccfError ? cause : new SeccfError("closed", "the body broke off", { cause });
  }
  const body = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    body.set(part, at);
    at += part.length;
  }
  return body;
}

/**
 * A Request for a handler. Its body is read when the handler reads it, so that a stranger who is refused by his header fields
 * costs no memory; beyond `limit` bytes it fails with `too-large`. Throws `malformed` where target or Host field is no URL of ours.
 */
export function toRequest(message: IncomingMessage, scheme: "http" | "https", limit?: number): Request {
  const hosts = message.rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === "host");
  const host = message.headers.host ?? "";
  const target = message.url ?? "/";
  // Only origin form (RFC 9112 3.2.1): an absolute target could name another authority than Host does, and so could a second Host.
  if (hosts.length !== 1 || !target.startsWith("/") || !/^[A-Za-z0-9.\-:[\]]+$/.test(host)) {
    throw new SeccfError("malformed", "no request target of ours", { clause: "RFC 9112 3.2" });
  }
  const method = message.method ?? "GET";
  try {
    const bodiless = method === "GET" || method === "HEAD";
    const init: RequestInit & { readonly duplex: "half" } = {
      method,
      headers: toHeaders(message.rawHeaders),
      duplex: "half",
      ...(bodiless ? {} : { body: bodyOf(message, limit) }),
    };
    return new Request(`${scheme}://${host}${target}`, init);
  } catch (cause) {
    throw new SeccfError("malformed", "no request", { cause });
  }
}

/** The body as it is asked for. A connection that breaks off is `closed` to its reader. */
function bodyOf(message: IncomingMessage, limit: number = BODY_LIMIT): ReadableStream<Uint8Array> {
  const parts = (message as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  let length = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await parts.next().catch((cause: unknown) => {
        throw new SeccfError("closed", "the body broke off", { cause });
      });
      if (done) return controller.close();
      length += value.length;
      if (length > limit) throw new SeccfError("too-large", `a body of more than ${limit} bytes`);
      controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
}

/** Raw name, value, name, value ... to Headers, repeated fields kept. */
export function toHeaders(raw: readonly string[]): Headers {
  const headers = new Headers();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (!HOP_BY_HOP.has(raw[i]!.toLowerCase())) headers.append(raw[i]!, raw[i + 1]!);
  }
  return headers;
}

/** Sends `response` whole, with its length. */
export async function writeResponse(response: Response, out: ServerResponse): Promise<void> {
  const body = new Uint8Array(await response.arrayBuffer());
  const headers: [string, string][] = [];
  response.headers.forEach((value, name) => {
    if (!HOP_BY_HOP.has(name) && name !== "content-length") headers.push([name, value]);
  });
  out.statusCode = response.status;
  for (const [name, value] of headers) out.setHeader(name, value);
  if (response.status !== 204 && response.status !== 304) out.setHeader("content-length", String(body.length));
  await new Promise<void>((resolve) => {
    out.once("close", resolve);
    out.end(body, () => resolve());
  });
}
