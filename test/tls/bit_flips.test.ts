import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { type ClientOptions, createResumption, type ServerOptions } from "../../lib/tls/mod.ts";
import { isOwnShare } from "../support/share.ts";
import { seededRandom } from "../support/virtual.ts";
import { checkOutcome, checkRules, type Rule, STREAM_12, STREAM_13 } from "./flip_rules.ts";
import { ALL_SUITES, type Answerer, BOTH, client, ECDHE_GCM, type End, GCM, IDENTITY } from "./pair.ts";
import { ONLY_13, PSK, run, server } from "./pair.ts";
import { type Kind, StreamRecording } from "./stream_flips.ts";

const DEADLINE = 10_000;

function full(name: string, left: Partial<ClientOptions>, right: Partial<ServerOptions>): Kind {
  return { name, client: () => client({ serverName: "a.example", ...left }), server: () => server(right) };
}

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });

/** A handshake that goes on with an earlier session, by its ticket. */
function resumed(
  name: string,
  options: { readonly versions: readonly number[]; readonly suites?: readonly number[] },
): Kind {
  // The same nonce each time, for the same bytes each time.
  const resumption = createResumption({ random: (bytes) => bytes.fill(5) });
  const first = client({ ...options, resumable: true }, lasting);
  run(first, server({ ...options, resumption }, lasting));
  const resume = first.resumable!;
  return {
    name,
    client: () => client({ ...options, resume, random: seededRandom(11) }, lasting),
    server: () => server({ ...options, resumption, random: seededRandom(12) }, lasting),
  };
}

const of12 = (suite: number) =>
  full(`a handshake with ${suite.toString(16)}`, { suites: [suite] }, { suites: [suite], hint: toUtf8("h") });

const HANDSHAKE = full("a handshake", BOTH, BOTH);
const RETRIED = full("a retried handshake", BOTH, { ...BOTH, groups: [0x17] });

/** Their handshakes differ in a field or two. */
const OTHERS = ALL_SUITES.filter((each) => each !== GCM && each !== ECDHE_GCM).map(of12);

/** `whole`: each runtime tries every bit; `shared`: the three together do. */
interface Protocol {
  readonly version: string;
  readonly rules: readonly Rule[];
  readonly whole: readonly Kind[];
  readonly shared: readonly Kind[];
}

const PROTOCOLS: readonly Protocol[] = [
  {
    version: "1.2",
    rules: STREAM_12,
    whole: [of12(GCM)],
    shared: [of12(ECDHE_GCM), resumed("a resumed handshake", { versions: [0x0303], suites: [GCM] })],
  },
  { version: "1.3", rules: STREAM_13, whole: [HANDSHAKE], shared: [RETRIED, resumed("a resumed handshake", BOTH)] },
];

for (const { version, rules, whole, shared } of PROTOCOLS) {
  const kinds = [...whole, ...shared];
  for (const kind of kinds) {
    const isTried = whole.includes(kind) ? () => true : isOwnShare;
    const share = whole.includes(kind) ? "" : ", a third on each runtime,";
    test(`every bit of ${kind.name} of TLS ${version}, flipped${share || ","} ends in its alert or waits, and never in a session [SEC_CF-INTE-001]`, () => {
      const recording = new StreamRecording(kind);
      for (const [index, { bytes }] of recording.flights.entries()) {
        const fields = recording.fields(index);
        assert.equal(fields.length, bytes.length);
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          if (isTried(bit)) checkOutcome(rules, fields, bit, recording.flip(index, bit));
        }
      }
    });
  }

  test(`no rule for flipped bits of TLS ${version} is idle`, () => {
    const recordings = [...kinds, ...(version === "1.2" ? OTHERS : [])].map((kind) => new StreamRecording(kind));
    checkRules(
      rules,
      recordings.flatMap((recording) => recording.flights.flatMap((_, index) => recording.fields(index))),
    );
    const isResumed = recordings.map(({ session }) => session.resumed === true);
    assert.deepEqual(isResumed.slice(0, kinds.length), [false, false, true]);
  });
}

test("with the other suites of TLS 1.2 too, in samples", () => {
  for (const kind of OTHERS) {
    const recording = new StreamRecording(kind);
    assert.equal(recording.flights.length, 4);
    for (const [index, { bytes }] of recording.flights.entries()) {
      const fields = recording.fields(index);
      for (let bit = 0; bit < 8 * bytes.length; bit += 13) {
        checkOutcome(STREAM_12, fields, bit, recording.flip(index, bit));
      }
    }
  }
});

test("every bit of a record of data, flipped, ends the connection without a byte of it", () => {
  for (const suite of ALL_SUITES) {
    const sent = established(suite).left.send(toUtf8("hello"));
    for (let bit = 0; bit < 8 * sent.length; bit++) {
      const { left, right } = established(suite);
      const bytes = left.send(toUtf8("hello"));
      bytes[bit >> 3]! ^= 1 << (bit & 7);
      left.receive(right.receive(bytes));
      // A length that claims more waits for it: whatever comes then, it is no record.
      if (right.code === "open") left.receive(right.receive(new Uint8Array(17_000)));
      assert.equal(right.text, "");
      assert.ok(["auth-failed", "malformed", "too-large", "unsupported"].includes(right.code), right.code);
      assert.notEqual(left.code, "open");
    }
  }
});

function established(suite: number): { left: End; right: End } {
  const left = client({ suites: [suite] });
  const right = server({ suites: [suite] });
  run(left, right);
  return { left, right };
}

test("every bit of a record of data and of a KeyUpdate, flipped, ends the connection without a byte of it", () => {
  const established = () => {
    const left = client({ ...ONLY_13, recordsPerKey: 1 });
    const right = server(ONLY_13);
    run(left, right);
    right.receive(left.send(toUtf8("x")));
    return { left, right };
  };
  const sent = established().left.send(toUtf8("hello"));
  for (let bit = 0; bit < 8 * sent.length; bit++) {
    const { left, right } = established();
    const bytes = left.send(toUtf8("hello"));
    bytes[bit >> 3]! ^= 1 << (bit & 7);
    left.receive(right.receive(bytes));
    // A length that claims more waits for it: whatever comes then, it is no record.
    if (right.code === "open") left.receive(right.receive(new Uint8Array(17_000)));
    assert.equal(right.text, "x");
    assert.ok(["auth-failed", "malformed", "too-large", "unsupported"].includes(right.code), right.code);
    assert.notEqual(left.code, "open");
  }
});

test("a peer that stops at any byte of a handshake of version 1.3 ends in timeout at the deadline", () => {
  for (const kind of [HANDSHAKE, RETRIED]) {
    const { flights } = new StreamRecording(kind);
    for (const from of ["client", "server"] as const) {
      const total = flights.filter((each) => each.from === from).reduce((sum, { bytes }) => sum + bytes.length, 0);
      for (let length = 0; length < total; length++) {
        const end = from === "client" ? kind.server() : kind.client();
        end.sent();
        let left = length;
        for (const flight of flights) {
          if (flight.from !== from || left === 0) continue;
          const piece = flight.bytes.subarray(0, left);
          end.receive(piece);
          left -= piece.length;
        }
        assert.equal(end.session, undefined);
        end.expire(DEADLINE - 0.1);
        assert.equal(end.code, "open");
        assert.equal(end.expire(DEADLINE).length, 0);
        assert.equal(end.code, "timeout");
      }
    }
  }
});
