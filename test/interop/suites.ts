/** The cipher suites that are tried with foreign programs, by each one's own name for them. */

/** A row. A program without a name for the suite does not have it. */
export interface PeerSuite {
  readonly iana: string;
  readonly version: "1.2" | "1.3";
  /** For `-cipher`, and `-ciphersuites` in 1.3. */
  readonly openssl?: string;
  /** Key exchange, cipher and MAC for the end of a priority string. */
  readonly gnutls?: string;
  readonly wolfssl?: string;
}

/** The columns of a matrix, left to right. `AES_128_CCM_8` of TLS 1.3 and AES-256-GCM take part because they are named. */
export const PEER_SUITES: readonly PeerSuite[] = [
  row("TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256", "+PSK:+AES-128-GCM:+AEAD", "PSK-AES128-GCM-SHA256"),
  row("TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8", "+PSK:+AES-128-CCM-8:+AEAD", "PSK-AES128-CCM-8"),
  row("TLS_PSK_WITH_AES_128_CCM", "PSK-AES128-CCM", "+PSK:+AES-128-CCM:+AEAD", "PSK-AES128-CCM"),
  row("TLS_PSK_WITH_AES_256_GCM_SHA384", "PSK-AES256-GCM-SHA384", "+PSK:+AES-256-GCM:+AEAD", "PSK-AES256-GCM-SHA384"),
  row(
    "TLS_PSK_WITH_CHACHA20_POLY1305_SHA256",
    "PSK-CHACHA20-POLY1305",
    "+PSK:+CHACHA20-POLY1305:+AEAD",
    "PSK-CHACHA20-POLY1305",
  ),
  row("TLS_PSK_WITH_AES_128_CBC_SHA256", "PSK-AES128-CBC-SHA256", "+PSK:+AES-128-CBC:+SHA256", "PSK-AES128-CBC-SHA256"),
  row("TLS_PSK_WITH_AES_128_CBC_SHA", "PSK-AES128-CBC-SHA", "+PSK:+AES-128-CBC:+SHA1", "PSK-AES128-CBC-SHA"),
  row("TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256", undefined, undefined, "ECDHE-PSK-AES128-GCM-SHA256"),
  row(
    "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
    "ECDHE-PSK-CHACHA20-POLY1305",
    "+ECDHE-PSK:+CHACHA20-POLY1305:+AEAD",
    "ECDHE-PSK-CHACHA20-POLY1305",
  ),
  row("TLS_ECDHE_PSK_WITH_AES_128_CCM_8_SHA256", undefined, undefined, undefined),
  row13("TLS_AES_128_GCM_SHA256", "+AES-128-GCM", "TLS13-AES128-GCM-SHA256"),
  row13("TLS_CHACHA20_POLY1305_SHA256", "+CHACHA20-POLY1305", "TLS13-CHACHA20-POLY1305-SHA256"),
  row13("TLS_AES_128_CCM_SHA256", "+AES-128-CCM", "TLS13-AES128-CCM-SHA256"),
  row13("TLS_AES_128_CCM_8_SHA256", "+AES-128-CCM-8", "TLS13-AES128-CCM-8-SHA256"),
  row13("TLS_AES_256_GCM_SHA384", "+AES-256-GCM", "TLS13-AES256-GCM-SHA384"),
];

/** GnuTLS's priority string for nothing but `suite`. */
export function gnutlsPriority({ gnutls, version }: PeerSuite, transport: "TLS" | "DTLS"): string {
  return `NORMAL:-VERS-ALL:+VERS-${transport}${version}:-KX-ALL:-CIPHER-ALL:-MAC-ALL:${gnutls}`;
}

/** OpenSSL's words for nothing but `suite`, on a stream or on datagrams. */
export function opensslWords({ openssl, version }: PeerSuite, transport: "tls" | "dtls"): readonly string[] {
  const words = [`-${transport}${version.replace(".", "_")}`];
  return version === "1.3" ? [...words, "-ciphersuites", openssl!] : [...words, "-cipher", `${openssl}:@SECLEVEL=0`];
}

function row(
  iana: string,
  openssl: string | undefined,
  gnutls: string | undefined,
  wolfssl: string | undefined,
): PeerSuite {
  return { iana, version: "1.2", ...(openssl && { openssl }), ...(gnutls && { gnutls }), ...(wolfssl && { wolfssl }) };
}

function row13(iana: string, cipher: string, wolfssl: string): PeerSuite {
  return { iana, version: "1.3", openssl: iana, gnutls: `+ECDHE-PSK:+PSK:${cipher}:+AEAD`, wolfssl };
}
