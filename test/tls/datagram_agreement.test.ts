import assert from "node:assert/strict";
import { test } from "node:test";
import { SeccfError } from "../../lib/error.ts";
import { suiteById } from "../../lib/crypto/mod.ts";
import { Puppet } from "./datagram_puppet.ts";
import { client, Front, run } from "./datagrams.ts";
import { ALL_SUITES, GCM, SOME_SUITES } from "./pair.ts";

/** Every choice from `all`, in the order of `all`; not the empty one. */
function choices(all: readonly number[]): number[][] {
  return Array.from({ length: 2 ** all.length - 1 }, (_, i) => all.filter((_, bit) => ((i + 1) >> bit) & 1));
}

test("whatever suites the two ends have, in whatever order, they agree on the server's best or on nothing", () => {
  for (const theirs of choices(SOME_SUITES)) {
    for (const mine of choices([...SOME_SUITES].reverse())) {
      const left = client({ suites: theirs });
      const front = new Front({ suites: mine });
      run(left, front);
      const best = mine.find((suite) => theirs.includes(suite));
      const where = `${theirs} to ${mine}`;
      assert.equal(left.session?.suite, best, where);
      assert.equal(front.last.session?.suite, best, where);
      if (best !== undefined) {
        assert.equal(left.session!.encryptThenMac, suiteById(best)!.protection.kind === "cbc", where);
        continue;
      }
      assert.equal(front.last.code, "unsupported", where);
      left.expire(30_000);
      assert.ok(left.closed?.error instanceof SeccfError && left.closed.error.cause instanceof SeccfError);
      assert.equal(left.closed.error.cause.code, "unsupported");
    }
  }
});

test("legacy suites take part only by name", () => {
  const left = client();
  run(left, new Front({ suites: [0x00ae, 0x008c] }));
  assert.equal(left.session, undefined);
  const front = new Front();
  run(client({ suites: [0x00ae, 0x008c] }), front);
  assert.equal(front.last.code, "unsupported");
});

test("a server goes below its policy for no combination of suite, extended master secret and encrypt-then-MAC", () => {
  for (const suite of ALL_SUITES) {
    for (const extendedMasterSecret of [true, false]) {
      for (const encryptThenMac of [true, false]) {
        for (const requireExtendedMasterSecret of [true, false]) {
          for (const macThenEncrypt of [true, false]) {
            const isBlock = suiteById(suite)!.protection.kind === "cbc";
            const puppet = new Puppet("client", {
              suite,
              extendedMasterSecret,
              encryptThenMac: encryptThenMac && isBlock,
            });
            const peer = puppet.server({ requireExtendedMasterSecret, macThenEncrypt });
            puppet.hear(...peer.receive(puppet.clientHello({ encryptThenMac })));
            const isRefused = (requireExtendedMasterSecret && !extendedMasterSecret) ||
              (isBlock && !encryptThenMac && !macThenEncrypt);
            if (isRefused) {
              assert.equal(peer.code, "downgrade");
              continue;
            }
            for (const bytes of [puppet.clientKeyExchange(), puppet.changeCipherSpec(), puppet.finished()]) {
              puppet.hear(...peer.receive(bytes));
            }
            assert.equal(peer.session?.extendedMasterSecret, extendedMasterSecret);
            assert.equal(peer.session?.encryptThenMac, encryptThenMac && isBlock);
          }
        }
      }
    }
  }
});

test("a client goes below its policy for none either, whatever a server says it has chosen", () => {
  for (const suite of ALL_SUITES) {
    for (const requireExtendedMasterSecret of [true, false]) {
      for (const macThenEncrypt of [true, false]) {
        for (
          const [extendedMasterSecret, encryptThenMac] of [[true, true], [true, false], [false, true], [false, false]]
        ) {
          const isBlock = suiteById(suite)!.protection.kind === "cbc";
          const puppet = new Puppet("server", {
            suite,
            extendedMasterSecret: extendedMasterSecret!,
            encryptThenMac: encryptThenMac! && isBlock,
          });
          const left = client({ suites: [suite], requireExtendedMasterSecret, macThenEncrypt, connectionId: false });
          puppet.hear(...left.sent());
          const isAllowed = (extendedMasterSecret || !requireExtendedMasterSecret) &&
            (!isBlock || encryptThenMac || macThenEncrypt);
          const steps = [
            () => puppet.serverHello(),
            () => puppet.serverKeyExchange(new Uint8Array(0)),
            () => puppet.serverHelloDone(),
            () => puppet.changeCipherSpec(),
            () => puppet.finished(),
          ];
          for (const step of steps) puppet.hear(...left.receive(step()));
          assert.equal(left.session !== undefined, isAllowed);
          if (!isAllowed) assert.equal(left.code, "downgrade");
        }
      }
    }
  }
});

test("whatever versions a client names, a server takes 1.2 or nothing", () => {
  for (const version of [0xfeff, 0xfefe, 0xfefd, 0xfefc, 0x0303, 0x0304, 0xffff]) {
    for (const supportedVersions of [undefined, [0xfefd], [0xfefc], [0xfeff], [0xfefc, 0xfefd], [0x0303]]) {
      const puppet = new Puppet("client", { suite: GCM });
      const peer = puppet.server();
      puppet.hear(...peer.receive(puppet.clientHello({ version, supportedVersions })));
      const isTaken = supportedVersions?.includes(0xfefd) ?? (version === 0xfefd || version === 0xfefc);
      assert.equal(peer.code, isTaken ? "open" : "unsupported", `${version.toString(16)} ${supportedVersions}`);
    }
  }
});
