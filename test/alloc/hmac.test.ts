// The promise of createHmac("sha-256"): a tag allocates nothing.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createHmac, secretFrom } from "../../lib/crypto/mod.ts";
import { assertNoAllocation } from "./slope.ts";

const SIGNED = ["sign 0", "sign 16", "sign 64", "sign 256", "sign 1024", "sign 2048"];

test("HMAC-SHA-256 signs, verifies and refuses without allocating: 0 bytes a call under V8, no object kept under Bun", () => {
  assertNoAllocation("hmac_slope.ts", [...SIGNED, "verify 64", "refuse 64", "sign changing lengths"]);
});

test("HMAC-SHA-256 makes no array, view or buffer for a message whose length it has seen", () => {
  // What Bun's heap cannot show: each way to make one is counted.
  const hmac = createHmac("sha-256", secretFrom(new Uint8Array(32).fill(7)));
  const messages = [0, 16, 64, 1000].map((length) => new Uint8Array(length));
  const [tag, out] = [new Uint8Array(32), new Uint8Array(32)];
  const work = () => {
    for (const message of messages) {
      hmac.signInto(message, tag);
      if (hmac.signInto(message, out) !== 32 || !hmac.verify(message, tag)) throw new Error("wrong");
    }
  };
  work();
  assert.deepEqual(countArrays(work), {});
  assert.notDeepEqual(countArrays(() => new Uint8Array(messages[3]!.slice(1).subarray(3).buffer.slice(0))), {});
});

/** How often `run` makes arrays, by constructor and method. */
function countArrays(run: () => void): Record<string, number> {
  const counts: Record<string, number> = {};
  const undo: (() => void)[] = [];
  const replace = <T extends object>(on: T, name: keyof T & string, made: T[keyof T & string]) => {
    const before = on[name];
    on[name] = made;
    undo.push(() => on[name] = before);
  };
  const counted = <F extends (this: never, ...values: never[]) => unknown>(name: string, call: F): F =>
    function (this: never, ...values: never[]) {
      counts[name] = (counts[name] ?? 0) + 1;
      return call.apply(this, values);
    } as F;
  for (const type of ["Uint8Array", "Int32Array", "Uint32Array", "ArrayBuffer", "DataView"] as const) {
    const handler: ProxyHandler<typeof Uint8Array> = {
      construct: counted(
        `new ${type}`,
        (target: typeof Uint8Array, values: [], as: typeof Uint8Array) => Reflect.construct(target, values, as),
      ),
    };
    // Proxies of constructors: one type for all.
    const scope = globalThis as unknown as Record<string, typeof Uint8Array>;
    replace(scope, type, new Proxy(scope[type]!, handler));
  }
  for (const method of ["subarray", "slice", "map", "filter"] as const) {
    const prototype = Object.getPrototypeOf(Uint8Array.prototype);
    replace(prototype, method, counted(method, prototype[method]));
  }
  try {
    run();
  } finally {
    for (const restore of undo) restore();
  }
  return counts;
}
