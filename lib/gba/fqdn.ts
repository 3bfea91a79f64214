import { SeccfError } from "../error.ts";

/**
 * The one form of a name that keys are derived from: lower case, no final dot, labels of letters, digits and hyphens (RFC 1123
 * 2.1), 63 bytes a label and 253 in all.
 *
 * A name with other letters must come as A-labels (`xn--...`): U-labels are refused, since the runtimes' tables for turning them
 * differ, and two ends that turn one differently derive two keys. IP literals are refused. Throws `malformed`.
 */
export function canonicalFqdn(name: string): string {
  const canonical = (name.endsWith(".") ? name.slice(0, -1) : name).toLowerCase();
  const labels = canonical.split(".");
  if (canonical.length > 253 || !/^[\x21-\x7e]+$/.test(name) || !labels.every((label) => LABEL.test(label))) {
    throw new SeccfError("malformed", "not a fully qualified domain name");
  }
  // What ends in a number is an IPv4 address to every URL parser, in whatever base it is written.
  if (/^(?:[0-9]+|0x[0-9a-f]*)$/.test(labels.at(-1) ?? "")) {
    throw new SeccfError("malformed", "an IP address where a name is needed");
  }
  return canonical;
}

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
