import { SeccfError } from "../error.ts";
import type { Wait } from "../platform.ts";
import type { NumberSource } from "./numbers.ts";
import type { Sealer } from "./ports.ts";
import { authorAt, type DirectionKeys, ID_CONTEXT_LENGTH } from "./sealer_context.ts";
import { type Form, LONGEST_MESSAGE } from "./sealer_form.ts";
import type { Receiver } from "./sealer_receiver.ts";

/** What a use seals with. */
export interface Sender {
  /** Sender ID. */
  readonly id: 0 | 1;
  readonly idContext: Uint8Array;
  readonly numbers: NumberSource;
  readonly keys: DirectionKeys;
}

/** What a {@link Handle} is made from. */
export interface HandleOptions {
  readonly form: Form;
  readonly sender: Sender;
  readonly receiver: Receiver;
  /** Keys of ours under an ID Context that says it is ours. */
  readonly ownKeys: (idContext: Uint8Array) => DirectionKeys;
  /** Throws `state` or `expired`. */
  readonly check: () => void;
}

/** Seals and opens for messages of one kind; many share one use's numbers and replay windows. */
export class Handle implements Sealer {
  readonly overhead: number;
  readonly #form: Form;
  readonly #sender: Sender;
  readonly #receiver: Receiver;
  readonly #ownKeys: (idContext: Uint8Array) => DirectionKeys;
  readonly #check: () => void;
  #closed = false;

  constructor({ form, sender, receiver, ownKeys, check }: HandleOptions) {
    this.overhead = form.overhead;
    this.#form = form;
    this.#sender = sender;
    this.#receiver = receiver;
    this.#ownKeys = ownKeys;
    this.#check = check;
  }

  sealInto(message: Uint8Array, out: Uint8Array): number {
    this.#live();
    if (message.length > LONGEST_MESSAGE) throw new RangeError(`a message has at most ${LONGEST_MESSAGE} bytes`);
    if (out.length < message.length + this.overhead) throw new RangeError("out is shorter than message and overhead");
    checkApart(message, out);
    const { keys, idContext, numbers } = this.#sender;
    return this.#form.write(keys, idContext, numbers.next(), message, out);
  }

  openInto(sealed: Uint8Array, out: Uint8Array): number {
    this.#live();
    const form = this.#form;
    form.read(sealed);
    const { messageLength, idContextAt } = form.found;
    if (out.length < messageLength) throw new RangeError("out is shorter than the message");
    checkApart(sealed, out);
    const author = authorAt(sealed, idContextAt);
    if (author === this.#sender.id) this.#refuseOwn(sealed, out);
    if (author > 1) throw new SeccfError("malformed", "an author that is neither end");
    return this.#receiver.open(form, sealed, out);
  }

  async ready(wait: Wait = {}): Promise<void> {
    this.#live();
    await Promise.all([this.#sender.numbers.ready(wait), this.#receiver.ready(wait)]);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
  }

  #live(): void {
    if (this.#closed) throw new SeccfError("state", "the sealer is disposed");
    this.#check();
  }

  /** `reflected` is said only of what we did write, today or before a restart; a forgery stays a forgery. */
  #refuseOwn(sealed: Uint8Array, out: Uint8Array): never {
    const { idContextAt } = this.#form.found;
    using keys = this.#ownKeys(sealed.slice(idContextAt, idContextAt + ID_CONTEXT_LENGTH));
    const length = this.#form.open(keys, sealed, out, true);
    if (length < 0) throw new SeccfError("auth-failed", "the tag is wrong");
    out.fill(0, 0, length);
    throw new SeccfError("reflected", "a message of our own");
  }
}

/** A message shares no byte with its sealed form: writing the one's beginning would change the other, and be sealed so. */
function checkApart(from: Uint8Array, out: Uint8Array): void {
  if (from.buffer !== out.buffer) return;
  if (from.byteOffset < out.byteOffset + out.length && out.byteOffset < from.byteOffset + from.length) {
    throw new RangeError("out lies over the input");
  }
}
