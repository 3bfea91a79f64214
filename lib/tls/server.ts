/** The server's side of a handshake up to the choice of a version, and whom it leaves the rest to. @module */

import type { SeccfError } from "../error.ts";
import type { Answer } from "./engine.ts";
import type { Handshake, HandshakeLink, Retried } from "./handshake.ts";
import { decodeClientHello } from "./handshake/client_hello.ts";
import { HANDSHAKE, type HandshakeMessage, unexpected } from "./handshake/message.ts";
import { isVersion13, type Policy, type ServerOptions } from "./options.ts";
import { Server12 } from "./tls12/server.ts";
import { Server13 } from "./tls13/server.ts";
import { chooseVersion } from "./versions.ts";

/** Reads the ClientHello and goes on as a server of the version that comes of it. */
export class ServerHandshake implements Handshake {
  readonly #link: HandshakeLink;
  readonly #policy: Policy;
  readonly #options: Pick<ServerOptions, "hint" | "ownIdentities">;
  readonly #retried: Retried | undefined;
  #server: Handshake | undefined;

  /** `retried`: the next hello is a second one of version 1.3, the first was answered without this. */
  constructor(
    link: HandshakeLink,
    policy: Policy,
    options: Pick<ServerOptions, "hint" | "ownIdentities">,
    retried?: Retried,
  ) {
    this.#link = link;
    this.#policy = policy;
    this.#retried = retried;
    const { hint, ownIdentities = [] } = options;
    this.#options = {
      ...(hint && { hint: new Uint8Array(hint) }),
      ownIdentities: ownIdentities.map((identity) => new Uint8Array(identity)),
    };
  }

  get refusal(): SeccfError | undefined {
    return this.#server?.refusal;
  }

  get awaitsChangeCipherSpec(): boolean {
    return this.#server?.awaitsChangeCipherSpec ?? false;
  }

  start(): void {
    // The client has the first move.
  }

  message(message: HandshakeMessage): void {
    if (this.#server) this.#server.message(message);
    else if (message.type === HANDSHAKE.clientHello) this.#clientHello(message);
    else throw unexpected("a handshake message");
  }

  changeCipherSpec(): void {
    if (!this.#server) throw unexpected("ChangeCipherSpec");
    this.#server.changeCipherSpec();
  }

  prepare(answer: Answer): () => void {
    if (!this.#server) throw unexpected("an answer");
    return this.#server.prepare(answer);
  }

  [Symbol.dispose](): void {
    this.#server?.[Symbol.dispose]();
  }

  #clientHello(message: HandshakeMessage): void {
    const offer = decodeClientHello(message.body, this.#policy.transport);
    const version = chooseVersion(offer, this.#policy);
    if (isVersion13(version)) {
      const server = new Server13(this.#link, this.#policy, this.#options, this.#retried);
      server.message(message);
      this.#server = server;
    } else if (this.#retried) {
      throw unexpected("a hello of another version");
    } else {
      const server = new Server12(this.#link, this.#policy, this.#options, { offer, framed: message.framed });
      server.start();
      this.#server = server;
    }
  }
}
