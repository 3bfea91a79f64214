import { concat, equal } from "../bytes/mod.ts";
import { decodeMac0, encodeCbor, headLength, HMAC_256_256, LABEL, writeHead } from "../cose/mod.ts";
import { SeccfError } from "../error.ts";
import { type DirectionKeys, ID_CONTEXT_LENGTH } from "./sealer_context.ts";
import {
  copy,
  expectBytes,
  expectKid,
  type Form,
  type FormOptions,
  type Found,
  LONGEST_MESSAGE,
  malformed,
  newFound,
  partialIvLength,
  readContentHead,
  readIdContext,
  readPartialIv,
  scratchOf,
  writeIdContext,
  writePartialIv,
} from "./sealer_form.ts";

const TAG_LENGTH = 32;

/**
 * COSE_Mac0 in the one form of sealed messages: authenticated, readable by all. A MAC has no nonce that would carry the
 * Partial IV, so it stands among the protected headers: replay protection hangs on it.
 */
export class Mac0Form implements Form {
  readonly overhead: number;
  readonly found: Found = newFound();
  readonly #kid: Uint8Array;
  /** MAC_structure up to the protected headers, and from behind them to the payload. */
  readonly #mine: Uint8Array;
  readonly #theirs: Uint8Array;
  readonly #tag = new Uint8Array(TAG_LENGTH);
  readonly #sent = new Uint8Array(TAG_LENGTH);

  constructor({ associationId, externalAad }: FormOptions) {
    this.#kid = associationId.slice();
    this.#mine = encodeCbor(externalAad.mine);
    this.#theirs = encodeCbor(externalAad.theirs);
    const header = PREFIX.length + 1 + PROTECTED.length + 1 + 5 + UNPROTECTED.length + this.#kid.length + 2 +
      ID_CONTEXT_LENGTH;
    this.overhead = header + headLength(LONGEST_MESSAGE) + TAIL.length + TAG_LENGTH;
  }

  write(keys: DirectionKeys, idContext: Uint8Array, partialIv: number, message: Uint8Array, out: Uint8Array): number {
    let at = copy(PREFIX, out, 0);
    at = writeProtected(partialIv, out, at);
    at = copy(this.#kid, out, copy(UNPROTECTED, out, at));
    at = writeIdContext(idContext, out, at);
    at = copy(message, out, writeHead(2, message.length, out, at));
    this.#sign(keys, this.#mine, partialIv, message, 0, message.length);
    return copy(this.#tag, out, copy(TAIL, out, at));
  }

  read(sealed: Uint8Array): void {
    const { found } = this;
    if (sealed.length > LONGEST_MESSAGE + this.overhead) {
      throw new SeccfError("too-large", "longer than any sealed message");
    }
    let at = this.#readProtected(sealed);
    at = expectKid(this.#kid, sealed, expectBytes(UNPROTECTED, sealed, at));
    at = readIdContext(sealed, at, found);
    at = readContentHead(sealed, at, found);
    found.messageLength = found.contentLength;
    if (sealed.length - at !== found.contentLength + TAIL.length + TAG_LENGTH) throw malformed();
    expectBytes(TAIL, sealed, at + found.contentLength);
  }

  open(keys: DirectionKeys, sealed: Uint8Array, out: Uint8Array, mine: boolean): number {
    const { partialIv, contentAt, contentLength } = this.found;
    const tagAt = contentAt + contentLength + TAIL.length;
    for (let i = 0; i < TAG_LENGTH; i++) this.#sent[i] = sealed[tagAt + i]!;
    this.#sign(keys, mine ? this.#mine : this.#theirs, partialIv, sealed, contentAt, contentLength);
    if (!equal(this.#tag, this.#sent)) return -1;
    for (let i = 0; i < contentLength; i++) out[i] = sealed[contentAt + i]!;
    return contentLength;
  }

  /** Returns the offset behind the protected headers. */
  #readProtected(sealed: Uint8Array): number {
    for (let i = 0; i < PREFIX.length; i++) if (sealed[i] !== PREFIX[i]) refuse(sealed);
    const ivLength = sealed[PREFIX.length]! - 0x40 - PROTECTED.length - 1;
    for (let i = 0; i < PROTECTED.length; i++) if (sealed[PREFIX.length + 1 + i] !== PROTECTED[i]) refuse(sealed);
    const at = PREFIX.length + 1 + PROTECTED.length;
    if (sealed.length - at < 1 + ivLength || sealed[at] !== 0x40 + ivLength) throw malformed();
    this.found.partialIv = readPartialIv(sealed, at + 1, ivLength);
    return at + 1 + ivLength;
  }

  /** HMAC over MAC_structure (RFC 9052 6.3), written in one piece: in the scratch memory where it fits. */
  #sign(
    keys: DirectionKeys,
    external: Uint8Array,
    partialIv: number,
    payload: Uint8Array,
    from: number,
    length: number,
  ): void {
    const protectedLength = 1 + PROTECTED.length + 1 + partialIvLength(partialIv);
    const total = STRUCTURE.length + protectedLength + external.length + headLength(length) + length;
    const room = scratchOf(total) ?? new Uint8Array(total);
    let at = writeProtected(partialIv, room, copy(STRUCTURE, room, 0));
    at = writeHead(2, length, room, copy(external, room, at));
    for (let i = 0; i < length; i++) room[at + i] = payload[from + i]!;
    keys.hmac!.signInto(room, this.#tag);
  }
}

/** COSE_Mac0's tag, and an array of 4. */
const PREFIX = new Uint8Array([0xd1, 0x84]);
/** A map of two: 1 (alg) is 5, and 6 (Partial IV) follows. */
const PROTECTED = new Uint8Array([0xa2, 0x01, HMAC_256_256, 0x06]);
/** A map of two: 4 (kid), 8 bytes. */
const UNPROTECTED = new Uint8Array([0xa2, 0x04, 0x48]);
/** The head of a byte string of 32: the tag. */
const TAIL = new Uint8Array([0x58, TAG_LENGTH]);
const STRUCTURE = concat(new Uint8Array([0x84]), encodeCbor("MAC0"));

/** The protected headers as a byte string; returns the offset behind. */
function writeProtected(partialIv: number, out: Uint8Array, at: number): number {
  const ivLength = partialIvLength(partialIv);
  out[at] = 0x40 + PROTECTED.length + 1 + ivLength;
  const next = copy(PROTECTED, out, at + 1);
  out[next] = 0x40 + ivLength;
  return writePartialIv(partialIv, out, next + 1);
}

/** The beginning is not ours: says whether it is a good COSE_Mac0 of another algorithm. */
function refuse(sealed: Uint8Array): never {
  const { protectedHeaders } = decodeMac0(sealed, { maximumLength: LONGEST_MESSAGE + 256 });
  const algorithm = protectedHeaders.get(LABEL.alg);
  if (algorithm === HMAC_256_256 || algorithm === undefined) throw malformed();
  throw new SeccfError("downgrade", "not the algorithm of the policy");
}
