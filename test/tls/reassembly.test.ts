import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { concat, fromHex, Reader, toHex } from "../../lib/bytes/mod.ts";
import { encodeFragment, type Fragment, readFragment } from "../../lib/tls/handshake/fragment.ts";
import { Reassembler } from "../../lib/tls/handshake/reassembler.ts";

const NOTHING = new Uint8Array(0);

function piece(messageSeq: number, body: Uint8Array, from: number, to: number, type = 2): Fragment {
  return { type, length: body.length, messageSeq, offset: from, body: body.subarray(from, to) };
}

test("a fragment's header has 12 bytes, as RFC 6347 4.2.2 has it, and a fragment beyond its message is malformed", () => {
  const fragment: Fragment = { type: 1, length: 0x010203, messageSeq: 0x0405, offset: 0x010000, body: fromHex("aabb") };
  assert.equal(toHex(encodeFragment(fragment)), "01" + "010203" + "0405" + "010000" + "000002" + "aabb");
  assert.deepEqual(readFragment(new Reader(encodeFragment(fragment))), fragment);
  for (const bytes of ["0200000200000000010000020102", "02000002000000000000000301020", "020000"]) {
    assert.throws(() => readFragment(new Reader(fromHex(bytes.slice(0, bytes.length & ~1)))), { code: "malformed" });
  }
});

test("messages come out whole and in order, whatever order, overlap and repetition their pieces come in", () => {
  const message = fc.uint8Array({ maxLength: 120 });
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 5 }),
      fc.infiniteStream(fc.nat(1000)),
      (bodies, chance) => {
        const next = (below: number): number => (chance.next().value as number) % below;
        const reassembler = new Reassembler(3);
        const out: string[] = [];
        const pieces = bodies.flatMap((body, i) => {
          const cuts: Fragment[] = [];
          for (let at = 0; at < body.length || cuts.length === 0;) {
            const to = Math.min(body.length, at + 1 + next(40));
            // Each begins somewhere in the one before, and some come twice.
            const from = Math.max(0, at - next(10));
            cuts.push(piece(3 + i, body, from, to));
            if (next(3) === 0) cuts.push(piece(3 + i, body, from, to));
            at = to;
            if (body.length === 0) break;
          }
          return cuts;
        });
        for (let i = pieces.length - 1; i > 0; i--) {
          const j = next(i + 1);
          [pieces[i], pieces[j]] = [pieces[j]!, pieces[i]!];
        }
        for (const each of pieces) {
          reassembler.push(each);
          for (let whole = reassembler.peek(); whole; whole = reassembler.peek()) {
            out.push(toHex(whole.body));
            assert.equal(toHex(whole.framed.subarray(6, 12)), "000000" + toHex(whole.framed.subarray(1, 4)));
            reassembler.advance();
          }
        }
        assert.deepEqual(out, bodies.map(toHex));
        assert.equal(reassembler.held, 0);
      },
    ),
    { seed: 11, numRuns: 300 },
  );
});

test("what disagrees with the first piece of its message is not taken, nor does it overwrite", () => {
  const body = Uint8Array.of(1, 2, 3, 4);
  const reassembler = new Reassembler(0);
  assert.equal(reassembler.push(piece(0, body, 0, 2)), "taken");
  assert.equal(reassembler.push(piece(0, body, 2, 4, 12)), "ignored");
  assert.equal(reassembler.push(piece(0, concat(body, body), 2, 8)), "ignored");
  assert.equal(reassembler.push(piece(0, Uint8Array.of(9, 9, 9, 9), 0, 3)), "taken");
  assert.equal(reassembler.push(piece(0, body, 3, 4)), "taken");
  assert.deepEqual([...reassembler.peek()!.body], [1, 2, 9, 4]);
  reassembler.discard();
  assert.equal(reassembler.peek(), undefined);
  assert.equal(reassembler.next, 0);
  assert.equal(reassembler.push(piece(0, body, 0, 4)), "taken");
  reassembler.advance();
  assert.equal(reassembler.push(piece(0, body, 0, 4)), "stale");
});

test("it holds eight messages or 16 KiB at most, always with a place for the next, and nothing for an empty piece", () => {
  const short = new Reassembler(0);
  const long = new Uint8Array(4096);
  for (let seq = 0; seq < 100; seq++) short.push(piece(seq, long.subarray(0, 100), 0, 1));
  assert.equal(short.held, 8);
  assert.equal(short.push(piece(8, long, 0, 1)), "ignored");
  const reassembler = new Reassembler(0);
  for (let seq = 99; seq > 0; seq--) reassembler.push(piece(seq, long, 0, 1));
  assert.equal(reassembler.held, 3);
  assert.equal(reassembler.push(piece(0, long, 0, 4096)), "taken");
  assert.equal(reassembler.held, 4);
  reassembler.advance();
  assert.equal(reassembler.push(piece(1, long, 0, 4096)), "taken");
  const other = new Reassembler(0);
  assert.equal(other.push(piece(0, new Uint8Array(4097), 0, 1)), "ignored");
  assert.equal(other.push({ type: 1, length: 0xffffff, messageSeq: 0, offset: 0, body: NOTHING }), "ignored");
  assert.equal(other.push(piece(0, long, 5, 5)), "ignored");
  assert.equal(other.held, 0);
  assert.equal(other.push(piece(0, NOTHING, 0, 0)), "taken");
  assert.equal(other.peek()!.body.length, 0);
  other.clear();
  assert.equal(other.held, 0);
});
