/** The fresh part of a puppet's keys: its own point, and the peer's once it has come. */
import { type CipherSuite, createKeyShare, type KeyShare, type SecretBytes } from "../../lib/crypto/mod.ts";
import { decodeClientKeyExchange } from "../../lib/tls/handshake/client_key_exchange.ts";
import { decodeServerKeyExchange } from "../../lib/tls/handshake/server_key_exchange.ts";
import { ecdhePskPremaster, pskPremaster } from "../../lib/tls/tls12/key_schedule.ts";
import { seededRandom } from "../support/virtual.ts";

export class PuppetShare {
  readonly exchange: "psk" | "ecdhe_psk";
  own: KeyShare;
  peer: Uint8Array | undefined;

  constructor({ exchange }: CipherSuite, group = 0x001d) {
    this.exchange = exchange === "ecdhe_psk" ? exchange : "psk";
    this.own = createKeyShare(group, seededRandom(79));
  }

  /** What a hello offers for it. */
  get offer(): { readonly supportedGroups?: readonly number[]; readonly pointFormats?: true } {
    return this.exchange === "psk" ? {} : { supportedGroups: [this.own.group], pointFormats: true };
  }

  /** What a server says of it. */
  get share(): { readonly share?: { readonly group: number; readonly publicKey: Uint8Array } } {
    return this.exchange === "psk" ? {} : { share: this.own };
  }

  /** What a client says of it. */
  get point(): { readonly publicKey?: Uint8Array } {
    return this.exchange === "psk" ? {} : { publicKey: this.own.publicKey };
  }

  hearServer(body: Uint8Array): void {
    const { share } = decodeServerKeyExchange(body, this.exchange);
    if (!share) return;
    if (share.group !== this.own.group) this.own = createKeyShare(share.group, seededRandom(79));
    this.peer = new Uint8Array(share.publicKey);
  }

  hearClient(body: Uint8Array): void {
    const { publicKey } = decodeClientKeyExchange(body, this.exchange);
    this.peer = publicKey && new Uint8Array(publicKey);
  }

  /** A puppet that has no point of its peer yet makes keys that nobody has. */
  premaster(key: SecretBytes): SecretBytes {
    if (this.exchange === "psk") return pskPremaster(key);
    using agreed = this.own.agree(this.peer ?? this.own.publicKey);
    return ecdhePskPremaster(agreed, key);
  }
}
