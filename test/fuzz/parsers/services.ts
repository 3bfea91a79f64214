/** Parsers of lib/http, lib/gba, lib/aka, lib/roles and lib/channel. */
import { toUtf8 } from "../../../lib/bytes/mod.ts";
import { parseAutn } from "../../../lib/aka/vector.ts";
import { decodeShelved, encodeShelved } from "../../../lib/channel/shelved_session.ts";
import { secretFrom } from "../../../lib/crypto/mod.ts";
import { decodeBootstrappingInfo } from "../../../lib/gba/bootstrapping_info.ts";
import { btidDomain, checkBtid, makeBtid, parseBtid } from "../../../lib/gba/btid.ts";
import { parseDateTime } from "../../../lib/gba/date_time.ts";
import { canonicalFqdn } from "../../../lib/gba/fqdn.ts";
import { decodeNafId, encodeNafId } from "../../../lib/gba/naf_id.ts";
import { checkHint, formatPskIdentity, parsePskIdentity } from "../../../lib/gba/psk_identity.ts";
import { decodeInfoRequest, decodeInfoResponse, encodeInfoRequest } from "../../../lib/gba/sbi.ts";
import { formatParameters, parseChallenges, parseCredentials, parseParameters } from "../../../lib/http/auth_field.ts";
import { readBody } from "../../../lib/http/body.ts";
import { readClaim } from "../../../lib/http/digest_claim.ts";
import { readDigestChallenges } from "../../../lib/http/digest_client.ts";
import { verifyAudit } from "../../../lib/roles/audit.ts";
import { codec, latin1, type Parser, parser, textParser } from "../parser.ts";

export const SERVICE_PARSERS: readonly Parser[] = [
  textParser("parseChallenges", parseChallenges),
  textParser("parseCredentials", parseCredentials),
  codec(
    "parseParameters",
    "stable",
    (bytes) => parseParameters(latin1(bytes)),
    (found) => bytesOf(formatParameters([...found].map(([name, value]) => ({ name, value, quoted: true })))),
  ),
  textParser("readClaim", readClaim),
  textParser("readDigestChallenges", readDigestChallenges),
  parser("readBody", (bytes) => readBody(new Response(bytes.slice()), 256)),
  codec("parseBtid", "exact", (bytes) => parseBtid(latin1(bytes)), ({ rand, bsf }) => toUtf8(makeBtid(rand, bsf))),
  codec("checkBtid", "exact", (bytes) => checkBtid(latin1(bytes)), toUtf8),
  textParser("btidDomain", btidDomain),
  codec("canonicalFqdn", "stable", (bytes) => canonicalFqdn(latin1(bytes)), toUtf8),
  codec("decodeNafId", "exact", decodeNafId, encodeNafId),
  codec("parsePskIdentity", "exact", parsePskIdentity, formatPskIdentity),
  parser("checkHint", checkHint),
  textParser("parseDateTime", parseDateTime),
  parser("decodeBootstrappingInfo", decodeBootstrappingInfo),
  codec("decodeInfoRequest", "stable", decodeInfoRequest, encodeInfoRequest),
  // It blanks the key in what it is given.
  parser("decodeInfoResponse", (bytes) => decodeInfoResponse(bytes.slice())),
  parser("parseAutn", parseAutn),
  parser("verifyAudit", (bytes) => {
    using key = secretFrom(new Uint8Array(32).fill(1));
    return verifyAudit(latin1(bytes).split("\n"), key);
  }),
  codec("decodeShelved", "stable", decodeShelved, encodeShelved),
];

/** The reverse of latin1. */
function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}
