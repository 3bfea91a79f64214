/** Names every byte of a flight by the field it belongs to, without the library's own code: what a flipped bit has hit. */
import type { Transport } from "./hello_bytes.ts";

const MESSAGES: Readonly<Record<number, string>> = {
  1: "ClientHello",
  2: "ServerHello",
  3: "HelloVerifyRequest",
  4: "NewSessionTicket",
  12: "ServerKeyExchange",
  14: "ServerHelloDone",
  16: "ClientKeyExchange",
};

const EXTENSIONS: Readonly<Record<number, string>> = {
  0: "server_name",
  10: "supported_groups",
  11: "ec_point_formats",
  22: "encrypt_then_mac",
  23: "extended_master_secret",
  28: "record_size_limit",
  35: "session_ticket",
  41: "pre_shared_key",
  43: "supported_versions",
  44: "cookie",
  45: "psk_key_exchange_modes",
  51: "key_share",
  54: "connection_id",
  61: "rrc",
  0xff01: "renegotiation_info",
};

/** A place in bytes that gives each field it passes a name. */
class Namer {
  readonly bytes: Uint8Array;
  readonly names: string[] = [];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get at(): number {
    return this.names.length;
  }

  /** Names the next `length` bytes, and returns their value where they are a number. */
  field(name: string, length: number): number {
    let value = 0;
    for (let i = 0; i < length; i++) {
      value = value * 256 + this.bytes[this.at]!;
      this.names.push(name);
    }
    return value;
  }

  /** A vector with its length before it. */
  vector(name: string, lengthBytes: number): void {
    this.field(name, this.field(`${name} length`, lengthBytes));
  }
}

/** For each byte of pieces of a stream or of a datagram, a name; `idLength`: of the Connection ID in records of tls12_cid. */
export function fieldsOf(bytes: Uint8Array, transport: Transport, idLength = 0): readonly string[] {
  const namer = new Namer(bytes);
  let isSealed = false;
  while (namer.at < bytes.length) {
    const type = bytes[namer.at]!;
    // RFC 9147 4: what begins with 001 has a unified header.
    if (transport === "datagram" && type >> 5 === 1) {
      nameUnified(namer, idLength);
      continue;
    }
    // RFC 8446 5.2 and RFC 9146 4: an outer type of their own; RFC 6347 4.1: an epoch.
    const isProtected = type === 23 || type === 25 || (transport === "datagram" && bytes[namer.at + 4] !== 0);
    const record = isSealed || isProtected
      ? "sealed record"
      : isClientHello(bytes, namer.at, transport)
      ? "hello record"
      : "record";
    namer.field(`${record} type`, 1);
    namer.field(`${record} version major`, 1);
    namer.field(`${record} version minor`, 1);
    if (transport === "datagram") {
      namer.field(`${record} epoch`, 2);
      namer.field(`${record} number`, 6);
      if (type === 25) namer.field(`${record} Connection ID`, idLength);
    }
    const end = namer.field(`${record} length`, 2) + namer.at;
    if (record === "sealed record") namer.field("sealed", end - namer.at);
    else if (type === 20) namer.field("ChangeCipherSpec", end - namer.at);
    else while (namer.at < end) nameMessage(namer, transport);
    // On a stream of version 1.2 what follows has the same header.
    isSealed ||= transport === "stream" && type === 20 && bytes[namer.at] === 22 &&
      !isClientHello(bytes, namer.at, transport);
  }
  return namer.names;
}

/** RFC 9147 4: the first byte says what else there is, a length or all the rest. */
function nameUnified(namer: Namer, idLength: number): void {
  const flags = namer.field("unified header", 1);
  if (flags & 0x10) namer.field("sealed Connection ID", idLength);
  namer.field("sealed number", flags & 0x08 ? 2 : 1);
  const length = flags & 0x04 ? namer.field("unified length", 2) : namer.bytes.length - namer.at;
  namer.field("sealed", length);
}

/** Also behind ChangeCipherSpec, where it is the second of version 1.3. */
function isClientHello(bytes: Uint8Array, at: number, transport: Transport): boolean {
  const body = at + (transport === "stream" ? 5 : 13);
  return bytes[at] === 22 && bytes[body] === 1 && bytes[body + 1] === 0;
}

function nameMessage(namer: Namer, transport: Transport): void {
  const kind = MESSAGES[namer.bytes[namer.at]!] ?? "message";
  namer.field(`${kind} type`, 1);
  const length = namer.field(`${kind} length`, 3);
  if (transport === "datagram") {
    namer.field(`${kind} message_seq`, 2);
    namer.field(`${kind} fragment_offset`, 3);
    namer.field(`${kind} fragment_length`, 3);
  }
  const end = namer.at + length;
  if (kind === "ClientHello" || kind === "ServerHello") nameHello(namer, kind, transport, end);
  else if (kind === "HelloVerifyRequest") {
    namer.field(`${kind} version`, 2);
    namer.vector(`${kind} cookie`, 1);
  } else if (kind === "ServerKeyExchange") namer.vector(`${kind} hint`, 2);
  else if (kind === "ClientKeyExchange") namer.vector(`${kind} identity`, 2);
  else if (kind === "NewSessionTicket") {
    namer.field(`${kind} lifetime`, 4);
    namer.vector(`${kind} ticket`, 2);
  }
  // What this does not know by its parts, an ephemeral key for one.
  namer.field(`${kind} rest`, end - namer.at);
}

function nameHello(namer: Namer, kind: "ClientHello" | "ServerHello", transport: Transport, end: number): void {
  namer.field(`${kind} version major`, 1);
  namer.field(`${kind} version minor`, 1);
  namer.field(`${kind} random`, 32);
  namer.vector(`${kind} session_id`, 1);
  if (kind === "ClientHello") {
    if (transport === "datagram") namer.vector(`${kind} cookie`, 1);
    namer.vector(`${kind} suites`, 2);
    namer.vector(`${kind} compression`, 1);
  } else {
    namer.field(`${kind} suite`, 2);
    namer.field(`${kind} compression`, 1);
  }
  if (namer.at < end) namer.field(`${kind} extensions length`, 2);
  while (namer.at < end) {
    const { bytes, at } = namer;
    const name = EXTENSIONS[bytes[at]! * 256 + bytes[at + 1]!] ?? "extension";
    namer.field(`${kind} ${name} type`, 2);
    const length = namer.field(`${kind} ${name} length`, 2);
    if (name === "pre_shared_key" && kind === "ClientHello") namePsks(namer, `${kind} ${name}`);
    else namer.field(`${kind} ${name} body`, length);
  }
}

/** RFC 8446 4.2.11: identities with their ages, and a binder for each. */
function namePsks(namer: Namer, name: string): void {
  const identities = namer.field(`${name} identities length`, 2) + namer.at;
  while (namer.at < identities) {
    namer.vector(`${name} identity`, 2);
    namer.field(`${name} age`, 4);
  }
  const binders = namer.field(`${name} binders length`, 2) + namer.at;
  while (namer.at < binders) namer.vector(`${name} binder`, 1);
}
