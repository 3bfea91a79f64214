/** What a peer can make an engine hold or do, before and after it has shown that it has the key. Bytes unless said. @module */

/** Plaintext of one record (RFC 5246 6.2.1). */
export const MAX_PLAINTEXT: number = 16_384;

/** A handshake message's body, once the peer is authenticated. */
export const MAX_MESSAGE: number = 16_384;

/** A handshake message's body before that: a stranger's. A full ClientHello of today's browsers has 1.8 KiB. */
export const MAX_EARLY_MESSAGE: number = 4096;

/** A record's plaintext before that: one such message with its header. */
export const MAX_EARLY_PLAINTEXT: number = MAX_EARLY_MESSAGE + 4;

/** What is held unread while a demand is open: a client's ChangeCipherSpec and Finished are about 100. */
export const MAX_HELD: number = 4096;

/** PSK identity and hint (RFC 4279 5.3 asks for no more). */
export const MAX_IDENTITY: number = 128;

/** A ticket that a client keeps: its next hello has to stay within what servers take from strangers. */
export const MAX_TICKET: number = 2048;

/** A pre-shared key: premaster secrets carry its length in two bytes, no stack goes beyond this. */
export const MAX_KEY: number = 512;

/** Records in a row that bring nothing: empty data, warnings, requests to renegotiate. A count. */
export const MAX_IDLE_RECORDS: number = 16;

/** Keys that one ClientHello of version 1.3 offers. A count. */
export const MAX_OFFERED_KEYS: number = 8;

/** Extensions in one hello. A count. */
export const MAX_EXTENSIONS: number = 64;

/** Records under one key. A count, that of DTLS, so that no number is ever used twice. */
export const MAX_RECORDS: number = 2 ** 48;

/** Records under one key of version 1.3 before its sender takes the next: below all limits of RFC 8446 5.5 and RFC 9147 4.5.3. A count. */
export const MAX_RECORDS_PER_KEY: number = 2 ** 22;

/** Data that a client of version 1.3 sends before it was heard, and that nobody reads (RFC 8446 4.2.10). */
export const MAX_EARLY_DATA: number = 16_384;

/** Buffers beyond this are given back as soon as they are empty; one full record fits. */
export const KEEP_BUFFER: number = 20_480;

/** Handshake messages that may come before their turn on datagrams: a flight has five at most. A count. */
export const MAX_AHEAD: number = 8;

/** What all of them together may have that come before their turn: the awaited one always has its place beside them. */
export const MAX_AHEAD_LENGTH: number = 12_288;

/** Records that are kept until their key is there: Finished, and data right behind it. A count. */
export const MAX_EARLY_RECORDS: number = 8;

/** Opened records that wait until their delivery is on record. A count. */
export const MAX_HELD_RECORDS: number = 64;

/** What all of them together may have, unless it is one alone. */
export const MAX_HELD_LENGTH: number = 16_384;

/** HelloVerifyRequests that a client follows. A count. */
export const MAX_COOKIES: number = 4;

/** What a datagram holds that nobody has to cut: 1280 of IPv6 (RFC 8200 5) without its header and UDP's. */
export const DATAGRAM_LENGTH: number = 1232;
