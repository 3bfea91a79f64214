/** Everything that a peer of version 1.2 can say on a stream, and what has to follow by RFC 5246 7.2.2 and 7.3. */
import assert from "node:assert/strict";
import { concat, toUtf8 } from "../../lib/bytes/mod.ts";
import { frameMessage } from "../../lib/tls/handshake/message.ts";
import { type End, IDENTITY } from "./pair.ts";
import type { Heard, Puppet } from "./puppet.ts";

const NOTHING = new Uint8Array(0);

/** A peer and an engine that have come as far as a state's name says. */
export interface Scene {
  readonly end: End;
  readonly puppet: Puppet;
}

/** Each thing a peer can say, well formed where it has a form. */
export const WORDS: Readonly<Record<string, (puppet: Puppet) => Uint8Array>> = {
  "HelloRequest": (puppet) => puppet.record(22, frameMessage(0, NOTHING)),
  "ClientHello": (puppet) => puppet.record(22, frameMessage(1, puppet.clientHelloBody())),
  "ServerHello": (puppet) => puppet.record(22, frameMessage(2, puppet.serverHelloBody())),
  "HelloVerifyRequest": (puppet) => puppet.record(22, frameMessage(3, Uint8Array.of(0xfe, 0xff, 0))),
  "NewSessionTicket": (puppet) => puppet.record(22, frameMessage(4, new Uint8Array(6))),
  "Certificate": (puppet) => puppet.record(22, frameMessage(11, new Uint8Array(3))),
  "ServerKeyExchange": (puppet) => puppet.record(22, frameMessage(12, Uint8Array.of(0, 1, 0x68))),
  "CertificateRequest": (puppet) => puppet.record(22, frameMessage(13, new Uint8Array(6))),
  "ServerHelloDone": (puppet) => puppet.record(22, frameMessage(14, NOTHING)),
  "CertificateVerify": (puppet) => puppet.record(22, frameMessage(15, new Uint8Array(4))),
  "ClientKeyExchange": (puppet) => puppet.record(22, frameMessage(16, concat(Uint8Array.of(0, 15), IDENTITY))),
  "Finished": (puppet) => puppet.record(22, frameMessage(20, new Uint8Array(12))),
  "CertificateStatus": (puppet) => puppet.record(22, frameMessage(22, NOTHING)),
  "an unknown message": (puppet) => puppet.record(22, frameMessage(99, NOTHING)),
  "an empty handshake record": () => Uint8Array.of(22, 3, 3, 0, 0),
  "ChangeCipherSpec": (puppet) => puppet.record(20, Uint8Array.of(1)),
  "application data": (puppet) => puppet.record(23, toUtf8("early")),
  "Heartbeat": (puppet) => puppet.record(24, new Uint8Array(19)),
  "a warning": (puppet) => puppet.record(21, Uint8Array.of(1, 112)),
  "a fatal alert": (puppet) => puppet.record(21, Uint8Array.of(2, 40)),
  "close_notify": (puppet) => puppet.record(21, Uint8Array.of(1, 0)),
};

/** What follows: the alert that is heard, and the code that the engine ends with. */
export interface Outcome {
  readonly alert?: readonly [number, number];
  readonly code: string;
}

const UNEXPECTED: Outcome = { alert: [2, 10], code: "malformed" };

/** The rules, from the RFC and not from the code: which words are not simply unexpected. */
export function expected(role: "client" | "server", word: string, open: boolean, protection: boolean): Outcome {
  if (word === "a warning") return { code: "open" };
  if (word === "a fatal alert") return { code: "unsupported" };
  if (word === "close_notify") return open ? { alert: [1, 0], code: "none" } : { code: "closed" };
  // Under keys a record without any MAC is a record with a wrong one.
  if (word === "an empty handshake record" && protection) return { alert: [2, 20], code: "auth-failed" };
  if (word === "HelloRequest" && role === "client") return { code: "open" };
  if (word === "ClientHello" && role === "server" && open) return { alert: [1, 100], code: "open" };
  if (word === "application data" && open) return { code: "open" };
  return UNEXPECTED;
}

/** Says a word, and fails where anything else follows than it should. */
export function check(scene: Scene, word: string, outcome: Outcome, where: string): void {
  const { end, puppet } = scene;
  const before = end.session;
  const heard: Heard[] = puppet.hear(end.receive(WORDS[word]!(puppet)));
  const alerts = heard.filter(({ type }) => type === 21).map(({ payload }) => [...payload]);
  assert.deepEqual(alerts, outcome.alert ? [outcome.alert] : [], where);
  assert.deepEqual(heard.filter(({ type }) => type !== 21), [], where);
  assert.equal(end.code, outcome.code, where);
  assert.equal(end.session, before, where);
}
