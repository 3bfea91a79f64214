/**
 * Subscribers from what SIM makers and operators hand over: the makers' text form (comment lines with `*`, header lines
 * `name: value`, one of them `var_out: ICCID/IMSI/.../KI`, then a line a card), comma- or semicolon-separated values under
 * a line of names, and JSON, an array of objects. Each maker has its own dialect and none is published as a standard: what
 * is read here is what they have in common, and the rest is refused.
 *
 * @module
 */

import type { MilenageCredentials } from "../aka/mod.ts";
import { fromHex } from "../bytes/mod.ts";
import { type SecretBytes, secretFrom, wipe } from "../crypto/mod.ts";
import { SeccfError } from "../error.ts";
import type { SubscriberEntry } from "./file_content.ts";
import { impiOf, type MncLength } from "./names.ts";

/** What the file does not say. */
export interface ImportOptions {
  /** Default 2. */
  readonly mncLength?: MncLength;
  /** The operator's OP, 16 bytes, for cards whose OPc is not given. Stays the caller's. */
  readonly op?: SecretBytes;
}

/** More is not read: 64 MiB and 100,000 cards. */
const MOST_TEXT = 64 * 2 ** 20;
const MOST_ROWS = 100_000;

/**
 * A subscriber a row, named by its IMPI; the caller disposes the secrets. Throws `malformed` with the line or row,
 * `unsupported` for keys encrypted under a transport key, `too-large`. No message shows a value.
 */
// req: SEC_CF-ADM-001
export function importSubscribers(text: string, options: ImportOptions = {}): SubscriberEntry[] {
  if (text.length > MOST_TEXT) throw new SeccfError("too-large", "a list of subscribers of unlikely size");
  const body = text.replace(/^\ufeff/, "");
  const rows = /^\s*\[/.test(body) ? jsonRows(body) : lineRows(body.split(/\r?\n/));
  if (rows.length === 0) throw malformed("no subscriber in the list");
  const seen = new Set<string>();
  return rows.map((row) => {
    const imsi = field(row, "imsi") ?? missing(row, "IMSI");
    if (!/^[0-9]{6,15}$/.test(imsi)) throw malformed("an IMSI has 6 to 15 digits", row.at);
    if (seen.has(imsi)) throw malformed("an IMSI that was there before", row.at);
    seen.add(imsi);
    return toEntry(row, imsi, options);
  });
}

/** The fields of one card by their names here, and where it stands. */
interface Row {
  readonly at: string;
  readonly fields: ReadonlyMap<string, string>;
}

/** Names that makers use, without case and punctuation. What has another name is not looked at. */
const NAMES: Readonly<Record<string, string>> = {
  ...{ imsi: "imsi", ki: "k", k: "k", opc: "opc", op: "op", mnclength: "mncLength" },
  ...{ eki: "encrypted", ekienc: "encrypted", kienc: "encrypted", eopc: "encrypted" },
};

function toEntry(row: Row, imsi: string, { mncLength: usual = 2, op }: ImportOptions): SubscriberEntry {
  if (row.fields.has("encrypted")) throw encrypted();
  const length = field(row, "mncLength") ?? String(usual);
  if (length !== "2" && length !== "3") throw malformed("an MNC has 2 or 3 digits", row.at);
  const mncLength = length === "2" ? 2 : 3;
  const credentials = credentialsOf(row, op);
  return { kind: "subscriber", name: impiOf(imsi, mncLength), credentials, imsi, mncLength };
}

function credentialsOf(row: Row, operator: SecretBytes | undefined): MilenageCredentials {
  const k = field(row, "k") ?? missing(row, "Ki");
  const [opc, op] = [field(row, "opc"), field(row, "op")];
  if (opc !== undefined) return { k: secretOf(row, "Ki", k), opc: secretOf(row, "OPc", opc) };
  if (op !== undefined) return { k: secretOf(row, "Ki", k), op: secretOf(row, "OP", op) };
  if (!operator) throw malformed("neither OPc nor OP, and no OP for all was given", row.at);
  return { k: secretOf(row, "Ki", k), op: operator };
}

function secretOf(row: Row, name: string, digits: string): SecretBytes {
  if (!/^[0-9A-Fa-f]{32}$/.test(digits)) throw malformed(`${name} has 32 hexadecimal digits`, row.at);
  const bytes = fromHex(digits);
  const secret = secretFrom(bytes);
  wipe(bytes);
  return secret;
}

function field(row: Row, name: string): string | undefined {
  const value = row.fields.get(name);
  return value === "" ? undefined : value;
}

function missing(row: Row, name: string): never {
  throw malformed(`no ${name}`, row.at);
}

function jsonRows(text: string): Row[] {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    // The parser's own message would show what stands there.
    throw malformed("not JSON");
  }
  if (!Array.isArray(list)) throw malformed("not an array of objects");
  bound(list.length);
  return list.map((item: unknown, i) => {
    const at = `row ${i + 1}`;
    if (typeof item !== "object" || item === null || Array.isArray(item)) throw malformed("not an object", at);
    const pairs = Object.entries(item).map(([name, value]): [string, string] => {
      if (typeof value !== "string" && NAMES[plain(name)] !== undefined) {
        throw malformed("a value that is not text", at);
      }
      return [name, String(value)];
    });
    return rowOf(at, pairs.map(([name]) => name), pairs.map(([, value]) => value));
  });
}

function lineRows(lines: readonly string[]): Row[] {
  let names: readonly string[] | undefined;
  let split = byCommas;
  const rows: Row[] = [];
  for (const [i, raw] of lines.entries()) {
    const [line, at] = [raw.trim(), `line ${i + 1}`];
    const header = /^\*?\s*([A-Za-z][\w .-]*?)\s*[:=]\s*(.*)$/.exec(line);
    if (names === undefined && header) {
      const [, name = "", value = ""] = header;
      checkHeader(plain(name), value);
      if (plain(name) !== "varout") continue;
      names = value.split(/[/,;]|\s+/).filter((word) => word !== "");
      split = bySpace;
    } else if (line === "" || line.startsWith("*") || line.startsWith("#")) {
      continue;
    } else if (names === undefined) {
      names = byCommas(line, at);
      split = byCommas;
    } else {
      bound(rows.length + 1);
      rows.push(rowOf(at, names, split(line, at)));
    }
  }
  return rows;
}

/** A header that tells of a transport key tells that what follows is not Ki itself. */
function checkHeader(name: string, value: string): void {
  if (/^(?:transportkey|tkey|k4)(?:id|index)?$/.test(name) && !/^(?:0*|none|no)$/i.test(value)) throw encrypted();
}

function bySpace(line: string): string[] {
  return line.split(/\s+/);
}

/** RFC 4180, but that no field goes on in the next line; semicolons and tabs as well, if there are no commas. */
function byCommas(line: string, at: string): string[] {
  const separator = [",", ";", "\t"].find((mark) => line.includes(mark)) ?? ",";
  const fields: string[] = [];
  let rest = line;
  for (;;) {
    const quoted = /^\s*"((?:[^"]|"")*)"\s*/.exec(rest);
    const end = quoted ? quoted[0].length : rest.indexOf(separator) < 0 ? rest.length : rest.indexOf(separator);
    fields.push((quoted ? quoted[1]!.replaceAll('""', '"') : rest.slice(0, end)).trim()); // Its group always matches.
    if (end === rest.length) return fields;
    if (rest[end] !== separator) throw malformed("a quotation mark within a field", at);
    rest = rest.slice(end + 1);
  }
}

function rowOf(at: string, names: readonly string[], values: readonly string[]): Row {
  if (names.length !== values.length) throw malformed(`${values.length} fields, not ${names.length}`, at);
  const fields = new Map<string, string>();
  names.forEach((name, i) => {
    const known = NAMES[plain(name)];
    if (known === undefined) return;
    if (fields.has(known)) throw malformed("a field twice", at);
    fields.set(known, values[i]!); // As many values as names.
  });
  return { at, fields };
}

function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

function bound(rows: number): void {
  if (rows > MOST_ROWS) throw new SeccfError("too-large", `more than ${MOST_ROWS} subscribers in the list`);
}

function encrypted(): SeccfError {
  return new SeccfError("unsupported", "the keys in the list are encrypted under a transport key: decrypt them first");
}

function malformed(what: string, at?: string): SeccfError {
  return new SeccfError("malformed", at === undefined ? what : `${at} of the list: ${what}`);
}
