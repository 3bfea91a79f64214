/**
 * Calls of PKCS #11 as p11-kit carries them between processes (p11-kit/rpc-message.h and rpc-transport.c of p11-kit, 0.23.11
 * and later, protocol versions 0 to 2): a frame of 12 bytes, then the number of the call, the signature of its arguments, the arguments. Everything is
 * big-endian; a CK_ULONG is 8 bytes. Only what a MAC needs is here.
 *
 * @module
 */

import { concat, Reader, toUtf8, Writer } from "../../lib/bytes/mod.ts";
import { SeccfError } from "../../lib/error.ts";

/** A call: its number, and the types of what goes in and what comes out. */
export interface Call {
  readonly name: string;
  readonly id: number;
  readonly request: string;
  readonly response: string;
}

type CallName =
  | "initialize"
  | "getSlotList"
  | "getTokenInfo"
  | "openSession"
  | "login"
  | "findObjectsInit"
  | "findObjects"
  | "findObjectsFinal"
  | "signInit"
  | "sign";

/** The calls that are made, with p11-kit's numbers and signatures. */
export const CALLS: Readonly<Record<CallName, Call>> = {
  initialize: { name: "C_Initialize", id: 1, request: "ayyay", response: "" },
  getSlotList: { name: "C_GetSlotList", id: 4, request: "yfu", response: "au" },
  getTokenInfo: { name: "C_GetTokenInfo", id: 6, request: "u", response: "ssssuuuuuuuuuuuvvs" },
  openSession: { name: "C_OpenSession", id: 10, request: "uu", response: "u" },
  login: { name: "C_Login", id: 18, request: "uuay", response: "" },
  findObjectsInit: { name: "C_FindObjectsInit", id: 26, request: "uaA", response: "" },
  findObjects: { name: "C_FindObjects", id: 27, request: "ufu", response: "au" },
  findObjectsFinal: { name: "C_FindObjectsFinal", id: 28, request: "u", response: "" },
  signInit: { name: "C_SignInit", id: 42, request: "uMu", response: "" },
  sign: { name: "C_Sign", id: 43, request: "uayfy", response: "ay" },
};

/** What {@link CALLS}' initialize says first. */
export const HANDSHAKE: Uint8Array = toUtf8("PRIVATE-GNOME-KEYRING-PKCS11-PROTOCOL-V-1");

/** How many bytes stand before the body of a frame. */
export const FRAME_LENGTH = 12;

/** One frame with a request; `args` are the arguments' own encodings. It shares no memory with them. */
export function encodeRequest(call: Call, sequence: number, ...args: readonly Uint8Array[]): Uint8Array {
  const signature = toUtf8(call.request);
  const length = 8 + signature.length + args.reduce((sum, arg) => sum + arg.length, 0);
  const head = new Writer().u32(sequence).u32(0).u32(length).u32(call.id).u32(signature.length).bytes(signature);
  return concat(head.done(), ...args);
}

/** How many bytes follow a frame's head: options, which are to be skipped, and a body. Throws `malformed`. */
export function decodeFrame(head: Uint8Array, sequence: number): { readonly options: number; readonly body: number } {
  const reader = new Reader(head);
  if (reader.u32() !== sequence) throw malformed("the answer is to another call");
  const [options, body] = [reader.u32(), reader.u32()];
  reader.end();
  if (options > MOST_BODY || body > MOST_BODY) throw malformed("an answer of this length is none to what was asked");
  return { options, body };
}

/** What a call came to: its results to read, or the CK_RV that it failed with. */
export type Outcome = { readonly ok: true; readonly results: Reader } | { readonly ok: false; readonly rv: number };

/** The outcome in the body of a frame, whose memory it shares. Throws `malformed`. */
export function decodeResponse(call: Call, body: Uint8Array): Outcome {
  const reader = new Reader(body);
  const id = reader.u32();
  const signature = new TextDecoder().decode(reader.take(reader.u32()));
  if (id === 0 && signature === "u") {
    const rv = readUlong(reader);
    reader.end();
    return { ok: false, rv: Number(rv) };
  }
  if (id !== call.id || signature !== call.response) throw malformed(`this is no answer to ${call.name}`);
  return { ok: true, results: reader };
}

/** `y`: one byte. */
export function byte(value: number): Uint8Array {
  return Uint8Array.of(value);
}

/** `u`: CK_ULONG. */
export function ulong(value: number | bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value));
  return bytes;
}

/** `ay`: bytes that are there. */
export function byteArray(bytes: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(1), u32(bytes.length), bytes);
}

/** `fy` and `fu`: room for this many at the caller's. */
export function room(count: number): Uint8Array {
  return u32(count);
}

/** The version of the protocol that is offered; the other side answers with its own where that is lower. */
export const VERSION = 2;

/** `M`: a mechanism without a parameter, behind which versions below 2 (p11-kit before 0.25.6) say so. */
export function mechanism(type: number, version: number): Uint8Array {
  return version < 2 ? concat(u32(type), u32(0xffffffff)) : u32(type);
}

/** An attribute of an object: a CK_ULONG or bytes, by its type. */
export interface Attribute {
  readonly type: number;
  readonly value: number | Uint8Array;
}

/** `aA`: what an object has to be. */
export function attributes(list: readonly Attribute[]): Uint8Array {
  const encoded = list.map(({ type, value }) =>
    typeof value === "number"
      ? concat(u32(type), byte(1), u32(8), ulong(value))
      : concat(u32(type), byte(1), u32(value.length), u32(value.length), value)
  );
  return concat(u32(list.length), ...encoded);
}

/** `u`. Throws `malformed`. */
export function readUlong(reader: Reader): bigint {
  return BigInt(reader.u32()) << 32n | BigInt(reader.u32());
}

/** `au`: at most `most` numbers. Throws `malformed`. */
export function readUlongs(reader: Reader, most: number): bigint[] {
  const there = reader.u8();
  const count = reader.u32();
  if (there === 0 || count > most) throw malformed("a list of this length was not asked for");
  return Array.from({ length: count }, () => readUlong(reader));
}

/** `ay`: a view. Throws `malformed`. */
export function readBytes(reader: Reader): Uint8Array {
  if (reader.u8() === 0) throw malformed("a length without the bytes");
  return reader.take(reader.u32());
}

/** `s`: text padded with spaces, without them. Throws `malformed`. */
export function readText(reader: Reader): string {
  return new TextDecoder().decode(reader.take(reader.u32())).trimEnd();
}

function u32(value: number): Uint8Array {
  return new Writer().u32(value).done();
}

function malformed(message: string): SeccfError {
  return new SeccfError("malformed", message);
}

/** No answer that is asked for comes near it. */
const MOST_BODY = 65536 - FRAME_LENGTH;
