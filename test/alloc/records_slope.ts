// Run as its own process by records.test.ts. Two engines with a session, and nothing between them but a copy of what each
// says: what is made for that is the measure's own, and made once.
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom, suiteByName } from "../../lib/crypto/mod.ts";
import { createDtlsAcceptor, createDtlsEngine, createTlsEngine, type Engine } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { type Operation, printSlopes } from "./slope.ts";

const SUITES = [
  ["DTLS 1.2", "TLS_PSK_WITH_AES_128_GCM_SHA256"],
  ["DTLS 1.2", "TLS_PSK_WITH_AES_128_CCM_8"],
  ["DTLS 1.2", "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256"],
  ["DTLS 1.3", "TLS_AES_128_GCM_SHA256"],
  ["DTLS 1.3", "TLS_CHACHA20_POLY1305_SHA256"],
  ["TLS 1.2", "TLS_PSK_WITH_AES_128_GCM_SHA256"],
  ["TLS 1.3", "TLS_AES_128_GCM_SHA256"],
] as const;

const VERSIONS = { "DTLS 1.2": 0xfefd, "DTLS 1.3": 0xfefc, "TLS 1.2": 0x0303, "TLS 1.3": 0x0304 } as const;
const random = seededRandom(5);
const operations: Record<string, Operation> = {};
for (const [protocol, name] of SUITES) {
  const suites = [suiteByName(name)!.id];
  const common = { now: 0, random, suites, versions: [VERSIONS[protocol]] };
  const [left, right] = protocol.startsWith("TLS") ? streams(common) : datagrams(common);
  const payload = new Uint8Array(64).fill(7);
  operations[`${protocol} ${name}`] = { run: () => over(left, right, payload), expected: 64, count: 500 };
}

await printSlopes(operations);

type Common = Omit<Parameters<typeof createTlsEngine>[0], "role">;

function streams(common: Common): [Engine, Engine] {
  const right = createTlsEngine({ ...common, role: "server" });
  const left = createTlsEngine({ ...common, role: "client" });
  settle(left, () => right, (bytes) => right.receive(bytes, 0));
  return [left, right];
}

function datagrams(common: Common): [Engine, Engine] {
  const acceptor = createDtlsAcceptor(common);
  const left = createDtlsEngine({ ...common, role: "client" });
  let right: Engine | undefined;
  settle(left, () => right, (bytes) => {
    acceptor.receive(bytes, "client:1", 0);
    for (let output = acceptor.poll(); output; output = acceptor.poll()) {
      if (output.kind === "transmit") left.receive(output.bytes, 0);
      else if (output.kind === "accepted") right = output.engine;
    }
  });
  return [left, right!];
}

function settle(left: Engine, right: () => Engine | undefined, toRight: (bytes: Uint8Array) => void): void {
  for (let round = 0; round < 12; round++) {
    speak(left, toRight);
    const other = right();
    if (other) speak(other, (bytes) => left.receive(bytes, 0));
  }
}

function speak(engine: Engine, carry: (bytes: Uint8Array) => void): void {
  const said: Uint8Array[] = [];
  for (let output = engine.poll(); output; output = engine.poll()) {
    if (output.kind === "transmit") said.push(output.bytes.slice());
    if (output.kind !== "demand") continue;
    using key = secretFrom(new Uint8Array(16).fill(1));
    engine.answer(output.demand, { kind: "psk", identity: toUtf8("device"), key }, 0);
  }
  for (const bytes of said) carry(bytes);
}

/** There, and how many bytes came. */
function over(left: Engine, right: Engine, payload: Uint8Array): number {
  left.send(payload, 0);
  let came = 0;
  for (let output = left.poll(); output; output = left.poll()) {
    if (output.kind === "transmit") right.receive(output.bytes, 0);
  }
  for (let output = right.poll(); output; output = right.poll()) {
    if (output.kind === "data") came += output.bytes.length;
  }
  return came;
}
