/** `seccf serve`: the other end, for as many clients as come. @module */

import type { SecureChannel } from "../../lib/association/mod.ts";
import { fromUtf8 } from "../../lib/bytes/mod.ts";
import { parseAddress } from "./address.ts";
import { type Arguments, UsageError } from "./arguments.ts";
import type { Command, Console } from "./console.ts";
import { KEY_NOTE, SERVER_KEY_OPTIONS, serverKeys } from "./keys.ts";
import { type Reporter, reporter } from "./report.ts";
import { carrierFor, possible, TLS_NOTES, TLS_OPTIONS } from "./tls_options.ts";

/** The server. */
export const serveCommand: Command = {
  spec: {
    name: "serve",
    summary: "print what clients send, or send it back",
    operands: ["URL"],
    options: [
      ...SERVER_KEY_OPTIONS,
      { name: "--hint", value: "TEXT", help: 'the PSK identity hint (default 3GPP-bootstrapping; "" for none)' },
      { name: "--echo", help: "send everything back instead of printing it" },
      ...TLS_OPTIONS,
    ],
    notes: ["URL is tls-psk://HOST:PORT or dtls://HOST:PORT, with port 0 for a free one.", KEY_NOTE, "", ...TLS_NOTES],
  },
  run,
};

async function run(given: Arguments, console: Console): Promise<number> {
  const address = parseAddress(given.operands[0] ?? "");
  const report = reporter(given, console);
  const keys = await serverKeys(given, console, address.host);
  const carrier = carrierFor(address, given, console, {
    hint: toHint(given.one("--hint")),
    onRefused: ({ remote, error }) => report.failure(error, { remote }),
  });
  const listening = carrier.listen(keys, { platform: console.platform, signal: console.interrupted });
  await using listener = await possible(listening);
  report.event("listening", { url: listener.url.href.replace(/\/$/, "") });
  const open = new Set<SecureChannel>();
  const stop = () => {
    void listener[Symbol.asyncDispose]();
  };
  console.interrupted.addEventListener("abort", stop, { once: true });
  for await (const channel of listener) {
    open.add(channel);
    void attend(channel, given.has("--echo"), console, report).finally(() => open.delete(channel));
  }
  await Promise.all([...open].map((channel) => channel[Symbol.asyncDispose]()));
  return 0;
}

/** One client from its first byte to its last; what goes wrong with it is said and concerns no other. */
async function attend(channel: SecureChannel, echo: boolean, console: Console, report: Reporter): Promise<void> {
  const identity = fromUtf8(channel.peer.identity);
  report.event("connected", { identity, suite: channel.binding.suite });
  try {
    await using _closed = channel;
    for await (const { payload } of channel) await (echo ? channel.send(payload) : console.write(payload));
    report.event("disconnected", { identity });
  } catch (error) {
    if (!console.interrupted.aborted) report.failure(error, { identity });
  }
}

function toHint(text: string | undefined): string {
  const hint = text ?? "3GPP-bootstrapping";
  if (new TextEncoder().encode(hint).length > 128) throw new UsageError("--hint is at most 128 bytes");
  return hint;
}
