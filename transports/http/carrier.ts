/** HTTP as a carrier: requests that prove the association by Digest, responses that prove the enabler (TS 33.222 5.3). @module */

import type {
  Binding,
  Connector,
  Peer,
  Received,
  SecureChannel,
  SecurityAssociation,
} from "../../lib/association/ports.ts";
import { Queue } from "../../lib/channel/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { createApplicationClient } from "../../lib/gba/mod.ts";
import type { Fetch, Wait } from "../../lib/platform.ts";

/** A {@link SecureChannel} with HTTP's own verb. Its `send` is a POST, whose response body is the next thing received. */
export interface HttpChannel extends SecureChannel {
  /** Requests to the association's enabler; the URL's host is its name. Throws `auth-failed`, `wrong-realm`, `expired`. */
  readonly fetch: Fetch;
}

/** What {@link http} takes. */
export interface HttpCarrierOptions {
  /** How requests travel. Default: the platform's `fetch`. */
  readonly fetch?: Fetch;
  /** Where `send` posts to, on the enabler. Default `/`. */
  readonly path?: string;
  /** `http:` only where something else protects the way or nobody is on it: loopback, a terminator. Default `https:`. */
  readonly scheme?: "https:" | "http:";
}

/** A connector alone: an enabler's passive end is `enabler.handle`. Nothing is sent before the first request. */
export function http(options: HttpCarrierOptions = {}): Connector<HttpChannel> {
  return {
    name: "http",
    connect(association, { platform }) {
      const { fetch = platform.fetch, path = "/", scheme = "https:" } = options;
      const url = new URL(path, `${scheme}//${association.serverName}`).href;
      const client = createApplicationClient({ association, fetch, random: platform.random });
      return Promise.resolve(new Requests({ association, client, url }));
    },
  };
}

class Requests implements HttpChannel {
  readonly peer: Peer;
  readonly association: SecurityAssociation;
  readonly binding: Binding = { carrier: "http", strength: 0 };
  readonly boundaries = "kept";
  readonly fetch: Fetch;
  readonly #client: Disposable;
  readonly #url: string;
  readonly #received = new Queue<Uint8Array>(1 << 20, ({ length }) => length);
  #closed = false;

  constructor({ association, client, url }: {
    readonly association: SecurityAssociation;
    readonly client: { readonly fetch: Fetch } & Disposable;
    readonly url: string;
  }) {
    this.association = association;
    this.peer = { identity: association.peer.identity, assurance: "digest" };
    this.#client = client;
    this.#url = url;
    this.fetch = (request) => this.#closed ? Promise.reject(closed()) : client.fetch(request);
  }

  async send(payload: Uint8Array, { signal }: Wait = {}): Promise<void> {
    const request = new Request(this.#url, {
      method: "POST",
      headers: { "content-type": "application/octet-stream" },
      body: payload.slice(),
      ...(signal ? { signal } : {}),
    });
    const response = await this.fetch(request);
    if (!response.ok) throw new SeccfError("unsupported", `the enabler answered with status ${response.status}`);
    const body = new Uint8Array(await response.arrayBuffer());
    if (body.length > 0) this.#received.push(body);
  }

  [Symbol.asyncIterator](): AsyncIterator<Received, undefined> {
    const bodies = this.#received.iterate();
    return {
      async next() {
        const { done, value } = await bodies.next();
        return done ? { done, value: undefined } : { done: false, value: { payload: value } };
      },
      return: () => Promise.resolve({ done: true, value: undefined }),
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      this.#received.end();
      this.#client[Symbol.dispose]();
    }
    return Promise.resolve();
  }
}

function closed(): SeccfError {
  return new SeccfError("closed", "the channel is closed");
}
