/**
 * Key Manager, enabler and device with a SIM in one process, without a network: a test bench for an application that
 * will use GBA. Run it with `node examples/one_process.ts`.
 */
import { createAuthenticationCentre } from "../lib/aka/mod.ts";
import { impiOf, memoryIdentity } from "../lib/identity/mod.ts";
import { createAgent, createEnabler, createKeyManager, secretFrom, webPlatform } from "../mod.ts";
import { memoryStore } from "../transports/stores/memory.ts";

const BSF = "bsf.mnc001.mcc001.pub.3gppnetwork.org";
const METER = "meter.example.net";

// What the operator and the SIM share: K and OPc, here of TS 35.208 test set 1.
const hex = (digits: string) => Uint8Array.from(digits.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
const credentials = {
  k: secretFrom(hex("465b5ce8b199b49faa5f0a2ee238a6bc")),
  opc: secretFrom(hex("cd63cb71954a9f4e48a5994e37a02baf")),
};
const imsi = "001010123456789";

await using store = memoryStore(webPlatform);
using keyManager = createKeyManager({
  name: BSF,
  centre: createAuthenticationCentre({
    subscribers: (impi) => impi === impiOf(imsi, 2) ? { credentials } : undefined,
    store,
    random: webPlatform.random,
  }),
  store,
  wrappingKey: secretFrom(crypto.getRandomValues(new Uint8Array(32))),
  enablers: { "meter's operator": { names: [METER], showImpi: true } },
});

await using enabler = createEnabler({
  id: METER,
  keyManager: `https://${BSF}/`,
  // Between two servers this is HTTP inside PSK-TLS or certificate TLS; here it is a call.
  fetch: (request) =>
    keyManager.handle(request, { identity: new TextEncoder().encode("meter's operator"), assurance: "psk" }),
});
const serve = enabler.handle(async (request, peer) =>
  new Response(`${new TextDecoder().decode(peer.identity)} says ${await request.text()}`)
);

await using identity = await memoryIdentity({ aka: { credentials, imsi } });
await using agent = createAgent({
  identity,
  keyManager: `http://${BSF}/`,
  fetch: (request) => new URL(request.url).hostname === BSF ? keyManager.handle(request) : serve(request),
});

const answer = await agent.fetch(`http://${METER}/readings`, { method: "POST", body: "21.5" });
console.log(answer.status, await answer.text());
