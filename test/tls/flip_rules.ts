/**
 * What a flipped bit may come to, by the field it hits: from the RFCs and not from the code. The first row that matches
 * counts. Where an RFC leaves a choice between alerts, or it depends on the bit, a row has all of them.
 */
import assert from "node:assert/strict";

/** Field, outcomes, why. */
export type Rule = readonly [field: RegExp, outcomes: readonly string[], why: string];

/** RFC 5246 7.2.2, RFC 8446 6.2: what cannot be read, or is out of its range. */
const FORM = ["decode_error", "illegal_parameter"] as const;
/** A length that claims more waits for it; what is cut off is read as what comes next. */
const CUT = ["waits", "record_overflow", "unexpected_message", "protocol_version", ...FORM] as const;
const TYPE = ["unexpected_message", "decode_error"] as const;

const HEADERS: readonly Rule[] = [
  [/^sealed$/, ["bad_record_mac"], "RFC 5246 6.2.3.3, RFC 8446 5.2"],
  // The second is what the first bytes of another type look like under keys.
  [/record type$/, [...TYPE, "bad_record_mac"], "RFC 5246 6, RFC 8446 5: an unknown type is unexpected_message"],
  [/record version major$/, ["protocol_version"], "RFC 5246 E.1"],
  [/sealed record length$/, ["waits", "record_overflow", "bad_record_mac"], "RFC 5246 6.2.3, RFC 8446 5.2"],
];

/** Version 1.2 on a stream. `later bad_record_mac`: the two derive different keys, and Finished does not open. */
export const STREAM_12: readonly Rule[] = [
  [/^hello record version minor$/, ["free"], "RFC 5246 E.1: any 3.x"],
  ...HEADERS,
  [/record version minor$/, ["protocol_version"], "RFC 5246 6.2.1"],
  [/record length$/, CUT, "RFC 5246 6.2.1"],
  [/^ChangeCipherSpec$/, ["decode_error", "illegal_parameter", "unexpected_message"], "RFC 5246 7.1: one byte of 1"],
  [/^\w+ type$/, TYPE, "RFC 5246 7.4"],
  [/^\w+ length$/, ["waits", "unexpected_message", ...FORM], "RFC 5246 7.4"],
  // The second byte that the library does not read as 1.2 is refused, or answered with 1.2 and found in Finished.
  [
    /^ClientHello version/,
    ["protocol_version", "later bad_record_mac", "later decrypt_error"],
    "RFC 5246 7.4.1.2, E.1",
  ],
  [/^ServerHello version/, ["protocol_version"], "RFC 5246 E.1"],
  [/^ClientHello random$/, ["later bad_record_mac"], "RFC 5246 6.3, 8.1"],
  // With an earlier session the server's Finished comes behind it.
  [/^ServerHello random$/, ["later bad_record_mac", "bad_record_mac"], "RFC 5246 6.3, 8.1"],
  [/ length$/, FORM, "RFC 5246 7.2.2: decode_error"],
  [
    /^ClientHello session_id$/,
    ["later unexpected_message"],
    "RFC 5077 3.4: the server's echo is not what the client said",
  ],
  [/^ServerHello session_id$/, ["unexpected_message"], "RFC 5077 3.4: a full handshake has no ChangeCipherSpec here"],
  [/^ClientHello suites$/, ["handshake_failure"], "RFC 5246 7.4.1.3"],
  [/^ServerHello suite$/, ["illegal_parameter"], "RFC 5246 7.2.2: none that was offered"],
  [/ compression$/, ["illegal_parameter"], "RFC 5246 7.4.1.2: null must be offered, and is all that was"],
  [/^ClientHello extended_master_secret type$/, ["handshake_failure"], "RFC 7627 5.2"],
  [/^ClientHello encrypt_then_mac type$/, ["insufficient_security"], "RFC 7366 3: MAC-then-encrypt was not allowed"],
  [/^ClientHello renegotiation_info type$/, ["later handshake_failure"], "RFC 5746 3.4, 4.1"],
  [/^ServerHello \w+ type$/, ["unsupported_extension", "decode_error"], "RFC 5246 7.4.1.4"],
  [
    /^ClientHello \w+ type$/,
    ["later bad_record_mac", "handshake_failure", ...FORM],
    "RFC 5246 7.4.1.4: unknown ones are passed over",
  ],
  [/ renegotiation_info body$/, ["decode_error"], "RFC 5746 3.2"],
  [/ec_point_formats body$/, FORM, "RFC 8422 5.1.2"],
  [
    /^ClientHello session_ticket body$/,
    ["later bad_record_mac"],
    "RFC 5077 3.4: a full handshake, about which the two differ",
  ],
  [
    /^ClientHello \w+ body$/,
    ["later bad_record_mac", "decode_error", "handshake_failure"],
    "RFC 7627 4: all is in the transcript",
  ],
  [/^ClientKeyExchange identity$/, ["bad_record_mac"], "RFC 7627 4"],
  [/^ClientKeyExchange rest$/, ["bad_record_mac", ...FORM], "RFC 8422 5.7"],
  [/^ServerKeyExchange hint$/, ["later bad_record_mac"], "RFC 7627 4"],
  [/^ServerKeyExchange rest$/, ["later bad_record_mac", ...FORM], "RFC 8422 5.4"],
];

/** Version 1.3 on a stream. `decrypt_error`: a binder is over all of the hello (RFC 8446 4.2.11.2). */
export const STREAM_13: readonly Rule[] = [
  [/^hello record version minor$/, ["free"], "RFC 8446 5.1: for compatibility"],
  // ChangeCipherSpec as the beginning of a message: what follows makes it one that is too long.
  [/^record type$/, [...TYPE, "illegal_parameter", "later illegal_parameter"], "RFC 8446 5"],
  ...HEADERS,
  [/record version minor$/, ["protocol_version"], "RFC 8446 5.1: none but 0x0303 is sent"],
  [/record length$/, [...CUT, "later decode_error", "later unexpected_message"], "RFC 8446 5.1"],
  [/^ChangeCipherSpec$/, TYPE, "RFC 8446 5: any other value is unexpected"],
  [/^\w+ type$/, TYPE, "RFC 8446 4"],
  [/^\w+ length$/, ["waits", "unexpected_message", ...FORM], "RFC 8446 4"],
  [
    /^ClientHello version major$/,
    ["protocol_version", "decrypt_error", "illegal_parameter", "later illegal_parameter"],
    "RFC 8446 4.1.2",
  ],
  // The echo of a session id, or a second hello that is not the first (4.1.2), is refused by either end.
  [/^ClientHello (version minor|random|session_id|suites)$/, [
    "decrypt_error",
    "illegal_parameter",
    "later illegal_parameter",
  ], "RFC 8446 4.1.2, 4.1.4, 4.2.11.2"],
  [/^ServerHello (version|session_id$|compression$)/, ["illegal_parameter"], "RFC 8446 4.1.3"],
  // Of HelloRetryRequest the random is its name: without it a share is awaited, and there is none.
  [/^ServerHello random$/, ["bad_record_mac", "decode_error"], "RFC 8446 4.1.3, 7.1"],
  [
    /^ServerHello suite$/,
    ["illegal_parameter", "bad_record_mac", "later decrypt_error"],
    "RFC 8446 4.1.3: offered as well, with other keys",
  ],
  [/^ServerHello \w+ length$/, [...FORM, "unsupported_extension"], "RFC 8446 4.2"],
  [/ length$/, FORM, "RFC 8446 6.2: decode_error"],
  [/ compression$/, ["illegal_parameter"], "RFC 8446 4.1.2"],
  [
    /^ClientHello pre_shared_key type$/,
    ["handshake_failure", "missing_extension", "illegal_parameter"],
    "RFC 8446 9.2: no other way is offered",
  ],
  [/^ClientHello (supported_groups|key_share|psk_key_exchange_modes) type$/, [
    "missing_extension",
    ...FORM,
    "decrypt_error",
    "later decrypt_error",
  ], "RFC 8446 9.2, 4.2.9"],
  [
    /^ClientHello supported_versions type$/,
    ["later illegal_parameter", ...FORM],
    "RFC 8446 4.1.3: the mark of a downgrade",
  ],
  [
    /^ClientHello \w+ type$/,
    ["decrypt_error", "later illegal_parameter", ...FORM],
    "RFC 8446 4.2: unknown ones are passed over",
  ],
  [/^ServerHello \w+ type$/, ["unsupported_extension", ...FORM], "RFC 8446 4.2"],
  [/ (renegotiation_info|ec_point_formats) body$/, FORM, "RFC 5746 3.2, RFC 8422 5.1.2"],
  [/^ServerHello (key_share|pre_shared_key) body$/, ["bad_record_mac", ...FORM], "RFC 8446 4.2.8, 4.2.11"],
  [/^ServerHello supported_versions body$/, ["illegal_parameter"], "RFC 8446 4.2.1"],
  [
    /^ClientHello supported_versions body$/,
    ["decrypt_error", "later illegal_parameter", ...FORM],
    "RFC 8446 4.2.1, 4.1.3",
  ],
  // A binder that the server did not need is in the transcript.
  [/^ClientHello pre_shared_key (binder|age|identity)$/, [
    "decrypt_error",
    "later decrypt_error",
    "later bad_record_mac",
  ], "RFC 8446 4.2.11.2, 4.1.2"],
  [
    /^ClientHello \w+ body$/,
    ["decrypt_error", "later decrypt_error", "later illegal_parameter", ...FORM],
    "RFC 8446 4.1.2, 4.2.11.2",
  ],
];

/** In a record in the clear of either version on datagrams, and up to the extensions of a hello. */
const CLEAR: readonly Rule[] = [
  [/^sealed( number| Connection ID)?$/, ["silence"], "RFC 6347 4.1.2.7, RFC 9147 4.5.2"],
  [/record number$/, ["free"], "RFC 6347 4.1.2.6: no key protects it where the epoch is 0"],
  [/record version minor$/, ["silence", "free"], "RFC 6347 4.2.1: fe ff as well"],
  [/record (type|version major|epoch)$/, ["silence"], "RFC 6347 4.1.2.7"],
  [/ fragment_(offset|length)$/, ["silence"], "RFC 6347 4.2.3: pieces of nothing"],
  [/^ClientHello message_seq$/, ["timeout"], "RFC 6347 4.2.2: answered under its number, which nobody awaits"],
  [/ message_seq$/, ["silence"], "RFC 6347 4.2.2"],
  [/^\w+ (type|length)$/, ["silence"], "RFC 6347 4.1.2.7: no message of this state"],
  [/ compression$/, ["silence"], "RFC 6347 4.1.2.7"],
];

/**
 * Version 1.2 on datagrams. The first hello is in no transcript (RFC 6347 4.2.6): the second is whole, and its session the
 * honest one. A hello without its cookie gets another one, which is `timeout` in the end.
 */
export const DATAGRAM_12: readonly Rule[] = [
  [/^sealed record number$/, ["silence"], "RFC 6347 4.1.2.1: it is in the nonce or under the MAC"],
  [
    /^ClientHello (fragment_)?length$/,
    ["silence", "timeout", "free"],
    "RFC 6347 4.2.1, 4.2.3: the first piece of a longer one",
  ],
  ...CLEAR,
  [/record length$/, ["silence"], "RFC 6347 4.1"],
  [/sealed record (Connection ID|version minor)$/, ["silence"], "RFC 9146 5"],
  [/^ChangeCipherSpec$/, ["silence"], "RFC 5246 7.1: one byte of 1"],
  [/^ClientHello version/, ["free", "timeout", "later protocol_version", "later decrypt_error"], "RFC 6347 4.2.1"],
  [/^HelloVerifyRequest version$/, ["silence", "free"], "RFC 6347 4.2.1: 1.0 and 1.2 are allowed"],
  [/^ServerHello version/, ["protocol_version"], "RFC 5246 E.1"],
  [/ length$/, ["silence"], "RFC 6347 4.1.2.7"],
  [/^ClientHello (random|session_id)$/, ["free", "timeout"], "RFC 6347 4.2.1: the cookie is of other parameters"],
  [/ cookie$/, ["timeout"], "RFC 6347 4.2.1: as if there were none"],
  [/^ClientHello suites$/, ["free", "handshake_failure", "later handshake_failure"], "RFC 5246 7.4.1.3"],
  [/^ServerHello suite$/, ["illegal_parameter"], "RFC 5246 7.2.2"],
  [/^ServerHello random$/, ["timeout", "silence"], "RFC 6347 4.1.2.7: Finished does not open"],
  [/^ServerHello session_id$/, ["silence"], "RFC 5077 3.4: a full handshake goes on otherwise"],
  [/^ClientHello extended_master_secret type$/, ["free", "handshake_failure"], "RFC 7627 5.2"],
  [/^ClientHello encrypt_then_mac type$/, ["free", "insufficient_security"], "RFC 7366 3"],
  [/^ClientHello renegotiation_info type$/, ["free", "later handshake_failure"], "RFC 5746 3.4, 4.1"],
  [/^ClientHello \w+ type$/, ["free", "timeout", "silence", "later decrypt_error"], "RFC 5246 7.4.1.4"],
  [/^ServerHello \w+ type$/, ["silence"], "RFC 5246 7.4.1.4: nothing that was not offered"],
  [/ (renegotiation_info|ec_point_formats) body$/, ["silence"], "RFC 5746 3.2, RFC 8422 5.1.2"],
  [/^ClientHello \w+ body$/, ["free", "timeout", "silence"], "RFC 7627 4"],
  // Sent behind it Finished comes to nobody; where it was the server's, it is not of this transcript.
  [/^ServerHello connection_id body$/, ["timeout", "decrypt_error", "silence"], "RFC 9146 3"],
  [/^ClientKeyExchange identity$/, ["silence"], "RFC 7627 4: Finished does not open"],
  [/^ClientKeyExchange rest$/, ["silence"], "RFC 8422 5.7"],
  [/^ServerKeyExchange hint$/, ["timeout"], "RFC 7627 4: Finished does not open"],
  [/^ServerKeyExchange rest$/, ["timeout", "silence"], "RFC 8422 5.4"],
];

/** Version 1.3 on datagrams. What is missing is acknowledged as missing, and said again in other datagrams: those are `free`. */
export const DATAGRAM_13: readonly Rule[] = [
  [
    /^unified (header|length)$/,
    ["silence", "timeout", "free"],
    "RFC 9147 4, 7: dropped, and what is missing said again",
  ],
  [/record length$/, ["silence", "free"], "RFC 9147 4.5.2, 7"],
  ...CLEAR,
  [/^ClientHello version/, ["decrypt_error", "later decrypt_error"], "RFC 8446 4.2.11.2"],
  [/^ServerHello suite$/, ["illegal_parameter", "silence", "later decrypt_error"], "RFC 8446 4.1.3"],
  [/^ServerHello cookie body$/, ["timeout", "silence"], "RFC 8446 4.2.2: not a cookie that the server made"],
  [/^ServerHello /, ["silence"], "RFC 9147 4.5.2: nothing opens, or it is none"],
  [/ length$/, ["silence"], "RFC 9147 4.5.2"],
  [/^ClientHello random$/, ["timeout", "illegal_parameter"], "RFC 9147 5.1: the cookie is of another hello"],
  [
    /^ClientHello suites$/,
    ["silence", "timeout", "illegal_parameter", "decrypt_error", "later decrypt_error"],
    "RFC 8446 4.2.11.2: the binder is over another hello, if any suite is known",
  ],
  [/^ClientHello cookie body$/, ["illegal_parameter", "silence"], "RFC 9147 5.1"],
  [
    /^ClientHello pre_shared_key type$/,
    ["handshake_failure", "silence", "illegal_parameter", "timeout"],
    "RFC 8446 9.2",
  ],
  [/^ClientHello (supported_groups|key_share|psk_key_exchange_modes) type$/, [
    "missing_extension",
    "silence",
    "timeout",
  ], "RFC 8446 9.2, 4.2.9"],
  [/^ClientHello \w+ type$/, ["decrypt_error", "later decrypt_error", "timeout", "silence"], "RFC 8446 4.2"],
  [/^ClientHello supported_versions body$/, ["timeout", "silence"], "RFC 8446 4.2.1"],
  [
    /^ClientHello (supported_groups|psk_key_exchange_modes) body$/,
    ["decrypt_error", "later decrypt_error", "silence", "illegal_parameter", "timeout"],
    "RFC 8446 4.2.11.2, RFC 9147 5.1: without the group that is asked for, the cookie is of another hello",
  ],
  // One that the server did not need is in the transcript, and so in the keys.
  [
    /^ClientHello pre_shared_key binder$/,
    ["decrypt_error", "later decrypt_error", "timeout"],
    "RFC 8446 4.2.11.2, RFC 9147 4.5.2: nothing opens",
  ],
  [/^ClientHello \w+ (body|identity|age)$/, [
    "decrypt_error",
    "later decrypt_error",
    "silence",
    "illegal_parameter",
  ], "RFC 8446 4.2.11.2"],
];

/** The rule for a field. Throws Error where there is none. */
export function ruleFor(rules: readonly Rule[], field: string): Rule {
  const rule = rules.find(([pattern]) => pattern.test(field));
  if (!rule) throw new Error(`no rule for ${field}`);
  return rule;
}

/** Fails where bit `bit` of a flight with these fields came to what its rule does not have. */
export function checkOutcome(rules: readonly Rule[], fields: readonly string[], bit: number, outcome: string): void {
  const field = fields[bit >> 3]!;
  const [, outcomes, why] = ruleFor(rules, field);
  assert.ok(outcomes.includes(outcome), `${field}, byte ${bit >> 3}, bit ${bit & 7}: ${outcome}; ${why}`);
}

/** Fails where a rule is of no use: a row that no field of these meets is about something else than it seems. */
export function checkRules(rules: readonly Rule[], fields: readonly string[]): void {
  const used = new Set(fields.map((field) => ruleFor(rules, field)));
  assert.deepEqual(rules.filter((rule) => !used.has(rule)).map(([pattern]) => String(pattern)), []);
}
