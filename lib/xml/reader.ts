/**
 * XML from a stranger, read into a small tree: namespaces resolved, bounded in size, depth and count. No DTD, no entity but the
 * five of XML itself, no processing instruction, UTF-8 alone: nothing that expands, fetches or is read in two ways.
 *
 * @module
 */

import { SaxesParser } from "saxes";
import { fromUtf8 } from "../bytes/mod.ts";
import { SeccfError } from "../error.ts";

/** One element. Attributes are checked for form and left out: nothing here reads any. */
export interface XmlElement {
  /** The namespace's name; empty where there is none. */
  readonly namespace: string;
  /** Without its prefix. */
  readonly name: string;
  /** The character data directly inside, in one piece. */
  readonly text: string;
  readonly children: readonly XmlElement[];
}

/** Bounds for one document. */
export interface XmlLimits {
  /** Default 16,384. */
  readonly bytes?: number;
  /** Default 16. */
  readonly depth?: number;
  /** Default 256. */
  readonly elements?: number;
}

interface OpenElement extends XmlElement {
  text: string;
  readonly children: XmlElement[];
}

/** The root element of a document. Throws `malformed`, and `too-large` beyond the limits. */
export function parseXml(document: Uint8Array, limits: XmlLimits = {}): XmlElement {
  const { bytes = 16_384, depth = 16, elements = 256 } = limits;
  if (document.length > bytes) throw new SeccfError("too-large", `a document of more than ${bytes} bytes`);
  const parser = new SaxesParser({ xmlns: true, position: false });
  const open: OpenElement[] = [];
  let count = 0;
  let root: XmlElement | undefined;
  const addText = (text: string): void => {
    const element = open.at(-1);
    if (element) element.text += text;
  };

  // The parser goes on after an error unless it is stopped here.
  parser.on("error", (cause) => {
    throw new SeccfError("malformed", "not well-formed XML", { cause });
  });
  parser.on("doctype", () => {
    throw new SeccfError("malformed", "a document type declaration");
  });
  parser.on("processinginstruction", () => {
    throw new SeccfError("malformed", "a processing instruction");
  });
  parser.on("xmldecl", ({ encoding = "UTF-8", version }) => {
    if (version !== "1.0" || encoding.toUpperCase() !== "UTF-8") {
      throw new SeccfError("malformed", "neither XML 1.0 nor UTF-8");
    }
  });
  parser.on("opentag", ({ uri, local }) => {
    if (open.length === depth || ++count > elements) throw new SeccfError("too-large", "too many elements");
    open.push({ namespace: uri, name: local, text: "", children: [] });
  });
  parser.on("text", addText);
  parser.on("cdata", addText);
  parser.on("closetag", () => {
    const element = open.pop();
    const parent = open.at(-1);
    if (!element) return;
    if (parent) parent.children.push(element);
    else root = element;
  });
  parse(parser, fromUtf8(document));
  if (!root) throw new SeccfError("malformed", "no root element");
  return root;
}

function parse(parser: SaxesParser<{ xmlns: true; position: false }>, text: string): void {
  try {
    parser.write(text.startsWith("\ufeff") ? text.slice(1) : text).close();
  } catch (cause) {
    if (cause instanceof SeccfError) throw cause;
    throw new SeccfError("malformed", "not readable as XML", { cause });
  }
}

/** Text as it may stand between tags: `&`, `<` and `>` escaped. Throws `malformed` at characters XML 1.0 has no place for. */
export function escapeXml(text: string): string {
  if (!/^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u.test(text)) {
    throw new SeccfError("malformed", "a character that XML has no place for");
  }
  return text.replace(/[&<>]/g, (character) => ESCAPES[character] ?? character);
}

const ESCAPES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };
