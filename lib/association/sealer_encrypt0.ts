import {
  decodeEncrypt0,
  encodeCbor,
  encryptionAlgorithm,
  encStructure,
  headLength,
  LABEL,
  writeHead,
} from "../cose/mod.ts";
import { concat } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { type DirectionKeys, ID_CONTEXT_LENGTH } from "./sealer_context.ts";
import {
  copy,
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

/** COSE_Encrypt0 in the one form of sealed messages. Nothing in it varies but the Partial IV: the additional data of each direction is made once. */
export class Encrypt0Form implements Form {
  readonly overhead: number;
  readonly found: Found = newFound();
  readonly #algorithm: number;
  readonly #tagLength: number;
  /** `D0 83`, the protected headers, `A3 04 48`. */
  readonly #prefix: Uint8Array;
  readonly #kid: Uint8Array;
  readonly #mine: Uint8Array;
  readonly #theirs: Uint8Array;

  constructor({ algorithm, associationId, externalAad }: FormOptions) {
    const cipher = encryptionAlgorithm(algorithm);
    if (!cipher) throw new RangeError("an algorithm that is not offered");
    const protectedBytes = encodeCbor(new Map([[LABEL.alg, algorithm]]));
    this.#algorithm = algorithm;
    this.#tagLength = cipher.tagLength;
    this.#prefix = concat(
      new Uint8Array([0xd0, 0x83]),
      encodeCbor(protectedBytes),
      new Uint8Array([0xa3, 0x04, 0x40 | associationId.length]),
    );
    this.#kid = associationId.slice();
    this.#mine = encStructure(protectedBytes, externalAad.mine);
    this.#theirs = encStructure(protectedBytes, externalAad.theirs);
    const header = this.#prefix.length + this.#kid.length + 2 + 5 + 2 + ID_CONTEXT_LENGTH;
    this.overhead = header + headLength(LONGEST_MESSAGE + cipher.tagLength) + cipher.tagLength;
  }

  write(keys: DirectionKeys, idContext: Uint8Array, partialIv: number, message: Uint8Array, out: Uint8Array): number {
    let at = copy(this.#kid, out, copy(this.#prefix, out, 0));
    out[at] = 0x06;
    out[at + 1] = 0x40 | partialIvLength(partialIv);
    at = writeIdContext(idContext, out, writePartialIv(partialIv, out, at + 2));
    const length = message.length + this.#tagLength;
    at = writeHead(2, length, out, at);
    const aead = keys.aead!;
    const room = scratchOf(length);
    if (!room) return at + aead.sealInto(keys.nonce(partialIv), this.#mine, message, out.subarray(at));
    aead.sealInto(keys.nonce(partialIv), this.#mine, message, room);
    return copy(room, out, at);
  }

  read(sealed: Uint8Array): void {
    const { found } = this;
    if (sealed.length > LONGEST_MESSAGE + this.overhead) {
      throw new SeccfError("too-large", "longer than any sealed message");
    }
    for (let i = 0; i < this.#prefix.length; i++) if (sealed[i] !== this.#prefix[i]) this.#refuse(sealed);
    let at = expectKid(this.#kid, sealed, this.#prefix.length);
    if (sealed.length - at < 2 || sealed[at] !== 0x06) throw malformed();
    const ivLength = sealed[at + 1]! - 0x40;
    if (sealed.length - at < 2 + ivLength) throw malformed();
    found.partialIv = readPartialIv(sealed, at + 2, ivLength);
    at = readIdContext(sealed, at + 2 + ivLength, found);
    at = readContentHead(sealed, at, found);
    found.messageLength = found.contentLength - this.#tagLength;
    if (sealed.length - at !== found.contentLength || found.messageLength < 0) throw malformed();
  }

  open(keys: DirectionKeys, sealed: Uint8Array, out: Uint8Array, mine: boolean): number {
    const { partialIv, contentAt, contentLength } = this.found;
    const aad = mine ? this.#mine : this.#theirs;
    const room = scratchOf(contentLength);
    if (room) { for (let i = 0; i < contentLength; i++) room[i] = sealed[contentAt + i]!; }
    const content = room ?? sealed.subarray(contentAt, contentAt + contentLength);
    return keys.aead!.openInto(keys.nonce(partialIv), aad, content, out);
  }

  /** The beginning is not ours: says whether it is a good COSE_Encrypt0 of another algorithm. */
  #refuse(sealed: Uint8Array): never {
    const { protectedHeaders } = decodeEncrypt0(sealed, { maximumLength: LONGEST_MESSAGE + this.overhead });
    const algorithm = protectedHeaders.get(LABEL.alg);
    if (algorithm === this.#algorithm || algorithm === undefined) throw malformed();
    throw new SeccfError("downgrade", "not the algorithm of the policy");
  }
}
