/** What a record carries (RFC 5246 6.2.1). */
export const CONTENT = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
} as const;

/** TLS 1.2 as records and hellos write it. */
export const TLS_1_2 = 0x0303;

/** type (1), version (2), length (2). */
export const RECORD_HEADER_LENGTH = 5;
