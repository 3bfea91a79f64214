// Which message may come when: RFC 5246 7.3; which alert answers: 7.2.2. Every message in every state, at both ends.
import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { frameMessage } from "../../lib/tls/handshake/message.ts";
import { client, server } from "./pair.ts";
import { type Heard, Puppet } from "./puppet.ts";
import { check, expected, type Scene, WORDS } from "./words.ts";

const NOTHING = new Uint8Array(0);

/** What the peer does next if it behaves, in order. State k is after k steps. */
const CLIENT_STEPS: readonly ((puppet: Puppet) => Uint8Array)[] = [
  (puppet) => puppet.clientHello(),
  (puppet) => puppet.clientKeyExchange(),
  (puppet) => puppet.changeCipherSpec(),
  (puppet) => puppet.finished(),
];
const SERVER_STEPS: readonly ((puppet: Puppet) => Uint8Array)[] = [
  (puppet) => puppet.serverHello(),
  (puppet) => puppet.serverKeyExchange(toUtf8("hint1")),
  (puppet) => puppet.serverHelloDone(),
  (puppet) => puppet.changeCipherSpec(),
  (puppet) => puppet.finished(),
];

function clientScene(state: number): Scene {
  const end = server();
  const puppet = new Puppet("client");
  for (const step of CLIENT_STEPS.slice(0, state)) puppet.hear(end.receive(step(puppet)));
  return { end, puppet };
}

function serverScene(state: number): Scene {
  const end = client();
  const puppet = new Puppet("server");
  puppet.hear(end.sent());
  for (const step of SERVER_STEPS.slice(0, state)) puppet.hear(end.receive(step(puppet)));
  return { end, puppet };
}

test("a server answers every message in every state as the RFC has it, and none out of order makes a session", () => {
  const next = ["ClientHello", "ClientKeyExchange", "ChangeCipherSpec", "Finished", ""];
  for (const [state, awaited] of next.entries()) {
    for (const word of Object.keys(WORDS)) {
      if (word === awaited) continue;
      const outcome = expected("server", word, state === 4, state >= 3);
      check(clientScene(state), word, outcome, `server, state ${state}, ${word}`);
    }
  }
});

test("a client answers every message in every state as the RFC has it, and none out of order makes a session", () => {
  const next = [["ServerHello"], ["ServerKeyExchange", "ServerHelloDone"], ["ServerHelloDone"], ["ChangeCipherSpec"], [
    "Finished",
  ], []];
  for (const [state, awaited] of next.entries()) {
    for (const word of Object.keys(WORDS)) {
      if (awaited.includes(word)) continue;
      const outcome = expected("client", word, state === 5, state >= 4);
      check(serverScene(state), word, outcome, `client, state ${state}, ${word}`);
    }
  }
});

test("a step left out, said twice or said before another is unexpected_message at both ends", () => {
  for (const [scene, steps] of [[clientScene, CLIENT_STEPS], [serverScene, SERVER_STEPS]] as const) {
    const orders: number[][] = [];
    const right = steps.map((_, i) => i);
    for (const i of right) {
      orders.push(right.filter((step) => step !== i));
      orders.push(right.flatMap((step) => step === i ? [step, step] : [step]));
      for (const j of right) {
        if (j > i) orders.push(right.map((step) => step === i ? j : step === j ? i : step));
      }
    }
    for (const order of orders) {
      const { end, puppet } = scene(0);
      // The hint may be left out; the last step cannot be missed within the handshake.
      if (scene === serverScene && order.join() === "0,2,3,4") continue;
      if (order.join() === right.slice(0, -1).join()) continue;
      const heard: Heard[] = [];
      for (const step of order) {
        try {
          heard.push(...puppet.hear(end.receive(steps[step]!(puppet))));
        } catch {
          break; // The puppet has no keys yet, or has them twice: it can not go on this way.
        }
      }
      const established = order.slice(0, right.length).join() === right.join();
      assert.equal(end.session !== undefined, established, order.join());
      if (end.code === "open") continue;
      assert.ok(["malformed", "auth-failed"].includes(end.code), `${order.join()}: ${end.code}`);
      const alert = heard.findLast(({ type }) => type === 21)?.payload[1];
      assert.ok(alert === 10 || alert === 20, `${order.join()}: alert ${alert}`);
    }
  }
});

test("ChangeCipherSpec is one byte of 1, and never inside a handshake message", () => {
  for (const payload of [Uint8Array.of(0), Uint8Array.of(2), Uint8Array.of(1, 1)]) {
    const { end, puppet } = clientScene(2);
    const heard = puppet.hear(end.receive(puppet.record(20, payload)));
    assert.deepEqual([...heard[0]!.payload], [2, 50]);
    assert.equal(end.code, "malformed");
  }
  const { end, puppet } = clientScene(2);
  const half = puppet.record(22, Uint8Array.of(20, 0, 0));
  const heard = puppet.hear(end.receive(concat(half, puppet.changeCipherSpec())));
  assert.deepEqual([...heard[0]!.payload], [2, 10]);
});

test("a message that begins before the change of keys does not end after it", () => {
  const { end, puppet } = serverScene(2);
  // ServerHelloDone with the beginning of a Finished behind it in one record.
  const done = frameMessage(14, NOTHING);
  end.receive(puppet.record(22, concat(done, Uint8Array.of(20, 0, 0, 12))));
  assert.equal(end.code, "open");
  end.receive(puppet.record(20, Uint8Array.of(1)));
  assert.equal(end.code, "malformed");
  assert.equal(end.session, undefined);
});

test("a Finished that differs in any bit is decrypt_error, to its sender alone", () => {
  for (let bit = 0; bit < 96; bit++) {
    for (const scene of [clientScene(3), serverScene(4)]) {
      const { end, puppet } = scene;
      const verifyData = puppet.verifyData();
      verifyData[bit >> 3]! ^= 1 << (bit & 7);
      const heard = puppet.hear(end.receive(puppet.message(20, verifyData)));
      assert.deepEqual(heard.map(({ payload }) => [...payload]), [[2, 51]]);
      assert.equal(end.code, "auth-failed");
      assert.equal(end.session, undefined);
    }
  }
});

test("a Finished of another length is decode_error", () => {
  for (const length of [0, 11, 13]) {
    const { end, puppet } = clientScene(3);
    const heard = puppet.hear(end.receive(puppet.message(20, new Uint8Array(length))));
    assert.deepEqual([...heard[0]!.payload], [2, 50]);
    assert.equal(end.code, "malformed");
  }
});

test("renegotiation is refused as often as it is asked for, and the session goes on, within limits", () => {
  const { end, puppet } = clientScene(4);
  for (let i = 0; i < 16; i++) {
    const heard = puppet.hear(end.receive(WORDS["ClientHello"]!(puppet)));
    assert.deepEqual(heard.map(({ payload }) => [...payload]), [[1, 100]]);
  }
  const last = puppet.hear(end.receive(WORDS["ClientHello"]!(puppet)));
  assert.deepEqual(last.map(({ payload }) => [...payload]), [[2, 10]]);
  assert.equal(end.code, "too-large");
});

test("a message after the handshake is refused at its header beyond 16 KiB", () => {
  const { end, puppet } = clientScene(4);
  const heard = puppet.hear(end.receive(puppet.record(22, Uint8Array.of(1, 0, 0x40, 1))));
  assert.deepEqual(heard.map(({ payload }) => [...payload]), [[2, 47]]);
  assert.equal(end.code, "too-large");
});

test("warnings, empty records and HelloRequests are passed over, 16 in a row and no more; data starts the count again", () => {
  const idle: ((puppet: Puppet) => Uint8Array)[] = [
    (puppet) => puppet.record(21, Uint8Array.of(1, 90)),
    (puppet) => puppet.record(22, frameMessage(0, NOTHING)),
  ];
  for (const one of idle) {
    const { end, puppet } = serverScene(5);
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 16; i++) assert.equal(end.receive(one(puppet)).length, 0);
      end.receive(puppet.record(23, toUtf8("x")));
    }
    assert.equal(end.code, "open");
    for (let i = 0; i < 16; i++) end.receive(one(puppet));
    const heard = puppet.hear(end.receive(one(puppet)));
    assert.deepEqual([...heard[0]!.payload], [2, 10]);
    assert.equal(end.code, "too-large");
  }
});

test("an empty record of data is passed over, 16 in a row; an empty one of a handshake is not (RFC 5246 6.2.1)", () => {
  const { end, puppet } = clientScene(4);
  for (let i = 1; i <= 16; i++) assert.equal(end.receive(puppet.sealed(23, i, 0)).length, 0);
  assert.deepEqual(end.data, []);
  assert.equal(end.code, "open");
  assert.deepEqual(puppet.hear(end.receive(puppet.sealed(23, 17, 0))).map(({ payload }) => [...payload]), [[2, 10]]);
  assert.equal(end.code, "too-large");

  const other = clientScene(4);
  assert.deepEqual(
    other.puppet.hear(other.end.receive(other.puppet.sealed(22, 1, 0)))[0]?.payload,
    Uint8Array.of(2, 10),
  );
});

test("a warning before the first hello is passed over too, and limited", () => {
  const end = server();
  const warning = Uint8Array.of(21, 3, 1, 0, 2, 1, 112);
  for (let i = 0; i < 16; i++) end.receive(warning);
  assert.equal(end.code, "open");
  end.receive(warning);
  assert.equal(end.code, "too-large");
});

test("an alert of a wrong length or level ends the connection", () => {
  for (const [payload, alert] of [[[2], 50], [[2, 40, 0], 50], [[3, 40], 47], [[0, 0], 47]] as const) {
    const end = server();
    const sent = end.receive(Uint8Array.of(21, 3, 3, 0, payload.length, ...payload));
    assert.deepEqual([...sent], [21, 3, 3, 0, 2, 2, alert]);
    assert.equal(end.code, "malformed");
  }
});

test("after the end nothing is heard and nothing can be sent", () => {
  const { end, puppet } = clientScene(4);
  end.close();
  assert.equal(end.receive(puppet.record(23, toUtf8("late"))).length, 0);
  assert.equal(end.text, "");
  assert.equal(end.close().length, 0);
  assert.equal(end.expire(1e9).length, 0);
  assert.throws(() => end.send(toUtf8("x")), { code: "state" });
  assert.equal(end.engine.deadline, undefined);
});
