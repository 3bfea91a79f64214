import assert from "node:assert/strict";
import test from "node:test";
import { Allowance, Inbox } from "../../lib/channel/inbox.ts";

const message = (byte: number): Uint8Array => new Uint8Array(100).fill(byte);

test("a message that somebody waits for is held nowhere; one that nobody asked for is, until it is taken", async () => {
  const shared = new Allowance(10_000);
  const inbox = new Inbox(10_000, shared);
  const messages = inbox.iterate();
  const waiting = messages.next();
  inbox.push(message(1));
  assert.equal(shared.held, 0);
  assert.deepEqual(await waiting, { done: false, value: { payload: message(1) } });
  inbox.push(message(2));
  inbox.push(message(3));
  const held = shared.held;
  assert.ok(held >= 200, `${held} bytes are held`);
  assert.deepEqual(await messages.next(), { done: false, value: { payload: message(2) } });
  assert.equal(shared.held, held / 2);
  inbox.end();
  assert.equal(shared.held, 0);
  assert.deepEqual(await messages.next(), { done: false, value: { payload: message(3) } });
  assert.deepEqual(await messages.next(), { done: true, value: undefined });
  assert.equal(shared.held, 0);
});

test("what finds no room, in the inbox or with all others, is dropped whole and counted", () => {
  const shared = new Allowance(500);
  const one = new Inbox(300, shared);
  const two = new Inbox(10_000, shared);
  for (let byte = 0; byte < 3; byte++) one.push(message(byte));
  assert.equal(one.dropped, 2);
  for (let byte = 0; byte < 3; byte++) two.push(message(byte));
  assert.equal(two.dropped, 2);
  one.end();
  two.push(message(3));
  assert.equal(two.dropped, 2);
});
