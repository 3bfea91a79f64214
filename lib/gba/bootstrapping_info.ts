/** What the BSF answers a successful run with: TS 24.109 Annex C, `application/vnd.3gpp.bsf+xml`. @module */

import { toUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";
import { escapeXml, parseXml, type XmlElement } from "../xml/mod.ts";
import { checkBtid } from "./btid.ts";
import { formatDateTime, parseDateTime } from "./date_time.ts";

/** Times in milliseconds since 1970. */
export interface BootstrappingInfo {
  readonly btid: string;
  /** The end of the key's life, by the BSF's wall clock. */
  readonly expiresAtWall: number;
  /** The BSF's wall clock when it wrote this, if it told: what a device with a wrong clock counts from. */
  readonly writtenAtWall?: number;
}

/** The document. `currenttime` is written in the same namespace, for want of a text that says otherwise; readers take it from any. */
export function encodeBootstrappingInfo({ btid, expiresAtWall, writtenAtWall }: BootstrappingInfo): Uint8Array {
  const now = writtenAtWall === undefined
    ? ""
    : `<Extension><currenttime>${formatDateTime(writtenAtWall)}</currenttime></Extension>`;
  return toUtf8(
    `<?xml version="1.0" encoding="UTF-8"?><BootstrappingInfo xmlns="${NAMESPACE}"><btid>${escapeXml(btid)}</btid>` +
      `<lifetime>${formatDateTime(expiresAtWall)}</lifetime>${now}</BootstrappingInfo>`,
  );
}

/** Reads it. Unknown elements are passed over, as Annex C asks. Throws `malformed`, `too-large`. */
export function decodeBootstrappingInfo(document: Uint8Array): BootstrappingInfo {
  const root = parseXml(document, { bytes: MAX_INFO, depth: 8, elements: 32 });
  if (root.name !== "BootstrappingInfo" || root.namespace !== NAMESPACE) {
    throw new SeccfError("malformed", "not a BootstrappingInfo", { clause: "TS 24.109 C.1" });
  }
  const ours = root.children.filter(({ namespace }) => namespace === NAMESPACE);
  const btid = checkBtid(onlyText(ours, "btid"));
  const expiresAtWall = parseDateTime(onlyText(ours, "lifetime"));
  const extensions = ours.filter(({ name }) => name === "Extension").flatMap(({ children }) => children);
  if (!extensions.some(({ name }) => name === "currenttime")) return { btid, expiresAtWall };
  return { btid, expiresAtWall, writtenAtWall: parseDateTime(onlyText(extensions, "currenttime")) };
}

function onlyText(elements: readonly XmlElement[], name: string): string {
  const [element, ...more] = elements.filter((one) => one.name === name);
  if (!element || element.children.length > 0 || more.length > 0) {
    throw new SeccfError("malformed", `not one ${name}`, { clause: "TS 24.109 C.1" });
  }
  return element.text.trim();
}

/** How long a document may be, bytes. */
export const MAX_INFO = 8192;
const NAMESPACE = "uri:3gpp-gba";
