/** Hellos taken apart and put together again without the library's own code, so that a test can stand in between and change them. */
import { concat, Reader, Writer } from "../../lib/bytes/mod.ts";

/** What carries the records. */
export type Transport = "stream" | "datagram";

/** A ClientHello or a ServerHello, whatever is in it. */
export interface RawHello {
  readonly kind: "client" | "server";
  readonly version: number;
  readonly random: Uint8Array;
  readonly sessionId: Uint8Array;
  /** A ClientHello's on datagrams. */
  readonly cookie?: Uint8Array;
  /** A ServerHello has one. */
  readonly suites: readonly number[];
  readonly compressions: Uint8Array;
  readonly extensions: readonly { readonly type: number; readonly body: Uint8Array }[];
}

/** What somebody in between makes of a hello. */
export type Edit = (hello: RawHello) => RawHello;

const HANDSHAKE = 22;
/** application_data; then heartbeat, tls12_cid, ACK and unified headers. */
const HIGHEST_PLAIN = 23;
const KINDS = { 1: "client", 2: "server" } as const;

/** Puts `edit` on each hello in the clear in `bytes`: pieces of a stream, or a datagram, whose hellos are whole. */
export function rewriteHellos(bytes: Uint8Array, transport: Transport, edit: Edit): Uint8Array {
  const out: Uint8Array[] = [];
  const headerLength = transport === "stream" ? 5 : 13;
  for (let at = 0; at < bytes.length;) {
    // RFC 9146 4 and RFC 9147 4 have headers of other forms, and no hello is behind them.
    if (transport === "datagram" && bytes[at]! > HIGHEST_PLAIN) return concat(...out, bytes.subarray(at));
    const header = bytes.slice(at, at + headerLength);
    const end = at + headerLength + ((header.at(-2)! << 8) | header.at(-1)!);
    const body = bytes.subarray(at + headerLength, end);
    const isClear = header[0] === HANDSHAKE && (transport === "stream" || (header[3] === 0 && header[4] === 0));
    const changed = isClear ? rewriteMessages(body, transport, edit) : body;
    header.set([changed.length >> 8, changed.length & 255], headerLength - 2);
    out.push(header, changed);
    at = end;
  }
  return concat(...out);
}

function rewriteMessages(body: Uint8Array, transport: Transport, edit: Edit): Uint8Array {
  const headerLength = transport === "stream" ? 4 : 12;
  const out: Uint8Array[] = [];
  for (let at = 0; at < body.length;) {
    const length = (body[at + 1]! << 16) | (body[at + 2]! << 8) | body[at + 3]!;
    // On a stream what is encrypted has the same type of record before version 1.3.
    if (at + headerLength + length > body.length) return concat(...out, body.subarray(at));
    const message = body.subarray(at + headerLength, at + headerLength + length);
    const kind = KINDS[body[at] as 1 | 2];
    const changed = kind ? encodeHello(edit(decodeHello(kind, message, transport))) : message;
    const header = body.slice(at, at + headerLength);
    const size = [changed.length >> 16, (changed.length >> 8) & 255, changed.length & 255];
    header.set(size, 1);
    if (transport === "datagram") header.set(size, 9);
    out.push(header, changed);
    at += headerLength + length;
  }
  return concat(...out);
}

function decodeHello(kind: RawHello["kind"], bytes: Uint8Array, transport: Transport): RawHello {
  const reader = new Reader(bytes);
  const head = { version: reader.u16(), random: reader.take(32), sessionId: reader.vector8() };
  const cookie = kind === "client" && transport === "datagram" ? { cookie: reader.vector8() } : {};
  const list = new Reader(kind === "client" ? reader.vector16() : reader.take(2));
  const suites: number[] = [];
  while (list.remaining > 0) suites.push(list.u16());
  const compressions = kind === "client" ? reader.vector8() : reader.take(1);
  const extensions: { type: number; body: Uint8Array }[] = [];
  const block = new Reader(reader.remaining > 0 ? reader.vector16() : new Uint8Array(0));
  while (block.remaining > 0) extensions.push({ type: block.u16(), body: block.vector16() });
  return { kind, ...head, ...cookie, suites, compressions, extensions };
}

function encodeHello(hello: RawHello): Uint8Array {
  const { kind, version, random, sessionId, cookie, suites, compressions, extensions } = hello;
  const writer = new Writer().u16(version).bytes(random).vector8(sessionId);
  if (cookie) writer.vector8(cookie);
  const list = new Writer();
  for (const suite of suites) list.u16(suite);
  if (kind === "client") writer.vector16(list.done()).vector8(compressions);
  else writer.bytes(list.done()).bytes(compressions);
  const block = new Writer();
  for (const { type, body } of extensions) block.u16(type).vector16(body);
  return extensions.length === 0 ? writer.done() : writer.vector16(block.done()).done();
}
