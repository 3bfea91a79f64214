import assert from "node:assert/strict";
import { test } from "node:test";
import { toUtf8 } from "../../lib/bytes/mod.ts";
import { secretEqual } from "../../lib/crypto/mod.ts";
import { askOnTerminal, type Terminal } from "../../transports/console/identity_prompt.ts";
import { withCode } from "../aka/vectors.ts";

/** A terminal that somebody types on. */
class Typist implements Terminal {
  raw: boolean[] = [];
  shown = "";
  #listener: ((bytes: Uint8Array) => void) | undefined;

  setRawMode(on: boolean): void {
    this.raw.push(on);
  }
  on(_event: "data", listener: (bytes: Uint8Array) => void): void {
    this.#listener = listener;
  }
  off(): void {
    this.#listener = undefined;
  }
  resume(): void {}
  pause(): void {}

  type(text: string): Uint8Array {
    const bytes = toUtf8(text);
    this.#listener?.(bytes);
    return bytes;
  }

  ask() {
    return askOnTerminal(this, (text) => void (this.shown += text), "Passphrase: ");
  }
}

test("what is typed does not show, can be mended, and is wiped where it came from", async () => {
  for (
    const [typed, meant] of [["secret\r", "secret"], ["grü\x7fün\n", "grün"], ["wrong\x15right\r", "right"], [
      "\x7fa\x01b\r",
      "ab",
    ], ["a\rb", "a"]] as const
  ) {
    const typist = new Typist();
    const answer = typist.ask();
    const bytes = typist.type(typed);
    using secret = await answer;
    assert.ok(secretEqual(secret, toUtf8(meant)), meant);
    assert.equal(typist.shown, "Passphrase: \n");
    assert.deepEqual(typist.raw, [true, false]);
    assert.ok(bytes.every((byte) => byte === 0));
  }
});

test("an interrupt, the end of input and an endless answer end the question, and the terminal is as before", async () => {
  const asked = (typed: string) => {
    const typist = new Typist();
    const answer = typist.ask();
    typist.type(typed);
    assert.deepEqual(typist.raw, [true, false]);
    return answer;
  };
  await assert.rejects(asked("ab\x03"), (reason) => reason === "SIGINT");
  await assert.rejects(asked("\x04"), withCode("closed"));
  await assert.rejects(asked("a".repeat(1025)), withCode("too-large"));
});
