/** What carriers are told by name and engines by number. @module */

import { cipherSuites, suiteByName } from "../crypto/mod.ts";

/** IANA numbers of cipher suites by their IANA names, in order. Throws RangeError for one that is not known here. */
export function suiteNumbers(names: readonly string[]): readonly number[] {
  return names.map((name) => {
    const suite = suiteByName(name);
    if (suite) return suite.id;
    const known = cipherSuites.map((each) => each.name).join(", ");
    throw new RangeError(`no such cipher suite here: ${name}; there is ${known}`);
  });
}

/** `name` for server_name: RFC 6066 3 has no place for addresses, so `undefined` for one, and for no name at all. */
export function dnsName(name: string | undefined): string | undefined {
  return name === undefined || name.includes(":") || /^[0-9.]*$/.test(name) ? undefined : name;
}
