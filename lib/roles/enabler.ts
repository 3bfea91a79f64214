/** The enabler's side (NAF): lets devices in by keys it asks the Key Manager for, in the middle of their handshake. @module */

import {
  type Acceptor,
  createAssociation,
  type FoundKey,
  type KeyRequest,
  type KeySource,
  type Listener,
  openSealed,
  sealedTo,
  type SecureChannel,
  type SecurityAssociation,
  startLifetime,
  uaIdentifier,
  type UaProfile,
  type Use,
} from "../association/mod.ts";
import { toUtf8 } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import { type ErrorCode, SeccfError } from "../error.ts";
import { canonicalFqdn, checkBtid, enablerOrigin, parsePskIdentity, retrieveBootstrappingInfo } from "../gba/mod.ts";
import type { Platform, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import type { Audit } from "./audit.ts";
import { createHttpFace, type HttpHandler } from "./enabler_http.ts";
import { KnownAssociations } from "./known_associations.ts";

/** What {@link createEnabler} takes. Its platform's `fetch` is the way to the Key Manager: authenticated at both ends, and secret. */
export interface EnablerOptions {
  /** Its name, by which devices know it. */
  readonly id: string;
  /** Further names of its own. */
  readonly names?: readonly string[];
  /** The Key Manager's API root: `https://bsf.mnc001.mcc001.pub.3gppnetwork.org/`. */
  readonly keyManager: string | URL;
  /** Whose Ua identifiers stand for TLS and HTTP. Default `"oma"`; the devices' must be the same. */
  readonly uaProfile?: UaProfile;
  /** How long the Key Manager may take. Default 5. */
  readonly lookupSeconds?: number;
  /** Questions to the Key Manager at the same time, beyond which devices are refused. Default 256. */
  readonly maxLookups?: number;
  /** Associations remembered for sealed messages; beyond that the oldest go, or without a store those that have sealed none. Default 10,000. */
  readonly maxAssociations?: number;
  /** Where numbers and replay state of sealed messages are kept. Default: with the associations, in memory, which a restart forgets. */
  readonly store?: RecordStore;
  /** COSE number of the algorithm of sealed messages, the devices' too. Default 10, AES-CCM-16-64-128. */
  readonly sealingAlgorithm?: number;
  /** Hears of who was let in and who was refused. */
  readonly audit?: Audit;
}

/** An enabler. It is the key source of its listeners. */
export interface Enabler extends KeySource, AsyncDisposable {
  /** Listens on a carrier; yields channels of authenticated devices alone. Throws what the carrier throws. */
  listen<C extends SecureChannel>(carrier: Acceptor<C>, options?: Wait): Promise<Listener<C>>;
  /**
   * Puts HTTP Digest in front of `handler` (TS 24.109 5.2): it hears authenticated requests alone, without their credentials, and
   * its responses carry our proof. The result never rejects.
   */
  handle(handler: HttpHandler): (request: Request) => Promise<Response>;
  /**
   * Opens a message that a known device sealed for `purpose`. Throws `auth-failed` where no association of that id is known or
   * the tag is wrong, `replayed`, `reflected`, `malformed`, `expired`.
   */
  open(purpose: string, sealed: Uint8Array, options?: Wait): Promise<Opened>;
}

/** A sealed message, opened. */
export interface Opened {
  /** The message. The bytes belong to the caller. */
  readonly payload: Uint8Array;
  /** Whose message it was, and what answers it. */
  readonly association: SecurityAssociation;
}

type Way = Parameters<typeof enablerOrigin>[0]["way"];

/** Without an end from the Key Manager, a key is used no longer than this. */
const LONGEST_SECONDS = 86_400;

/** An enabler over one Key Manager. Throws `malformed` where a name is none. */
// req: SEC_CF-AUTH-001
// req: SEC_CF-AUTH-002
// req: SEC_CF-AUTH-002 b
export function createEnabler(options: EnablerOptions & Platform): Enabler {
  return new GbaEnabler(options);
}

class GbaEnabler implements Enabler {
  readonly #options: EnablerOptions & Platform;
  readonly #platform: Platform;
  readonly #names: ReadonlySet<string>;
  readonly #id: string;
  readonly #known: KnownAssociations;
  readonly #faces: Disposable[] = [];
  #lookups = 0;
  #disposed = false;

  constructor(options: EnablerOptions & Platform) {
    this.#options = options;
    this.#platform = { clock: options.clock, random: options.random, fetch: options.fetch };
    this.#id = canonicalFqdn(options.id);
    this.#names = new Set([this.#id, ...(options.names ?? []).map(canonicalFqdn)]);
    const { maxAssociations: capacity = 10_000, store } = options;
    this.#known = new KnownAssociations({ capacity, durable: store !== undefined });
  }

  /** A PSK handshake's question. The name the device asked for chooses the key, and must be one of ours. */
  async find({ use, identity, serverName }: KeyRequest, wait: Wait): Promise<FoundKey | undefined> {
    const btid = identity && parsePskIdentity(identity);
    const name = this.#ownName(serverName ?? this.#id);
    if (!identity || btid === undefined || name === undefined) {
      this.#refused(btid === undefined ? "unsupported" : "wrong-realm", btid);
      return undefined;
    }
    const found = await this.#ask(btid, name, use, wait);
    return found && { identity: identity.slice(), ...found };
  }

  listen<C extends SecureChannel>(carrier: Acceptor<C>, wait: Wait = {}): Promise<Listener<C>> {
    return carrier.listen(this, { ...wait, platform: this.#platform });
  }

  handle(handler: HttpHandler): (request: Request) => Promise<Response> {
    const face = createHttpFace({
      handler,
      platform: this.#platform,
      ownName: (name) => this.#ownName(name),
      find: (btid, name, wait) => this.#findForHttp(btid, name, wait),
      authenticated: (association) => association.bound({ carrier: "http", strength: 0 }),
      refused: (code, username) => this.#refused(code, username),
    });
    this.#faces.push(face);
    return face.handle;
  }

  async open(purpose: string, sealed: Uint8Array, wait: Wait = {}): Promise<Opened> {
    const association = this.#known.get(sealedTo(sealed));
    if (!association) {
      this.#refused("auth-failed", undefined);
      throw new SeccfError("auth-failed", "no association of this id is known");
    }
    try {
      using sealer = await association.sealer(purpose, wait);
      return { payload: await openSealed(sealer, sealed, wait), association };
    } catch (error) {
      if (error instanceof SeccfError) this.#refused(error.code, undefined);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const face of this.#faces) face[Symbol.dispose]();
    await this.#known[Symbol.asyncDispose]();
  }

  #ownName(name: string): string | undefined {
    try {
      const canonical = canonicalFqdn(name);
      return this.#names.has(canonical) ? canonical : undefined;
    } catch {
      return undefined; // a stranger's text
    }
  }

  async #findForHttp(username: string, name: string, wait: Wait): Promise<Omit<FoundKey, "identity"> | undefined> {
    try {
      return await this.#ask(checkBtid(username), name, { kind: "http" }, wait);
    } catch (error) {
      // Whatever kept the key from us, the device sees what one with a wrong key sees.
      this.#refused(error instanceof SeccfError ? error.code : "key-unavailable", username);
      return undefined;
    }
  }

  /** The key of a use, and the association it belongs to; `undefined` where the Key Manager does not know the B-TID. */
  async #ask(
    btid: string,
    serverName: string,
    use: Use,
    { signal }: Wait,
  ): Promise<{ key: SecretBytes; association: SecurityAssociation } | undefined> {
    if (this.#disposed) throw new SeccfError("state", "the enabler is disposed");
    const { keyManager, lookupSeconds = 5, maxLookups = 256, uaProfile = "oma" } = this.#options;
    if (this.#lookups >= maxLookups) throw new SeccfError("key-unavailable", "too many questions to the Key Manager");
    const { clock, fetch } = this.#platform;
    const way = { fetch, base: keyManager, clock, timeoutSeconds: lookupSeconds };
    this.#lookups++;
    try {
      const nafId = { fqdn: serverName, ua: uaIdentifier(use, uaProfile) };
      const info = await retrieveBootstrappingInfo({ btid, nafId }, { ...way, ...(signal ? { signal } : {}) });
      info?.uiccKey?.[Symbol.dispose]();
      if (!info || info.remainingSeconds === 0) {
        info?.key[Symbol.dispose]();
        this.#refused("expired", btid);
        return undefined;
      }
      const seconds = Math.min(info.remainingSeconds ?? LONGEST_SECONDS, LONGEST_SECONDS);
      const association = this.#associate({ btid, serverName, seconds, subject: info.impi ?? btid, way });
      return { key: info.key, association };
    } finally {
      this.#lookups--;
    }
  }

  #associate(agreed: {
    readonly btid: string;
    readonly serverName: string;
    readonly seconds: number;
    readonly subject: string;
    readonly way: Way;
  }): SecurityAssociation {
    const { btid, serverName, seconds, subject, way } = agreed;
    const { store, sealingAlgorithm, audit, uaProfile = "oma" } = this.#options;
    const lifetime = startLifetime({ clock: this.#platform.clock, seconds });
    const association: SecurityAssociation = createAssociation({
      reference: btid,
      serverName,
      role: "responder",
      peer: { identity: toUtf8(subject), assurance: "psk" },
      origin: enablerOrigin({ btid, serverName, uaProfile, way }),
      lifetime,
      platform: this.#platform,
      ...(store ? { store } : {}),
      ...(sealingAlgorithm === undefined ? {} : { sealingAlgorithm }),
      // Only now has the device proved its key: before, a stranger with a B-TID he overheard could fill our memory.
      onBound: () => {
        this.#known.remember(association);
        audit?.record({ event: "authenticated", subject, object: serverName });
      },
      elder: () => this.#known.sealingWith(association),
    });
    return association;
  }

  #refused(code: ErrorCode, subject: string | undefined): void {
    this.#options.audit?.record({ event: "refused", code, ...(subject === undefined ? {} : { subject }) });
  }
}
