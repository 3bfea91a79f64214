#!/usr/bin/env node
/** The `seccf` command: `seccf --help` says what it does. @module */

import process from "node:process";
import { main, processConsole } from "./transports/console/mod.ts";

// What is still open, an unread standard input above all, must not keep the process.
process.exit(await main(process.argv.slice(2), processConsole()));
