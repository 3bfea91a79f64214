/** The words that carriers, key agreement and roles share about an association. Types only. @module */

import type { SecretBytes } from "../crypto/mod.ts";
import type { Platform, Wait } from "../platform.ts";

/** What a key is for. Two uses never share a key; the origin turns a use into a NAF_Id (TS 33.220 Annex H) or a label. */
export type Use =
  | { readonly kind: "tls"; readonly suite: number }
  | { readonly kind: "http"; readonly suite?: number }
  | { readonly kind: "sip" | "locsip" | "supl" }
  | { readonly kind: "object"; readonly purpose: string };

/** Which of two ends: the device that asked for the association, or the enabler that answered. Bound into every key that is ours. */
export type Role = "initiator" | "responder";

/** Where an association's keys come from: GBA, push, AKMA, provisioned, token. A card may need seconds. */
export interface KeyOrigin extends AsyncDisposable {
  /** How the root was agreed. */
  readonly kind: "gba" | "gba-push" | "akma" | "provisioned" | "token";
  /** The identity this origin shows the peer for `use`: `3GPP-bootstrapping;B-TID` for GBA on TLS. At most 128 bytes. */
  identity(use: Use, hint?: Uint8Array): Uint8Array;
  /** The caller owns the result and disposes it. Throws `expired`, `key-unavailable`, `identity-unavailable`. */
  key(use: Use, options?: Wait): Promise<SecretBytes>;
}

/** What a handshake knows at the moment it needs a key: always the suite, on a server the peer's identity. */
export interface KeyRequest {
  /** What the key is for. */
  readonly use: Use;
  /** Server: as the client sent it, at most 128 bytes. Client: absent. */
  readonly identity?: Uint8Array;
  /** Client: the server's PSK identity hint. */
  readonly hint?: Uint8Array;
  /** The name the client asked for; it chooses the FQDN of the NAF_Id. */
  readonly serverName?: string;
}

/** An answer to a {@link KeyRequest}. */
export interface FoundKey {
  /** Client: what to show the server, at most 128 bytes. Server: what the client showed. */
  readonly identity: Uint8Array;
  /** Owned by whoever asked, who disposes it. */
  readonly key: SecretBytes;
  /** The association the key belongs to: what the channel will report as its own. */
  readonly association: SecurityAssociation;
}

/** Answers a handshake's question, over a network if need be. `undefined`: unknown, and the peer may not learn that. */
export interface KeySource {
  /** Throws `key-unavailable` where it can not tell, and what its own way of asking throws. */
  find(request: KeyRequest, options: Wait): Promise<FoundKey | undefined>;
}

/** What two sides agreed. It is the key source of one peer: itself. */
export interface SecurityAssociation extends KeySource, AsyncDisposable {
  /** 8 bytes, public; the COSE `kid` of what it seals. */
  readonly id: Uint8Array;
  /** The name the device used for the enabler: the FQDN of every NAF_Id. */
  readonly serverName: string;
  /** Who is at the other end. */
  readonly peer: Peer;
  /** Which end this is. */
  readonly role: Role;
  /** How the root was agreed. */
  readonly origin: KeyOrigin["kind"];
  /** On the monotonic clock, milliseconds. */
  readonly expiresAt: number;
  /** Whether its lifetime is over by either clock (DESIGN 4.9): a machine that slept does not live longer for it. */
  readonly expired: boolean;
  /** The weakest binding it ever had; `undefined` before the first. */
  readonly weakest: Binding | undefined;
  /** Throws `expired`, and whatever the carrier throws. */
  bind<C extends SecureChannel>(carrier: Connector<C>, options?: Wait): Promise<C>;
  /** Called by a carrier when it has carried the peer's proof; keeps {@link SecurityAssociation.weakest}. */
  bound(binding: Binding): void;
  /**
   * Opens the way for sealing without a connection. Waits for the key and the first block of numbers once, not per message.
   * RangeError for a purpose that is not in the table of uses.
   */
  sealer(purpose: string, options?: Wait & SealedFor): Promise<Sealer>;
  /** Sealed state that a restart can continue from. */
  snapshot(wrappingKey: SecretBytes, options?: Wait): Promise<Uint8Array>;
}

/** How an association was used once: what a bid-down detector compares. */
export interface Binding {
  /** The carrier's name: `tls`, `http`. */
  readonly carrier: string;
  /** TLS cipher suite, where there is one. */
  readonly suite?: number;
  /** 0: authentication alone; 1: legacy protection (CBC, SHA-1); 2: AEAD; 3: AEAD with forward secrecy. */
  readonly strength: 0 | 1 | 2 | 3;
}

/** What sealed messages are bound to: both ends must say the same, none of it is sent. */
export interface SealedFor {
  /** Media type of the messages. Default none. */
  readonly contentType?: string;
  /** Anything else that a message must not be taken away from, such as a Call-ID. Default none. */
  readonly binding?: Uint8Array;
}

/** The hot path: synchronous, allocation-free in its `Into` forms. Everything throws `expired` and, once disposed, `state`. */
export interface Sealer extends Disposable {
  /** Bytes that `sealInto` adds to a message, at most. */
  readonly overhead: number;
  /**
   * Returns bytes written. Throws `exhausted` when the next block of numbers is not yet reserved, and then `ready()` waits for
   * it; RangeError when `out` is shorter than message and {@link Sealer.overhead}, or lies over the message.
   */
  sealInto(message: Uint8Array, out: Uint8Array): number;
  /**
   * Returns bytes written. Throws `auth-failed`, `replayed`, `reflected`, `downgrade`, `malformed`, `too-large`; `exhausted`
   * when its delivery is not on record yet, as the first of every sender's start is not where there is a store: `ready()` waits.
   * RangeError when `out` is shorter than the message, or lies over `sealed`.
   */
  openInto(sealed: Uint8Array, out: Uint8Array): number;
  /** Resolves when both directions can go on without waiting. Throws what the store throws. */
  ready(options?: Wait): Promise<void>;
}

/** Who is at the other end. */
export interface Peer {
  /** A name: the enabler's FQDN, the subscriber's IMPI, or the B-TID of one who stays anonymous. UTF-8. */
  readonly identity: Uint8Array;
  /** The weakest thing that vouches for it on this channel. */
  readonly assurance: "psk" | "certificate" | "digest" | "unauthenticated";
}

/** One piece of what the peer sent. The bytes belong to the receiver. */
export interface Received {
  /** One message, or where the carrier keeps no boundaries some bytes. */
  readonly payload: Uint8Array;
}

/** Protected bytes to and from one authenticated peer. Leaving a `for await` does not close it; disposing does. */
export interface SecureChannel extends AsyncDisposable, AsyncIterable<Received> {
  /** Whom this channel authenticated, and by what. */
  readonly peer: Peer;
  /** What the channel belongs to. */
  readonly association: SecurityAssociation;
  /** How this channel protects; the association remembers the weakest of all. */
  readonly binding: Binding;
  /** `"kept"`: one `send` is one `Received` (DTLS, SIP, push). `"none"`: a byte stream (TLS). */
  readonly boundaries: "kept" | "none";
  /** Resolves when the carrier has taken the bytes, not when the peer has. Throws `closed`, `expired`. */
  send(payload: Uint8Array, options?: Wait): Promise<void>;
}

/** A bound place that strangers can reach. Yields a channel only after its peer is authenticated. */
export interface Listener<C extends SecureChannel = SecureChannel> extends AsyncDisposable, AsyncIterable<C> {
  /** Where it really listens, with the port the system chose. */
  readonly url: URL;
}

/** The active end of a carrier: what {@link SecurityAssociation.bind} takes. `C` is what it adds: `SipChannel`, `HttpChannel`. */
export interface Connector<C extends SecureChannel = SecureChannel> {
  /** What a {@link Binding} calls it. */
  readonly name: string;
  /** Resolves with a channel whose peer has proved its key. The association stays the caller's. */
  connect(association: SecurityAssociation, options: Wait & { readonly platform: Platform }): Promise<C>;
}

/** The passive end of a carrier: what an enabler's `listen` takes. */
export interface Acceptor<C extends SecureChannel = SecureChannel> {
  /** What a {@link Binding} calls it. */
  readonly name: string;
  /** Resolves when it listens; `keys` is asked in every handshake. */
  listen(keys: KeySource, options: Wait & { readonly platform: Platform }): Promise<Listener<C>>;
}

/** A way to carry an association, both ends: `tls()`, `dtls()`. HTTP has a connector alone: its passive end is a handler. */
export interface Carrier<C extends SecureChannel = SecureChannel> extends Connector<C>, Acceptor<C> {}
