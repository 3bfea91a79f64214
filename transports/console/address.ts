/** Where to connect or to listen, as a URL says it. @module */

import { UsageError } from "./arguments.ts";

/** How, and where: the host without brackets, and the port. */
export interface Address {
  readonly scheme: "tls-psk" | "dtls";
  readonly host: string;
  readonly port: number;
}

/** Reads `tls-psk://HOST:PORT` or `dtls://HOST:PORT`, IPv6 in brackets. Throws {@link UsageError} for anything else. */
export function parseAddress(text: string): Address {
  const match = /^(tls-psk|dtls):\/\/(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})\/?$/.exec(text);
  const port = Number(match?.[4]);
  if (!match || port > 65_535) {
    throw new UsageError("a URL is tls-psk://HOST:PORT or dtls://HOST:PORT, an IPv6 address in [brackets]");
  }
  return { scheme: match[1] === "dtls" ? "dtls" : "tls-psk", host: match[2] ?? match[3] ?? "", port };
}
