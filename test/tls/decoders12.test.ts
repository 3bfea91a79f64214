// What anybody can send to a server or client of version 1.2, and what anybody can show as a ticket.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { decodeClientKeyExchange, encodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { decodeServerKeyExchange, encodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { decodeSessionTicket, encodeSessionTicket } from "../../lib/tls/handshake/session_ticket.ts";
import { createResumption } from "../../lib/tls/mod.ts";
import { ticketsOf } from "../../lib/tls/resumption.ts";
import { seededRandom } from "../support/virtual.ts";

const SEED = { seed: 3, numRuns: 300 };
const point = fc.uint8Array({ minLength: 1, maxLength: 255 });
const name = fc.uint8Array({ maxLength: 128 });

/** Whatever it is given, it gives something or throws SeccfError. */
function refusesWell(decode: (bytes: Uint8Array) => unknown): void {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        decode(bytes);
      } catch (error) {
        assert.ok(error instanceof SeccfError, String(error));
      }
    }),
    SEED,
  );
}

test("key exchanges with points and tickets are read as they were written, and refuse all else with SeccfError", () => {
  fc.assert(
    fc.property(name, fc.nat(0xffff), point, fc.nat(0xffffffff), (hint, group, publicKey, lifetime) => {
      const said = { hint, share: { group, publicKey } };
      assert.deepEqual(decodeServerKeyExchange(encodeServerKeyExchange(said), "ecdhe_psk"), said);
      const answered = { identity: hint, publicKey };
      assert.deepEqual(decodeClientKeyExchange(encodeClientKeyExchange(answered), "ecdhe_psk"), answered);
      const given = { lifetime, ticket: publicKey };
      assert.deepEqual(decodeSessionTicket(encodeSessionTicket(given)), given);
    }),
    SEED,
  );
  refusesWell((bytes) => decodeServerKeyExchange(bytes, "ecdhe_psk"));
  refusesWell((bytes) => decodeClientKeyExchange(bytes, "ecdhe_psk"));
  refusesWell(decodeSessionTicket);
});

test("a session comes out of its ticket as it went in, and out of anything else nothing", () => {
  using resumption = ticketsOf(createResumption({ random: seededRandom(9) }));
  const host = fc.option(fc.domain(), { nil: undefined });
  const transport = fc.constantFrom("stream", "datagram");
  fc.assert(
    fc.property(name, host, transport, fc.nat(0xffff), fc.nat(1e6), (identity, serverName, transport, suite, end) => {
      using master = secretFrom(new Uint8Array(48).fill(end));
      using mark = resumption.mark(master, undefined, 0)!;
      const state = { transport, suite, master, check: mark.check, identity, serverName, expiresAt: end + 1 } as const;
      const ticket = resumption.seal(state, 0)!;
      using session = resumption.open(ticket, transport, end)!;
      const { transport: t, suite: s, identity: i, serverName: n, expiresAt: e } = session;
      assert.deepEqual([t, s, i, n, e], [transport, suite, identity, serverName, end + 1]);
      assert.equal(resumption.open(ticket, transport, end + 1), undefined);
      const other = transport === "stream" ? "datagram" : "stream";
      assert.equal(resumption.open(ticket, other, end), undefined);
      const at = end % ticket.length;
      assert.equal(resumption.open(ticket.with(at, ticket[at]! ^ 0x10), transport, end), undefined);
      assert.equal(resumption.open(ticket.subarray(0, at), transport, end), undefined);
    }),
    { seed: 4, numRuns: 150 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      assert.equal(resumption.open(bytes, "stream", 0), undefined);
    }),
    SEED,
  );
});
