// Every message in every state of a handshake that goes on with an earlier session, and of one that promises a ticket:
// RFC 5246 7.3, RFC 5077 3.1.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { HANDSHAKE } from "../../lib/tls/handshake/message.ts";
import { encodeSessionTicket } from "../../lib/tls/handshake/session_ticket.ts";
import { createResumption } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { type Answerer, client, GCM, IDENTITY, PSK, server } from "./pair.ts";
import { asServer, Puppet } from "./puppet.ts";
import { check, expected, type Scene, WORDS } from "./words.ts";

type Step = (puppet: Puppet) => Uint8Array;

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });
const SESSION_ID = new Uint8Array(32).fill(5);
const TICKET = encodeSessionTicket({ lifetime: 100, ticket: toUtf8("a ticket") });

/** A server that goes on with a session by its id, and its client. */
function resumingServer(): { readonly scene: () => Scene; readonly steps: readonly Step[] } {
  const resumption = createResumption({ random: seededRandom(40) });
  const make = (seed: number) => server({ resumption, random: seededRandom(seed) }, lasting);
  const first = new Puppet("client");
  const before = make(41);
  const said = before.receive(first.clientHello());
  // Behind the headers of record and message, the version and the random.
  const sessionId = said.slice(44, 76);
  first.hear(said);
  first.hear(before.receive(concat(first.clientKeyExchange(), first.changeCipherSpec(), first.finished())));
  assert.ok(before.session);
  return {
    scene: () => ({ end: make(42), puppet: new Puppet("client", { earlier: first }) }),
    steps: [
      (puppet) => puppet.clientHello({ sessionId }),
      (puppet) => puppet.changeCipherSpec(),
      (puppet) => puppet.finished(),
    ],
  };
}

/** A client that goes on with a session, and its server. */
function resumingClient(): () => Scene {
  const options = { resumable: true, suites: [GCM] };
  const before = client({ ...options, random: seededRandom(43) }, lasting);
  const first = new Puppet("server");
  asServer(first, before.sent(), (bytes) => before.receive(bytes), undefined, { sessionId: SESSION_ID });
  const resume = before.resumable!;
  return () => {
    const end = client({ ...options, resume, random: seededRandom(44) }, lasting);
    const puppet = new Puppet("server", { earlier: first });
    puppet.hear(end.sent());
    return { end, puppet };
  };
}

/** A client that wants a ticket, and a server that has no session of it. */
function startingClient(): Scene {
  const end = client({ resumable: true, suites: [GCM] }, lasting);
  const puppet = new Puppet("server");
  puppet.hear(end.sent());
  return { end, puppet };
}

const newSessionTicket: Step = (puppet) => puppet.message(HANDSHAKE.newSessionTicket, TICKET);
const changeCipherSpec: Step = (puppet) => puppet.changeCipherSpec();
const finished: Step = (puppet) => puppet.finished();

/** Who is tried, the honest order before it, and the words that may come in each state. */
interface Walk {
  readonly name: string;
  readonly role: "client" | "server";
  readonly scene: () => Scene;
  readonly steps: readonly Step[];
  readonly awaited: readonly (readonly string[])[];
}

const { scene, steps } = resumingServer();
const resuming = resumingClient();
const WALKS: readonly Walk[] = [
  {
    name: "a server that goes on with a session",
    role: "server",
    scene,
    steps,
    awaited: [["ClientHello"], ["ChangeCipherSpec"], ["Finished"], []],
  },
  {
    name: "a client that goes on with a session",
    role: "client",
    scene: resuming,
    steps: [(puppet) => puppet.serverHello({ sessionId: SESSION_ID }), changeCipherSpec, finished],
    awaited: [["ServerHello"], ["ChangeCipherSpec"], ["Finished"], []],
  },
  {
    name: "a client that goes on with a session and is promised a ticket",
    role: "client",
    scene: resuming,
    steps: [
      (puppet) => puppet.serverHello({ sessionId: SESSION_ID, sessionTicket: true }),
      newSessionTicket,
      changeCipherSpec,
      finished,
    ],
    awaited: [["ServerHello"], ["NewSessionTicket"], ["ChangeCipherSpec"], ["Finished"], []],
  },
  {
    name: "a client that is promised a ticket",
    role: "client",
    scene: startingClient,
    steps: [
      (puppet) => puppet.serverHello({ sessionTicket: true }),
      (puppet) => puppet.serverHelloDone(),
      newSessionTicket,
      changeCipherSpec,
      finished,
    ],
    awaited: [
      ["ServerHello"],
      ["ServerKeyExchange", "ServerHelloDone"],
      ["NewSessionTicket"],
      ["ChangeCipherSpec"],
      ["Finished"],
      [],
    ],
  },
];

function come({ scene, steps }: Walk, order: readonly number[]): Scene {
  const { end, puppet } = scene();
  for (const step of order) puppet.hear(end.receive(steps[step]!(puppet)));
  return { end, puppet };
}

for (const walk of WALKS) {
  const { name, role, steps, awaited } = walk;
  const right = steps.map((_, i) => i);

  test(`${name} answers every message in every state as the RFC has it, and none out of order makes a session`, () => {
    for (const [state, expectedWords] of awaited.entries()) {
      for (const word of Object.keys(WORDS)) {
        if (expectedWords.includes(word)) continue;
        const isOpen = state === steps.length;
        const outcome = expected(role, word, isOpen, state >= steps.length - 1);
        check(come(walk, right.slice(0, state)), word, outcome, `${name}, state ${state}, ${word}`);
      }
    }
    const { end } = come(walk, right);
    assert.equal(end.session?.resumed === true, walk.scene !== startingClient);
  });

  test(`${name} gets no session where a step is left out, said twice or said before another`, () => {
    const orders = right.flatMap((i) => [
      right.filter((step) => step !== i),
      right.slice(0, -1).flatMap((step) => step === i ? [step, step] : [step]).concat(
        i < right.length - 1 ? right.slice(-1) : [],
      ),
      ...right.filter((j) => j > i).map((j) => right.map((step) => step === i ? j : step === j ? i : step)),
    ]).filter((order) => order.join() !== right.join());
    for (const order of orders) {
      const { end, puppet } = walk.scene();
      for (const step of order) {
        try {
          puppet.hear(end.receive(steps[step]!(puppet)));
        } catch {
          break; // The puppet has no keys yet, or has them twice: it can not go on this way.
        }
      }
      assert.equal(end.session, undefined, order.join());
    }
  });
}
