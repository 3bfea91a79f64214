/**
 * The grammar of challenges, credentials and their parameters: RFC 9110 11.2 to 11.6 (formerly RFC 7235), bounded and strict.
 *
 * A header field arrives from the runtime as one character a byte. Parameter values are read as UTF-8 (RFC 7616 4) and written
 * so; what is no UTF-8 is refused rather than guessed at.
 *
 * @module
 */

import { fromUtf8, toUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** One challenge, or one set of credentials. */
export interface AuthItem {
  /** Lower case. */
  readonly scheme: string;
  /** By name in lower case; each name once. Empty for schemes that carry a bare token. */
  readonly parameters: ReadonlyMap<string, string>;
}

/** A parameter to write: `quoted` where the grammar of its scheme asks for a quoted-string. */
export interface AuthParameter {
  readonly name: string;
  readonly value: string;
  readonly quoted: boolean;
}

/** Reads a whole `WWW-Authenticate` field, several challenges in one included. Throws `malformed`, `too-large`. */
export function parseChallenges(field: string): AuthItem[] {
  const cursor = new FieldCursor(field);
  const items: AuthItem[] = [];
  while (cursor.skipListGap()) {
    if (items.length === MAX_ITEMS) throw new SeccfError("too-large", "too many challenges");
    items.push(readItem(cursor));
  }
  return items;
}

/** Reads an `Authorization` field: exactly one set of credentials. Throws `malformed`, `too-large`. */
export function parseCredentials(field: string): AuthItem {
  const [only, ...more] = parseChallenges(field);
  if (!only || more.length > 0) throw malformed("not one set of credentials");
  return only;
}

/** Reads an `Authentication-Info` field (RFC 7615): parameters without a scheme. Throws `malformed`, `too-large`. */
export function parseParameters(field: string): Map<string, string> {
  const cursor = new FieldCursor(field);
  const parameters = new Map<string, string>();
  while (cursor.skipListGap()) {
    const name = cursor.parameterName();
    if (name === undefined) throw malformed("not a parameter");
    addParameter(parameters, name, cursor.value());
    cursor.endOfElement();
  }
  return parameters;
}

/** Writes `scheme name=value, ...`. Throws `malformed` where a value has characters that no field can carry. */
export function formatAuthItem(scheme: string, parameters: readonly AuthParameter[]): string {
  return `${scheme} ${formatParameters(parameters)}`;
}

/** Writes `name=value, ...`, for `Authentication-Info`. Throws `malformed` as {@link formatAuthItem} does. */
export function formatParameters(parameters: readonly AuthParameter[]): string {
  return parameters.map(({ name, value, quoted }) => `${name}=${quoted ? quote(value) : bareToken(value)}`).join(", ");
}

function readItem(cursor: FieldCursor): AuthItem {
  const scheme = cursor.token().toLowerCase();
  const parameters = new Map<string, string>();
  const item = { scheme, parameters };
  if (!cursor.skipSpaces() || cursor.atListGap()) {
    cursor.endOfElement();
    return item;
  }
  if (cursor.skipToken68()) return item;
  for (;;) {
    const name = cursor.parameterName();
    if (name === undefined) throw malformed("neither a parameter nor a challenge");
    addParameter(parameters, name, cursor.value());
    cursor.endOfElement();
    // After a comma a token with "=" goes on with this challenge, and one without it begins the next.
    if (!cursor.skipListGap() || !cursor.parameterFollows()) return item;
  }
}

function addParameter(parameters: Map<string, string>, name: string, value: string): void {
  // Two values for one name: whoever reads the first and whoever reads the last would disagree.
  if (parameters.has(name)) throw malformed("a parameter twice");
  if (parameters.size === MAX_PARAMETERS) throw new SeccfError("too-large", "too many parameters");
  parameters.set(name, value);
}

/** Walks a field once, from left to right. */
class FieldCursor {
  readonly #field: string;
  #at = 0;

  constructor(field: string) {
    if (field.length > MAX_FIELD) throw new SeccfError("too-large", `a field of more than ${MAX_FIELD} bytes`);
    this.#field = field;
  }

  /** Skips commas and white space between list elements; false at the end. */
  skipListGap(): boolean {
    this.#skip(/[, \t]*/y);
    return this.#at < this.#field.length;
  }

  atListGap(): boolean {
    return this.#at === this.#field.length || this.#field[this.#at] === ",";
  }

  /** One space or more; whether there were any. */
  skipSpaces(): boolean {
    return this.#skip(/[ \t]*/y).length > 0;
  }

  /** What is left of an element must be white space. */
  endOfElement(): void {
    this.skipSpaces();
    if (!this.atListGap()) throw malformed("text after a parameter");
  }

  token(): string {
    const token = this.#skip(TOKEN);
    if (token.length === 0) throw malformed("no token");
    return token;
  }

  /** The bare token of schemes such as Basic; skipped, since no scheme here uses it. */
  skipToken68(): boolean {
    return this.#skip(/[A-Za-z0-9\-._~+/]+=*[ \t]*(?=,|$)/y).length > 0;
  }

  parameterFollows(): boolean {
    const start = this.#at;
    const name = this.parameterName();
    this.#at = start;
    return name !== undefined;
  }

  /** A name and its "=", in lower case; `undefined`, and nothing read, where there is none. */
  parameterName(): string | undefined {
    const start = this.#at;
    const name = this.#skip(TOKEN);
    this.skipSpaces();
    if (name.length === 0 || this.#field[this.#at] !== "=") {
      this.#at = start;
      return undefined;
    }
    this.#at++;
    this.skipSpaces();
    return name.toLowerCase();
  }

  /** A token or a quoted-string, without its quotes and escapes. */
  value(): string {
    if (this.#field[this.#at] !== '"') return this.token();
    const quoted = this.#skip(QUOTED_STRING);
    if (quoted.length === 0) throw malformed("a quoted-string does not end");
    return fromBytes(quoted.slice(1, -1).replace(/\\(.)/gs, "$1"));
  }

  #skip(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#field)?.[0] ?? "";
    this.#at += found.length;
    return found;
  }
}

function quote(value: string): string {
  const bytes = toBytes(value);
  if (!/^[\t\x20-\x7e\x80-\xff]*$/.test(bytes)) throw malformed("a control character in a parameter");
  return `"${bytes.replace(/["\\]/g, "\\$&")}"`;
}

function bareToken(value: string): string {
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(value)) throw malformed("not a token");
  return value;
}

function fromBytes(text: string): string {
  if (/^\p{ASCII}*$/u.test(text)) return text;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0xff) throw malformed("not bytes");
    bytes[i] = code;
  }
  return fromUtf8(bytes);
}

function toBytes(text: string): string {
  if (/^\p{ASCII}*$/u.test(text)) return text;
  return String.fromCharCode(...toUtf8(text));
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message, { clause: "RFC 9110 11.2" });
}

/** RFC 9110 5.6.2 and 5.6.4. A quoted-string may hold bytes above 0x7f. */
const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]*/y;
const QUOTED_STRING = /"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"/y;
const MAX_FIELD = 8192;
const MAX_ITEMS = 8;
const MAX_PARAMETERS = 24;
