// The kept corpus: each entry gives what the standards say, and what is near a good one gives it or SeccfError.
import assert from "node:assert/strict";
import { test } from "node:test";
import { SeccfError } from "../../lib/error.ts";
import { flips } from "../aka/vectors.ts";
import { corpus, type CorpusEntry, inputOf, parse } from "./corpus.ts";

const apdu = corpus("apdu");
const at = corpus("at");
const pcscd = corpus("pcsc");

function of(entries: readonly CorpusEntry[], ...parsers: readonly string[]): readonly CorpusEntry[] {
  const found = entries.filter(({ parser }) => parsers.includes(parser));
  assert.deepEqual(parsers.filter((name) => !found.some(({ parser }) => parser === name)), []);
  return found;
}

async function outcome(parser: string, bytes: Uint8Array): Promise<{ gives: string; fact?: unknown }> {
  try {
    return { gives: "ok", fact: await parse(parser, bytes) };
  } catch (error) {
    assert.ok(error instanceof SeccfError, `${parser}: ${String(error)}`);
    return { gives: error.code };
  }
}

async function asWritten(entries: readonly CorpusEntry[]): Promise<void> {
  for (const entry of entries) {
    const { gives, fact } = entry;
    const wanted = gives === "ok" ? { gives, fact } : { gives };
    assert.deepEqual(await outcome(entry.parser, inputOf(entry)), wanted, entry.name);
  }
}

/** What is decoded can not be more than what came: the hexadecimal digits of it, and the names of fields. */
async function bounded(parser: string, bytes: Uint8Array): Promise<void> {
  const { fact } = await outcome(parser, bytes);
  assert.ok((JSON.stringify(fact)?.length ?? 0) <= 8 * bytes.length + 2048, parser);
}

async function nearby(entries: readonly CorpusEntry[]): Promise<void> {
  for (const entry of entries.filter(({ gives }) => gives === "ok")) {
    const bytes = inputOf(entry);
    // Behind the socket the tables are those of "readers", and the whole of them takes its time.
    const whole = entry.parser === "socket-readers" ? 32 : bytes.length;
    for (let length = 0; length < whole; length++) await bounded(entry.parser, bytes.slice(0, length));
    let left = 8 * whole;
    for (const flipped of flips(bytes)) {
      if (left-- > 0) await bounded(entry.parser, flipped);
      else break;
    }
  }
}

test("the corpus has names of its own, a source to each entry, and parsers that are there", () => {
  const entries = [...apdu, ...at, ...pcscd];
  assert.equal(new Set(entries.map(({ name }) => name)).size, entries.length);
  for (const entry of entries) {
    assert.ok(entry.source.length > 0 && (entry.hex === undefined) !== (entry.text === undefined), entry.name);
    assert.equal(entry.gives === "ok", "fact" in entry, entry.name);
  }
});

test("the corpus of commands, answers and status words is read as TS 102 221 has it", async () => {
  await asWritten(of(apdu, "answer", "command", "status", "exchange", "pin"));
});

test("the corpus of data objects and records of EF_DIR is read as ISO/IEC 8825-1 and TS 102 221 have it", async () => {
  await asWritten(of(apdu, "tlv", "directory"));
});

test("the corpus of EF_IMSI and EF_AD is read as TS 31.102 has it", async () => {
  await asWritten(of(apdu, "imsi", "ad"));
});

test("the corpus of EF_GBABP and EF_GBANL is read as TS 31.102 has it", async () => {
  await asWritten(of(apdu, "gbabp", "gbanl"));
});

test("the corpus of EF_IMPI, EF_DOMAIN and EF_IMPU is read as TS 31.103 has it", async () => {
  await asWritten(of(apdu, "impi", "domain", "impu"));
});

test("the corpus of answers to AUTHENTICATE is read as TS 31.102 has it", async () => {
  await asWritten(of(apdu, "authenticate", "bootstrap"));
});

test("the corpus of modems' answers to AT+CSIM and AT+CGLA is read as TS 27.007 has it", async () => {
  await asWritten(of(at, "csim", "cgla"));
});

test("the corpus of modems' answers to AT+CUAD and AT+CCHO is read as TS 27.007 has it", async () => {
  await asWritten(of(at, "cuad", "ccho"));
});

test("the corpus of pcscd's structures is read as winscard_msg.h has it", async () => {
  await asWritten(of(pcscd, "readers", "connect", "transmit"));
});

test("the corpus of what comes from pcscd's socket is taken or refused, its counts past the end too", async () => {
  await asWritten(of(pcscd, "socket-readers", "socket-transmit"));
});

test("beginnings of good APDUs and files, and those with one bit turned, give nothing but SeccfError or an answer", async () => {
  await nearby(apdu);
});

test("beginnings of good modem answers, and those with one bit turned, give nothing but SeccfError or an answer", async () => {
  await nearby(at);
});

test("beginnings of good pcscd frames, and those with one bit turned, give nothing but SeccfError or an answer", async () => {
  await nearby(pcscd);
});
