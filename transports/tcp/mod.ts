/** Byte streams over TCP by `node:net`, as the three runtimes have it. Nothing here is protected. @module */

export { connectTcp } from "./connect.ts";
export { listenTcp } from "./listen.ts";
