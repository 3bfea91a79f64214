// RFC 7507: a client that was brought down to an older version, and a server that knows the newer one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Puppet as DatagramPuppet } from "./datagram_puppet.ts";
import { GCM, server } from "./pair.ts";
import { Puppet } from "./puppet.ts";

const BOTH = [0x0304, 0x0303];

test("a hello that says it was brought down is inappropriate_fallback where a newer version was to be had, else it is served", () => {
  const cases: readonly (readonly [readonly number[], number, readonly number[] | undefined, number | undefined])[] = [
    // The server's versions, the hello's, what it lists, the alert.
    [[0x0303], 0x0303, undefined, undefined],
    [[0x0303], 0x0302, undefined, 86],
    [[0x0303], 0x0301, undefined, 86],
    [[0x0303], 0x0303, [0x0302], 86],
    [[0x0303], 0x0303, [0x0303, 0x0302], undefined],
    [BOTH, 0x0303, undefined, 86],
    [BOTH, 0x0303, [0x0303], 86],
    [[0x0304], 0x0303, undefined, 86],
  ];
  for (const [versions, version, supportedVersions, alert] of cases) {
    const suites = versions.includes(0x0304) ? [0x1301, ...(versions.includes(0x0303) ? [GCM] : [])] : [GCM];
    for (const fallback of [true, undefined]) {
      const end = server({ versions, suites });
      const offer = { version, supportedVersions, ...(fallback && { fallback }) };
      const sent = end.receive(new Puppet("client").clientHello(offer));
      const isRefused = sent[0] === 21;
      if (fallback) assert.equal(isRefused ? sent[6] : undefined, alert, JSON.stringify(offer));
      else if (isRefused) assert.equal(sent[6], 70);
      assert.equal(end.code, fallback && alert ? "downgrade" : isRefused ? "unsupported" : "open");
    }
  }
});

test("the same on datagrams, whose versions count down", () => {
  for (const [version, code] of [[0xfefd, "open"], [0xfeff, "downgrade"]] as const) {
    const puppet = new DatagramPuppet("client");
    const end = puppet.server({ versions: [0xfefd] });
    end.receive(puppet.clientHello({ version, fallback: true }));
    assert.equal(end.code, code);
  }
});
