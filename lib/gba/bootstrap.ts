/**
 * Ub as the device speaks it: a bootstrapping run with the BSF, HTTP Digest AKA over plain HTTP (TS 24.109 clause 4, TS 33.220
 * 4.5.2, RFC 3310). What is agreed stays in the identity module; here is only its name and its end.
 *
 * @module
 */

import { fromBase64, toBase64 } from "../bytes/mod.ts";
import { type SecretBytes, secretFrom } from "../crypto/mod.ts";
import { withinDeadline } from "../deadline.ts";
import { SeccfError } from "../error.ts";
import {
  createDigestClient,
  type DigestAlgorithm,
  type DigestAnswer,
  type DigestChallenge,
  type DigestClient,
  type DigestRequest,
  formatAuthItem,
  type Qop,
  readBody,
  readDigestChallenges,
} from "../http/mod.ts";
import type { AkaModule } from "../identity/ports.ts";
import type { Platform, Wait } from "../platform.ts";
import { type BootstrappingInfo, decodeBootstrappingInfo, MAX_INFO } from "./bootstrapping_info.ts";
import { canonicalFqdn } from "./fqdn.ts";

/** What {@link bootstrap} takes. */
export interface BootstrapOptions extends Wait {
  readonly module: AkaModule;
  readonly platform: Platform;
  /** Where the BSF is asked: `http://bsf.example.net/`. */
  readonly url: string | URL;
  /** The BSF's name, which its realm must be. Default the URL's host, which then may not be an address. */
  readonly bsf?: string;
  /** What the digests cover. Default `auth-int`, the body too; `auth` for networks that do no better. */
  readonly qop?: Qop;
  /** Accepted, the most wanted first. Default AKAv2-MD5, then AKAv1-MD5. */
  readonly algorithms?: readonly AkaAlgorithmName[];
  /** For the whole run, resynchronisation included. Default 15. */
  readonly timeoutSeconds?: number;
}

/** The Digest algorithms of Ub. */
export type AkaAlgorithmName = Extract<DigestAlgorithm, `AKA${string}`>;

/** What a run agreed on. */
export interface Bootstrapped {
  readonly btid: string;
  /** The BSF's name. */
  readonly bsf: string;
  /** From when the BSF was last asked; at most 31 days, whatever the BSF says. */
  readonly lifetimeSeconds: number;
  /** On the monotonic clock, milliseconds. */
  readonly expiresAt: number;
}

/**
 * One bootstrapping run; the module keeps what it yields. A stale SQN is resynchronised once.
 *
 * Throws `wrong-realm`, `mac-failure`, `pin-blocked`, what the module throws, `auth-failed` (either side), `downgrade`,
 * `unsupported`, `malformed`, `too-large`, `expired`, `key-unavailable` (the BSF fails), `unreachable`, `timeout`.
 */
// req: SEC_CF-HLF-003
// req: SEC_CF-KEM-001
// req: SEC_CF-AUTH-002
export async function bootstrap(options: BootstrapOptions): Promise<Bootstrapped> {
  const { platform: { clock }, timeoutSeconds = 15, signal } = options;
  const url = new URL(options.url);
  const bsf = canonicalFqdn(options.bsf ?? url.hostname);
  const deadline = { clock, seconds: timeoutSeconds, ...(signal ? { signal } : {}) };
  return await withinDeadline(deadline, (within) => complete({ options, url, bsf, signal: within }));
}

/** What stays the same within one run. */
interface Run {
  readonly options: BootstrapOptions;
  readonly url: URL;
  readonly bsf: string;
  readonly signal: AbortSignal;
}

/** A challenge that the module can be asked. */
interface AkaChallenge {
  readonly digest: DigestChallenge;
  readonly scheme: "akav1" | "akav2";
  readonly rand: Uint8Array;
  readonly autn: Uint8Array;
}

async function complete(run: Run): Promise<Bootstrapped> {
  const { module } = run.options;
  let response = await send(run, firstAuthorization(run, module.impi));
  let resynchronised = false;
  let answered: string | undefined;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const challenge = await readChallenge(run, response);
    // The same challenge again is a refusal; a new one may have replaced ours before our answer came.
    if (challenge.digest.nonce === answered) break;
    const { rand, autn, scheme } = challenge;
    // A `fetch` that did not listen may come back into a run that was given up, and the module holds one pending Ks.
    run.signal.throwIfAborted();
    const outcome = await module.answer({ rand, autn, scheme }, { signal: run.signal });
    if (outcome.kind === "refused") throw refusal(outcome.reason);
    if (outcome.kind === "resync") {
      if (resynchronised) throw new SeccfError("key-unavailable", "the BSF does not follow a resynchronisation");
      resynchronised = true;
      using empty = secretFrom(new Uint8Array());
      using client = digestClient(run, challenge, empty, toBase64(outcome.auts));
      response = await send(run, client.authorize(theRequest(run)).authorization);
      continue;
    }
    using password = outcome.password;
    using client = digestClient(run, challenge, password);
    const answer = client.authorize(theRequest(run));
    const askedAt = run.options.platform.clock.now();
    response = await send(run, answer.authorization);
    if (response.status === 200) return await finish(run, answer, response, askedAt);
    answered = challenge.digest.nonce;
  }
  await response.body?.cancel();
  throw new SeccfError("auth-failed", "the BSF refuses the answer", { clause: "TS 24.109 4.3" });
}

/** A 200: proven over its body, read, and kept by the module. */
async function finish(run: Run, answer: DigestAnswer, response: Response, askedAt: number): Promise<Bootstrapped> {
  const { module, platform: { clock } } = run.options;
  const body = await readBody(response, MAX_INFO);
  answer.verify(response.headers.get("authentication-info"), body);
  const info = decodeBootstrappingInfo(body);
  const lifetimeSeconds = remainingSeconds(info, clock.wall());
  run.signal.throwIfAborted();
  await module.keep({ btid: info.btid, lifetimeSeconds }, { signal: run.signal });
  return { btid: info.btid, bsf: run.bsf, lifetimeSeconds, expiresAt: askedAt + lifetimeSeconds * 1000 };
}

/** Sends one request; what comes back is a 200 or a 401. */
async function send(run: Run, authorization: string): Promise<Response> {
  const headers = { accept: "*/*", authorization };
  const request = new Request(run.url, { headers, signal: run.signal, redirect: "manual" });
  let response: Response;
  try {
    response = await run.options.platform.fetch(request);
  } catch (cause) {
    if (cause instanceof SeccfError) throw cause;
    throw new SeccfError("unreachable", "the BSF can not be reached", { cause });
  }
  if (response.status === 200 || response.status === 401) return response;
  await response.body?.cancel();
  throw statusError(response.status);
}

function statusError(status: number): SeccfError {
  if (status === 403 || status === 404) return new SeccfError("auth-failed", "the BSF does not know this subscriber");
  if (status === 429 || status >= 500) return new SeccfError("key-unavailable", `the BSF answered ${status}`);
  return new SeccfError("unsupported", `the BSF answered ${status}`);
}

/** The first request names the subscriber and proves nothing: nonce and response are empty. TS 24.109 A.3. */
function firstAuthorization({ bsf, url }: Run, impi: string): string {
  return formatAuthItem("Digest", [
    { name: "username", value: impi, quoted: true },
    { name: "realm", value: bsf, quoted: true },
    { name: "nonce", value: "", quoted: true },
    { name: "uri", value: target(url), quoted: true },
    { name: "response", value: "", quoted: true },
  ]);
}

function digestClient(run: Run, challenge: AkaChallenge, password: SecretBytes, auts?: string): DigestClient {
  const { module, qop = "auth-int", platform: { random } } = run.options;
  return createDigestClient({
    challenge: challenge.digest,
    username: module.impi,
    password,
    qop,
    random,
    ...(auts === undefined ? {} : { auts }),
  });
}

function theRequest({ url }: Run): DigestRequest {
  return { method: "GET", uri: target(url), body: new Uint8Array() };
}

async function readChallenge(run: Run, response: Response): Promise<AkaChallenge> {
  const field = response.headers.get("www-authenticate");
  await response.body?.cancel();
  if (response.status !== 401) throw new SeccfError("auth-failed", "the BSF asked for no proof");
  const { algorithms = DEFAULT_ALGORITHMS } = run.options;
  const known = readDigestChallenges(field).filter(({ algorithm }) => algorithm.startsWith("AKA"));
  const ours = known.filter(({ realm }) => realm.toLowerCase() === run.bsf);
  // Another realm is another BSF, or somebody in between.
  if (known.length > 0 && ours.length === 0) throw new SeccfError("wrong-realm", "the challenge is not from this BSF");
  for (const wanted of algorithms) {
    const digest = ours.find(({ algorithm }) => algorithm === wanted);
    if (digest) return { digest, scheme: wanted === "AKAv2-MD5" ? "akav2" : "akav1", ...readNonce(digest.nonce) };
  }
  throw new SeccfError("unsupported", "no challenge that this device answers");
}

/** RAND || AUTN || whatever the server adds. RFC 3310 3.2. */
function readNonce(nonce: string): { readonly rand: Uint8Array; readonly autn: Uint8Array } {
  const bytes = fromBase64(nonce);
  if (bytes.length < 32) throw new SeccfError("malformed", "a nonce without RAND and AUTN", { clause: "RFC 3310 3.2" });
  return { rand: bytes.slice(0, 16), autn: bytes.slice(16, 32) };
}

/** Counted by the BSF's clock where it told the time, so that a device with a wrong clock can live with it. */
function remainingSeconds({ expiresAtWall, writtenAtWall }: BootstrappingInfo, wall: number): number {
  const seconds = Math.floor((expiresAtWall - (writtenAtWall ?? wall)) / 1000);
  if (seconds <= 0) throw new SeccfError("expired", "what was bootstrapped has ended already");
  return Math.min(seconds, MAX_LIFETIME);
}

function refusal(reason: "mac" | "blocked"): SeccfError {
  return reason === "mac"
    ? new SeccfError("mac-failure", "the network's challenge is not from this subscriber's home", {
      clause: "TS 33.102 6.3.3",
    })
    : new SeccfError("pin-blocked", "the identity module is blocked");
}

function target(url: URL): string {
  return url.pathname + url.search;
}

const DEFAULT_ALGORITHMS: readonly AkaAlgorithmName[] = ["AKAv2-MD5", "AKAv1-MD5"];
/** A challenge, one more after a resynchronisation, and one more where another took the place of the one answered. */
const MAX_ROUNDS = 3;
/** Seconds: 31 days. */
const MAX_LIFETIME = 31 * 86_400;
