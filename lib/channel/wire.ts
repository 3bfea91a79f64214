/** What a connection needs of its transport, whether that is a stream of its own or a socket that many share. @module */

/** Where an engine's transmits go. */
export interface Wire {
  /** `host:port` of the other end, as it is now. */
  readonly remote: string;
  /** Sends `bytes`, in order, and takes what it needs of them before it returns. */
  put(bytes: Uint8Array): void;
  /** Settles when the transport has taken all that was put, or wants a turn for itself; `undefined` when it has and does not. */
  flushed(): Promise<void> | undefined;
  /** Gives the transport back. */
  release(): PromiseLike<void> | undefined;
}

/** Where what the peer sent goes. */
export interface Intake {
  /** Takes a copy of `bytes`. */
  push(bytes: Uint8Array): void;
  /** Nothing more comes; `error`: why, unless the peer ended it properly. */
  end(error?: unknown): void;
}
