/** Standard input as datagrams. @module */

import { SeccfError } from "../../lib/error.ts";

/**
 * The lines of `input`, each with its line end, whatever pieces they come in; the last may have none. Throws `too-large`
 * for one that no datagram could hold.
 */
export async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let line: Uint8Array = new Uint8Array(0);
  for await (const chunk of input) {
    let rest = joined(line, chunk);
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      yield rest.slice(0, end + 1);
      rest = rest.subarray(end + 1);
    }
    if (rest.length > MAX_DATAGRAM) throw new SeccfError("too-large", `a line of more than ${MAX_DATAGRAM} bytes`);
    line = rest.slice();
  }
  if (line.length > 0) yield line;
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

const NEWLINE = 10;
/** Of UDP over IPv4 (RFC 768): 65,535 less the headers. */
const MAX_DATAGRAM = 65_507;
