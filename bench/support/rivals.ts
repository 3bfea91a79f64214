/** Who connects to the peers of the benches: this library, node-dtls-client by its own API, node:tls where it has PSK. @module */

import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { connect as connectTls } from "node:tls";
import { dtls as nodeDtls } from "node-dtls-client";
import { dtls } from "../../transports/dtls/mod.ts";
import { associate, IDENTITY, KEY, OPENSSL_SUITE, SUITE } from "./keys.ts";
import type { OwnPeer, Peer } from "./peer.ts";

/** One connection. */
export interface Line extends AsyncDisposable {
  /** Sends one message. */
  send(payload: Uint8Array): void;
  /** Calls `hear` with what comes from here on; on streams the pieces are the network's. */
  listen(hear: (piece: Uint8Array) => void): void;
}

/** A way to connect. */
export interface Rival {
  readonly name: string;
  /** How long it waits for what it does not repeat is its own affair; `seconds` is for all. */
  connect(peer: Peer, seconds?: number): Promise<Line>;
}

const association = associate("initiator");

/** First ours, by the door that everybody uses. Without Connection IDs: the others have none. */
export const ours: Rival = {
  name: "ours",
  async connect(peer, seconds = 5) {
    const channel = await association.bind(dtls({
      ...{ port: peer.dtls, host: "127.0.0.1", suites: [SUITE], handshakeSeconds: seconds },
      ...{ mtu: 65_507, connectionId: false },
    }));
    return {
      send: (payload) => void channel.send(payload),
      listen: (hear) =>
        void (async () => {
          for await (const { payload } of channel) hear(payload);
        })().catch(() => {}),
      [Symbol.asyncDispose]: () => channel[Symbol.asyncDispose](),
    };
  },
};

/** The one other DTLS client for JavaScript. */
export const theirs: Rival = {
  name: "node-dtls-client",
  connect: (peer, seconds = 5) =>
    new Promise((resolve, reject) => {
      const socket = nodeDtls.createSocket({
        ...{ type: "udp4", address: "127.0.0.1", port: peer.dtls, timeout: seconds * 1000 },
        psk: { [IDENTITY]: Buffer.from(KEY) as never },
        ciphers: [SUITE as never],
      });
      socket.once("connected", () =>
        resolve({
          send: (payload) => socket.send(payload as Buffer),
          listen: (hear) => void socket.on("message", hear),
          [Symbol.asyncDispose]: () =>
            new Promise((done) => {
              socket.once("close", () => done());
              socket.close();
            }),
        }));
      socket.on("error", reject);
    }),
};

/** TLS on TCP by the runtime itself. */
export const nodeTls: Rival = {
  name: "node:tls",
  connect: (peer, seconds = 5) =>
    new Promise((resolve, reject) => {
      const socket = connectTls({
        ...{ host: "127.0.0.1", port: peer.tls, timeout: seconds * 1000 },
        ...{ ciphers: OPENSSL_SUITE, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" },
        checkServerIdentity: () => undefined,
        pskCallback: () => ({ psk: KEY, identity: IDENTITY }),
      });
      socket.setNoDelay();
      socket.once("secureConnect", () =>
        resolve({
          send: (payload) => void socket.write(payload),
          listen: (hear) => void socket.on("data", hear),
          [Symbol.asyncDispose]: () =>
            new Promise((done) => {
              socket.once("close", () => done());
              socket.end();
            }),
        }));
      socket.on("error", reject);
    }),
};

/** The same number of datagrams without any protection, straight from the runtime: what nobody can be faster than. */
export const bare = {
  name: "bare datagrams",
  connect: (peer: OwnPeer): Promise<Line> =>
    new Promise((resolve) => {
      const socket = createSocket("udp4");
      socket.connect(peer.udp, "127.0.0.1", () =>
        resolve({
          send: (payload) => socket.send(payload),
          listen: (hear) => void socket.on("message", hear),
          [Symbol.asyncDispose]: () => new Promise((done) => socket.close(done)),
        }));
    }),
};

/** Whether the runtime's own TLS knows of PSK. */
export const hasTlsPsk: boolean = !("Deno" in globalThis || "Bun" in globalThis);
