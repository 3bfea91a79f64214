/** `fetch` where the runtime's own will not do: names resolved by a table, or requests inside a secure channel. @module */

import { Agent, type ClientRequestArgs, type IncomingMessage, request as httpRequest } from "node:http";
import type { SecureChannel } from "../../lib/association/ports.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Fetch } from "../../lib/platform.ts";
import { readBody, toHeaders } from "./message.ts";
import { channelSocket } from "./socket.ts";

/** A `fetch` with connections of its own, to be disposed. */
export interface HttpClient extends AsyncDisposable {
  /** Throws `unreachable`, `closed`, `too-large`, or the reason of an aborted signal. */
  readonly fetch: Fetch;
}

/** What {@link plainHttp} takes. */
export interface PlainHttpOptions {
  /** `host` or `host:port` to the `host:port` to connect to, as curl's `--resolve`: the names in URLs and Host fields stay. */
  readonly resolve?: Readonly<Record<string, string>>;
}

/** Plain HTTP, for loopback. Throws `unreachable`, `closed`, `too-large`; never follows a redirect. */
export function plainHttp(options: PlainHttpOptions = {}): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 32 });
  return {
    fetch: (request) => {
      const url = new URL(request.url);
      if (url.protocol !== "http:") return Promise.reject(new SeccfError("unsupported", "plain HTTP only"));
      const target = options.resolve?.[url.host] ?? options.resolve?.[url.hostname];
      const at = target === undefined ? url : new URL(`http://${target}`);
      return send(request, { agent, host: at.hostname.replace(/^\[|\]$/g, ""), port: at.port || 80 });
    },
    [Symbol.asyncDispose]: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

/**
 * HTTP inside channels that `connect` opens, kept and used again where the server keeps them; the names in URLs go into the
 * Host field alone. A request on a kept channel that the server has just closed is sent once more, on a new one: for services
 * whose requests may be repeated, as Nbsp_GBA's may.
 */
export function httpOver(connect: () => Promise<SecureChannel>): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  // Typed for TCP sockets; node:http uses of it only what a Duplex has.
  agent.createConnection = (() => channelSocket(connect())) as typeof agent.createConnection;
  return {
    fetch: (request) => send(request, { agent }, true),
    [Symbol.asyncDispose]: () => {
      agent.destroy();
      return Promise.resolve();
    },
  };
}

async function send(request: Request, how: ClientRequestArgs, repeatable = false): Promise<Response> {
  const url = new URL(request.url);
  const body = new Uint8Array(await request.arrayBuffer());
  const headers: Record<string, string> = { host: url.host };
  request.headers.forEach((value, name) => headers[name] = value);
  if (body.length > 0 || request.method === "POST" || request.method === "PUT") {
    headers["content-length"] = String(body.length);
  }
  const asked = { ...how, method: request.method, path: url.pathname + url.search, headers };
  const first = await attempt(asked, body, request.signal);
  const last = first.kind === "stale" && repeatable ? await attempt(asked, body, request.signal) : first;
  if (last.kind !== "answered") throw request.signal.aborted ? request.signal.reason : carrierError(last.cause, url);
  const { message } = last;
  const answer = await readBody(message).catch((error: unknown) => {
    throw request.signal.aborted ? request.signal.reason : error;
  });
  const status = message.statusCode ?? 502;
  return new Response(status === 204 || status === 304 ? null : answer, {
    status,
    headers: toHeaders(message.rawHeaders),
  });
}

type Attempt =
  | { readonly kind: "answered"; readonly message: IncomingMessage }
  /** `stale`: on a connection that had served before and was gone without a word. */
  | { readonly kind: "failed" | "stale"; readonly cause: unknown };

function attempt(asked: ClientRequestArgs, body: Uint8Array, signal: AbortSignal): Promise<Attempt> {
  if (signal.aborted) return Promise.resolve({ kind: "failed", cause: signal.reason });
  return new Promise((resolve) => {
    const out = httpRequest(asked);
    const abort = () => out.destroy();
    signal.addEventListener("abort", abort, { once: true });
    out.once("response", (message) => {
      message.once("close", () => signal.removeEventListener("abort", abort));
      resolve({ kind: "answered", message });
    });
    out.once("error", (cause) => {
      signal.removeEventListener("abort", abort);
      resolve({ kind: out.reusedSocket && !signal.aborted ? "stale" : "failed", cause });
    });
    out.end(body);
  });
}

function carrierError(cause: unknown, url: URL): Error {
  if (cause instanceof SeccfError) return cause;
  return new SeccfError("unreachable", `no answer from ${url.host}`, { cause });
}
