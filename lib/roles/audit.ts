/**
 * The account of a role: who was authenticated, which key went to whom, what was refused and changed (DESIGN 4.12).
 * Each line is chained to the one before it by an HMAC, so that a line changed, removed or put in between is found by
 * whoever holds the key. A tail cut off is found only against the last line's `mac` kept elsewhere. No secrets.
 *
 * @module
 */

import { equal, toHex, toUtf8 } from "../bytes/mod.ts";
import type { Clock } from "../clock.ts";
import { createHmac, type SecretBytes } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";

/** What happened: a verb in the past tense, to or by whom, and the code where it was a refusal. */
export interface AuditEvent {
  /** What happened. */
  readonly event: "authenticated" | "refused" | "key-given" | "bootstrapped" | "resynchronised" | "changed";
  /** An IMPI, a B-TID, an enabler's name: public identities alone. */
  readonly subject?: string;
  /** What it was about: a NAF's FQDN, a use. */
  readonly object?: string;
  /** Of a refusal: our own side's code. */
  readonly code?: string;
  /** How many more refusals there were, that have no line of their own. */
  readonly count?: number;
}

/** An append-only record. */
export interface Audit extends Disposable {
  /** Appends one line, chained to the one before. */
  record(event: AuditEvent): void;
}

/** What {@link createAudit} takes. */
export interface AuditOptions {
  /** What the lines' times are from. */
  readonly clock: Clock;
  /** 32 bytes; copied. */
  readonly key: SecretBytes;
  /** Takes one line of JSON without its line feed. Called in order. */
  readonly append: (line: string) => void;
  /** The last line of the record that this one continues. */
  readonly after?: string;
  /**
   * Refusals that get a line of their own within a minute; of the rest only the number is recorded, with whatever comes after that
   * minute or at the end. Strangers cause them, and would fill the record. Default 600.
   */
  readonly refusalsPerMinute?: number;
}

const FIRST = "0".repeat(64);
const MINUTE_MS = 60_000;

/** Starts or continues a record. Disposing writes the number that is still owed. Throws `malformed` if `after` is no line of one. */
export function createAudit(options: AuditOptions): Audit {
  const { clock, key, append, after, refusalsPerMinute = 600 } = options;
  const hmac = createHmac("sha-256", key);
  const last = after === undefined ? { n: 0, mac: FIRST } : parseLine(after);
  let { n, mac } = last;
  let minute = { refusals: 0, endsAt: clock.now() + MINUTE_MS };

  const write = ({ event, subject, object, code, count }: AuditEvent): void => {
    n++;
    const body = JSON.stringify({ n, at: new Date(clock.wall()).toISOString(), event, subject, object, code, count });
    mac = chain(hmac, mac, body);
    append(lineOf(body, mac));
  };
  const endMinute = (): void => {
    const count = minute.refusals - refusalsPerMinute;
    minute = { refusals: 0, endsAt: clock.now() + MINUTE_MS };
    if (count > 0) write({ event: "refused", count });
  };

  return {
    record(event) {
      if (clock.now() >= minute.endsAt) endMinute();
      if (event.event !== "refused" || minute.refusals++ < refusalsPerMinute) write(event);
    },
    [Symbol.dispose]() {
      endMinute();
      hmac[Symbol.dispose]();
    },
  };
}

/** How many lines hold, from the first: `lines.length` when all do. */
export function verifyAudit(lines: readonly string[], key: SecretBytes): number {
  using hmac = createHmac("sha-256", key);
  let mac = FIRST;
  for (const [index, line] of lines.entries()) {
    let told: { n: number; mac: string };
    try {
      told = parseLine(line);
    } catch {
      return index;
    }
    const body = `${line.slice(0, line.lastIndexOf(',"mac":"'))}}`;
    mac = chain(hmac, mac, body);
    // The line as a whole: readers of JSON would believe a member put in behind the `mac`.
    if (told.n !== index + 1 || !equal(toUtf8(line), toUtf8(lineOf(body, mac)))) return index;
  }
  return lines.length;
}

/** The line of `body`, a JSON object. */
function lineOf(body: string, mac: string): string {
  return `${body.slice(0, -1)},"mac":"${mac}"}`;
}

function chain(hmac: ReturnType<typeof createHmac>, previous: string, body: string): string {
  const out = new Uint8Array(hmac.length);
  hmac.signInto(toUtf8(previous + body), out);
  return toHex(out);
}

function parseLine(line: string): { n: number; mac: string } {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new SeccfError("malformed", "no line of an audit record", { cause });
  }
  const { n, mac } = (value ?? {}) as { n?: unknown; mac?: unknown }; // checked on the next line
  if (typeof n !== "number" || !Number.isSafeInteger(n) || typeof mac !== "string" || !/^[0-9a-f]{64}$/.test(mac)) {
    throw new SeccfError("malformed", "no line of an audit record");
  }
  return { n, mac };
}
