import { connect } from "node:net";
import type { ByteStream } from "../../lib/link.ts";
import type { Wait } from "../../lib/platform.ts";
import { unreachable } from "./failure.ts";
import { tcpStream } from "./stream.ts";

/**
 * Opens a TCP connection to `host`, a name or an address of IPv4 or IPv6 without brackets. Throws `unreachable`,
 * `timeout`, or the reason of an aborted `signal`; there is no other limit than the system's own.
 */
export async function connectTcp(host: string, port: number, { signal }: Wait = {}): Promise<ByteStream> {
  signal?.throwIfAborted();
  const socket = connect({ host, port, allowHalfOpen: true });
  let abort = () => {};
  try {
    await new Promise<void>((resolve, reject) => {
      abort = () => reject(signal?.reason);
      signal?.addEventListener("abort", abort, { once: true });
      socket.once("connect", () => resolve());
      socket.once("error", (error) => reject(unreachable("no connection", error)));
    });
    return tcpStream(socket);
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}
