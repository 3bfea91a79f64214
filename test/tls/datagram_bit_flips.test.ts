import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { createResumption, type DtlsAcceptorOptions, type DtlsOptions } from "../../lib/tls/mod.ts";
import { isOwnShare } from "../support/share.ts";
import { seededRandom } from "../support/virtual.ts";
import { client, Front, run, VERSION_13 } from "./datagrams.ts";
import { type DatagramKind, DatagramRecording } from "./datagram_flips.ts";
import { checkOutcome, checkRules, DATAGRAM_12, DATAGRAM_13, type Rule } from "./flip_rules.ts";
import { ALL_SUITES, type Answerer, GCM, IDENTITY, PSK } from "./pair.ts";

const CONNECTION_ID = Uint8Array.of(0xca, 0xfe);
const idLengths = { client: CONNECTION_ID.length, server: 8 };
const handshakeSeconds = 10;

function full(name: string, left: Partial<DtlsOptions>, right: Partial<DtlsAcceptorOptions>): DatagramKind {
  return {
    name,
    idLengths,
    client: () => client({ connectionId: CONNECTION_ID, handshakeSeconds, ...left }),
    server: () => new Front({ handshakeSeconds, ...right }),
  };
}

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });

/** A handshake that goes on with an earlier session, by its ticket. */
function resumed(of: Partial<DtlsOptions & DtlsAcceptorOptions>): DatagramKind {
  // The same nonce each time, for the same bytes each time.
  const resumption = createResumption({ random: (bytes) => bytes.fill(5) });
  const options = { ...of, handshakeSeconds };
  const first = client({ ...options, connectionId: CONNECTION_ID, resumable: true }, lasting);
  run(first, new Front({ ...options, resumption }, lasting));
  const resume = first.resumable!;
  return {
    name: "a resumed handshake",
    idLengths,
    client: () => client({ ...options, connectionId: CONNECTION_ID, resume, random: seededRandom(11) }, lasting),
    server: () => new Front({ ...options, resumption, random: seededRandom(12) }, lasting),
  };
}

const of12 = (suite: number) =>
  full(`a handshake with ${suite.toString(16)}`, { suites: [suite] }, { suites: [suite], hint: toUtf8("h") });

/** Their handshakes differ in a field or two. */
const OTHERS = ALL_SUITES.filter((each) => each !== GCM).map(of12);

/** `whole`: each runtime tries every bit; `shared`: the three together do. */
interface Protocol {
  readonly version: string;
  readonly rules: readonly Rule[];
  readonly whole: readonly DatagramKind[];
  readonly shared: readonly DatagramKind[];
}

const PROTOCOLS: readonly Protocol[] = [
  { version: "1.2", rules: DATAGRAM_12, whole: [of12(GCM)], shared: [resumed({ suites: [GCM] })] },
  {
    version: "1.3",
    rules: DATAGRAM_13,
    whole: [],
    shared: [
      // HelloRetryRequest brings the cookie.
      full("a handshake", VERSION_13, VERSION_13),
      resumed(VERSION_13),
      full("a handshake with another group", { ...VERSION_13, groups: [0x1d, 0x17] }, {
        ...VERSION_13,
        groups: [0x17],
      }),
    ],
  },
];

for (const { version, rules, whole, shared } of PROTOCOLS) {
  const kinds = [...whole, ...shared];
  for (const kind of kinds) {
    const isTried = whole.includes(kind) ? () => true : isOwnShare;
    const share = whole.includes(kind) ? "" : ", a third on each runtime,";
    test(`every bit of ${kind.name} of DTLS ${version}, flipped${share || ","} ends in its alert or in silence, and never in another session [SEC_CF-INTE-001]`, () => {
      const recording = new DatagramRecording(kind);
      for (const [index, { bytes }] of recording.datagrams.entries()) {
        const fields = recording.fields(index);
        assert.equal(fields.length, bytes.length);
        const tried = new Map(recording.flips(index, isTried));
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          if (tried.has(bit) || isTried(bit)) checkOutcome(rules, fields, bit, tried.get(bit) ?? "not tried");
        }
      }
    });
  }

  test(`no rule for flipped bits of DTLS ${version} is idle`, () => {
    const recordings = [...kinds, ...(version === "1.2" ? OTHERS : [])].map((kind) => new DatagramRecording(kind));
    checkRules(
      rules,
      recordings.flatMap((recording) => recording.datagrams.flatMap((_, index) => recording.fields(index))),
    );
    const isResumed = recordings.map(({ session }) => session.resumed === true);
    assert.deepEqual(isResumed.slice(0, 2), [false, true]);
  });
}

test("with the other suites of DTLS 1.2 too, in samples of what is in the clear", () => {
  for (const kind of OTHERS) {
    const recording = new DatagramRecording(kind);
    assert.equal(recording.datagrams.length, 6);
    for (const index of recording.datagrams.keys()) {
      const fields = recording.fields(index);
      for (const [bit, outcome] of recording.flips(index, (bit) => bit % 29 === 0)) {
        checkOutcome(DATAGRAM_12, fields, bit, outcome);
      }
    }
  }
});

test("every bit of a record of data, flipped, is dropped without a word, and the next one is read", () => {
  for (const suite of ALL_SUITES) {
    const left = client({ suites: [suite] });
    const front = new Front({ suites: [suite] });
    run(left, front);
    const bytes = left.send(toUtf8("hello"));
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = new Uint8Array(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.deepEqual(front.receive(changed, "c:1"), []);
    }
    assert.deepEqual(front.last.texts, []);
    front.receive(bytes, "c:1");
    assert.deepEqual(front.last.texts, ["hello"]);
  }
});

test("every bit of a record of data of version 1.3, flipped, is dropped without a word, and the next one is read", () => {
  for (const suite of [0x1301, 0x1303, 0x1304, 0x1302]) {
    const left = client({ ...VERSION_13, suites: [suite] });
    const front = new Front({ ...VERSION_13, suites: [suite] });
    run(left, front);
    const bytes = left.send(toUtf8("hello"));
    for (let bit = 0; bit < 8 * bytes.length; bit++) {
      const changed = new Uint8Array(bytes);
      changed[bit >> 3]! ^= 1 << (bit & 7);
      assert.deepEqual(front.receive(changed, "c:1"), []);
    }
    assert.deepEqual(front.last.texts, []);
    front.receive(bytes, "c:1");
    assert.deepEqual(front.last.texts, ["hello"]);
  }
});
