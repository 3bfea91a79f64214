import assert from "node:assert/strict";
import { test } from "node:test";
import { RoundTrip } from "../../lib/tls/round_trip.ts";
import { client, Front, type Peer, run, VERSION_12, VERSION_13 } from "./datagrams.ts";
import { knowing } from "./pair.ts";

test("the interval is that of RFC 6298 2.2 and 2.3, from a tenth of a second up to what it is without a measurement", () => {
  const path = new RoundTrip();
  assert.equal(path.intervalUpTo(1000), 1000);
  path.measured(200);
  // SRTT = R, RTTVAR = R / 2, RTO = SRTT + 4 RTTVAR.
  assert.equal(path.intervalUpTo(1000), 600);
  path.measured(400);
  // RTTVAR = 3/4 100 + 1/4 |200 - 400|, SRTT = 7/8 200 + 1/8 400.
  assert.equal(path.intervalUpTo(1000), 225 + 4 * 125);
  assert.equal(path.intervalUpTo(500), 500);
  const quick = new RoundTrip();
  quick.measured(0.2);
  assert.equal(quick.intervalUpTo(1000), 100);
  assert.equal(quick.intervalUpTo(40), 40);
});

/** When the peer, to whom nobody answers any more, says its flight again from `now` on; milliseconds after `now`. */
function repetitions(peer: Peer, now: number): number[] {
  const at: number[] = [];
  while (peer.engine.deadline !== undefined) {
    const { deadline } = peer.engine;
    if (peer.expire(deadline).length > 0) at.push(deadline - now);
  }
  return at;
}

for (const [name, version] of [["1.2", VERSION_12], ["1.3", VERSION_13]] as const) {
  test(`DTLS ${name}: a client knows the way from the answer to its first hello, and doubles from there`, () => {
    const front = new Front(version);
    const left = client(version);
    const [first] = left.sent();
    left.now = 80;
    assert.equal(left.receive(front.receive(first!, "c:1")[0]!.bytes).length, 1);
    assert.deepEqual(repetitions(left, 80).slice(0, 5), [240, 720, 1680, 3600, 7440]);
  });

  test(`DTLS ${name}: to a client that has shown no key a server says its flight as often as ever, however near it is`, () => {
    const front = new Front(version);
    const left = client(version);
    const [first] = left.sent();
    left.now = front.now = 10;
    const [second] = left.receive(front.receive(first!, "c:1")[0]!.bytes);
    front.receive(second!, "c:1");
    assert.deepEqual(repetitions(front.last, 10), [1000, 3000, 7000, 15_000]);
  });

  test(`DTLS ${name}: how long a key is looked up counts for nothing, and a client that repeats meanwhile asks once`, () => {
    const front = new Front(version, () => undefined);
    const left = client(version);
    let waiting = left.sent();
    // To where the server's key source is asked.
    while (front.peers.size === 0 || front.last.demands.length === 0) {
      const answers = waiting.flatMap((bytes) => front.receive(bytes, "c:1"));
      left.now = front.now += 20;
      waiting = left.receive(...answers.map(({ bytes }) => bytes));
    }
    const began = left.now;
    let said = 0;
    while (left.engine.deadline! < began + 5000) {
      front.now = left.engine.deadline!;
      for (const bytes of left.expire(front.now)) {
        said++;
        assert.deepEqual(front.receive(bytes, "c:1"), []);
      }
    }
    assert.ok(said >= 4 && said <= 6, `${said}`);
    assert.equal(front.last.demands.length, 1);
    front.last.now = left.now;
    const [demand] = front.last.demands;
    run(left, front, "c:1", left.receive(...front.last.answer(demand!, knowing(demand!)!)));
    assert.ok(left.session && front.last.session);
  });
}

test("a first hello that was said twice: its cookie tells which of them it answers by its record number, an older one's too", () => {
  for (const [which, interval] of [[1, 120], [0, 1000]] as const) {
    const front = new Front();
    const left = client();
    const said = [left.sent()[0]!, left.expire(1000)[0]!];
    left.now = 1040;
    const [second] = left.receive(front.receive(said[which]!, "c:1")[0]!.bytes);
    assert.ok(second);
    assert.equal(repetitions(left, 1040)[0], interval);
  }
});

test("a flight that was said twice is not measured, also where one part of its answer came before, and the rest after", () => {
  const front = new Front({ mtu: 128 });
  const left = client({ mtu: 1232 });
  const [first] = left.sent();
  left.now = 200;
  const [second] = left.receive(front.receive(first!, "c:1")[0]!.bytes);
  const answers = front.receive(second!, "c:1").map(({ bytes }) => bytes);
  assert.ok(answers.length > 1);
  left.now = 600;
  left.receive(answers[0]!);
  assert.equal(left.expire(800).length, 1);
  left.now = 801;
  assert.ok(left.receive(...answers.slice(1)).length > 0);
  // 200 and 400 as above, and no third one of a millisecond.
  assert.equal(repetitions(left, 801)[0], 225 + 4 * 125);
});
