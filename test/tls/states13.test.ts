// Which message may come when in version 1.3: RFC 8446 4, 5 and A; which alert answers: 6.2. Every message in every state,
// at both ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { frameMessage } from "../../lib/tls/handshake/message.ts";
import { createResumption } from "../../lib/tls/mod.ts";
import { Resumable13 } from "../../lib/tls/tls13/resumable.ts";
import { seededRandom } from "../support/virtual.ts";
import { type Answerer, client, type End, IDENTITY, ONLY_13, PSK, run, server } from "./pair.ts";
import type { Heard } from "./puppet.ts";
import { Puppet13 } from "./puppet13.ts";

const NOTHING = new Uint8Array(0);

/** A peer and an engine that have come as far as a state's name says. */
interface Scene {
  readonly end: End;
  readonly puppet: Puppet13;
}

type Step = (puppet: Puppet13) => Uint8Array;

/** What the peer does next if it behaves, in order. State k is after k steps. */
const CLIENT_STEPS: readonly Step[] = [
  (puppet) => puppet.clientHello(),
  (puppet) => puppet.finished(),
];
const RETRIED_STEPS: readonly Step[] = [
  (puppet) => puppet.clientHello({ keyShares: [] }),
  ...CLIENT_STEPS,
];
const SERVER_STEPS: readonly Step[] = [
  (puppet) => puppet.serverHello(),
  (puppet) => puppet.encryptedExtensions(),
  (puppet) => puppet.finished(),
];
const RETRYING_STEPS: readonly Step[] = [
  (puppet) => puppet.retryRequest(),
  ...SERVER_STEPS,
];

const say = (type: number, body: Uint8Array) => (puppet: Puppet13) => puppet.record(22, frameMessage(type, body));

/** Each thing a peer can say, well formed where it has a form. */
const WORDS: Readonly<Record<string, Step>> = {
  "HelloRequest": say(0, NOTHING),
  "ClientHello": (puppet) => puppet.record(22, frameMessage(1, puppet.clientHelloBody())),
  "ServerHello": (puppet) => puppet.record(22, frameMessage(2, puppet.serverHelloBody())),
  "HelloVerifyRequest": say(3, Uint8Array.of(0xfe, 0xff, 0)),
  "NewSessionTicket": (puppet) => puppet.newSessionTicket(),
  "EndOfEarlyData": say(5, NOTHING),
  "HelloRetryRequest of TLS 1.3 drafts": say(6, new Uint8Array(8)),
  "EncryptedExtensions": say(8, new Uint8Array(2)),
  "Certificate": say(11, new Uint8Array(4)),
  "ServerKeyExchange": say(12, Uint8Array.of(0, 1, 0x68)),
  "CertificateRequest": say(13, new Uint8Array(3)),
  "ServerHelloDone": say(14, NOTHING),
  "CertificateVerify": say(15, new Uint8Array(4)),
  "ClientKeyExchange": say(16, Uint8Array.of(0, 1, 0x68)),
  "Finished": say(20, new Uint8Array(32)),
  "KeyUpdate": (puppet) => puppet.record(22, frameMessage(24, Uint8Array.of(0))),
  "message_hash": say(254, new Uint8Array(32)),
  "an unknown message": say(99, NOTHING),
  "ChangeCipherSpec": (puppet) => puppet.changeCipherSpec(),
  "another ChangeCipherSpec": (puppet) => puppet.changeCipherSpec(Uint8Array.of(2)),
  "application data": (puppet) => puppet.record(23, toUtf8("early")),
  "a cancellation": (puppet) => puppet.record(21, Uint8Array.of(1, 90)),
  "an alert that calls itself a warning": (puppet) => puppet.record(21, Uint8Array.of(1, 112)),
  "a fatal alert": (puppet) => puppet.record(21, Uint8Array.of(2, 40)),
  "close_notify": (puppet) => puppet.record(21, Uint8Array.of(1, 0)),
};

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });
const resumption = createResumption({ random: seededRandom(40) });
/** What a session left, that both know. */
const earlier = leave();

function leave(): Resumable13 {
  const left = client({ ...ONLY_13, resumable: true, random: seededRandom(41) }, lasting);
  run(left, server({ ...ONLY_13, resumption, random: seededRandom(42) }, lasting));
  assert.ok(left.resumable instanceof Resumable13);
  return left.resumable;
}

function clientScene(state: number, steps = CLIENT_STEPS): Scene {
  return clientAt(state, steps, server(ONLY_13), new Puppet13("client"));
}

/** The puppet goes on with the session. */
function resumingScene(state: number, steps = CLIENT_STEPS): Scene {
  return clientAt(state, steps, server({ ...ONLY_13, resumption }, lasting), new Puppet13("client", { earlier }));
}

function clientAt(state: number, steps: readonly Step[], end: End, puppet: Puppet13): Scene {
  for (const step of steps.slice(0, state)) puppet.hear(end.receive(step(puppet)));
  return { end, puppet };
}

function serverScene(state: number, steps = SERVER_STEPS): Scene {
  return serverAt(state, steps, client(ONLY_13), new Puppet13("server"));
}

/** The puppet lets the client go on with its session. */
function resumedScene(state: number, steps = SERVER_STEPS): Scene {
  const end = client({ ...ONLY_13, resume: earlier, resumable: true }, lasting);
  return serverAt(state, steps, end, new Puppet13("server", { earlier }));
}

function serverAt(state: number, steps: readonly Step[], end: End, puppet: Puppet13): Scene {
  puppet.hear(end.sent());
  for (const step of steps.slice(0, state)) puppet.hear(end.receive(step(puppet)));
  return { end, puppet };
}

/** What follows: the alert that is heard, and the code that the engine ends with. */
interface Outcome {
  readonly alert?: readonly [number, number];
  readonly code: string;
}

const UNEXPECTED: Outcome = { alert: [2, 10], code: "malformed" };

/** Where a scene stands. */
interface Place {
  readonly role: "client" | "server";
  /** The other side has heard or said a hello. */
  readonly begun: boolean;
  /** A HelloRetryRequest was said, which no other version has. */
  readonly retried: boolean;
  /** ServerHello is said: records are of version 1.3. */
  readonly is13: boolean;
  readonly open: boolean;
}

/** The rules, from the RFC and not from the code: which words are not simply unexpected. */
function expected(word: string, { role, begun, retried, is13, open }: Place): Outcome {
  if (word === "a fatal alert") return { code: "unsupported" };
  if (word === "close_notify") return open ? { alert: [1, 0], code: "none" } : { code: "closed" };
  if (word === "a cancellation") return { code: "open" };
  // RFC 8446 6: all others are fatal, whatever they call themselves; before, warnings are what they were in 1.2.
  if (word === "an alert that calls itself a warning") return is13 ? { code: "unsupported" } : { code: "open" };
  // RFC 8446 5: dropped from the first hello up to the peer's Finished; any other value is unexpected.
  if (word === "ChangeCipherSpec" && begun && !open) return { code: "open" };
  if (word === "another ChangeCipherSpec" && !is13) return { alert: [2, 50], code: "malformed" };
  if (word === "HelloRequest" && role === "client" && !is13 && !retried) return { code: "open" };
  if ((word === "KeyUpdate" || word === "application data") && open) return { code: "open" };
  if (word === "NewSessionTicket" && open && role === "client") return { code: "open" };
  return UNEXPECTED;
}

function check({ end, puppet }: Scene, word: string, outcome: Outcome, where: string): void {
  const before = end.session;
  const heard: Heard[] = puppet.hear(end.receive(WORDS[word]!(puppet)));
  const alerts = heard.filter(({ type }) => type === 21).map(({ payload }) => [...payload]);
  assert.deepEqual(alerts, outcome.alert ? [outcome.alert] : [], where);
  assert.deepEqual(heard.filter(({ type }) => type !== 21), [], where);
  assert.equal(end.code, outcome.code, where);
  assert.equal(end.session, before, where);
}

test("a server of version 1.3, of a resumed handshake too, answers every message in every state as the RFC has it, and none out of order makes a session", () => {
  for (
    const [scene, steps, next] of [
      [clientScene, CLIENT_STEPS, ["ClientHello", "Finished", ""]],
      [clientScene, RETRIED_STEPS, ["ClientHello", "ClientHello", "Finished", ""]],
      [resumingScene, CLIENT_STEPS, ["ClientHello", "Finished", ""]],
      [resumingScene, RETRIED_STEPS, ["ClientHello", "ClientHello", "Finished", ""]],
    ] as const
  ) {
    assert.equal(scene(steps.length, steps).end.session?.resumed ?? false, scene === resumingScene);
    for (const [state, awaited] of next.entries()) {
      for (const word of Object.keys(WORDS)) {
        if (word === awaited) continue;
        const retried = steps === RETRIED_STEPS && state > 0;
        const place = { begun: state > 0, retried, is13: state >= steps.length - 1, open: state === steps.length };
        const outcome = expected(word, { role: "server", ...place });
        check(scene(state, steps), word, outcome, `${scene.name}, state ${state} of ${steps.length}, ${word}`);
      }
    }
  }
});

test("a client of version 1.3, of a resumed handshake too, answers every message in every state as the RFC has it, and none out of order makes a session", () => {
  for (
    const [scene, steps, next] of [
      [serverScene, SERVER_STEPS, ["ServerHello", "EncryptedExtensions", "Finished", ""]],
      [serverScene, RETRYING_STEPS, ["ServerHello", "ServerHello", "EncryptedExtensions", "Finished", ""]],
      [resumedScene, SERVER_STEPS, ["ServerHello", "EncryptedExtensions", "Finished", ""]],
      [resumedScene, RETRYING_STEPS, ["ServerHello", "ServerHello", "EncryptedExtensions", "Finished", ""]],
    ] as const
  ) {
    assert.equal(scene(steps.length, steps).end.session?.resumed ?? false, scene === resumedScene);
    for (const [state, awaited] of next.entries()) {
      for (const word of Object.keys(WORDS)) {
        if (word === awaited) continue;
        const hello = steps.length - 3;
        const retried = hello > 0 && state > 0;
        const place = { begun: true, retried, is13: state > hello, open: state === steps.length };
        const outcome = expected(word, { role: "client", ...place });
        check(scene(state, steps), word, outcome, `${scene.name}, state ${state} of ${steps.length}, ${word}`);
      }
    }
  }
});

test("a step left out, said twice or said before another never makes a session", () => {
  for (
    const [scene, steps] of [
      [clientScene, CLIENT_STEPS],
      [serverScene, SERVER_STEPS],
      [clientScene, RETRIED_STEPS],
      [serverScene, RETRYING_STEPS],
      [resumingScene, CLIENT_STEPS],
      [resumedScene, SERVER_STEPS],
      [resumingScene, RETRIED_STEPS],
      [resumedScene, RETRYING_STEPS],
    ] as const
  ) {
    const right = steps.map((_, i) => i);
    const orders: number[][] = [];
    for (const i of right) {
      orders.push(right.filter((step) => step !== i));
      orders.push(right.flatMap((step) => step === i ? [step, step] : [step]));
      for (const j of right) if (j > i) orders.push(right.map((step) => step === i ? j : step === j ? i : step));
    }
    for (const order of orders) {
      const { end, puppet } = scene(0);
      for (const step of order) {
        try {
          puppet.hear(end.receive(steps[step]!(puppet)));
        } catch {
          break; // The puppet has no keys yet, or has others: it can not go on this way.
        }
      }
      // A handshake without its retry is one, and so is one to the end with a word behind it.
      const isWhole = order.slice(0, right.length).join() === right.join() ||
        (steps.length > 2 && steps !== SERVER_STEPS && order.join() === right.slice(1).join());
      if (!isWhole) assert.equal(end.session, undefined, order.join());
    }
  }
});

test("no message spans a change of keys (RFC 8446 5.1)", () => {
  const half = Uint8Array.of(8, 0, 0);
  const scenes: readonly (() => End)[] = [
    () => {
      const { end, puppet } = serverScene(0);
      end.receive(puppet.clear(22, concat(puppet.serverHello().subarray(5), half)));
      return end;
    },
    () => {
      const { end, puppet } = serverScene(2);
      end.receive(puppet.record(22, concat(frameMessage(20, puppet.verifyData()), half)));
      return end;
    },
    () => {
      const { end, puppet } = clientScene(0);
      end.receive(puppet.record(22, concat(frameMessage(1, puppet.clientHelloBody()), half)));
      return end;
    },
    () => {
      const { end, puppet } = clientScene(1);
      end.receive(puppet.record(22, concat(frameMessage(20, puppet.verifyData()), half)));
      return end;
    },
    () => {
      const { end, puppet } = clientScene(2);
      end.receive(puppet.record(22, concat(frameMessage(24, Uint8Array.of(0)), half)));
      return end;
    },
  ];
  for (const [i, scene] of scenes.entries()) {
    const end = scene();
    assert.equal(end.code, "malformed", `${i}`);
    assert.match(end.closed!.error!.message, /change of keys inside a handshake message/);
  }
});

test("a Finished that differs in any bit is decrypt_error, of another length decode_error", () => {
  for (let bit = 0; bit < 256; bit++) {
    for (const { end, puppet } of [clientScene(1), serverScene(2)]) {
      const verifyData = puppet.verifyData();
      verifyData[bit >> 3]! ^= 1 << (bit & 7);
      const heard = puppet.hear(end.receive(puppet.finished(verifyData)));
      assert.deepEqual(heard.map(({ payload }) => [...payload]), [[2, 51]]);
      assert.equal(end.code, "auth-failed");
      assert.equal(end.session, undefined);
    }
  }
  for (const length of [0, 12, 31, 33]) {
    const { end, puppet } = clientScene(1);
    const heard = puppet.hear(end.receive(puppet.finished(new Uint8Array(length))));
    assert.deepEqual([...heard[0]!.payload], [2, 50]);
    assert.equal(end.code, "malformed");
  }
});

test("what brings nothing is passed over, 16 in a row and no more; data starts the count again", () => {
  const idle: readonly Step[] = [
    (puppet) => puppet.keyUpdate(),
    (puppet) => puppet.newSessionTicket(),
    (puppet) => puppet.record(21, Uint8Array.of(1, 90)),
  ];
  for (const one of idle) {
    const { end, puppet } = serverScene(3);
    for (let round = 0; round < 2; round++) {
      for (let i = 0; i < 16; i++) assert.equal(end.receive(one(puppet)).length, 0);
      end.receive(puppet.record(23, toUtf8("x")));
    }
    assert.equal(end.code, "open");
    for (let i = 0; i < 16; i++) end.receive(one(puppet));
    assert.deepEqual([...puppet.hear(end.receive(one(puppet)))[0]!.payload], [2, 10]);
    assert.equal(end.code, "too-large");
  }
  const { end, puppet } = serverScene(0);
  for (let i = 0; i < 16; i++) end.receive(puppet.changeCipherSpec());
  assert.equal(end.code, "open");
  end.receive(puppet.changeCipherSpec());
  assert.equal(end.code, "too-large");
});

test("KeyUpdate takes the peer's next key, and ours where it is asked for; a third value is illegal_parameter", () => {
  for (const { end, puppet } of [clientScene(2), serverScene(3)]) {
    for (const requested of [false, true, true]) {
      const heard = puppet.hear(end.receive(puppet.keyUpdate(requested)));
      assert.deepEqual(heard.map(({ payload }) => [...payload]), requested ? [[24, 0, 0, 1, 0]] : []);
      end.receive(puppet.record(23, toUtf8("x")));
      assert.deepEqual(puppet.hear(end.send(toUtf8("y")))[0]!.payload, toUtf8("y"));
    }
    assert.equal(end.text, "xxx");
    for (const body of [[2], [], [0, 0]]) {
      const other = clientScene(2);
      const heard = other.puppet.hear(
        other.end.receive(other.puppet.record(22, frameMessage(24, Uint8Array.from(body)))),
      );
      assert.deepEqual([...heard[0]!.payload], [2, body[0] === 2 ? 47 : 50]);
    }
  }
});

test("the inner type may have padding, must be there, and is one of three (RFC 8446 5.4)", () => {
  const padded = clientScene(2);
  padded.end.receive(padded.puppet.inner(concat(toUtf8("hi"), Uint8Array.of(23), new Uint8Array(100))));
  assert.equal(padded.end.text, "hi");
  padded.end.receive(padded.puppet.inner(Uint8Array.of(23, 0, 0), 1));
  assert.equal(padded.end.code, "open");
  for (const inner of [[0], [0, 0, 0], [20], [24, 0], [26], [1, 20, 0]]) {
    const { end, puppet } = clientScene(2);
    const heard = puppet.hear(end.receive(puppet.inner(Uint8Array.from(inner))));
    assert.deepEqual(heard.map(({ payload }) => [...payload]), [[2, 10]], inner.join());
    assert.equal(end.code, "malformed");
  }
  const empty = clientScene(2);
  assert.deepEqual([...empty.puppet.hear(empty.end.receive(empty.puppet.inner(Uint8Array.of(22))))[0]!.payload], [
    2,
    10,
  ]);
});

test("a record's contents are at most 16384 bytes, padding included, and its body 256 more", () => {
  const most = clientScene(2);
  most.end.receive(most.puppet.inner(concat(new Uint8Array(16_384).fill(1), Uint8Array.of(23))));
  assert.equal(most.end.data[0]!.length, 16_384);
  const beyond = clientScene(2);
  const heard = beyond.puppet.hear(
    beyond.end.receive(beyond.puppet.inner(concat(new Uint8Array(16_384).fill(1), Uint8Array.of(23, 0)))),
  );
  assert.deepEqual([...heard[0]!.payload], [2, 22]);
  assert.equal(beyond.end.code, "too-large");
  const claimed = clientScene(2);
  claimed.end.receive(Uint8Array.of(23, 3, 3, 0x41, 0x01));
  assert.equal(claimed.end.code, "too-large");
  const allowed = clientScene(2);
  allowed.end.receive(Uint8Array.of(23, 3, 3, 0x41, 0x00));
  assert.equal(allowed.end.code, "open");
});

test("a client that gives up before it has keys may say so in the clear, once and no later", () => {
  const { end } = clientScene(1);
  end.receive(Uint8Array.of(21, 3, 3, 0, 2, 2, 47));
  assert.equal(end.code, "closed");
  const later = clientScene(2);
  later.end.receive(Uint8Array.of(21, 3, 3, 0, 2, 2, 47));
  assert.equal(later.end.code, "malformed");
  const atClient = serverScene(1);
  atClient.end.receive(Uint8Array.of(21, 3, 3, 0, 2, 2, 47));
  assert.equal(atClient.end.code, "malformed");
});

test("a record out of its turn, said again or left out does not open", () => {
  for (const number of [1, 7]) {
    const { end, puppet } = clientScene(2);
    const heard = puppet.hear(end.receive(puppet.inner(Uint8Array.of(1, 23), number)));
    assert.deepEqual([...heard[0]!.payload], [2, 20]);
    assert.equal(end.code, "auth-failed");
  }
  const { end, puppet } = clientScene(2);
  const record = puppet.record(23, toUtf8("once"));
  end.receive(record);
  end.receive(record);
  assert.equal(end.text, "once");
  assert.equal(end.code, "auth-failed");
});
