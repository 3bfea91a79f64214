// Watches where lib/crypto puts secrets: each is an ArrayBuffer of its own (secretRoom), so that wiping can be seen from outside.

/** Every ArrayBuffer that was made by `new ArrayBuffer` while `run` ran. */
export function recordRooms(run: () => void): ArrayBuffer[] {
  const Original = ArrayBuffer;
  const rooms: ArrayBuffer[] = [];
  class Recorded extends Original {
    constructor(length: number) {
      super(length);
      rooms.push(this);
    }
  }
  globalThis.ArrayBuffer = Recorded as unknown as ArrayBufferConstructor;
  try {
    run();
  } finally {
    globalThis.ArrayBuffer = Original;
  }
  return rooms;
}
