/** Return routability check (RFC 9853): does whoever sends from an address also receive there? @module */

/** Bytes of the cookie. */
export const PATH_COOKIE_LENGTH = 8;

/** A question, or the answer that brings its cookie back. The third kind, path_drop, is for a check of the old path, which is not made here. */
export interface PathMessage {
  readonly kind: "challenge" | "response";
  /** 8 bytes. */
  readonly cookie: Uint8Array;
}

/** The record's content: type (1), cookie (8). */
export function encodePathMessage({ kind, cookie }: PathMessage): Uint8Array {
  const bytes = new Uint8Array(1 + PATH_COOKIE_LENGTH);
  bytes[0] = kind === "challenge" ? CHALLENGE : RESPONSE;
  bytes.set(cookie, 1);
  return bytes;
}

/** The message, or `undefined` for what is none and is passed over. Views. */
export function decodePathMessage(bytes: Uint8Array): PathMessage | undefined {
  if (bytes.length !== 1 + PATH_COOKIE_LENGTH || bytes[0]! > RESPONSE) return undefined;
  return { kind: bytes[0] === CHALLENGE ? "challenge" : "response", cookie: bytes.subarray(1) };
}

/** What a peer says to a challenge, from wherever it is. */
export function answerTo({ cookie }: PathMessage): PathMessage {
  return { kind: "response", cookie };
}

const CHALLENGE = 0;
const RESPONSE = 1;
