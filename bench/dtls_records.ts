// What one record costs on its whole way between two engines, `send` here to `data` there, by suite: time, and bytes of
// memory where V8 shows them. The rivals of the ciphers are in records.ts; here GCM is the measure for the others.
import { suiteByName } from "../lib/crypto/mod.ts";
import { type Contender, full, run } from "./harness.ts";
import { acceptorOf, dtlsPair, sendOver } from "./support/engines.ts";

const SUITES = [
  "TLS_PSK_WITH_AES_128_GCM_SHA256",
  "TLS_PSK_WITH_AES_128_CCM",
  "TLS_PSK_WITH_AES_128_CCM_8",
  "TLS_PSK_WITH_AES_256_GCM_SHA384",
  "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
  "TLS_PSK_WITH_AES_128_CBC_SHA256",
  "TLS_PSK_WITH_AES_128_CBC_SHA",
];

const TLS_PSK_WITH = "TLS_PSK_WITH_";

run(
  "dtls records, engine to engine",
  (full ? [64, 1024, 16_000] : [64, 1024]).map((size) => ({
    name: `${size} bytes`,
    bytes: size,
    contenders: [
      ...SUITES.map((suite) => record(suite, size, 0)),
      { ...record(SUITES[0]!, size, 8), name: "the first, by Connection ID" },
    ],
  })),
);

function record(name: string, size: number, connectionIdLength: number): Contender {
  const suite = suiteByName(name)!.id;
  const pair = dtlsPair(suite, acceptorOf(suite, connectionIdLength));
  const payload = new Uint8Array(size).fill(7);
  return { name: name.slice(TLS_PSK_WITH.length), call: () => sendOver(pair, payload) };
}
