/** The `seccf` command. @module */

export { type Console } from "./console.ts";
export { main } from "./main.ts";
export { processConsole } from "./process.ts";
