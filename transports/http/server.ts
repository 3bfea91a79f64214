/** HTTP/1.1 in front of a handler: on a plain TCP port, or inside the channels of a carrier. @module */

import { createServer, type RequestListener, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { SeccfError } from "../../lib/error.ts";
import type { Listener, Peer, SecureChannel } from "../../lib/association/ports.ts";
import { channelSocket } from "./socket.ts";
import { toRequest, writeResponse } from "./message.ts";

/** What answers a request. `peer` is whom the carrier authenticated; absent on plain HTTP. */
export type Handler = (request: Request, peer?: Peer) => Response | Promise<Response>;

/** A running server. */
export interface HttpServer extends AsyncDisposable {
  /** With the port that the system chose. */
  readonly url: URL;
}

/** Where to listen. */
export interface ServeHttpOptions {
  /** Default 127.0.0.1: plain HTTP is for loopback and for behind a terminator. */
  readonly host?: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Connections at once; one more is closed as it comes. Default 1000. */
  readonly maxConnections?: number;
}

const LIMITS = { maxHeaderSize: 16_384, headersTimeout: 10_000, requestTimeout: 30_000, keepAliveTimeout: 30_000 };

/** Serves `handler` on plain HTTP. Throws `unreachable` where the port can not be had. */
export async function serveHttp(handler: Handler, options: ServeHttpOptions): Promise<HttpServer> {
  const { host = "127.0.0.1", port, maxConnections = 1000 } = options;
  const server = createServer(LIMITS, answerWith(handler, "http"));
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once(
      "error",
      (cause) => reject(new SeccfError("unreachable", `can not listen on ${host}:${port}`, { cause })),
    );
    server.listen(port, host, resolve);
  });
  const { port: real } = server.address() as AddressInfo; // an address, since it listens on TCP
  return {
    url: new URL(`http://${host.includes(":") ? `[${host}]` : host}:${real}/`),
    [Symbol.asyncDispose]: () => close(server),
  };
}

/** Serves `handler` inside every channel that `listener` yields, until it is disposed; disposes it. Deno's server closes each after one request. */
export function serveHttpOver(listener: Listener, handler: Handler): HttpServer {
  const open = new Set<SecureChannel>();
  const accepting = (async () => {
    for await (const channel of listener) {
      open.add(channel);
      // One server object a channel: the peer then needs no look-up by socket, which runtimes wrap differently.
      const server = createServer(LIMITS, answerWith(handler, "https", channel.peer));
      const socket = channelSocket(Promise.resolve(channel));
      socket.once("close", () => void open.delete(channel));
      server.emit("connection", socket);
    }
  })().catch(() => undefined); // a listener that failed yields no more channels
  return {
    url: listener.url,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      for (const channel of open) await channel[Symbol.asyncDispose]();
      await accepting;
    },
  };
}

function answerWith(handler: Handler, scheme: "http" | "https", peer?: Peer): RequestListener {
  return (message, out) => {
    out.on("error", () => undefined); // the client left: nobody to tell
    (async () => {
      let response: Response;
      try {
        response = await handler(toRequest(message, scheme), peer);
      } catch (error) {
        response = new Response(null, { status: statusOf(error) });
      }
      await writeResponse(response, out);
    })().catch(() => out.destroy());
  };
}

function statusOf(error: unknown): number {
  if (!(error instanceof SeccfError)) return 500;
  switch (error.code) {
    case "malformed":
      return 400;
    case "too-large":
      return 413;
    case "key-unavailable":
      return 503;
    default:
      return 500;
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
