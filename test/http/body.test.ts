import assert from "node:assert/strict";
import { test } from "node:test";
import { withinDeadline } from "../../lib/deadline.ts";
import { readBody } from "../../lib/http/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { VirtualClock } from "../support/virtual.ts";
import { withCode } from "./vectors.ts";

test("a body is read whole up to its limit, and not one byte beyond", async () => {
  const response = (length: number) => new Response(new Uint8Array(length).fill(7));
  assert.equal((await readBody(response(1000), 1000)).length, 1000);
  assert.equal((await readBody(new Response(null), 0)).length, 0);
  await assert.rejects(readBody(response(1001), 1000), withCode("too-large"));
});

test("an endless body is given up at the limit and its source is told", async () => {
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(100)),
    cancel: () => void (cancelled = true),
  });
  await assert.rejects(readBody(new Response(stream), 1000), withCode("too-large"));
  assert.ok(cancelled);
});

test("a body that breaks off is unreachable, and one read before is malformed", async () => {
  const broken = new ReadableStream<Uint8Array>({ pull: (controller) => controller.error(new Error("gone")) });
  await assert.rejects(readBody(new Response(broken), 10), withCode("unreachable"));
  const response = new Response("x");
  await response.text();
  await assert.rejects(readBody(response, 10), withCode("malformed"));
});

test("a deadline ends what does not end, tells it so, and leaves no alarm behind", async () => {
  const clock = new VirtualClock();
  let told: unknown;
  const forever = withinDeadline({ clock, seconds: 5 }, (signal) => {
    signal.addEventListener("abort", () => void (told = signal.reason));
    return new Promise<never>(() => {});
  });
  const ended = assert.rejects(forever, withCode("timeout"));
  await clock.advance(5000);
  await ended;
  assert.ok(told instanceof SeccfError);
  assert.equal(await withinDeadline({ clock, seconds: 5 }, () => Promise.resolve(3)), 3);
  await assert.rejects(withinDeadline({ clock, seconds: 5 }, () => Promise.reject(new RangeError("own"))), RangeError);
  assert.equal(clock.pending, 0);
});

test("the caller's signal ends it too, with the caller's reason, before and during", async () => {
  const clock = new VirtualClock();
  const controller = new AbortController();
  const options = { clock, seconds: 5, signal: controller.signal };
  const waiting = assert.rejects(withinDeadline(options, () => new Promise<never>(() => {})), /mine/);
  controller.abort(new Error("mine"));
  await waiting;
  await assert.rejects(withinDeadline(options, () => Promise.resolve(1)), /mine/);
  assert.equal(clock.pending, 0);
});
