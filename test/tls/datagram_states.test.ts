import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { createDtlsEngine } from "../../lib/tls/mod.ts";
import { encodeFragment } from "../../lib/tls/handshake/fragment.ts";
import { seededRandom } from "../support/virtual.ts";
import { Puppet } from "./datagram_puppet.ts";
import { aside, BODIES, type Step } from "./datagram_words.ts";
import { Peer } from "./datagrams.ts";

const CLIENT_STEPS: readonly (readonly [name: string, step: Step])[] = [
  ["ClientHello", (puppet) => puppet.clientHello()],
  ["ClientKeyExchange", (puppet) => puppet.clientKeyExchange()],
  ["ChangeCipherSpec", (puppet) => puppet.changeCipherSpec()],
  ["Finished", (puppet) => puppet.finished()],
];

const SERVER_STEPS: readonly (readonly [name: string, step: Step])[] = [
  ["ServerHello", (puppet) => puppet.serverHello()],
  ["ServerKeyExchange", (puppet) => puppet.serverKeyExchange(toUtf8("h"))],
  ["ServerHelloDone", (puppet) => puppet.serverHelloDone()],
  ["ChangeCipherSpec", (puppet) => puppet.changeCipherSpec()],
  ["Finished", (puppet) => puppet.finished()],
];

interface Scene {
  readonly puppet: Puppet;
  readonly peer: Peer;
  /** Gives a record to the engine and lets the puppet hear the answer; the alerts in it. */
  say(bytes: Uint8Array): number[];
}

/** An engine of `role` with an honest peer that is not there yet. */
function scene(role: "client" | "server"): Scene {
  const puppet = new Puppet(role === "client" ? "server" : "client");
  const peer = role === "server" ? puppet.server() : new Peer(
    createDtlsEngine({ role: "client", now: 0, random: seededRandom(1), versions: [0xfefd], connectionId: false }),
  );
  if (role === "client") puppet.hear(...peer.sent());
  return {
    puppet,
    peer,
    say: (bytes) =>
      puppet.hear(...peer.receive(bytes)).filter(({ type }) => type === 21).map(({ payload }) => payload[1]!),
  };
}

function stepsOf(role: "client" | "server"): readonly (readonly [string, Step])[] {
  return role === "server" ? CLIENT_STEPS : SERVER_STEPS;
}

for (const role of ["server", "client"] as const) {
  test(`a ${role} gets its session by the honest order`, () => {
    const { puppet, peer, say } = scene(role);
    for (const [, step] of stepsOf(role)) assert.deepEqual(say(step(puppet)), []);
    assert.ok(peer.session, peer.code);
  });

  test(`a ${role} passes over every message in the clear that is out of its turn, and the honest one is still taken`, () => {
    const steps = stepsOf(role);
    for (let at = 0; at < steps.length; at++) {
      for (const name of Object.keys(BODIES)) {
        const { puppet, peer, say } = scene(role);
        for (const [, step] of steps.slice(0, at)) say(step(puppet));
        const where = `${name} before ${steps[at]![0]}`;
        // What may stand there by the RFC is another story.
        const isTurn = name === steps[at]![0] ||
          (role === "client" && at === 0 && (name === "HelloVerifyRequest" || name === "ClientHello")) ||
          (role === "client" && at === 1 && name === "ServerHelloDone");
        if (isTurn) continue;
        assert.deepEqual(say(aside(puppet, name, 0)), [], where);
        assert.equal(peer.session, undefined, where);
        assert.equal(peer.code, "open", where);
        for (const [, step] of steps.slice(at)) say(step(puppet));
        assert.ok(peer.session, `${where}: ${peer.code}`);
      }
    }
  });

  test(`a ${role} gets no session where a step is left out, and none where two change places but by their numbers`, () => {
    const steps = stepsOf(role);
    for (let missing = 0; missing < steps.length; missing++) {
      // ServerKeyExchange may be missing (RFC 4279 2): with its number used up, the rest only waits for it.
      const { puppet, peer, say } = scene(role);
      for (const [i, [, step]] of steps.entries()) {
        const bytes = step(puppet);
        if (i !== missing) say(bytes);
      }
      assert.equal(peer.session, undefined, `without ${steps[missing]![0]}`);
      peer.expire(30_000);
      assert.equal(peer.code, "timeout");
    }
  });

  test(`a ${role} takes every step said twice for one`, () => {
    const { puppet, peer, say } = scene(role);
    for (const [, step] of stepsOf(role)) {
      const bytes = step(puppet);
      say(bytes);
      say(bytes);
    }
    assert.ok(peer.session, peer.code);
    assert.equal(peer.demands.length, 1);
  });

  test(`a ${role} ends with unexpected_message where the holder of the key says anything but Finished under it`, () => {
    const steps = stepsOf(role);
    for (const name of Object.keys(BODIES)) {
      if (name === "Finished" || name === "HelloRequest" || (role === "client" && name === "ClientHello")) continue;
      const { puppet, peer, say } = scene(role);
      for (const [, step] of steps.slice(0, -1)) say(step(puppet));
      assert.deepEqual(say(aside(puppet, name, 1)), [10], name);
      assert.equal(peer.session, undefined);
      assert.equal(peer.code, "malformed");
    }
  });

  test(`a ${role} ends with decrypt_error at a Finished that differs in any bit`, () => {
    const steps = stepsOf(role);
    for (let bit = 0; bit < 96; bit += 5) {
      const { puppet, peer, say } = scene(role);
      for (const [, step] of steps.slice(0, -1)) say(step(puppet));
      const body = new Uint8Array(puppet.verifyData());
      body[bit >> 3]! ^= 1 << (bit & 7);
      const framed = encodeFragment({ type: 20, length: 12, messageSeq: puppet.seq, offset: 0, body });
      assert.deepEqual(say(puppet.record(22, framed)), [51]);
      assert.equal(peer.code, "auth-failed");
    }
  });

  test(`a ${role} does not take a Finished in the clear, before or behind ChangeCipherSpec`, () => {
    const steps = stepsOf(role);
    for (const after of [steps.length - 2, steps.length - 1]) {
      const { puppet, peer, say } = scene(role);
      for (const [, step] of steps.slice(0, after)) say(step(puppet));
      const framed = encodeFragment({
        type: 20,
        length: 12,
        messageSeq: puppet.seq,
        offset: 0,
        body: puppet.verifyData(),
      });
      say(puppet.record(22, framed, 0));
      assert.equal(peer.session, undefined);
      for (const [, step] of steps.slice(after)) say(step(puppet));
      assert.ok(peer.session, peer.code);
    }
  });

  test(`a ${role} with a session passes over all that is in the clear`, () => {
    const { puppet, peer, say } = scene(role);
    for (const [, step] of stepsOf(role)) say(step(puppet));
    for (const name of Object.keys(BODIES)) assert.deepEqual(say(aside(puppet, name, 0)), []);
    assert.deepEqual(say(puppet.record(21, Uint8Array.of(2, 40), 0)), []);
    assert.deepEqual(say(puppet.record(20, Uint8Array.of(1), 0)), []);
    assert.equal(peer.code, "open");
    assert.equal(peer.texts.length, 0);
  });

  test(`a ${role} with a session passes over every message under the key but one that asks for another handshake (RFC 6347 4.1.2.7)`, () => {
    for (const name of Object.keys(BODIES)) {
      if (name === (role === "server" ? "ClientHello" : "HelloRequest")) continue;
      const { puppet, peer, say } = scene(role);
      for (const [, step] of stepsOf(role)) say(step(puppet));
      const before = peer.session;
      assert.deepEqual(say(aside(puppet, name, 1)), [], name);
      say(puppet.record(23, toUtf8("on")));
      assert.deepEqual([peer.code, peer.texts, peer.session], ["open", ["on"], before], name);
    }
  });

  test(`a ${role} refuses to renegotiate as often as it is asked, within limits, and the session goes on`, () => {
    const { puppet, peer, say } = scene(role);
    for (const [, step] of stepsOf(role)) say(step(puppet));
    const ask = role === "server" ? "ClientHello" : "HelloRequest";
    for (let i = 0; i < 16; i++) assert.deepEqual(say(aside(puppet, ask, 1)), [100]);
    say(puppet.record(23, toUtf8("on")));
    assert.deepEqual(peer.texts, ["on"]);
    for (let i = 0; i < 16; i++) say(aside(puppet, ask, 1));
    assert.deepEqual(say(aside(puppet, ask, 1)), [10]);
    assert.equal(peer.code, "too-large");
  });

  test(`a ${role} with a session ends at an alert under the key, and passes over what is no alert`, () => {
    for (const [payload, code] of [[[2, 40], "unsupported"], [[1, 0], "none"], [[2, 20], "auth-failed"]] as const) {
      const { puppet, peer, say } = scene(role);
      for (const [, step] of stepsOf(role)) say(step(puppet));
      say(puppet.record(21, Uint8Array.of(2)));
      say(puppet.record(21, Uint8Array.of(9, 9)));
      say(puppet.record(24, Uint8Array.of(1, 2, 3)));
      say(puppet.record(22, Uint8Array.of(1, 2, 3)));
      assert.equal(peer.code, "open");
      say(puppet.record(21, Uint8Array.from(payload)));
      assert.equal(peer.code, code);
    }
  });

  test(`data before the session is nothing to a ${role}`, () => {
    const steps = stepsOf(role);
    const { puppet, peer, say } = scene(role);
    for (const [, step] of steps.slice(0, -1)) {
      say(step(puppet));
      say(puppet.record(23, toUtf8("early"), 0));
    }
    say(puppet.record(23, toUtf8("early"), 1));
    const [, last] = steps.at(-1)!;
    say(last(puppet));
    assert.ok(peer.session);
    assert.deepEqual(peer.texts, []);
  });
}

test("steps of one flight in one datagram or in one record each are one and the same", () => {
  const { puppet, peer } = scene("server");
  puppet.hear(...peer.receive(puppet.clientHello()));
  const flight = concat(puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished());
  puppet.hear(...peer.receive(flight));
  assert.ok(peer.session);
});

test("ChangeCipherSpec is one byte of 1, or nothing", () => {
  for (const payload of [[], [0], [2], [1, 1]]) {
    const { puppet, peer, say } = scene("server");
    for (const [, step] of CLIENT_STEPS.slice(0, 2)) say(step(puppet));
    say(puppet.record(20, Uint8Array.from(payload), 0));
    puppet.epoch = 1;
    say(puppet.finished());
    assert.equal(peer.session, undefined, String(payload));
  }
});

test("a hello that is refused for what it says gets its alert: no common suite, no extended master secret, another version", () => {
  for (
    const [overrides, alert, code] of [
      [{ suites: [0x1301] }, 40, "unsupported"],
      [{ extendedMasterSecret: false }, 40, "downgrade"],
      [{ version: 0xfeff }, 70, "unsupported"],
      [{ supportedVersions: [0xfefc] }, 70, "unsupported"],
    ] as const
  ) {
    const { puppet, peer, say } = scene("server");
    assert.deepEqual(say(puppet.clientHello(overrides)), [alert]);
    assert.equal(peer.code, code);
  }
  const { puppet, peer, say } = scene("server");
  say(puppet.clientHello({ version: 0xfefd, supportedVersions: [0xfefc, 0xfefd] }));
  assert.equal(peer.code, "open");
});

test("a server that chooses what was not offered is refused: suite, version, Connection ID, extended master secret", () => {
  for (
    const [overrides, alert, code] of [
      [{ suite: 0xc0a8 + 1 }, 47, "downgrade"],
      [{ version: 0xfeff }, 70, "unsupported"],
      [{ extendedMasterSecret: false }, 40, "downgrade"],
      [{ renegotiationInfo: false }, 40, "downgrade"],
    ] as const
  ) {
    const { puppet, peer, say } = scene("client");
    assert.deepEqual(say(puppet.serverHello(overrides)), [alert]);
    assert.equal(peer.code, code);
  }
  for (
    const overrides of [{ connectionId: Uint8Array.of(1) }, { returnRoutability: true }, { serverName: true }] as const
  ) {
    const { puppet, peer, say } = scene("client");
    assert.deepEqual(say(puppet.serverHello(overrides)), []);
    for (const [, step] of SERVER_STEPS.slice(1)) say(step(puppet));
    assert.equal(peer.session, undefined);
  }
});
