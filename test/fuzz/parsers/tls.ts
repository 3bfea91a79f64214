/** Every parser of lib/tls, and the engines, which parse everything. */
import assert from "node:assert/strict";
import { Reader, Writer } from "../../../lib/bytes/mod.ts";
import { expose, secretFrom } from "../../../lib/crypto/secret.ts";
import { decodeAlert } from "../../../lib/tls/alert.ts";
import { CookieJar } from "../../../lib/tls/cookie.ts";
import { decodeClientHello, encodeClientHello } from "../../../lib/tls/handshake/client_hello.ts";
import { decodeClientKeyExchange, encodeClientKeyExchange } from "../../../lib/tls/handshake/client_key_exchange.ts";
import {
  decodeNewConnectionId,
  decodeRequestConnectionId,
  encodeNewConnectionId,
} from "../../../lib/tls/handshake/connection_id_update.ts";
import {
  decodeEncryptedExtensions,
  encodeEncryptedExtensions,
} from "../../../lib/tls/handshake/encrypted_extensions.ts";
import { readExtensions, writeExtensions } from "../../../lib/tls/handshake/extension.ts";
import { decodeFinished, encodeFinished } from "../../../lib/tls/handshake/finished.ts";
import { encodeFragment, readFragment } from "../../../lib/tls/handshake/fragment.ts";
import { decodeHelloFront } from "../../../lib/tls/handshake/hello_front.ts";
import { decodeHelloRequest } from "../../../lib/tls/handshake/hello_request.ts";
import { decodeHelloVerifyRequest, encodeHelloVerifyRequest } from "../../../lib/tls/handshake/hello_verify_request.ts";
import {
  decodeKeyShare,
  decodeKeyShares,
  encodeKeyShare,
  encodeKeyShares,
} from "../../../lib/tls/handshake/key_share.ts";
import { decodeKeyUpdate, encodeKeyUpdate } from "../../../lib/tls/handshake/key_update.ts";
import { MessageJoiner } from "../../../lib/tls/handshake/message.ts";
import { decodeNewSessionTicket, encodeNewSessionTicket } from "../../../lib/tls/handshake/new_session_ticket.ts";
import { decodeOfferedPsks, encodeOfferedPsks } from "../../../lib/tls/handshake/pre_shared_key.ts";
import { Reassembler } from "../../../lib/tls/handshake/reassembler.ts";
import { decodeServerHello, encodeServerHello } from "../../../lib/tls/handshake/server_hello.ts";
import { decodeServerHelloDone } from "../../../lib/tls/handshake/server_hello_done.ts";
import { decodeServerKeyExchange, encodeServerKeyExchange } from "../../../lib/tls/handshake/server_key_exchange.ts";
import { decodeServerName, encodeServerName } from "../../../lib/tls/handshake/server_name.ts";
import { decodeSessionTicket, encodeSessionTicket } from "../../../lib/tls/handshake/session_ticket.ts";
import { decodeAck, encodeAck, type RecordNumber } from "../../../lib/tls/record/ack.ts";
import { recordAt } from "../../../lib/tls/record/datagram_reader.ts";
import { RecordReader } from "../../../lib/tls/record/record_reader.ts";
import { findRecord, RecordPlace } from "../../../lib/tls/record/record_place.ts";
import { decodePathMessage, encodePathMessage } from "../../../lib/tls/return_routability.ts";
import { decodeSavedSession, encodeSavedSession } from "../../../lib/tls/saved_session.ts";
import { isSaved13, type SavedSession13 } from "../../../lib/tls/saved_session13.ts";
import { encodeAgain13, established } from "../../tls/durable_world.ts";
import { client as datagramClient, Front } from "../../tls/datagrams.ts";
import { client, server } from "../../tls/pair.ts";
import { seededRandom } from "../../support/virtual.ts";
import { codec, type Parser, parser } from "../parser.ts";

export const TLS_PARSERS: readonly Parser[] = [
  parser("decodeAlert", decodeAlert),
  codec("decodeClientHello on streams", "stable", (bytes) => decodeClientHello(bytes, "stream"), encodeClientHello),
  codec("decodeClientHello on datagrams", "stable", (bytes) => decodeClientHello(bytes, "datagram"), encodeClientHello),
  codec("decodeServerHello", "stable", decodeServerHello, encodeServerHello),
  codec("decodeHelloVerifyRequest", "stable", decodeHelloVerifyRequest, encodeHelloVerifyRequest),
  parser("decodeHelloFront", decodeHelloFront),
  parser("decodeHelloRequest", decodeHelloRequest),
  parser("decodeServerHelloDone", decodeServerHelloDone),
  codec(
    "decodeServerKeyExchange of PSK",
    "exact",
    (bytes) => decodeServerKeyExchange(bytes, "psk"),
    encodeServerKeyExchange,
  ),
  codec(
    "decodeServerKeyExchange of ECDHE_PSK",
    "exact",
    (bytes) => decodeServerKeyExchange(bytes, "ecdhe_psk"),
    encodeServerKeyExchange,
  ),
  codec(
    "decodeClientKeyExchange of PSK",
    "exact",
    (bytes) => decodeClientKeyExchange(bytes, "psk"),
    encodeClientKeyExchange,
  ),
  codec(
    "decodeClientKeyExchange of ECDHE_PSK",
    "exact",
    (bytes) => decodeClientKeyExchange(bytes, "ecdhe_psk"),
    encodeClientKeyExchange,
  ),
  codec("decodeFinished", "exact", decodeFinished, encodeFinished),
  codec("decodeSessionTicket", "exact", decodeSessionTicket, encodeSessionTicket),
  codec("decodeServerName", "stable", decodeServerName, encodeServerName),
  codec("readExtensions", "stable", (bytes) => readExtensions(new Reader(bytes)), (extensions) => {
    const writer = new Writer();
    writeExtensions(writer, extensions);
    return writer.done();
  }),
  // Version 1.3.
  codec("decodeEncryptedExtensions", "stable", decodeEncryptedExtensions, encodeEncryptedExtensions),
  codec("decodeKeyShares", "exact", decodeKeyShares, encodeKeyShares),
  codec("decodeKeyShare", "exact", decodeKeyShare, encodeKeyShare),
  codec("decodeOfferedPsks", "exact", decodeOfferedPsks, encodeOfferedPsks),
  codec("decodeNewSessionTicket", "stable", decodeNewSessionTicket, encodeNewSessionTicket),
  codec("decodeKeyUpdate", "exact", decodeKeyUpdate, encodeKeyUpdate),
  // Datagrams.
  codec("readFragment", "exact", (bytes) => {
    const reader = new Reader(bytes);
    const fragment = readFragment(reader);
    reader.end();
    return fragment;
  }, encodeFragment),
  parser("Reassembler", reassemble),
  parser("recordAt", (bytes) => walk(bytes, (at) => recordAt(bytes, at, 8)?.body)),
  codec("decodePathMessage", "exact", decodePathMessage, encodePathMessage),
  parser("CookieJar", (bytes) => {
    using jar = new CookieJar(seededRandom(1));
    const hello = decodeClientHello(bytes, "datagram");
    assert.deepEqual([jar.check(hello, "a:1", 0), jar.recall(hello, "a:1", 0)], [false, undefined]);
  }),
  // DTLS 1.3.
  parser("findRecord", (bytes) => walk(bytes, (at) => placed(bytes, at))),
  codec("decodeAck", "stable", (bytes) => inOrder(decodeAck(bytes)), encodeAck),
  codec("decodeNewConnectionId", "exact", decodeNewConnectionId, encodeNewConnectionId),
  parser("decodeRequestConnectionId", decodeRequestConnectionId),
  // What comes back from a store.
  savedSessions("decodeSavedSession, readWho, readSizes, readWindow"),
  { ...savedSessions("decodeSavedSession13"), seeds: savedSessionsOf13() },
  // Everything together, in pieces as the first byte says. Their randoms are not those of the kept inputs.
  parser("RecordReader and MessageJoiner", readStream),
  parser("a client on a stream", (bytes) => receive(bytes, client({ random: seededRandom(3) }))),
  parser("a server on a stream", (bytes) => receive(bytes, server({ random: seededRandom(3) }))),
  parser("a client on datagrams", (bytes) => receive(bytes, datagramClient({ random: seededRandom(3) }))),
  parser("an acceptor of datagrams", (bytes) => {
    const front = new Front({ random: seededRandom(3) });
    const sent = piecesOf(bytes).flatMap((piece) => front.receive(piece, "c:1").map((each) => each.bytes[13]!));
    for (const peer of front.peers.values()) assert.equal(peer.session, undefined);
    front.expire(120_000);
    assert.deepEqual(front.acceptor.counts, { engines: 0, entries: 0, handshakes: 0 });
    return sent;
  }),
];

/** As an ACK is written (RFC 9147 7); it is taken in any order. */
function inOrder(records: readonly RecordNumber[]): readonly RecordNumber[] {
  return records.toSorted((a, b) => a.epoch - b.epoch || a.number - b.number);
}

/** Pieces of as many bytes as each first byte says, 255 for all that is left. */
function piecesOf(bytes: Uint8Array): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = bytes[at]! === 255 ? bytes.length : bytes[at]!;
    pieces.push(bytes.slice(at + 1, at + 1 + length));
    at += 1 + length;
  }
  return pieces;
}

interface End {
  receive(bytes: Uint8Array): { readonly length: number };
  readonly closed: { readonly error?: Error } | undefined;
  readonly session: unknown;
}

/** How often it had something to say. */
function receive(bytes: Uint8Array, end: End): number {
  const said = piecesOf(bytes).filter((piece) => end.receive(piece).length > 0).length;
  assert.equal(end.session, undefined);
  if (end.closed?.error) throw end.closed.error;
  return said;
}

function readStream(bytes: Uint8Array): number {
  const reader = new RecordReader([22, 21]);
  const joiner = new MessageJoiner();
  let messages = 0;
  for (const piece of piecesOf(bytes)) {
    reader.push(piece);
    for (let record = reader.next(); record; record = reader.next()) {
      joiner.push(record.payload);
      while (joiner.next(4096)) messages++;
    }
    joiner.settle();
    reader.settle();
    assert.ok(reader.held < 5 + 16_384 + 2048);
  }
  return messages;
}

function reassemble(bytes: Uint8Array): number {
  const reassembler = new Reassembler(0);
  const reader = new Reader(bytes);
  while (reader.remaining > 0) {
    reassembler.push(readFragment(reader));
    assert.ok(reassembler.held <= 16);
  }
  return reassembler.held;
}

/** From each record to the next; a record takes at least a byte. */
function placed(bytes: Uint8Array, at: number): Uint8Array | undefined {
  const place = new RecordPlace();
  if (!findRecord(bytes, at, bytes.length, 8, place)) return undefined;
  assert.ok(place.at === at && place.bodyAt <= place.end, "a body before its record");
  return bytes.subarray(at, place.end);
}

function walk(bytes: Uint8Array, next: (at: number) => Uint8Array | undefined): number {
  let count = 0;
  for (let at = 0; at < bytes.length; count++) {
    const part = next(at);
    if (!part) break;
    const end = part.byteOffset - bytes.byteOffset + part.length;
    assert.ok(end > at && end <= bytes.length, "a record past the end");
    at = end;
  }
  return count;
}

function savedSessions(name: string): Parser {
  return codec(
    name,
    "exact",
    (bytes) => decodeSavedSession(secretFrom(bytes)),
    (saved) => expose(isSaved13(saved) ? encodeAgain13(saved) : encodeSavedSession(saved)),
  );
}

/** As it was agreed; and with a message that is not acknowledged, a peer that may go on, record sizes and a window. */
function savedSessionsOf13(): readonly Uint8Array[] {
  const state = established({ versions: [0xfefc] }).server.engine.durable!.save();
  const saved = decodeSavedSession(state) as SavedSession13;
  const said = [{ type: 24, messageSeq: 7, body: Uint8Array.of(0) }];
  const more = {
    ...{ ...saved, sizes: { sent: 512, received: 16_384 }, window: { highest: 300, low: 5, high: 0 } },
    keys: { ...saved.keys, said, isUpdating: true, isNextOpen: true, nextReceived: 1000 },
  };
  return [state, encodeAgain13(more)].map((each) => new Uint8Array(expose(each)));
}
