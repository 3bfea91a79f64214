/** The device's side: from an identity module to associations with enablers, bootstrapping unseen. @module */

import { createAssociation, type SecurityAssociation, startLifetime, type UaProfile } from "../association/mod.ts";
import { toUtf8 } from "../bytes/mod.ts";
import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import {
  type ApplicationClient,
  bootstrap,
  type Bootstrapped,
  canonicalFqdn,
  createApplicationClient,
  deviceOrigin,
} from "../gba/mod.ts";
import type { AkaModule, IdentityModule } from "../identity/mod.ts";
import type { Platform, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";

/** What {@link createAgent} takes. */
export interface AgentOptions {
  /** Stays the caller's, who disposes it after the agent. */
  readonly identity: IdentityModule;
  /** Where Ub is asked: `http://bsf.mnc001.mcc001.pub.3gppnetwork.org/`. */
  readonly keyManager: string | URL;
  /** The Key Manager's name, which its realm must be. Default: the URL's host. */
  readonly keyManagerName?: string;
  /** Whose Ua identifiers stand for TLS and HTTP. Default `"oma"`; the enabler's must be the same. */
  readonly uaProfile?: UaProfile;
  /** Where numbers of sealed messages are reserved. Default: in memory, which a restart forgets. */
  readonly store?: RecordStore;
  /** COSE number of the algorithm of sealed messages, the enabler's too. Default 10, AES-CCM-16-64-128. */
  readonly sealingAlgorithm?: number;
  /** How long one bootstrapping may take. Default 15. */
  readonly bootstrapSeconds?: number;
}

/** A device's agent. */
export interface Agent extends AsyncDisposable {
  /**
   * An association with the enabler of this name; the caller disposes it. Bootstraps when there is no Ks, or none that lasts.
   * Throws `malformed` (no name), `identity-unavailable`, and what `bootstrap` throws.
   */
  associate(name: string, options?: Wait): Promise<SecurityAssociation>;
  /**
   * `fetch` with the association of the URL's host as its proof (HTTP Digest), agreed on first use and again when it ends.
   * Throws as {@link Agent.associate} does, `auth-failed` when either side's proof fails, and what the network throws.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
}

/** A Ks is not used in its last seconds: what begins with it should be able to end with it. */
const MARGIN_MS = 10_000;
/** Enablers whose HTTP association is remembered. */
const CLIENTS = 64;

/** An agent over one identity module. Throws TypeError for a module without AKA. */
// req: SEC_CF-USAB-001
// req: SEC_CF-HLF-003
export function createAgent(options: AgentOptions & Platform): Agent {
  const { aka } = options.identity;
  if (!aka) throw new TypeError("the identity module has no AKA: bootstrapping needs one");
  return new GbaAgent(options, aka);
}

interface HttpUse extends AsyncDisposable {
  readonly association: SecurityAssociation;
  readonly client: ApplicationClient;
}

class GbaAgent implements Agent {
  readonly #options: AgentOptions & Platform;
  readonly #platform: Platform;
  readonly #aka: AkaModule;
  readonly #uses = new Map<string, Promise<HttpUse>>();
  #current: Bootstrapped | undefined;
  #running: Promise<Bootstrapped> | undefined;
  #disposed = false;

  constructor(options: AgentOptions & Platform, aka: AkaModule) {
    this.#options = options;
    this.#platform = { clock: options.clock, random: options.random, fetch: options.fetch };
    this.#aka = aka;
  }

  async associate(name: string, { signal }: Wait = {}): Promise<SecurityAssociation> {
    if (this.#disposed) throw new SeccfError("state", "the agent is disposed");
    const serverName = canonicalFqdn(name);
    signal?.throwIfAborted();
    // The run goes on for others who wait for it; an aborted caller alone stops waiting.
    const running = this.#bootstrapped();
    const { btid, lifetimeSeconds } = signal ? await unlessAborted(running, signal) : await running;
    const { store, sealingAlgorithm, uaProfile = "oma" } = this.#options;
    return createAssociation({
      reference: btid,
      serverName,
      role: "initiator",
      peer: { identity: toUtf8(serverName), assurance: "psk" },
      origin: deviceOrigin({ module: this.#aka, btid, serverName, uaProfile }),
      lifetime: startLifetime({ clock: this.#platform.clock, seconds: lifetimeSeconds }),
      platform: this.#platform,
      ...(store ? { store } : {}),
      ...(sealingAlgorithm === undefined ? {} : { sealingAlgorithm }),
    });
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    const host = canonicalFqdn(new URL(request.url).hostname);
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    const again = () => new Request(request, body ? { body } : {});
    for (let attempt = 0;; attempt++) {
      const use = await this.#httpUse(host, request.signal);
      try {
        return await use.client.fetch(again());
      } catch (error) {
        // The Key Manager or the enabler may have forgotten the B-TID: one new run tells whether that was it.
        if (!isSpent(error) || attempt > 0) throw error;
        await this.#forget(host, use);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    const uses = [...this.#uses.values()];
    this.#uses.clear();
    for (const opening of uses) await opening.then((use) => use[Symbol.asyncDispose](), () => undefined);
  }

  /** One run at a time, whoever asks: a card holds one pending Ks. */
  #bootstrapped(): Promise<Bootstrapped> {
    const { clock } = this.#platform;
    if (this.#current && this.#current.expiresAt - MARGIN_MS > clock.now()) return Promise.resolve(this.#current);
    this.#running ??= this.#bootstrap().finally(() => this.#running = undefined);
    return this.#running;
  }

  async #bootstrap(): Promise<Bootstrapped> {
    const { keyManager, keyManagerName, bootstrapSeconds } = this.#options;
    this.#current = await bootstrap({
      module: this.#aka,
      platform: this.#platform,
      url: keyManager,
      ...(keyManagerName === undefined ? {} : { bsf: keyManagerName }),
      ...(bootstrapSeconds === undefined ? {} : { timeoutSeconds: bootstrapSeconds }),
    });
    return this.#current;
  }

  /** One association a host, whoever asks first. */
  async #httpUse(host: string, signal: AbortSignal): Promise<HttpUse> {
    const known = this.#uses.get(host);
    const use = await known?.catch(() => undefined);
    if (use && use.association.expiresAt > this.#platform.clock.now()) return use;
    if (this.#uses.get(host) === known) {
      this.#uses.set(host, this.#openHttp(host));
      await use?.[Symbol.asyncDispose]();
      await this.#trim();
    }
    return await unlessAborted(this.#uses.get(host) ?? this.#openHttp(host), signal);
  }

  async #openHttp(host: string): Promise<HttpUse> {
    const association = await this.associate(host);
    const { fetch, random } = this.#platform;
    const client = createApplicationClient({ association, fetch, random });
    return {
      association,
      client,
      async [Symbol.asyncDispose]() {
        client[Symbol.dispose]();
        await association[Symbol.asyncDispose]();
      },
    };
  }

  async #forget(host: string, use: HttpUse): Promise<void> {
    // Others may have found out before us and be using the next one.
    if (await this.#uses.get(host)?.catch(() => undefined) === use) {
      this.#uses.delete(host);
      this.#current = undefined;
    }
    await use[Symbol.asyncDispose]();
  }

  async #trim(): Promise<void> {
    for (const [host, opening] of this.#uses) {
      if (this.#uses.size <= CLIENTS) return;
      this.#uses.delete(host);
      await opening.then((use) => use[Symbol.asyncDispose](), () => undefined);
    }
  }
}

function isSpent(error: unknown): boolean {
  return error instanceof SeccfError && (error.code === "auth-failed" || error.code === "expired");
}
