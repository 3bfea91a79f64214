/** The `server_name` extension (RFC 6066 3): the one thing that a client says about whom it wants. @module */

import { SeccfError } from "../../error.ts";
import { fromUtf8, Reader, toUtf8, Writer } from "../../bytes/mod.ts";

/** Whether `name` is a DNS host name that may be asked for: letters, digits, `-`, `_` in labels, no IP address. */
export function isHostName(name: string): boolean {
  return name.length <= 253 && HOST_NAME.test(name) && !/(?:^|\.)[0-9]+$/.test(name);
}

/** The extension's body in a ClientHello. */
export function encodeServerName(name: string): Uint8Array {
  const list = new Writer().u8(HOST_NAME_TYPE).vector16(toUtf8(name)).done();
  return new Writer().vector16(list).done();
}

/**
 * The one name in a ClientHello's extension, as it was sent: 1 to 255 characters of names and addresses. Some clients
 * send IP literals in spite of RFC 6066; whether a name means anything is for the key source. Throws `malformed`.
 */
export function decodeServerName(body: Uint8Array): string {
  const reader = new Reader(body);
  const list = new Reader(reader.vector16());
  reader.end();
  const type = list.u8();
  const name = list.vector16();
  list.end();
  if (type !== HOST_NAME_TYPE) throw new SeccfError("malformed", "a server name of no known kind");
  if (name.length === 0 || name.length > 255) throw new SeccfError("malformed", "a server name is 1 to 255 bytes");
  const text = fromUtf8(name);
  // The name goes to logs and into key derivations: no controls, no spaces, no look-alikes.
  if (!/^[A-Za-z0-9._:-]+$/.test(text)) throw new SeccfError("malformed", "no host name in server_name");
  return text;
}

const HOST_NAME_TYPE = 0;
const HOST_NAME = /^(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*$/;
