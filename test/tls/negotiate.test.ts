// DESIGN 4.6: no downgrade. All combinations of offers and policies against the rules written down once more.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fromHex, toHex } from "../../lib/bytes/mod.ts";
import { decodeServerHello, type ServerHello } from "../../lib/tls/handshake/server_hello.ts";
import { streamCaptures } from "./captures.ts";
import { CBC_SHA, CBC_SHA256, CCM_8, client, type End, GCM, run, server, SOME_SUITES } from "./pair.ts";
import { Puppet } from "./puppet.ts";

const BOOLEANS = [true, false];

/** Every choice of at least one suite, best first and worst first. */
function* offers(): Generator<number[]> {
  for (let bits = 1; bits < 16; bits++) {
    const chosen = SOME_SUITES.filter((_, i) => bits & (1 << i));
    yield chosen;
    if (chosen.length > 1) yield chosen.toReversed();
  }
}

const isCbc = (suite: number) => suite === CBC_SHA256 || suite === CBC_SHA;

/** What a server said to a hello: its ServerHello, or the alert. */
function reply(end: End, hello: Uint8Array): { chosen?: ServerHello; alert?: number } {
  const sent = end.receive(hello);
  if (sent[0] === 21) return { alert: sent[6]! };
  return { chosen: decodeServerHello(sent.subarray(9, 5 + ((sent[3]! << 8) | sent[4]!))) };
}

/** A client whose hello is on its way. */
function waiting(options: Parameters<typeof client>[0] = {}): End {
  const end = client(options, () => undefined);
  end.sent();
  return end;
}

test("a server chooses its own best of what both allow, or refuses: every offer, every policy", () => {
  let combinations = 0;
  for (const suites of offers()) {
    for (const macThenEncrypt of BOOLEANS) {
      for (const requireExtendedMasterSecret of BOOLEANS) {
        for (const offered of offers()) {
          for (const encryptThenMac of BOOLEANS) {
            for (const extendedMasterSecret of BOOLEANS) {
              combinations++;
              const end = server({ suites, macThenEncrypt, requireExtendedMasterSecret });
              const puppet = new Puppet("client");
              const { chosen, alert } = reply(
                end,
                puppet.clientHello({ suites: offered, encryptThenMac, extendedMasterSecret }),
              );
              const common = suites.filter((suite) => offered.includes(suite));
              const allowed = common.filter((suite) => !isCbc(suite) || encryptThenMac || macThenEncrypt);
              if (requireExtendedMasterSecret && !extendedMasterSecret) {
                assert.equal(alert, 40);
                assert.equal(end.code, "downgrade");
              } else if (allowed.length === 0) {
                assert.equal(alert, common.length > 0 ? 71 : 40);
                assert.equal(end.code, common.length > 0 ? "downgrade" : "unsupported");
              } else {
                assert.equal(chosen?.suite, allowed[0]);
                assert.equal(chosen?.extendedMasterSecret, extendedMasterSecret);
                assert.equal(chosen?.encryptThenMac, isCbc(allowed[0]!) && encryptThenMac);
                assert.equal(chosen?.renegotiationInfo, true);
              }
            }
          }
        }
      }
    }
  }
  assert.equal(combinations, 26 * 2 * 2 * 26 * 2 * 2);
});

test("a client takes only what it offered and its policy allows: every choice, every policy", () => {
  for (const suites of offers()) {
    for (const macThenEncrypt of BOOLEANS) {
      for (const requireExtendedMasterSecret of BOOLEANS) {
        for (const suite of [...SOME_SUITES, 0x00a9, 0x002f]) {
          for (const encryptThenMac of BOOLEANS) {
            for (const extendedMasterSecret of BOOLEANS) {
              for (const renegotiationInfo of BOOLEANS) {
                const end = waiting({ suites, macThenEncrypt, requireExtendedMasterSecret });
                const puppet = new Puppet("server");
                const sent = end.receive(
                  puppet.serverHello({ suite, encryptThenMac, extendedMasterSecret, renegotiationInfo }),
                );
                const good = suites.includes(suite) && renegotiationInfo &&
                  (extendedMasterSecret || !requireExtendedMasterSecret) &&
                  (isCbc(suite) ? encryptThenMac || macThenEncrypt : !encryptThenMac);
                assert.equal(end.code === "open", good);
                if (good) continue;
                assert.ok(["downgrade", "malformed"].includes(end.code));
                assert.ok([40, 47, 71, 110].includes(sent[6]!));
              }
            }
          }
        }
      }
    }
  }
});

test("two of ours agree on the server's best, and on encrypt-then-MAC and extended master secret whenever there is a choice", () => {
  for (const left of offers()) {
    for (const right of offers()) {
      const one = client({ suites: left, macThenEncrypt: true, requireExtendedMasterSecret: false }, () => undefined);
      const other = server(
        { suites: right, macThenEncrypt: true, requireExtendedMasterSecret: false },
        () => undefined,
      );
      run(one, other);
      const best = right.find((suite) => left.includes(suite));
      assert.equal(one.demands[0]?.suite, best);
      if (best === undefined) assert.deepEqual([one.code, other.code], ["unsupported", "unsupported"]);
    }
  }
});

test("nothing legacy without being named at both ends", () => {
  const hello = client().sent();
  const puppet = new Puppet("server");
  puppet.hear(hello);
  const offered = hello.subarray(5 + 4 + 2 + 32 + 1);
  // Forward secrecy first: ECDHE_PSK with GCM, ChaCha20 and CCM_8; then GCM, CCM, CCM_8, AES-256-GCM, ChaCha20.
  assert.equal(toHex(offered.subarray(0, 18)), "0010d001ccacd00300a8c0a4c0a800a9ccab");

  const { alert } = reply(server(), new Puppet("client").clientHello({ suites: [CBC_SHA256, CBC_SHA] }));
  assert.equal(alert, 40);
  for (const suites of [[CBC_SHA], [GCM, CBC_SHA]]) {
    const left = client({ suites });
    const right = server({ suites: [CBC_SHA, GCM] });
    run(left, right);
    assert.equal(left.session?.suite, CBC_SHA);
    assert.equal(left.session?.encryptThenMac, true);
  }
});

test("a hello without any name of ours, with numbers nobody knows, is handshake_failure", () => {
  const { alert } = reply(server(), new Puppet("client").clientHello({ suites: [0x1301, 0x0a0a, 0x002f, 0x5600] }));
  assert.equal(alert, 40);
});

test("whoever offers TLS 1.2 gets it, however much more it offers; whoever does not gets protocol_version", () => {
  const cases: readonly (readonly [number, readonly number[] | undefined, boolean])[] = [
    [0x0303, undefined, true],
    [0x0304, undefined, true],
    [0x03ff, undefined, true],
    [0x0303, [0x0304, 0x0303], true],
    [0x0303, [0x0a0a, 0x0304, 0x0303, 0x0302], true],
    [0x0303, [0x0304], false],
    [0x0303, [0x0302, 0x0301], false],
    [0x0302, undefined, false],
    [0x0301, undefined, false],
    [0x0300, undefined, false],
    [0x0002, undefined, false],
  ];
  for (const [version, supportedVersions, served] of cases) {
    const end = server();
    const { chosen, alert } = reply(end, new Puppet("client").clientHello({ version, supportedVersions }));
    assert.equal(chosen?.version, served ? 0x0303 : undefined);
    assert.equal(alert, served ? undefined : 70);
    assert.equal(end.code, served ? "open" : "unsupported");
  }
});

test("OpenSSL's hello for TLS 1.3 and 1.2 is served as 1.2, and nothing of 1.3 is answered", () => {
  const { offersTls13 } = streamCaptures();
  for (
    const [suites, suite] of [[[GCM], GCM], [[CBC_SHA256, GCM], CBC_SHA256], [[CCM_8, CBC_SHA256], CBC_SHA256]] as const
  ) {
    const end = server({ suites });
    const { chosen } = reply(end, offersTls13);
    assert.equal(chosen?.version, 0x0303);
    assert.equal(chosen?.suite, suite);
    assert.equal(chosen?.serverName, true);
    assert.equal(chosen?.sessionId.length, 0);
    assert.equal(chosen?.extendedMasterSecret, true);
    assert.equal(chosen?.encryptThenMac, suite === CBC_SHA256);
  }
});

test("a server that chooses another version than 1.2 is refused", () => {
  for (const version of [0x0300, 0x0301, 0x0302, 0x0304, 0xfefd]) {
    const end = waiting();
    const sent = end.receive(new Puppet("server").serverHello({ version }));
    assert.equal(sent[6], 70);
    assert.equal(end.code, "unsupported");
  }
});

test("a server's protocol_version in a record of its own version is understood", () => {
  const end = waiting();
  end.receive(Uint8Array.of(21, 3, 1, 0, 2, 2, 70));
  assert.equal(end.code, "unsupported");
});

test("the sentinel of a server that could do 1.3 does not disturb a client that can not (RFC 8446 4.1.3)", () => {
  const random = fromHex("00".repeat(24) + "444f574e47524401");
  const end = waiting();
  assert.equal(end.receive(new Puppet("server").serverHello({ random })).length, 0);
  assert.equal(end.code, "open");
});

test("an answer to what was not asked is unsupported_extension", () => {
  const unasked = waiting();
  assert.equal(unasked.receive(new Puppet("server").serverHello({ serverName: true }))[6], 110);
  assert.equal(unasked.code, "malformed");
  const asked = waiting({ serverName: "a.example" });
  assert.equal(asked.receive(new Puppet("server").serverHello({ serverName: true })).length, 0);
  assert.equal(asked.code, "open");
});

test("a server indicates secure renegotiation to those alone who ask, by extension or by SCSV (RFC 5746)", () => {
  const none = reply(server(), new Puppet("client").clientHello({ renegotiationInfo: false }));
  assert.equal(none.chosen?.renegotiationInfo, false);
  const suites = [GCM, 0x00ff];
  const scsv = reply(server(), new Puppet("client").clientHello({ renegotiationInfo: false, suites }));
  assert.equal(scsv.chosen?.renegotiationInfo, true);
});
