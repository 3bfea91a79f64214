/** Text forms of bytes, comparison in constant time, and bounded cursors. No secrets are kept here. @module */

export { fromBase64, toBase64 } from "./base64.ts";
export { concat, equal, fromUtf8, toUtf8 } from "./bytes.ts";
export { fromHex, toHex } from "./hex.ts";
export { Reader } from "./reader.ts";
export { Writer } from "./writer.ts";
