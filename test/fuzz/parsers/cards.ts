/** Parsers of lib/identity and of transports: cards, identity files, modems, readers, tokens. */
import { fromUtf8, Reader, toUtf8 } from "../../../lib/bytes/mod.ts";
import { encodeCbor } from "../../../lib/cose/mod.ts";
import { digest } from "../../../lib/crypto/mod.ts";
import { importSubscribers } from "../../../lib/identity/file_import.ts";
import { decodeContent, encodeContent, secretsOf } from "../../../lib/identity/file_content.ts";
import { readFile } from "../../../lib/identity/file_format.ts";
import { decodeApplication, decodeObjects } from "../../../lib/identity/iot_safe_objects.ts";
import { decodeDataDirectory, decodeObjectDirectory } from "../../../lib/identity/pkcs15.ts";
import { conditionOf, decodeFileParameters } from "../../../lib/identity/pkcs15_access.ts";
import { decodeOid, decodeSmallInteger, oneDer, readDer, readDerFile } from "../../../lib/identity/pkcs15_der.ts";
import {
  decodeFileList,
  decodeProactiveCommand,
  decodeSmsDownload,
  decodeTerminalResponse,
  encodeFileList,
} from "../../../lib/identity/usat_message.ts";
import { readTemplate, readToolkitObjects } from "../../../lib/identity/usat_tlv.ts";
import { decodeFinal } from "../../../transports/cards/modem/result.ts";
import { fromDigits, hexPayload } from "../../../transports/cards/modem/hex.ts";
import {
  CALLS,
  decodeFrame,
  decodeResponse,
  readBytes,
  readText,
  readUlong,
  readUlongs,
} from "../../../transports/roots/pkcs11_message.ts";
import { corpus, inputOf, parse } from "../corpus.ts";
import { LONGEST } from "../mutation.ts";
import { codec, type Parser, parser, textParser } from "../parser.ts";

const FILE_MAGIC = "seccf identity file";

/** What the corpora of APDUs, AT commands and pcscd are for, under the names that they have there. */
const CORPUS_PARSERS: readonly Parser[] = (["apdu", "at", "pcsc"] as const).flatMap((file) => {
  const entries = corpus(file);
  return [...new Set(entries.map((entry) => entry.parser))].map((name) => ({
    ...parser(`${file} ${name}`, (bytes) => parse(name, bytes)),
    seeds: entries.filter((entry) => entry.parser === name).map(inputOf).filter(({ length }) => length <= LONGEST),
  }));
});

export const CARD_PARSERS: readonly Parser[] = [
  ...CORPUS_PARSERS,
  parser("readFile", readFile),
  // Its checksum is no secret: what stands behind a right one is a stranger's as well.
  parser("readFile behind its checksum", (header) => {
    const sealed = new Uint8Array(32);
    const sum = digest("sha-256", toUtf8(FILE_MAGIC), header, sealed);
    return readFile(encodeCbor([FILE_MAGIC, 1, header, sealed, sum]));
  }),
  parser("decodeContent", (bytes) => {
    const entries = decodeContent(bytes);
    const again = encodeContent(entries);
    for (const secret of entries.flatMap(secretsOf)) secret[Symbol.dispose]();
    return again;
  }),
  parser("importSubscribers", (bytes) => {
    for (const secret of importSubscribers(fromUtf8(bytes)).flatMap(secretsOf)) secret[Symbol.dispose]();
  }),
  parser("decodeApplication", decodeApplication),
  parser("decodeObjects", decodeObjects),
  parser("decodeObjectDirectory", decodeObjectDirectory),
  parser("decodeDataDirectory", decodeDataDirectory),
  parser("decodeFileParameters", decodeFileParameters),
  parser("conditionOf", (bytes) => [conditionOf(bytes, "read"), conditionOf(bytes, "update")]),
  parser("readDer", readDer),
  parser("readDerFile", readDerFile),
  parser("oneDer", (bytes) => oneDer(bytes, 0x30)),
  parser("decodeOid", decodeOid),
  parser("decodeSmallInteger", decodeSmallInteger),
  parser("readToolkitObjects", readToolkitObjects),
  parser("readTemplate", (bytes) => readTemplate(bytes, 0xd0)),
  parser("decodeProactiveCommand", decodeProactiveCommand),
  parser("decodeTerminalResponse", decodeTerminalResponse),
  parser("decodeSmsDownload", decodeSmsDownload),
  codec(
    "decodeFileList",
    "exact",
    decodeFileList,
    // The object's value, as decodeFileList has it.
    (paths) => readToolkitObjects(encodeFileList(paths))[0]!.value,
  ),
  textParser("decodeFinal", decodeFinal),
  parser("hexPayload", hexPayload),
  parser("fromDigits", fromDigits),
  parser("decodeFrame", (bytes) => decodeFrame(bytes, 1)),
  ...Object.values(CALLS).map((call) =>
    parser(`decodeResponse to ${call.name}`, (bytes) => decodeResponse(call, bytes))
  ),
  parser("readUlong", (bytes) => readUlong(new Reader(bytes))),
  parser("readUlongs", (bytes) => readUlongs(new Reader(bytes), 16)),
  parser("readBytes", (bytes) => readBytes(new Reader(bytes))),
  parser("readText", (bytes) => readText(new Reader(bytes))),
];
