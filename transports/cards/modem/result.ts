/** How a modem ends a command, and the errors that become of it (TS 27.007 9.2, V.250 5.7). @module */

import { type ErrorCode, SeccfError } from "../../../lib/error.ts";

/** `"ok"`, or the number of `+CME ERROR`, or what one of `+CMS ERROR` means as that, where there is one. */
export type Final = "ok" | { readonly cme: number | undefined };

/** The end of a command, if `line` is one. */
export function decodeFinal(line: string): Final | undefined {
  if (line === "OK") return "ok";
  if (line === "ERROR") return { cme: undefined };
  const match = /^\+CM([ES]) ERROR: ?(.{0,64})$/.exec(line);
  if (!match) return undefined;
  const text = match[2]!.trim();
  if (!/^[0-9]{1,4}$/.test(text)) {
    const cme = TEXTS.indexOf(text.toLowerCase());
    return { cme: cme < 0 ? undefined : cme };
  }
  return { cme: match[1] === "E" ? Number(text) : OF_CMS[Number(text)] };
}

/** The error for what a modem refused. */
export function modemError({ cme }: Exclude<Final, "ok">, action: string): SeccfError {
  const code: ErrorCode = cme === undefined ? "identity-unavailable" : CODES[cme] ?? "identity-unavailable";
  const shown = cme === undefined ? "ERROR" : `+CME ERROR ${cme}${TEXTS[cme] ? `, ${TEXTS[cme]}` : ""}`;
  return new SeccfError(code, `the modem answered ${shown} to ${action}`, { clause: "TS 27.007 9.2" });
}

/** Whether a modem that says so may still do the same another way: it does not know the command, or not now. */
export function mayDoOtherwise({ cme }: Exclude<Final, "ok">): boolean {
  return cme === undefined || OTHERWISE.includes(cme);
}

const CODES: Readonly<Record<number, ErrorCode>> = {
  4: "unsupported",
  11: "pin-required",
  12: "pin-blocked",
  16: "pin-required",
  17: "pin-required",
  18: "pin-blocked",
};
/** Numbers of `+CMS ERROR` that say the same (TS 27.005 3.2.5); below 128 they are causes of the network. */
const OF_CMS: Readonly<Record<number, number>> = {
  302: 3,
  303: 4,
  310: 10,
  311: 11,
  313: 13,
  314: 14,
  315: 15,
  316: 12,
  317: 17,
  318: 18,
  500: 100,
};
/** Operation not allowed, not supported, SIM PIN required, incorrect parameters, unknown. */
const OTHERWISE: readonly number[] = [3, 4, 11, 50, 100];
/** By number, as `AT+CMEE=2` says them. */
const TEXTS: readonly (string | undefined)[] = Object.assign(new Array<string | undefined>(101), {
  0: "phone failure",
  3: "operation not allowed",
  4: "operation not supported",
  10: "sim not inserted",
  11: "sim pin required",
  12: "sim puk required",
  13: "sim failure",
  14: "sim busy",
  15: "sim wrong",
  16: "incorrect password",
  17: "sim pin2 required",
  18: "sim puk2 required",
  50: "incorrect parameters",
  100: "unknown",
});
