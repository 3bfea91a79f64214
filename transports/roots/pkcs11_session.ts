/** One session with one token, from finding it to its HMAC, over a program that speaks p11-kit's protocol. @module */

import type { Reader } from "../../lib/bytes/mod.ts";
import { wipe } from "../../lib/crypto/mod.ts";
import { expose } from "../../lib/crypto/secret.ts";
import { type ErrorCode, SeccfError } from "../../lib/error.ts";
import type { Wait } from "../../lib/platform.ts";
import type { PinGate } from "./pin.ts";
import {
  type Attribute,
  attributes,
  byte,
  byteArray,
  type Call,
  CALLS,
  decodeFrame,
  decodeResponse,
  encodeRequest,
  FRAME_LENGTH,
  HANDSHAKE,
  mechanism,
  readBytes,
  readText,
  readUlong,
  readUlongs,
  room,
  ulong,
  VERSION,
} from "./pkcs11_message.ts";
import type { Program } from "./program.ts";

/** Which token, and which key in it. */
export interface Pkcs11Place {
  /** CKA label of the token, without the spaces behind it. */
  readonly token: string;
  /** Its serial number, where labels may be the same. */
  readonly serial?: string;
  /** CKA_LABEL of the key. */
  readonly label?: string;
  /** CKA_ID of the key. */
  readonly id?: Uint8Array;
}

/** Calls, one after another. */
export class Pkcs11Session {
  readonly #program: Program;
  #sequence = 0;
  #version = 0;

  /** Over a program that has just been started. */
  constructor(program: Program) {
    this.#program = program;
  }

  /**
   * HMAC-SHA-256 of `message` under the key at `place`: the caller's to wipe. Throws `identity-unavailable`, `pin-required`,
   * `pin-blocked`, `unsupported` for a token or a key that does no HMAC, and what the program throws.
   */
  async hmac(place: Pkcs11Place, message: Uint8Array, pins: PinGate, options: Wait): Promise<Uint8Array> {
    await this.#greet();
    const { slot, flags } = await this.#findToken(place);
    const session = await this.#call(CALLS.openSession, readUlong, ulong(slot), ulong(CKF_SERIAL_SESSION));
    if (flags & CKF_LOGIN_REQUIRED) await this.#login(session, flags, pins, options);
    const key = await this.#findKey(session, place);
    await this.#call(CALLS.signInit, nothing, ulong(session), mechanism(CKM_SHA256_HMAC, this.#version), ulong(key));
    const copy = (reader: Reader) => readBytes(reader).slice();
    return await this.#call(CALLS.sign, copy, ulong(session), byteArray(message), room(32));
  }

  /** The version of the protocol, the lower of both, and C_Initialize. */
  async #greet(): Promise<void> {
    await this.#program.write(byte(VERSION));
    const [version = 0] = await this.#program.read(1);
    if (version > VERSION) throw new SeccfError("malformed", "a version of the protocol that was not offered");
    this.#version = version;
    await this.#call(CALLS.initialize, nothing, byteArray(HANDSHAKE), byte(0), byteArray(byte(0)));
  }

  async #findToken({ token, serial }: Pkcs11Place): Promise<{ readonly slot: bigint; readonly flags: number }> {
    const list = (reader: Reader) => readUlongs(reader, MOST_SLOTS);
    const found: { slot: bigint; flags: number }[] = [];
    for (const slot of await this.#call(CALLS.getSlotList, list, byte(1), room(MOST_SLOTS))) {
      // Another token may be broken, or just being taken out.
      const info = await this.#ask(CALLS.getTokenInfo, readTokenInfo, ulong(slot));
      if (typeof info === "number") continue;
      if (info.label === token && (serial === undefined || info.serial === serial)) {
        found.push({ slot, flags: info.flags });
      }
    }
    return theOne(found, "token");
  }

  async #login(session: bigint, flags: number, pins: PinGate, options: Wait): Promise<void> {
    if (flags & CKF_USER_PIN_LOCKED) throw new SeccfError("pin-blocked", "the token's PIN is blocked");
    using pin = await pins.get(options);
    try {
      await this.#call(CALLS.login, nothing, ulong(session), ulong(CKU_USER), byteArray(expose(pin)));
    } catch (error) {
      if (error instanceof SeccfError && error.code === "pin-required") pins.refuse(pin);
      throw error;
    }
  }

  async #findKey(session: bigint, { label, id }: Pkcs11Place): Promise<bigint> {
    const wanted: Attribute[] = [{ type: CKA_CLASS, value: CKO_SECRET_KEY }];
    if (label !== undefined) wanted.push({ type: CKA_LABEL, value: new TextEncoder().encode(label) });
    if (id !== undefined) wanted.push({ type: CKA_ID, value: id });
    await this.#call(CALLS.findObjectsInit, nothing, ulong(session), attributes(wanted));
    const two = (reader: Reader) => readUlongs(reader, 2);
    const found = await this.#call(CALLS.findObjects, two, ulong(session), room(2));
    await this.#call(CALLS.findObjectsFinal, nothing, ulong(session));
    return theOne(found, "key");
  }

  /** Throws what the token refuses. */
  async #call<T extends object | bigint | undefined>(
    call: Call,
    read: (results: Reader) => T,
    ...args: readonly Uint8Array[]
  ): Promise<T> {
    const results = await this.#ask(call, read, ...args);
    if (typeof results === "number") throw refusal(results, call);
    return results;
  }

  /** What the token answers, or the CK_RV that it refuses with. Neither the PIN in a request nor the key in an answer is left in a buffer. */
  async #ask<T extends object | bigint | undefined>(
    call: Call,
    read: (results: Reader) => T,
    ...args: readonly Uint8Array[]
  ): Promise<T | number> {
    const sequence = ++this.#sequence;
    const request = encodeRequest(call, sequence, ...args);
    await this.#program.write(request);
    wipe(request, ...args);
    const { options, body } = decodeFrame(await this.#program.read(FRAME_LENGTH), sequence);
    await this.#program.read(options);
    const response = await this.#program.read(body);
    try {
      const outcome = decodeResponse(call, response);
      if (!outcome.ok) return outcome.rv;
      const results = read(outcome.results);
      outcome.results.end();
      return results;
    } finally {
      wipe(response);
    }
  }
}

function readTokenInfo(reader: Reader): { label: string; serial: string; flags: number } {
  const label = readText(reader);
  reader.take(reader.u32());
  reader.take(reader.u32());
  const serial = readText(reader);
  const flags = Number(readUlong(reader) & 0xffffffffn);
  // Ten numbers of sessions, PIN lengths and memory, two versions of two bytes, the time.
  reader.take(80);
  for (let i = 0; i < 2; i++) reader.take(2);
  reader.take(reader.u32());
  return { label, serial, flags };
}

/** A key that is taken for another would make a channel to nobody, or to the wrong one. */
function theOne<T>(found: readonly T[], what: string): T {
  const [one, another] = found;
  if (one === undefined) throw new SeccfError("identity-unavailable", `no such ${what}`);
  if (another !== undefined) throw new SeccfError("identity-unavailable", `more than one such ${what}`);
  return one;
}

function nothing(): undefined {}

function refusal(rv: number, { name }: Call): SeccfError {
  const code = REFUSALS[rv] ?? "identity-unavailable";
  return new SeccfError(code, `the token answered 0x${rv.toString(16)} to ${name}`, { clause: "PKCS #11 2.40 5.1" });
}

const CKF_SERIAL_SESSION = 0x4;
const CKF_LOGIN_REQUIRED = 0x4;
const CKF_USER_PIN_LOCKED = 0x40000;
const CKU_USER = 1;
const CKO_SECRET_KEY = 4;
const CKA_CLASS = 0x0;
const CKA_LABEL = 0x3;
const CKA_ID = 0x102;
const CKM_SHA256_HMAC = 0x251;
const MOST_SLOTS = 64;

/** CK_RV that a person has to act on in another way than by looking for the token. */
const REFUSALS: Readonly<Record<number, ErrorCode>> = {
  0x63: "unsupported", // CKR_KEY_TYPE_INCONSISTENT
  0x68: "unsupported", // CKR_KEY_FUNCTION_NOT_PERMITTED
  0x70: "unsupported", // CKR_MECHANISM_INVALID
  0xa0: "pin-required", // CKR_PIN_INCORRECT
  0xa1: "pin-required", // CKR_PIN_INVALID
  0xa2: "pin-required", // CKR_PIN_LEN_RANGE
  0xa3: "pin-required", // CKR_PIN_EXPIRED
  0xa4: "pin-blocked", // CKR_PIN_LOCKED
  0x101: "pin-required", // CKR_USER_NOT_LOGGED_IN
  0x102: "pin-required", // CKR_USER_PIN_NOT_INITIALIZED
};
