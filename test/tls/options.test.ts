import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { type CommonOptions, createDtlsEngine, createTlsEngine } from "../../lib/tls/mod.ts";
import { alertOf, encodeAlert, errorOf, TlsFailure } from "../../lib/tls/alert.ts";
import { SeccfError } from "../../lib/error.ts";
import { seededRandom } from "../support/virtual.ts";
import { decodeClientHello } from "../../lib/tls/handshake/client_hello.ts";
import { Peer } from "./datagrams.ts";
import { client, End, GCM, run, server } from "./pair.ts";

const base = { now: 0, random: seededRandom(1) };

test("options that make no sense are a RangeError", () => {
  const shared: readonly Partial<CommonOptions>[] = [
    { now: NaN },
    { now: Infinity },
    { suites: [] },
    { suites: [GCM, GCM] },
    { suites: [0x1306] },
    // A pre-shared key of version 1.3 has one hash (RFC 8446 4.2.11).
    { suites: [0x1301, 0x1302] },
    { versions: [] },
    { versions: [0x0302] },
    { versions: [0xfefd] },
    { versions: [0x0304], suites: [GCM] },
    { versions: [0x0303], suites: [0x1301] },
    { versions: [0x0304], suites: [0x1301, GCM] },
    { suites: [GCM], forwardSecrecy: "required" },
    { suites: [0xd001], forwardSecrecy: "none" },
    { versions: [0x0304, 0x0303], suites: [0x1301, 0xd001], forwardSecrecy: "none" },
    { groups: [] },
    { groups: [0x18] },
    { groups: [0x1d, 0x1d] },
    { recordsPerKey: 0 },
    { recordsPerKey: 1.5 },
    { recordsPerKey: 2 ** 22 + 1 },
    { handshakeSeconds: 0 },
    { handshakeSeconds: -1 },
    { handshakeSeconds: NaN },
    { handshakeSeconds: Infinity },
  ];
  for (const wrong of shared) {
    const options = { ...base, ...wrong };
    assert.throws(() => createTlsEngine({ ...options, role: "client" }), RangeError, JSON.stringify(wrong));
    assert.throws(() => createTlsEngine({ ...options, role: "server" }), RangeError, JSON.stringify(wrong));
  }
  for (const serverName of ["", "127.0.0.1", "::1", "a b", "a."]) {
    assert.throws(() => createTlsEngine({ ...base, role: "client", serverName }), RangeError, serverName);
  }
  for (const length of [0, 129]) {
    assert.throws(() => createTlsEngine({ ...base, role: "server", hint: new Uint8Array(length) }), RangeError);
  }
});

test("versions are both, those named, or those that the named suites are of", () => {
  const offered = (options: Partial<CommonOptions>) => {
    const end = new End(createTlsEngine({ ...base, ...options, role: "client" }));
    const { supportedVersions, suites } = decodeClientHello(end.sent().subarray(9));
    return [supportedVersions ?? [], suites];
  };
  const of13 = [0x1301, 0x1303, 0x1304];
  const [versions, suites] = offered({});
  assert.deepEqual(versions, [0x0304, 0x0303]);
  assert.deepEqual(suites!.slice(0, 3), of13);
  // 1305 and 1302 for who names them: the one's tags are short, the other's keys are for another hash.
  assert.ok(!suites!.includes(0x1305) && !suites!.includes(0x1302));
  assert.deepEqual(offered({ versions: [0x0303, 0x0304] })[0], [0x0304, 0x0303]);
  assert.deepEqual(offered({ versions: [0x0304] }), [[0x0304], of13]);
  assert.deepEqual(offered({ suites: [0x1302] }), [[0x0304], [0x1302]]);
  assert.deepEqual(offered({ suites: [GCM] }), [[], [GCM]]);
  assert.deepEqual(offered({ suites: [GCM, 0x1305] }), [[0x0304, 0x0303], [GCM, 0x1305]]);
  const required = offered({ forwardSecrecy: "required" })[1]!;
  assert.ok(required.includes(0xd001) && !required.includes(GCM));
  const none = offered({ forwardSecrecy: "none" })[1]!;
  assert.ok(none.includes(GCM) && none.includes(0x1301) && !none.includes(0xd001));
});

test("only who names it leaves out the fresh agreement, and then there is neither share nor group (RFC 8446 4.2.9, 9.2)", () => {
  const modes = { required: [1], preferred: [1, 0], none: [0] };
  for (const [forwardSecrecy, expected] of Object.entries({ ...modes, default: modes.preferred })) {
    const named = forwardSecrecy === "default" ? {} : { forwardSecrecy: forwardSecrecy as keyof typeof modes };
    for (const versions of [[0x0304], [0x0304, 0x0303]]) {
      const hello = decodeClientHello(client({ versions, ...named }).sent().subarray(9));
      assert.deepEqual(hello.pskModes, expected, forwardSecrecy);
      const isFresh = forwardSecrecy !== "none";
      assert.deepEqual([hello.keyShares !== undefined, hello.supportedGroups !== undefined], [isFresh, isFresh]);
    }
  }
});

test("the default offer has fresh agreements before the key alone, and nothing legacy, on streams and datagrams", () => {
  // IANA's numbers of TLS 1.3 and ECDHE_PSK, then of PSK (RFC 8446 B.4, RFC 8442 3, RFC 7905 3; RFC 5487 2, RFC 6655 4).
  const fresh = [0x1301, 0x1303, 0x1304, 0xd001, 0xccac, 0xd003];
  const alone = [0x00a8, 0x00a9, 0xc0a4, 0xc0a8, 0xccab];
  const stream = decodeClientHello(new End(createTlsEngine({ ...base, role: "client" })).sent().subarray(9));
  const [datagram] = new Peer(createDtlsEngine({ ...base, role: "client" })).sent();
  for (const { suites } of [stream, decodeClientHello(datagram!.subarray(25), "datagram")]) {
    assert.deepEqual(suites.slice(0, fresh.length).toSorted(), fresh.toSorted());
    assert.deepEqual(suites.slice(fresh.length).toSorted(), alone.toSorted());
  }
});

test("a hint and own identities may be changed by their owner afterwards", () => {
  const hint = toUtf8("hint1");
  const own = toUtf8("me");
  const right = server({ hint, ownIdentities: [own] });
  hint.fill(0);
  own.set(toUtf8("Cl"));
  const left = client();
  run(left, right);
  assert.deepEqual(left.demands[0]?.hint, toUtf8("hint1"));
  assert.ok(right.session);
});

test("the key log gets one line a session, the same at both ends, and nothing without being asked for", () => {
  const lines: Record<string, string[]> = { client: [], server: [] };
  const left = client({ keyLog: (line) => void lines["client"]!.push(line) });
  const hello = left.sent();
  const right = server({ keyLog: (line) => void lines["server"]!.push(line) });
  left.receive(right.receive(left.receive(right.receive(hello))));
  assert.ok(left.session && right.session);
  assert.equal(lines["client"]!.length, 1);
  assert.deepEqual(lines["client"], lines["server"]);
  assert.match(lines["client"]![0]!, /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}$/);
});

test("alerts have the numbers of the IANA registry; close_notify and no_renegotiation are warnings", () => {
  const numbers = {
    close_notify: [1, 0],
    unexpected_message: [2, 10],
    bad_record_mac: [2, 20],
    record_overflow: [2, 22],
    handshake_failure: [2, 40],
    illegal_parameter: [2, 47],
    access_denied: [2, 49],
    decode_error: [2, 50],
    decrypt_error: [2, 51],
    protocol_version: [2, 70],
    insufficient_security: [2, 71],
    internal_error: [2, 80],
    inappropriate_fallback: [2, 86],
    no_renegotiation: [1, 100],
    missing_extension: [2, 109],
    unsupported_extension: [2, 110],
    unrecognized_name: [2, 112],
    unknown_psk_identity: [2, 115],
  } as const;
  for (const [name, bytes] of Object.entries(numbers)) {
    // Object.entries widens the key.
    assert.deepEqual([...encodeAlert(name as keyof typeof numbers)], bytes, name);
  }
});

test("each alert of the peer means one code, and one that has no name is still an end", () => {
  const codes: Readonly<Record<number, string>> = {
    20: "auth-failed",
    49: "auth-failed",
    51: "auth-failed",
    115: "auth-failed",
    40: "unsupported",
    70: "unsupported",
    71: "unsupported",
    109: "unsupported",
    110: "unsupported",
    112: "unsupported",
    86: "downgrade",
    10: "closed",
    80: "closed",
    255: "closed",
  };
  for (const [description, code] of Object.entries(codes)) {
    const end = client();
    end.sent();
    assert.equal(end.receive(Uint8Array.of(21, 3, 3, 0, 2, 2, Number(description))).length, 0);
    assert.equal(end.code, code, description);
  }
  assert.match(errorOf({ fatal: true, description: 255 }).message, /alert 255$/);
});

test("an error that names no alert is told as decode_error or internal_error", () => {
  assert.equal(alertOf(new SeccfError("malformed", "")), "decode_error");
  assert.equal(alertOf(new SeccfError("state", "")), "internal_error");
  assert.equal(alertOf(new TlsFailure("protocol_version", "unsupported", "")), "protocol_version");
  assert.ok(new TlsFailure("protocol_version", "unsupported", "") instanceof SeccfError);
});
