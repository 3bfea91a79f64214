/** `seccf connect`: standard input to a server, what it answers to standard output. @module */

import type { SecureChannel } from "../../lib/association/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import type { Clock } from "../../lib/clock.ts";
import { parseAddress } from "./address.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import { linesOf } from "./lines.ts";
import type { Command, Console } from "./console.ts";
import { CLIENT_KEY_OPTIONS, clientAssociation, KEY_NOTE } from "./keys.ts";
import { reporter } from "./report.ts";
import { carrierFor, possible, TLS_NOTES, TLS_OPTIONS, toSeconds } from "./tls_options.ts";

/** The client. */
export const connectCommand: Command = {
  spec: {
    name: "connect",
    summary: "send standard input to a server and print what comes back",
    operands: ["URL"],
    options: [
      ...CLIENT_KEY_OPTIONS,
      { name: "--server-name", value: "NAME", help: "the name to ask for, if not the URL's host" },
      { name: "--linger", value: "SECONDS", help: "after the end of input, wait for so much silence (default 1)" },
      ...TLS_OPTIONS,
    ],
    notes: ["URL is tls-psk://HOST:PORT or dtls://HOST:PORT.", KEY_NOTE, "", ...TLS_NOTES],
  },
  run,
};

async function run(given: Arguments, console: Console): Promise<number> {
  const address = parseAddress(given.operands[0] ?? "");
  if (address.port === 0) throw new UsageError("a port to connect to is 1 to 65535");
  const lingerSeconds = toSeconds("--linger", given.one("--linger") ?? "1");
  const serverName = given.one("--server-name") ?? address.host;
  const carrier = carrierFor(address, given, console);
  await using association = await clientAssociation(given, console, serverName);
  await using channel = await possible(association.bind(carrier, { signal: console.interrupted }))
    .catch((error) => Promise.reject(address.scheme === "dtls" ? explained(error) : error));
  reporter(given, console).event("connected", { suite: channel.binding.suite });
  await exchange(channel, console, lingerSeconds);
  return 0;
}

/** RFC 6347 4.1.2.7: who can not open a datagram says nothing. Most who meet a timeout have another key. */
function explained(error: unknown): unknown {
  if (!(error instanceof SeccfError) || error.code !== "timeout") return error;
  return new SeccfError("timeout", `${error.message}; over UDP a wrong key or identity is silence too`, {
    cause: error,
  });
}

/** Until the peer closes, or nothing more is to be sent and the peer has been silent for `lingerSeconds`. */
async function exchange(channel: SecureChannel, console: Console, lingerSeconds: number): Promise<void> {
  const { clock } = console.platform;
  const heard = { at: clock.now(), writing: false };
  const receiving = receive(channel, console, heard);
  const sending = (async () => {
    const pieces = channel.boundaries === "kept" ? linesOf(console.input) : console.input;
    for await (const piece of pieces) await channel.send(piece);
    await silence(clock, heard, lingerSeconds * 1000);
  })();
  const interrupted = new Promise<never>((_, reject) => {
    console.interrupted.addEventListener("abort", () => reject(console.interrupted.reason), { once: true });
  });
  try {
    await Promise.race([receiving, sending, interrupted]);
  } catch (error) {
    // A send that finds the channel closed says less than the reading side, which knows how it was closed.
    if (error instanceof SeccfError && error.code === "closed") await receiving;
    throw error;
  } finally {
    receiving.catch(() => {});
    sending.catch(() => {});
  }
}

interface Heard {
  /** On the clock, when the last byte was passed on. */
  at: number;
  writing: boolean;
}

async function receive(channel: SecureChannel, console: Console, heard: Heard): Promise<void> {
  const { clock } = console.platform;
  for await (const { payload } of channel) {
    heard.writing = true;
    await console.write(payload);
    heard.writing = false;
    heard.at = clock.now();
  }
}

async function silence(clock: Clock, heard: Heard, lastingMs: number): Promise<void> {
  heard.at = clock.now();
  while (heard.writing || clock.now() < heard.at + lastingMs) {
    const until = heard.writing ? clock.now() + lastingMs : heard.at + lastingMs;
    await new Promise<void>((resolve) => clock.alarm(until, resolve));
  }
}
