/** Who counts as one stranger when limits are per address. @module */

/**
 * The part of `remote` (`host:port`) that a limit is kept for. IPv6 addresses count by their first 64 bits, because a
 * subscriber has all the rest to himself (RFC 6177 2); an IPv4 address in IPv6 clothes (RFC 4291 2.5.5.2) is itself.
 */
export function hostOf(remote: string): string {
  const end = remote.lastIndexOf(":");
  const host = (end < 0 ? remote : remote.slice(0, end)).toLowerCase();
  if (!host.startsWith("[")) return host;
  const address = host.slice(1, -1).replace(/%.*$/, "");
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address);
  if (mapped) return mapped[1]!;
  const [front = "", back] = address.split("::");
  const head = front === "" ? [] : front.split(":");
  const tail = back === undefined || back === "" ? [] : back.split(":");
  const zeros = back === undefined ? [] : Array<string>(Math.max(0, 8 - head.length - tail.length)).fill("0");
  const groups = [...head, ...zeros, ...tail].slice(0, 4);
  return `[${groups.map((group) => group.replace(/^0+(?=.)/, "")).join(":")}]`;
}
