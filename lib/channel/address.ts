/** Addresses as the ports write them: `host:port`, IPv6 in brackets. @module */

/** `host` without brackets; an IPv4 address that a dual-stack socket shows as IPv6 is written as itself. */
export function joinAddress(host: string, port: number): string {
  const bare = host.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
  return bare.includes(":") ? `[${bare}]:${port}` : `${bare}:${port}`;
}

/** What {@link joinAddress} joined, the host without brackets; port 0 where none is there. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const end = address.lastIndexOf(":");
  if (end < 0) return { host: address, port: 0 };
  const bracketed = address.startsWith("[") && address[end - 1] === "]";
  return { host: bracketed ? address.slice(1, end - 1) : address.slice(0, end), port: Number(address.slice(end + 1)) };
}
