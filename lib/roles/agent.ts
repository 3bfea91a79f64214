/** The device's side: from an identity module to associations with enablers, bootstrapping unseen. @module */

import {
  createAssociation,
  type Lifetime,
  type SecurityAssociation,
  startLifetime,
  type UaProfile,
} from "../association/mod.ts";
import { toUtf8 } from "../bytes/mod.ts";
import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import { bootstrap, canonicalFqdn, deviceOrigin } from "../gba/mod.ts";
import type { AkaModule, IdentityModule } from "../identity/mod.ts";
import type { Platform, Wait } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import { AgentHttp } from "./agent_http.ts";

/** What {@link createAgent} takes. */
export interface AgentOptions {
  /** Stays the caller's, who disposes it after the agent. */
  readonly identity: IdentityModule;
  /** Where Ub is asked. Default: plain HTTP to the name that follows from the identity, as TS 23.003 16.2 has it. */
  readonly keyManager?: string | URL;
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
   * `fetch` with the association of the URL's host as its proof (HTTP Digest), agreed on first use and again when it ends or the
   * enabler refuses it; the request is sent once more then. Throws as {@link Agent.associate} does, `auth-failed` when either
   * side's proof fails, and what the network throws.
   */
  fetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
}

/** A Ks is not used in its last seconds: what begins with it should be able to end with it. */
const MARGIN_MS = 10_000;

/** An agent over one identity module. Throws TypeError for a module without AKA, or where nothing tells the Key Manager. */
// req: SEC_CF-USAB-001
// req: SEC_CF-HLF-003
export function createAgent(options: AgentOptions & Platform): Agent {
  const { aka } = options.identity;
  if (!aka) throw new TypeError("the identity module has no AKA: bootstrapping needs one");
  if (options.keyManager === undefined && options.identity.keyManager === undefined) {
    throw new TypeError("neither the options nor the identity module name the Key Manager");
  }
  return new GbaAgent(options, aka);
}

/** What was bootstrapped: its name, and its end by either clock. */
interface Bootstrapping {
  readonly btid: string;
  readonly lifetime: Lifetime;
}

class GbaAgent implements Agent {
  readonly #options: AgentOptions & Platform;
  readonly #platform: Platform;
  readonly #aka: AkaModule;
  readonly #http: AgentHttp;
  readonly #end = new AbortController();
  #current: Bootstrapping | undefined;
  #running: Promise<Bootstrapping> | undefined;

  constructor(options: AgentOptions & Platform, aka: AkaModule) {
    this.#options = options;
    this.#platform = { clock: options.clock, random: options.random, fetch: options.fetch };
    this.#aka = aka;
    this.#http = new AgentHttp({
      platform: this.#platform,
      associate: (host) => this.associate(host),
      spent: () => void (this.#current = undefined),
    });
  }

  async associate(name: string, { signal }: Wait = {}): Promise<SecurityAssociation> {
    this.#end.signal.throwIfAborted();
    const serverName = canonicalFqdn(name);
    signal?.throwIfAborted();
    // The run goes on for others who wait for it; an aborted caller alone stops waiting.
    const { btid, lifetime } = await unlessAborted(this.#bootstrapped(), signal);
    this.#end.signal.throwIfAborted();
    const { store, sealingAlgorithm, uaProfile = "oma" } = this.#options;
    return createAssociation({
      reference: btid,
      serverName,
      role: "initiator",
      peer: { identity: toUtf8(serverName), assurance: "psk" },
      origin: deviceOrigin({ module: this.#aka, btid, serverName, uaProfile }),
      lifetime,
      platform: this.#platform,
      ...(store ? { store } : {}),
      ...(sealingAlgorithm === undefined ? {} : { sealingAlgorithm }),
    });
  }

  async fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const request = new Request(input, init);
    return await this.#http.fetch(canonicalFqdn(new URL(request.url).hostname), request);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort(new SeccfError("state", "the agent is disposed"));
    this.#http.close();
    return Promise.resolve();
  }

  /** One run at a time, whoever asks: a card holds one pending Ks. */
  #bootstrapped(): Promise<Bootstrapping> {
    if (this.#current && this.#current.lifetime.left > MARGIN_MS) return Promise.resolve(this.#current);
    this.#running ??= this.#bootstrap().finally(() => this.#running = undefined);
    return this.#running;
  }

  async #bootstrap(): Promise<Bootstrapping> {
    const { identity, keyManagerName, bootstrapSeconds } = this.#options;
    const keyManager = this.#options.keyManager ?? `http://${identity.keyManager}/`;
    const { clock } = this.#platform;
    const { btid, expiresAt } = await bootstrap({
      module: this.#aka,
      platform: this.#platform,
      url: keyManager,
      signal: this.#end.signal,
      ...(keyManagerName === undefined ? {} : { bsf: keyManagerName }),
      ...(bootstrapSeconds === undefined ? {} : { timeoutSeconds: bootstrapSeconds }),
    });
    // One end for all associations of this Ks, whenever they are made: none outlives it.
    const lifetime = startLifetime({ clock, seconds: Math.max(0, expiresAt - clock.now()) / 1000 });
    this.#current = { btid, lifetime };
    return this.#current;
  }
}
