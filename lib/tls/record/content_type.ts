/** What a record carries (RFC 5246 6.2.1); the last three on datagrams alone (RFC 9146 3, RFC 9147 7, RFC 9853). */
export const CONTENT = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
  connectionId: 25,
  ack: 26,
  returnRoutability: 27,
} as const;

/** TLS 1.2 as records and hellos write it. */
export const TLS_1_2 = 0x0303;

/** TLS 1.3: in supported_versions alone; records and hellos go on saying 1.2 (RFC 8446 4.1.2). */
export const TLS_1_3 = 0x0304;

/** DTLS 1.0: what records and hellos carry that come before any version is known (RFC 6347 4.2.1). */
export const DTLS_1_0 = 0xfeff;

/** DTLS 1.2: datagram versions count down. */
export const DTLS_1_2 = 0xfefd;

/** DTLS 1.3: in supported_versions alone (RFC 9147 5.3). */
export const DTLS_1_3 = 0xfefc;

/** type (1), version (2), length (2). */
export const RECORD_HEADER_LENGTH = 5;

/** On datagrams: type (1), version (2), epoch (2), number (6), length (2); a Connection ID stands before the length. */
export const DATAGRAM_HEADER_LENGTH = 13;
