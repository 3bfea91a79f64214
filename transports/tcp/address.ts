/** `host:port` with IPv6 in brackets; an IPv4 address that a dual-stack socket shows as IPv6 is written as itself. */
export function joinAddress(host: string, port: number): string {
  const bare = host.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, "");
  return bare.includes(":") ? `[${bare}]:${port}` : `${bare}:${port}`;
}
