/** The agent's HTTP: one association for each host, kept while requests go on, agreed anew when it is spent. @module */

import type { SecurityAssociation } from "../association/mod.ts";
import { unlessAborted } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import { type ApplicationClient, createApplicationClient } from "../gba/mod.ts";
import type { Platform } from "../platform.ts";

/** What {@link AgentHttp} takes of its agent. */
export interface AgentHttpOptions {
  readonly platform: Platform;
  /** An association with this host, which becomes the taker's. */
  associate(host: string): Promise<SecurityAssociation>;
  /** Hears that the Ks in use is no longer good. */
  spent(): void;
}

/** Hosts whose association is remembered. */
const HOSTS = 64;

/** Requests to many hosts. */
export class AgentHttp {
  readonly #options: AgentHttpOptions;
  /** The one asked most recently last. */
  readonly #uses = new Map<string, Promise<HttpUse>>();

  constructor(options: AgentHttpOptions) {
    this.#options = options;
  }

  /** Sends `request` to `host`, a canonical name, and once more where the enabler refuses the first association. */
  async fetch(host: string, request: Request): Promise<Response> {
    const body = request.body === null ? undefined : new Uint8Array(await request.arrayBuffer());
    for (let attempt = 0; attempt < 2; attempt++) {
      const use = await this.#use(host, request.signal);
      const response = await use.attempt(new Request(request, body ? { body } : {}));
      if (response) return response;
      // The Key Manager or the enabler may have forgotten the B-TID: one new run tells whether that was it.
      await this.#forget(host, use);
    }
    throw new SeccfError("auth-failed", "the enabler refused the association's proof");
  }

  /** Lets go of all associations, each when its last request is done. */
  close(): void {
    for (const opening of this.#uses.values()) drop(opening);
    this.#uses.clear();
  }

  /** One association a host, whoever asks first. */
  async #use(host: string, signal: AbortSignal): Promise<HttpUse> {
    const known = this.#uses.get(host);
    const use = await known?.catch(() => undefined);
    if (use?.good) return use;
    if (this.#uses.get(host) === known) {
      if (known) drop(known);
      this.#uses.delete(host);
      this.#uses.set(host, this.#open(host));
      this.#trim();
    }
    return await unlessAborted(this.#uses.get(host) ?? this.#open(host), signal);
  }

  async #open(host: string): Promise<HttpUse> {
    const { platform: { fetch, random } } = this.#options;
    const association = await this.#options.associate(host);
    return new HttpUse(association, createApplicationClient({ association, fetch, random }));
  }

  async #forget(host: string, use: HttpUse): Promise<void> {
    // Others may have found out before us and be using the next one.
    if (await this.#uses.get(host)?.catch(() => undefined) === use) {
      this.#uses.delete(host);
      this.#options.spent();
    }
    use.retire();
  }

  #trim(): void {
    for (const [host, opening] of this.#uses) {
      if (this.#uses.size <= HOSTS) return;
      this.#uses.delete(host);
      drop(opening);
    }
  }
}

/** An association and its client, disposed when they are retired and the last request is done: an answer on its way is still proved. */
class HttpUse {
  readonly #association: SecurityAssociation;
  readonly #client: ApplicationClient;
  #requests = 0;
  #retired = false;

  constructor(association: SecurityAssociation, client: ApplicationClient) {
    this.#association = association;
    this.#client = client;
  }

  get good(): boolean {
    return !this.#retired && !this.#association.expired;
  }

  /** `undefined` where the association is spent and the request not acted upon. */
  async attempt(request: Request): Promise<Response | undefined> {
    this.#requests++;
    try {
      return await this.#client.attempt(request);
    } catch (error) {
      // The key is asked for before the request is sent.
      if (error instanceof SeccfError && error.code === "expired") return undefined;
      throw error;
    } finally {
      this.#requests--;
      this.#disposeIfDone();
    }
  }

  retire(): void {
    this.#retired = true;
    this.#disposeIfDone();
  }

  #disposeIfDone(): void {
    if (!this.#retired || this.#requests > 0) return;
    this.#client[Symbol.dispose]();
    void this.#association[Symbol.asyncDispose]();
  }
}

/** Retires what is open, or will be. */
function drop(opening: Promise<HttpUse>): void {
  opening.then((use) => use.retire(), () => undefined);
}
