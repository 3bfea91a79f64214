import { type AddressInfo, createServer, type Server } from "node:net";
import type { ByteStream, StreamListener } from "../../lib/link.ts";
import { joinAddress, Queue } from "../../lib/channel/mod.ts";
import { unreachable } from "./failure.ts";
import { tcpStream } from "./stream.ts";

/** Listens at `host`, all addresses of the machine if absent, and `port`, a free one if 0. Throws `unreachable`. */
export async function listenTcp(host: string | undefined, port: number): Promise<StreamListener> {
  const arrived = new Queue<ByteStream>(Infinity, () => 1);
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const stream = tcpStream(socket);
    if (!arrived.push(stream)) void stream[Symbol.asyncDispose]();
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(unreachable("can not listen", error)));
    server.listen(host === undefined ? { port } : { host, port }, resolve);
  });
  // What goes wrong with one arrival, or too many of them, is no reason to stop listening.
  server.on("error", () => {});
  const { address, port: bound } = addressOf(server);
  return {
    local: joinAddress(address, bound),
    [Symbol.asyncIterator]: () => arrived.iterate(),
    async [Symbol.asyncDispose]() {
      arrived.end();
      // Its callback waits for the connections that were taken, and these are not the listener's any more.
      server.close();
      await Promise.all(arrived.drain().map((stream) => stream[Symbol.asyncDispose]()));
    },
  };
}

function addressOf(server: Server): AddressInfo {
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("not a TCP server");
  return address;
}
