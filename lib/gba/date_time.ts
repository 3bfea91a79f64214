import { SeccfError } from "../error.ts";

/**
 * An xs:dateTime or RFC 3339 date-time with a zone, as milliseconds since 1970. Fractions of a second are cut to milliseconds,
 * leap seconds and the year's end at 24:00 are refused. Throws `malformed`.
 */
export function parseDateTime(text: string): number {
  const found = FORM.exec(text);
  if (!found) throw new SeccfError("malformed", "not a date and time with a zone");
  const [, date = "", time = "", fraction = "", zone = ""] = found;
  const utc = Date.parse(`${date}T${time}${fraction.slice(0, 4)}Z`);
  const shift = zone === "Z" ? 0 : minutes(zone.slice(1)) * (zone.startsWith("-") ? 1 : -1);
  // The runtime rolls 30 February over into March instead of refusing it.
  if (Number.isNaN(utc) || new Date(utc).toISOString().slice(0, 19) !== `${date}T${time}` || Number.isNaN(shift)) {
    throw new SeccfError("malformed", "no such date and time");
  }
  return utc + shift * 60_000;
}

/** Whole seconds in UTC, `2026-12-31T23:59:59Z`: rounded down, so that nothing lasts longer than it was given. */
export function formatDateTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19)}Z`;
}

function minutes(zone: string): number {
  const [hours = NaN, rest = NaN] = zone.split(":").map(Number);
  return hours <= 14 && rest <= 59 ? hours * 60 + rest : NaN;
}

const FORM = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;
