// Full DTLS 1.2 PSK handshakes and echoed records in memory, both sides in one thread, beside node:tls with the same
// suite over a Duplex pair: TLS, since no runtime has DTLS, and on Node alone, since Deno and Bun have no PSK.
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { full, inTurns, type Measured, publish } from "./harness.ts";
import { acceptorOf, dtlsPair, echo, end, tlsPair } from "./support/engines.ts";
import { IDENTITY, KEY } from "./support/keys.ts";

/** One way to do the work, now or soon; undefined where this runtime has none. */
type Work = (() => unknown) | undefined;

const SUITES = [["AES-128-GCM", 0x00a8, "PSK-AES128-GCM-SHA256"], [
  "AES-128-CCM_8",
  0xc0a8,
  "PSK-AES128-CCM8",
]] as const;
const groups: Measured[] = [];
const turns = { count: full ? 1000 : 200, rounds: full ? 15 : 7 };
for (const [name, suite, native] of SUITES) {
  const plain = acceptorOf(suite);
  const byId = acceptorOf(suite, 8);
  groups.push({
    name: `handshake ${name}`,
    bytes: 0,
    measures: await inTurns({
      "ours, DTLS": () => end(dtlsPair(suite, plain)),
      "ours, DTLS and CID": () => end(dtlsPair(suite, byId)),
      "ours, TLS": () => end(tlsPair(suite)),
      "node:tls": tried(await nodePair(native), () => nodePair(native).then((pair) => pair?.end())),
    }, turns),
  });
  for (const size of [64, 1024]) {
    const payload = new Uint8Array(size).fill(7);
    const pairs = [dtlsPair(suite, plain), dtlsPair(suite, byId), tlsPair(suite)] as const;
    const node = await nodePair(native);
    groups.push({
      name: `echo ${name} ${size}`,
      bytes: 2 * size,
      measures: await inTurns({
        "ours, DTLS": () => echo(pairs[0], payload),
        "ours, DTLS and CID": () => echo(pairs[1], payload),
        "ours, TLS": () => echo(pairs[2], payload),
        "node:tls": tried(node, () => node!.echo(payload)),
      }, turns),
    });
    node?.end();
  }
}
publish("dtls in memory", groups);

function tried(found: unknown, work: () => unknown): Work {
  return found === undefined ? undefined : work;
}

interface NodePair {
  echo(payload: Uint8Array): Promise<void>;
  end(): void;
}

/** Both ends of node:tls in memory; undefined where the runtime has no PSK. */
function nodePair(ciphers: string): Promise<NodePair | undefined> {
  if ("Deno" in globalThis || "Bun" in globalThis) return Promise.resolve(undefined);
  const [near, far] = duplexPair();
  const named = { ciphers: `${ciphers}:@SECLEVEL=0`, minVersion: "TLSv1.2", maxVersion: "TLSv1.2" } as const;
  const psk = Buffer.from(KEY);
  // The types know pskCallback of servers and of connect, not of TLSSocket, which both make.
  const options = { isServer: true, secureContext: createSecureContext(named), pskCallback: () => psk } as object;
  const server = new TLSSocket(far as never, options);
  server.on("data", (data) => server.write(data));
  server.on("error", () => {});
  return new Promise((resolve) => {
    const client = connect({
      ...named,
      socket: near,
      checkServerIdentity: () => undefined,
      pskCallback: () => ({ psk, identity: IDENTITY }),
    });
    client.on("error", () => resolve(undefined));
    client.on("secureConnect", () =>
      resolve({
        echo: (payload) =>
          new Promise((done) => {
            let left = payload.length;
            const hear = (data: Buffer): void => {
              left -= data.length;
              if (left > 0) return;
              client.off("data", hear);
              done();
            };
            client.on("data", hear);
            client.write(payload);
          }),
        end: () => {
          client.destroy();
          server.destroy();
        },
      }));
  });
}

function duplexPair(): [Duplex, Duplex] {
  const make = (other: () => Duplex): Duplex =>
    new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        other().push(chunk);
        done();
      },
    });
  const near: Duplex = make(() => far);
  const far: Duplex = make(() => near);
  return [near, far];
}
