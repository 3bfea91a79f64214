// Every message in every state of a DTLS 1.2 handshake that goes on with an earlier session, and of one that promises a
// ticket: RFC 5246 7.3, RFC 5077 3.1, RFC 6347 4.1.2.7.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { encodeSessionTicket } from "../../lib/tls/handshake/session_ticket.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { createResumption } from "../../lib/tls/mod.ts";
import { ResumableSession } from "../../lib/tls/tls12/resumable.ts";
import { seededRandom } from "../support/virtual.ts";
import { Puppet } from "./datagram_puppet.ts";
import { aside, BODIES, type Step } from "./datagram_words.ts";
import { client, Front, type Peer, run } from "./datagrams.ts";
import { type Answerer, GCM, IDENTITY, PSK } from "./pair.ts";

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });
const TICKET = encodeSessionTicket({ lifetime: 100, ticket: toUtf8("a ticket") });
const SESSION_ID = new Uint8Array(16).fill(6);
const options = { suites: [GCM], connectionId: false } as const;
const resumption = createResumption({ random: seededRandom(50) });
/** What a session left, that both know. */
const earlier = leave();

function leave(): ResumableSession {
  const left = client({ ...options, resumable: true, random: seededRandom(51) }, lasting);
  run(left, new Front({ suites: [GCM], resumption, random: seededRandom(52) }, lasting));
  assert.ok(left.resumable instanceof ResumableSession);
  return left.resumable;
}

interface Scene {
  readonly puppet: Puppet;
  readonly peer: Peer;
  /** Gives a record to the engine and lets the puppet hear the answer; the alerts in it. */
  say(bytes: Uint8Array): number[];
}

function sceneOf(puppet: Puppet, peer: Peer): Scene {
  puppet.hear(...peer.sent());
  const say = (bytes: Uint8Array) =>
    puppet.hear(...peer.receive(bytes)).filter(({ type }) => type === 21).map(({ payload }) => payload[1]!);
  return { puppet, peer, say };
}

function resumingServer(): Scene {
  const puppet = new Puppet("client", { earlier });
  return sceneOf(puppet, puppet.server({ resumption }, lasting));
}

const resumingClient = () =>
  sceneOf(new Puppet("server", { earlier }), client({ ...options, resume: earlier, resumable: true }, lasting));

const startingClient = () => sceneOf(new Puppet("server"), client({ ...options, resumable: true }, lasting));

type Named = readonly [name: string, step: Step];

const FINISH: readonly Named[] = [
  ["ChangeCipherSpec", (puppet) => puppet.changeCipherSpec()],
  ["Finished", (puppet) => puppet.finished()],
];
const newSessionTicket: Named = ["NewSessionTicket", (puppet) => puppet.message(HANDSHAKE.newSessionTicket, TICKET)];

/** RFC 5077 3.4: the server says back the session id of who shows a ticket that it takes. */
const serverHello = (sessionTicket: boolean): Named => [
  "ServerHello",
  (puppet) => puppet.serverHello({ sessionId: puppet.peerSessionId, ...(sessionTicket && { sessionTicket }) }),
];

/** Who is tried, and the honest order of its peer. */
interface Walk {
  readonly name: string;
  readonly role: "client" | "server";
  readonly scene: () => Scene;
  readonly steps: readonly Named[];
}

const WALKS: readonly Walk[] = [
  {
    name: "a server that goes on with a session",
    role: "server",
    scene: resumingServer,
    steps: [
      ["ClientHello", (puppet) => puppet.clientHello({ sessionId: SESSION_ID, sessionTicket: earlier.ticket! })],
      ...FINISH,
    ],
  },
  {
    name: "a client that goes on with a session",
    role: "client",
    scene: resumingClient,
    steps: [serverHello(false), ...FINISH],
  },
  {
    name: "a client that goes on with a session and is promised a ticket",
    role: "client",
    scene: resumingClient,
    steps: [serverHello(true), newSessionTicket, ...FINISH],
  },
  {
    name: "a client that is promised a ticket",
    role: "client",
    scene: startingClient,
    steps: [
      ["ServerHello", (puppet) => puppet.serverHello({ sessionTicket: true })],
      ["ServerHelloDone", (puppet) => puppet.serverHelloDone()],
      newSessionTicket,
      ...FINISH,
    ],
  },
];

/** What may stand there by the RFC is another story. */
function isTurn({ role, scene, steps }: Walk, at: number, name: string): boolean {
  if (name === steps[at]?.[0]) return true;
  if (role === "client" && at === 0) return name === "HelloVerifyRequest" || name === "ClientHello";
  return scene === startingClient && at === 1 && name === "ServerKeyExchange";
}

for (const walk of WALKS) {
  const { name, role, scene, steps } = walk;

  /** As far as before step `at`. */
  const come = (at: number): Scene => {
    const made = scene();
    for (const [what, step] of steps.slice(0, at)) assert.deepEqual(made.say(step(made.puppet)), [], what);
    return made;
  };

  test(`on datagrams ${name} gets it by the honest order, and takes every step said twice for one`, () => {
    for (const times of [1, 2]) {
      const { puppet, peer, say } = scene();
      for (const [, step] of steps) {
        const bytes = step(puppet);
        for (let i = 0; i < times; i++) say(bytes);
      }
      assert.equal(peer.session?.resumed ?? false, scene !== startingClient, peer.code);
      assert.ok(peer.session);
      say(puppet.record(23, toUtf8("on")));
      assert.deepEqual(peer.texts, ["on"]);
    }
  });

  test(`on datagrams ${name} passes over every message in the clear that is out of its turn, and the honest one is still taken`, () => {
    for (let at = 0; at <= steps.length; at++) {
      for (const word of Object.keys(BODIES).filter((each) => !isTurn(walk, at, each))) {
        const { puppet, peer, say } = come(at);
        const where = `${word} before ${steps[at]?.[0] ?? "data"}`;
        const before = peer.session;
        assert.deepEqual(say(aside(puppet, word, 0)), [], where);
        assert.deepEqual([peer.session, peer.code], [before, "open"], where);
        for (const [, step] of steps.slice(at)) say(step(puppet));
        assert.ok(peer.session, `${where}: ${peer.code}`);
        say(puppet.record(23, toUtf8("on")));
        assert.deepEqual(peer.texts, ["on"], where);
      }
    }
  });

  test(`on datagrams ${name} ends with unexpected_message where the holder of the keys says anything but Finished under them`, () => {
    // RFC 6347 4.1.2.7 leaves it free; with the right keys it is nobody but the peer.
    for (const word of Object.keys(BODIES)) {
      if (word === "Finished" || word === "HelloRequest" || (role === "client" && word === "ClientHello")) continue;
      const { puppet, peer, say } = come(steps.length - 1);
      assert.deepEqual(say(aside(puppet, word, 1)), [10], word);
      assert.deepEqual([peer.session, peer.code], [undefined, "malformed"], word);
    }
  });

  test(`on datagrams ${name} passes over every message in the session but one that asks for another handshake`, () => {
    for (const word of Object.keys(BODIES)) {
      const { puppet, peer, say } = come(steps.length);
      const before = peer.session;
      const isAsked = word === (role === "server" ? "ClientHello" : "HelloRequest");
      assert.deepEqual(say(aside(puppet, word, 1)), isAsked ? [100] : [], word);
      say(puppet.record(23, toUtf8("on")));
      assert.deepEqual([peer.code, peer.texts, peer.session], ["open", ["on"], before], word);
    }
  });

  test(`on datagrams ${name} gets none where a step is left out, and none for a Finished that differs in any bit`, () => {
    for (const missing of steps.keys()) {
      const { puppet, peer, say } = scene();
      for (const [i, [, step]] of steps.entries()) {
        try {
          const bytes = step(puppet);
          if (i !== missing) say(bytes);
        } catch {
          break; // The puppet did not hear what its keys are made of.
        }
      }
      assert.equal(peer.session, undefined, `without ${steps[missing]![0]}`);
      peer.expire(30_000);
      assert.equal(peer.code, "timeout", `without ${steps[missing]![0]}`);
    }
    for (let bit = 0; bit < 96; bit++) {
      const { puppet, peer, say } = come(steps.length - 1);
      const body = new Uint8Array(puppet.verifyData());
      body[bit >> 3]! ^= 1 << (bit & 7);
      assert.deepEqual(say(puppet.message(HANDSHAKE.finished, body)), [51]);
      assert.deepEqual([peer.session, peer.code], [undefined, "auth-failed"]);
    }
  });
}
