// RFC 5705. Source of the vectors: test/vectors/tls/exporter.json, made with OpenSSL and with Node's tls.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { type SecretBytes, secretEqual, secretFrom, suiteById } from "../../lib/crypto/mod.ts";
import { createResumption } from "../../lib/tls/mod.ts";
import { Sequel12 } from "../../lib/tls/tls12/sequel.ts";
import { seededRandom } from "../support/virtual.ts";
import { client as datagramClient, Front, run as runDatagrams } from "./datagrams.ts";
import { type Answerer, client, ECDHE_GCM, type End, GCM, IDENTITY, PSK, run, server } from "./pair.ts";
import { asClient, Puppet } from "./puppet.ts";

interface Vector {
  readonly name: string;
  readonly suite: number;
  readonly label: string;
  readonly context?: string;
  readonly length: number;
  readonly keyLog: string;
  readonly serverRandom: string;
  readonly exported: string;
}

const { captures }: { readonly captures: readonly Vector[] } = JSON.parse(
  readFileSync(new URL("../vectors/tls/exporter.json", import.meta.url), "utf8"),
);

for (const vector of captures) {
  test(`${vector.name}: what another implementation exported comes out of its master secret [SEC_CF-KEM-001]`, () => {
    const [, clientRandom = "", master = ""] = vector.keyLog.split(" ");
    const randoms = { client: fromHex(clientRandom), server: fromHex(vector.serverRandom) };
    const make = (from: string, label: string, context: string | undefined) => {
      using secret = secretFrom(fromHex(from));
      using sequel = new Sequel12(suiteById(vector.suite)!, secret, randoms);
      return sequel.exportKey(label, context === undefined ? undefined : fromHex(context), vector.length);
    };
    const expected = fromHex(vector.exported);
    assert.ok(secretEqual(make(master, vector.label, vector.context), expected));
    if (vector.length < 8) return;
    assert.ok(!secretEqual(make(master, `${vector.label}x`, vector.context), expected));
    assert.ok(!secretEqual(make(master, vector.label, vector.context === undefined ? "" : undefined), expected));
    assert.ok(!secretEqual(make(master, vector.label, `${vector.context ?? ""}00`), expected));
    assert.ok(!secretEqual(make(`00${master.slice(2)}`, vector.label, vector.context), expected));
  });
}

/** The same at both ends, and not at any other. */
function agree(one: SecretBytes, other: SecretBytes): void {
  assert.ok(secretEqual(one, other));
}

function established(options: Parameters<typeof client>[0] & { readonly far?: Parameters<typeof server>[0] }) {
  const { far, ...near } = options;
  const left = client({ exporter: true, ...near });
  const right = server({ exporter: true, ...far });
  run(left, right);
  assert.ok(left.session && right.session, `${left.code} ${right.code}`);
  return { left, right };
}

const LABEL = "EXPERIMENTAL_seccf";

test("both ends of a session export the same key, another for each label, context, length and session, in every version", () => {
  const versions = [[0x0303, GCM], [0x0303, ECDHE_GCM], [0x0304, 0x1301]] as const;
  const seen: SecretBytes[] = [];
  for (const [version, suite] of versions) {
    for (let session = 0; session < 2; session++) {
      const options = { versions: [version], suites: [suite], random: seededRandom(session + suite) };
      const { left, right } = established({
        ...options,
        far: { ...options, random: seededRandom(suite * 3 + session) },
      });
      const uses: readonly (readonly [string, Uint8Array | undefined, number])[] = [
        [LABEL, undefined, 32],
        [LABEL, toUtf8("context"), 32],
        ["EXPERIMENTAL_other", undefined, 32],
        // Where a length is not part of the derivation, the longer one begins as the shorter.
        [LABEL, toUtf8("long"), 100],
      ];
      for (const use of uses) {
        const key = left.engine.exportKey(...use);
        agree(key, right.engine.exportKey(...use));
        assert.equal(key.byteLength, use[2]);
        for (const other of seen) assert.ok(!secretEqual(key, other));
        seen.push(key);
      }
      const none = left.engine.exportKey(LABEL, undefined, 16);
      const empty = left.engine.exportKey(LABEL, new Uint8Array(0), 16);
      // RFC 5705 4 tells them apart, RFC 8446 7.5 does not.
      assert.equal(secretEqual(none, empty), version === 0x0304);
    }
  }
});

test("the same on datagrams, in both versions", () => {
  for (const [version, suite] of [[0xfefd, GCM], [0xfefd, ECDHE_GCM], [0xfefc, 0x1301]] as const) {
    const options = { versions: [version], suites: [suite], exporter: true };
    const left = datagramClient(options);
    const front = new Front(options);
    runDatagrams(left, front);
    agree(left.engine.exportKey(LABEL, undefined, 32), front.last.engine.exportKey(LABEL, undefined, 32));
    left.close();
    assert.throws(() => left.engine.exportKey(LABEL, undefined, 32), { code: "state" });
  }
});

test("a session that goes on exports keys of its own", () => {
  const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 1e6 });
  using resumption = createResumption({ random: seededRandom(77) });
  const meet = (seed: number, resume?: End["resumable"]) => {
    const common = { exporter: true, versions: [0x0303] };
    const near = { ...common, resumable: true, ...(resume && { resume }) };
    const left = client({ ...near, random: seededRandom(seed) }, lasting);
    const right = server({ ...common, resumption, random: seededRandom(seed + 1) }, lasting);
    run(left, right);
    agree(left.engine.exportKey(LABEL, undefined, 32), right.engine.exportKey(LABEL, undefined, 32));
    return left;
  };
  const first = meet(300);
  const again = meet(310, first.resumable);
  assert.ok(again.session?.resumed);
  assert.ok(!secretEqual(first.engine.exportKey(LABEL, undefined, 32), again.engine.exportKey(LABEL, undefined, 32)));
});

test("without the option, before the session, after it, and without extended master secret (RFC 7627 5.4) there is no key", () => {
  for (const versions of [[0x0303], [0x0304]]) {
    const { left, right } = established({ versions, exporter: false, far: { versions } });
    assert.throws(() => left.engine.exportKey(LABEL, undefined, 32), { code: "state" });
    right.engine.exportKey(LABEL, undefined, 32)[Symbol.dispose]();
    right.close();
    assert.throws(() => right.engine.exportKey(LABEL, undefined, 32), { code: "state" });
    const fresh = server({ versions, exporter: true });
    assert.throws(() => fresh.engine.exportKey(LABEL, undefined, 32), { code: "state" });
    fresh.engine[Symbol.dispose]();
    assert.throws(() => fresh.engine.exportKey(LABEL, undefined, 32), { code: "state" });
  }
  for (const extendedMasterSecret of [true, false]) {
    const end = server({ requireExtendedMasterSecret: false, exporter: true });
    asClient(new Puppet("client", { extendedMasterSecret }), (bytes) => end.receive(bytes));
    assert.ok(end.session);
    if (extendedMasterSecret) end.engine.exportKey(LABEL, undefined, 32)[Symbol.dispose]();
    else assert.throws(() => end.engine.exportKey(LABEL, undefined, 32), { code: "state" });
  }
});

test("labels of the handshake itself, and what no derivation can make, are a RangeError", () => {
  const { left } = established({});
  const labels = ["client finished", "server finished", "master secret", "extended master secret", "key expansion"];
  for (const label of [...labels, "", "ünicode", "x".repeat(129), "a\nb"]) {
    assert.throws(() => left.engine.exportKey(label, undefined, 32), RangeError, label);
  }
  for (const length of [0, -1, 1.5, NaN, 8161]) {
    assert.throws(() => left.engine.exportKey(LABEL, undefined, length), RangeError);
  }
  assert.throws(() => left.engine.exportKey(LABEL, new Uint8Array(65_536), 32), RangeError);
  assert.equal(left.engine.exportKey(LABEL, new Uint8Array(65_535), 8160).byteLength, 8160);
});
