/** Parsers of lib/bytes, lib/cose, lib/xml and lib/association. */
import assert from "node:assert/strict";
import { fromBase64, fromHex, fromUtf8, Reader, toBase64, toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { sealedTo } from "../../../lib/association/sealer.ts";
import { newFound, readContentHead, readIdContext, readPartialIv } from "../../../lib/association/sealer_form.ts";
import { parseState } from "../../../lib/association/snapshot_state.ts";
import { encodeCbor } from "../../../lib/cose/cbor.ts";
import { decodeCbor } from "../../../lib/cose/cbor_decode.ts";
import { decodeEncrypt0 } from "../../../lib/cose/encrypt0.ts";
import { decodeMac0 } from "../../../lib/cose/mac0.ts";
import { parseXml } from "../../../lib/xml/mod.ts";
import { codec, latin1, type Parser, parser } from "../parser.ts";

export const OBJECT_PARSERS: readonly Parser[] = [
  codec("fromHex", "stable", (bytes) => fromHex(latin1(bytes)), (value) => toUtf8(toHex(value))),
  codec("fromBase64", "exact", (bytes) => fromBase64(latin1(bytes)), (value) => toUtf8(toBase64(value))),
  codec("fromUtf8", "exact", (bytes) => ({ text: fromUtf8(bytes) }), ({ text }) => toUtf8(text)),
  parser("Reader", readAll),
  codec("decodeCbor", "stable", (bytes) => decodeCbor(bytes), (value) => encodeCbor(value)),
  codec("decodeCbor, deterministic", "exact", (bytes) => decodeCbor(bytes, { deterministic: true }), encodeCbor),
  parser("decodeEncrypt0", (bytes) => decodeEncrypt0(bytes)),
  parser("decodeMac0", (bytes) => decodeMac0(bytes)),
  parser("parseXml", (bytes) => parseXml(bytes)),
  parser("sealedTo", sealedTo),
  parser("readPartialIv", (bytes) => readPartialIv(bytes, 0, Math.min(bytes.length, 5))),
  parser("readIdContext", (bytes) => readIdContext(bytes, 0, newFound())),
  parser("readContentHead", (bytes) => readContentHead(bytes, 0, newFound())),
  parser("parseState", parseState),
];

/** Each byte says what to read next. */
function readAll(bytes: Uint8Array): number {
  const reader = new Reader(bytes);
  let read = 0;
  while (reader.remaining > 0) {
    const before = reader.remaining;
    const what = reader.u8();
    if (what % 9 === 0) reader.u8();
    else if (what % 9 === 1) reader.u16();
    else if (what % 9 === 2) reader.u24();
    else if (what % 9 === 3) reader.u32();
    else if (what % 9 === 4) read += reader.take(what).length;
    else if (what % 9 === 5) read += reader.vector8().length;
    else if (what % 9 === 6) read += reader.vector16().length;
    else if (what % 9 === 7) read += reader.vector24().length;
    else if (what % 81 === 8) reader.end();
    assert.ok(reader.remaining < before);
  }
  return read;
}
