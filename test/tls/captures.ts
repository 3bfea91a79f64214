/** Sessions between OpenSSL programs with their master secrets: what our functions must come to by themselves. */
import { readFileSync } from "node:fs";
import { fromHex } from "../../lib/bytes/mod.ts";
import { type CipherSuite, suiteById } from "../../lib/crypto/mod.ts";

/** What both files have of each session. */
export interface Capture {
  readonly name: string;
  readonly suite: CipherSuite;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  /** As OpenSSL wrote it: CLIENT_RANDOM, the random, the master secret. */
  readonly keyLog: string;
}

/** One session over TCP. */
export interface StreamCapture extends Capture {
  readonly clientSent: Uint8Array;
  readonly serverSent: Uint8Array;
}

/** One session over UDP. */
export interface DatagramCapture extends Capture {
  /** Whole messages with headers of 12 bytes, from the ClientHello with the cookie. */
  readonly handshake: readonly Uint8Array[];
  readonly records: readonly {
    readonly from: "client" | "server";
    readonly type: number;
    /** 8 bytes. */
    readonly epochAndNumber: Uint8Array;
    readonly sealed: Uint8Array;
  }[];
}

/** The sessions over TCP, and what they share. */
export function streamCaptures(): {
  readonly psk: Uint8Array;
  /** The first record of a client that could do TLS 1.3. */
  readonly offersTls13: Uint8Array;
  readonly captures: readonly StreamCapture[];
} {
  const file = read("openssl_stream.json");
  return {
    psk: fromHex(file.psk),
    offersTls13: fromHex(file.offersTls13),
    captures: file.captures.map((each: Raw) => ({
      ...each,
      suite: suiteById(each.suite)!,
      clientSent: fromHex(each.clientSent),
      serverSent: fromHex(each.serverSent),
    })),
  };
}

/** The sessions over UDP, and what they share. */
export function datagramCaptures(): { readonly psk: Uint8Array; readonly captures: readonly DatagramCapture[] } {
  const file = read("openssl_datagram.json");
  return {
    psk: fromHex(file.psk),
    captures: file.captures.map((each: Raw) => ({
      ...each,
      suite: suiteById(each.suite)!,
      handshake: each.handshake.map(fromHex),
      records: each.records.map((record) => ({
        ...record,
        epochAndNumber: fromHex(record.epochAndNumber),
        sealed: fromHex(record.sealed),
      })),
    })),
  };
}

interface Raw {
  readonly name: string;
  readonly suite: number;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  readonly keyLog: string;
  readonly clientSent: string;
  readonly serverSent: string;
  readonly handshake: readonly string[];
  readonly records: readonly {
    readonly from: "client" | "server";
    readonly type: number;
    readonly epochAndNumber: string;
    readonly sealed: string;
  }[];
}

function read(name: string): { readonly psk: string; readonly offersTls13: string; readonly captures: Raw[] } {
  return JSON.parse(readFileSync(new URL(`../vectors/tls/${name}`, import.meta.url), "utf8"));
}
