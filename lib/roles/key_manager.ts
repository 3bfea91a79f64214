/**
 * The Key Manager: BSF to devices on Ub, key service to enablers by Nbsp_GBA, as one `fetch` handler over a store. Every
 * process of it is alike: what it knows is in the store, sealed.
 *
 * @module
 */

import type { AuthenticationCentre } from "../aka/mod.ts";
import type { Peer } from "../association/mod.ts";
import { fromUtf8, toHex } from "../bytes/mod.ts";
import type { SecretBytes } from "../crypto/mod.ts";
import {
  type BootstrapEvent,
  type BootstrapServerOptions,
  canonicalFqdn,
  createBootstrapServer,
  createNbspHandler,
  NBSP_PATH,
  type NbspEvent,
} from "../gba/mod.ts";
import type { Platform } from "../platform.ts";
import type { RecordStore } from "../store.ts";
import type { Audit } from "./audit.ts";

/** What {@link createKeyManager} takes. */
export interface KeyManagerOptions {
  /** Its name: the realm on Ub and the domain of its B-TIDs. At most 84 bytes. */
  readonly name: string;
  /** Where subscribers' vectors come from. */
  readonly centre: AuthenticationCentre;
  /** Where everything is that a process of it knows. */
  readonly store: RecordStore;
  /** 32 bytes; what the store holds is sealed under it. Copied. */
  readonly wrappingKey: SecretBytes;
  /** Who may ask for keys, by the identity that its association or certificate shows. */
  readonly enablers: Readonly<Record<string, EnablerRights>>;
  /** How long a bootstrapped Ks lasts. Default 86,400. */
  readonly lifetimeSeconds?: number;
  /** More about Ub: its Digest algorithm and qop, who runs GBA_U, how long a challenge stands, what false challenges look like. */
  readonly ub?: Pick<BootstrapServerOptions, "algorithm" | "qop" | "gbaU" | "challengeSeconds" | "looks">;
  /** Hears of what happened on both faces. */
  readonly audit?: Audit;
}

/** What an enabler may ask for. */
export interface EnablerRights {
  /** Its own names: keys of NAF_Ids with these FQDNs alone. */
  readonly names: readonly string[];
  /** Whether it learns subscribers' IMPIs. Default false: to it they stay as anonymous as their B-TIDs. */
  readonly showImpi?: boolean;
}

/** A running Key Manager. */
export interface KeyManager extends Disposable {
  /**
   * Answers devices, and enablers whom the carrier has authenticated as `peer`. Never rejects.
   * The service face exists for an authenticated peer alone: to others its paths are as unknown as any.
   */
  handle(request: Request, peer?: Peer): Promise<Response>;
}

/** A Key Manager. Throws RangeError for a wrapping key of another length, `malformed` for a name that is none. */
// req: SEC_CF-KEM-001
// req: SEC_CF-HLF-003
export function createKeyManager(options: KeyManagerOptions & Platform): KeyManager {
  const { name, centre, store, wrappingKey, clock, random, lifetimeSeconds, audit } = options;
  const allowed = new Map<string, ReadonlySet<string>>();
  const shown = new Set<string>();
  for (const [enabler, { names, showImpi = false }] of Object.entries(options.enablers)) {
    allowed.set(enabler, new Set(names.map(canonicalFqdn)));
    if (showImpi) shown.add(enabler);
  }
  const server = createBootstrapServer({
    ...options.ub,
    name,
    centre,
    store,
    wrappingKey,
    clock,
    random,
    ...(lifetimeSeconds === undefined ? {} : { lifetimeSeconds }),
    onEvent: (event) => audit && accountForRun(audit, event),
  });
  const nbsp = createNbspHandler({
    lookup: server.lookup,
    authorise: (enabler, nafId) => allowed.get(fromUtf8(enabler))?.has(nafId.fqdn) ?? false,
    showsImpi: (enabler) => shown.has(fromUtf8(enabler)),
    clock,
    onEvent: (event) => audit && accountForKey(audit, event),
  });
  return {
    async handle(request, peer) {
      if (!new URL(request.url).pathname.startsWith(NBSP_PATH)) return await server.handle(request);
      const vouched = peer?.assurance === "psk" || peer?.assurance === "certificate";
      if (!peer || !vouched) return new Response(null, { status: 404 });
      return await nbsp(request, peer);
    },
    [Symbol.dispose]: () => server[Symbol.dispose](),
  };
}

function accountForRun(audit: Audit, event: BootstrapEvent): void {
  switch (event.kind) {
    case "bootstrapped":
      return audit.record({ event: "bootstrapped", subject: event.identity, object: event.btid });
    case "resynchronised":
      return audit.record({ event: "resynchronised", subject: event.identity });
    case "refused":
      return audit.record({
        event: "refused",
        code: event.code,
        ...(event.identity === undefined ? {} : { subject: event.identity }),
      });
    case "failed":
      return audit.record({ event: "refused", code: "key-unavailable" });
    case "challenged":
      return; // a stranger's question is no event: he could fill the record with it
    default:
      return event satisfies never;
  }
}

function accountForKey(audit: Audit, event: NbspEvent): void {
  const subject = fromUtf8(event.identity);
  if (event.kind === "failed") return audit.record({ event: "refused", code: "key-unavailable", subject });
  const object = `${event.nafId.fqdn} ${toHex(event.nafId.ua)} ${event.btid}`;
  if (event.kind === "delivered") return audit.record({ event: "key-given", subject, object });
  return audit.record({
    event: "refused",
    code: event.kind === "forbidden" ? "auth-failed" : "expired",
    subject,
    object,
  });
}
