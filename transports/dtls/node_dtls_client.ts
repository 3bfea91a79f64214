/**
 * `node-dtls-client` as a second way to connect, for comparison and for peers that only it is known to reach. What it can
 * not do, measured with 2.0.3: it reads no PSK identity hint; it says nothing twice, so one lost datagram loses the
 * handshake; it has no extensions, so no extended master secret, no encrypt-then-MAC, no Connection ID and no
 * server_name; on Deno and Bun it has no AES-CCM; it takes what any address sends it, and a malformed handshake message
 * is thrown where nobody can catch it. It is no server. {@link dtls} is none of that.
 *
 * @module
 */

import type { dtls as NodeDtls } from "node-dtls-client";
import type { Binding, Connector, FoundKey, Peer, Received, SecurityAssociation } from "../../lib/association/ports.ts";
import { type ChannelLimits, type DatagramChannel, Inbox, suiteNumbers } from "../../lib/channel/mod.ts";
import { suiteById } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { deadline, unlessAborted } from "../../lib/deadline.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Platform, Wait } from "../../lib/platform.ts";

/** What {@link nodeDtlsClient} takes. */
export interface NodeDtlsClientOptions extends ChannelLimits {
  /** The server's, 1 to 65535; RangeError for any other. */
  readonly port: number;
  /** Default: the association's server name. */
  readonly host?: string;
  /** The one cipher suite to offer, by IANA name: this client wants the key before it knows the server's choice. Default `TLS_PSK_WITH_AES_128_GCM_SHA256`. */
  readonly suite?: string;
  /** Look `host` up as IPv6. Default false. */
  readonly ipv6?: boolean;
}

/**
 * DTLS 1.2 by `node-dtls-client`, an optional peer dependency: `unsupported` where it is not installed. The identity an
 * association shows is ASCII here (`unsupported` otherwise). A wrong key is mostly a `timeout`.
 */
export function nodeDtlsClient(options: NodeDtlsClientOptions): Connector<DatagramChannel> {
  const { port, suite = "TLS_PSK_WITH_AES_128_GCM_SHA256" } = options;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError("a port to connect to is 1 to 65535");
  const [id = 0] = suiteNumbers([suite]);
  return {
    name: "dtls",
    connect: (association, wait) => connect(association, { ...options, suite, id }, wait),
  };
}

type Chosen = NodeDtlsClientOptions & { readonly suite: string; readonly id: number };

async function connect(
  association: SecurityAssociation,
  chosen: Chosen,
  { platform: { clock }, signal }: Wait & { readonly platform: Platform },
): Promise<DatagramChannel> {
  const { suite, id, handshakeSeconds = 30, receiveLimit = 262_144 } = chosen;
  signal?.throwIfAborted();
  const { dtls } = await load();
  using limit = deadline({
    clock,
    seconds: handshakeSeconds,
    reason: () => new SeccfError("timeout", `no secure connection within ${handshakeSeconds} s`),
    signal,
  });
  const found = await unlessAborted(association.find({ use: { kind: "tls", suite: id } }, limit), limit.signal);
  if (!found) throw new SeccfError("key-unavailable", "the association has no key for this suite");
  using _key = found.key;
  const inbox = new Inbox(receiveLimit);
  const socket = dtls.createSocket({
    type: chosen.ipv6 ? "udp6" : "udp4",
    address: chosen.host ?? association.serverName,
    port: chosen.port,
    psk: pskTable(found),
    // Its own limit is a timer of the runtime; the one above is the association's clock.
    timeout: handshakeSeconds * 1000 + 1000,
    ciphers: [suite as keyof NodeDtls.Options["ciphers"] & never],
  });
  const channel = new NodeDtlsChannel(socket, association, inbox, {
    carrier: "dtls",
    suite: id,
    strength: strengthOf(id),
  });
  try {
    await unlessAborted(channel.connected, limit.signal);
    checkSuite(socket, id);
    if (association.expired) throw new SeccfError("expired", "the association has expired");
    association.bound(channel.binding);
    channel.endAt(association.expiresAt, clock);
    return channel;
  } catch (error) {
    await channel[Symbol.asyncDispose]();
    throw error;
  }
}

async function load(): Promise<{ readonly dtls: typeof NodeDtls }> {
  try {
    return await import("node-dtls-client");
  } catch (cause) {
    throw new SeccfError("unsupported", "node-dtls-client is not installed", { cause });
  }
}

/** A copy of the key, which the package keeps for as long as its socket is there. */
function pskTable({ identity, key }: FoundKey): Record<string, Buffer> {
  const name = String.fromCharCode(...identity);
  if (!/^[\x20-\x7e]+$/.test(name)) throw new SeccfError("unsupported", "node-dtls-client shows ASCII identities only");
  return Object.fromEntries([[name, Buffer.from(expose(key))]]);
}

function strengthOf(suite: number): Binding["strength"] {
  return suiteById(suite)?.legacy === false ? 2 : 1;
}

/** It takes whatever the server chose, offered or not, so its private state is asked. */
function checkSuite(socket: object, id: number): void {
  const { recordLayer } = socket as {
    recordLayer?: { epochs?: { connectionState?: { cipherSuite?: { id?: number } } }[] };
  };
  const chosen = recordLayer?.epochs?.[1]?.connectionState?.cipherSuite?.id;
  if (chosen !== id) {
    throw new SeccfError("downgrade", "a cipher suite that was not offered", { clause: "RFC 5246 7.4.1.3" });
  }
}

class NodeDtlsChannel implements DatagramChannel {
  readonly association: SecurityAssociation;
  readonly peer: Peer;
  readonly binding: Binding;
  readonly boundaries = "kept";
  /** Settles with the handshake. */
  readonly connected: Promise<void>;
  readonly #socket: NodeDtls.Socket;
  readonly #inbox: Inbox;
  readonly #gone: Promise<void>;
  #open = false;
  #failure: SeccfError | undefined;
  #alarm: Disposable | undefined;
  #release: () => void = () => {};

  constructor(socket: NodeDtls.Socket, association: SecurityAssociation, inbox: Inbox, binding: Binding) {
    this.#socket = socket;
    this.#inbox = inbox;
    this.association = association;
    this.peer = association.peer;
    this.binding = binding;
    this.#gone = new Promise((resolve) => this.#release = resolve);
    this.connected = new Promise((resolve, reject) => {
      socket.once("connected", () => {
        this.#open = true;
        resolve();
      });
      // Whatever else happens: its own error handler must be there before and after.
      socket.on("error", (error: Error) => {
        this.#end(failure(error));
        reject(this.#failure);
      });
      socket.once("close", () => {
        this.#end();
        reject(new SeccfError("closed", "the peer closed during the handshake"));
      });
    });
    this.connected.catch(() => {});
    socket.on("message", (bytes: Uint8Array) => inbox.push(bytes));
  }

  get dropped(): number {
    return this.#inbox.dropped;
  }

  endAt(at: number, clock: Platform["clock"]): void {
    if (at === Infinity) return;
    this.#alarm = clock.alarm(at, () => {
      this.#failure ??= new SeccfError("expired", "the association has expired");
      void this[Symbol.asyncDispose]();
    });
  }

  async send(payload: Uint8Array, { signal }: Wait = {}): Promise<void> {
    signal?.throwIfAborted();
    if (!this.#open) throw this.#failure ?? new SeccfError("closed", "the channel is closed");
    if (payload.length > MAX_PAYLOAD) throw new SeccfError("too-large", `a message is at most ${MAX_PAYLOAD} bytes`);
    const copy = Buffer.from(payload);
    await new Promise<void>((resolve, reject) => {
      this.#socket.send(copy, (error) => error ? reject(failure(error)) : resolve());
    });
  }

  sleep(): Promise<void> {
    return Promise.reject(new SeccfError("state", "sessions of node-dtls-client are not kept"));
  }

  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    return this.#inbox.iterate();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#open) {
      this.#open = false;
      this.#failure ??= new SeccfError("closed", "closed by this side");
      this.#socket.close();
    } else if (!this.#failure) {
      // Its own close() needs a record layer, which it has once it is bound.
      this.#failure = new SeccfError("closed", "closed by this side");
      this.#kill();
    }
    await this.#gone;
  }

  #kill(): void {
    const { killConnection } = this.#socket as unknown as { killConnection(error?: Error): void };
    killConnection.call(this.#socket);
    this.#end();
  }

  #end(error?: SeccfError): void {
    this.#open = false;
    this.#failure ??= error;
    this.#alarm?.[Symbol.dispose]();
    this.#inbox.end(this.#failure);
    this.#release();
  }
}

function failure(error: Error): SeccfError {
  const cause = { cause: error };
  if (/timed out/.test(error.message)) return new SeccfError("timeout", "node-dtls-client gave up", cause);
  if (/fatal alert|verify|decrypt/i.test(error.message)) {
    return new SeccfError("auth-failed", "the peer refused", cause);
  }
  return new SeccfError("closed", "node-dtls-client failed", cause);
}

/** One record in one datagram that no router needs to cut: it has no limit of its own. */
const MAX_PAYLOAD = 1200;
