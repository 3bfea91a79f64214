/** The only place with an XML parser. @module */

export { escapeXml, parseXml, type XmlElement, type XmlLimits } from "./reader.ts";
