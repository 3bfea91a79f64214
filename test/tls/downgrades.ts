/** Who may agree with whom, on what, and what somebody in between may try: the tables of the walk through all of it. */
import assert from "node:assert/strict";
import { fromHex, toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { createResumption, type DtlsAcceptorOptions, type DtlsOptions } from "../../lib/tls/mod.ts";
import type { Resumable, Resumption, Session } from "../../lib/tls/mod.ts";
import { seededRandom } from "../support/virtual.ts";
import { client as datagramClient, Front, run as runDatagrams } from "./datagrams.ts";
import { type Edit, type RawHello, rewriteHellos, type Transport } from "./hello_bytes.ts";
import { client as streamClient, run as runStream, server as streamServer, shapeOf as recordsIn } from "./pair.ts";
import { type Answerer, IDENTITY, PSK } from "./pair.ts";

/** One suite for each class, best first; the best stands for its version as well. */
export const CLASSES = [
  { suite: 0x1301, version: "1.3" },
  { suite: 0xd001, version: "1.2" },
  { suite: 0x00a8, version: "1.2" },
  { suite: 0x00ae, version: "1.2" },
] as const;
const FRESH: readonly number[] = [0x1301, 0xd001];
const CBC = 0x00ae;

/** What an end allows. Each field is a dimension of the walk. */
export interface Allowed {
  readonly suites: readonly number[];
  readonly groups: readonly number[];
  readonly requireExtendedMasterSecret: boolean;
  readonly macThenEncrypt: boolean;
  readonly forwardSecrecy: "required" | "preferred" | "none";
  /** Bytes of the Connection ID it wants to receive; `undefined`: it knows of none. Datagrams. */
  readonly connectionId: number | undefined;
  /** Bytes that it takes in one record; `undefined`: a client does not speak of it. */
  readonly recordSizeLimit?: number | undefined;
  /** It wants to go on with a session that it had with the other, before. */
  readonly resumes?: boolean;
}

/** As strict as it can be, and as little. */
export const STRICT: Omit<Allowed, "suites"> = {
  groups: [0x001d, 0x0017],
  requireExtendedMasterSecret: true,
  macThenEncrypt: false,
  forwardSecrecy: "preferred",
  connectionId: 4,
};
export const LAX: Omit<Allowed, "suites"> = { ...STRICT, requireExtendedMasterSecret: false, macThenEncrypt: true };

/** What both ends say that was agreed; fields that do not apply are missing. */
export interface Agreed {
  readonly version: number;
  readonly suite: number;
  readonly extendedMasterSecret: boolean;
  readonly encryptThenMac: boolean;
  readonly forwardSecret: boolean;
  /** Lengths. */
  readonly connectionIds?: { readonly client: number; readonly server: number };
  readonly isResumed: boolean;
  /** Whose records are cut to what the other takes. */
  readonly isLimited: { readonly client: boolean; readonly server: boolean };
  /** On datagrams, whether a client that turns up elsewhere is asked there (RFC 9853). */
  readonly isAsked: boolean;
}

/** The best that both allow, by the rules and not by the library; `undefined`: nothing. */
export function bestOf(client: Allowed, server: Allowed, transport: Transport): Agreed | undefined {
  const group = server.groups.find((each) => client.groups.includes(each));
  const strict = [client, server].some(({ forwardSecrecy }) => forwardSecrecy === "required");
  const plain = [client, server].some(({ forwardSecrecy }) => forwardSecrecy === "none");
  if (strict && plain) return undefined;
  const common = CLASSES.filter(({ suite }) =>
    client.suites.includes(suite) && server.suites.includes(suite) && (suite !== 0xd001 || group !== undefined) &&
    (!strict || FRESH.includes(suite)) && (!plain || suite !== 0xd001)
  );
  const [best] = common;
  if (!best) return undefined;
  const is13 = best.version === "1.3";
  const { connectionId: ofClient } = client;
  const { connectionId: ofServer } = server;
  const ids = transport === "datagram" && ofClient !== undefined && ofServer !== undefined
    ? { connectionIds: { client: ofClient, server: ofServer } }
    : {};
  return {
    version: transport === "stream" ? (is13 ? 0x0304 : 0x0303) : is13 ? 0xfefc : 0xfefd,
    suite: best.suite,
    extendedMasterSecret: true,
    encryptThenMac: best.suite === CBC,
    forwardSecret: FRESH.includes(best.suite) && group !== undefined && !plain,
    ...ids,
    // In version 1.3 a ticket's key never stands alone.
    isResumed: client.resumes === true && server.resumes === true && !(is13 && plain),
    // What a server takes is said only to a client that speaks of it.
    isLimited: {
      client: client.recordSizeLimit !== undefined && server.recordSizeLimit !== undefined,
      server: client.recordSizeLimit !== undefined,
    },
    isAsked: ids.connectionIds !== undefined && ids.connectionIds.server > 0,
  };
}

/** Somebody in between, who changes hellos as they pass. */
export interface Attack {
  readonly name: string;
  readonly edit: Edit;
}

const KNOWN_EXTENSIONS: readonly (readonly [name: string, type: number])[] = [
  ["server_name", 0],
  ["max_fragment_length", 1],
  ["supported_groups", 10],
  ["point formats", 11],
  ["encrypt_then_mac", 22],
  ["extended_master_secret", 23],
  ["record_size_limit", 28],
  ["session_ticket", 35],
  ["pre_shared_key", 41],
  ["supported_versions", 43],
  ["cookie", 44],
  ["psk_key_exchange_modes", 45],
  ["key_share", 51],
  ["connection_id", 54],
  ["return routability", 61],
  ["renegotiation_info", 0xff01],
];

const without = (hello: RawHello, type: number): RawHello => ({
  ...hello,
  extensions: hello.extensions.filter((each) => each.type !== type),
});
const replaced = (hello: RawHello, type: number, body: (was: Uint8Array) => Uint8Array): RawHello => ({
  ...hello,
  extensions: hello.extensions.map((each) => each.type === type ? { type, body: body(each.body) } : each),
});
const withExtension = (hello: RawHello, type: number, body: Uint8Array): RawHello => ({
  ...without(hello, type),
  extensions: [{ type, body }, ...without(hello, type).extensions],
});
const onClient = (edit: Edit): Edit => (hello) => hello.kind === "client" ? edit(hello) : hello;
const onServer = (edit: Edit): Edit => (hello) => hello.kind === "server" ? edit(hello) : hello;
const turned = (bytes: Uint8Array): Uint8Array =>
  bytes.length === 0 ? Uint8Array.of(0) : bytes.with(-1, bytes.at(-1)! ^ 1);
/** Without the mark of RFC 8446 4.1.3. */
const unmarked: Edit = onServer((hello) =>
  toHex(hello.random.subarray(24, 31)) === toHex(toUtf8("DOWNGRD"))
    ? { ...hello, random: new Uint8Array([...hello.random.subarray(0, 24), ...new Uint8Array(8)]) }
    : hello
);

function both(name: string, edit: Edit): Attack[] {
  return [
    { name: `${name}, of the client's hello`, edit: onClient(edit) },
    { name: `${name}, of the server's hello`, edit: onServer(edit) },
    { name: `${name}, of both`, edit },
    { name: `${name}, of both, and no mark left`, edit: (hello) => unmarked(edit(hello)) },
  ];
}

/** Everything that is tried. A new extension is a row of the table above, a new suite one of {@link CLASSES}. */
export const ATTACKS: readonly Attack[] = [
  ...KNOWN_EXTENSIONS.flatMap(([name, type]) => [
    ...both(`${name} taken out`, (hello) => without(hello, type)),
    ...both(`${name} altered`, (hello) => replaced(hello, type, turned)).slice(0, 2),
    ...both(`${name} emptied`, (hello) => replaced(hello, type, () => new Uint8Array(0))).slice(0, 2),
    ...both(`${name} put in empty`, (hello) => withExtension(hello, type, new Uint8Array(0))).slice(0, 2),
  ]),
  ...CLASSES.flatMap(({ suite }) => [
    {
      name: `${suite.toString(16)} taken out`,
      edit: onClient((hello) => ({ ...hello, suites: hello.suites.filter((each) => each !== suite) })),
    },
    { name: `nothing but ${suite.toString(16)} left`, edit: onClient((hello) => ({ ...hello, suites: [suite] })) },
    {
      name: `${suite.toString(16)} put first`,
      edit: onClient((hello) => ({ ...hello, suites: [suite, ...hello.suites] })),
    },
    { name: `${suite.toString(16)} answered`, edit: onServer((hello) => ({ ...hello, suites: [suite] })) },
    {
      name: `${suite.toString(16)} asked for and answered`,
      edit: (hello: RawHello) => unmarked({ ...hello, suites: [suite] }),
    },
  ]),
  { name: "suites turned round", edit: onClient((hello) => ({ ...hello, suites: hello.suites.toReversed() })) },
  { name: "a fallback pretended", edit: onClient((hello) => ({ ...hello, suites: [...hello.suites, 0x5600] })) },
  { name: "compression offered", edit: onClient((hello) => ({ ...hello, compressions: Uint8Array.of(1, 0) })) },
  ...[0x0301, 0x0302, 0x0303, 0x0304, 0xfeff, 0xfefd, 0xfefc].flatMap((version) =>
    both(`version ${version.toString(16)}`, (hello) => ({ ...hello, version })).slice(0, 3)
  ),
  ...both("an older version named", (hello) => {
    const body = hello.kind === "client" ? fromHex("020303") : fromHex("0303");
    return replaced(hello, 43, () => body);
  }),
  {
    name: "the mark put in",
    edit: onServer((hello) => ({
      ...hello,
      random: new Uint8Array([...hello.random.subarray(0, 24), ...toUtf8("DOWNGRD"), 1]),
    })),
  },
  ...both("random altered", (hello) => ({ ...hello, random: turned(hello.random) })).slice(0, 3),
  ...both("session id altered", (hello) => ({ ...hello, sessionId: turned(hello.sessionId) })).slice(0, 3),
  {
    name: "cookie altered",
    edit: onClient((hello) => hello.cookie ? { ...hello, cookie: turned(hello.cookie) } : hello),
  },
  {
    name: "key shares in both, and psk_ke alone",
    edit: onClient((hello) => replaced(without(hello, 51), 45, () => fromHex("0100"))),
  },
  { name: "groups: P-256 alone", edit: onClient((hello) => replaced(hello, 10, () => fromHex("00020017"))) },
];

/** How it went, with or without an attack, and whether the attack changed anything at all. */
export interface Outcome {
  readonly client: Agreed | undefined;
  readonly server: Agreed | undefined;
  readonly isChanged: boolean;
}

/** A handshake between two such ends. */
export function shake(client: Allowed, server: Allowed, transport: Transport, attack?: Attack): Outcome {
  let isChanged = false;
  const edit: Edit = (hello) => {
    const after = attack?.edit(hello) ?? hello;
    isChanged ||= JSON.stringify(after, hexed) !== JSON.stringify(hello, hexed);
    return after;
  };
  const tamper = (bytes: Uint8Array): Uint8Array => attack ? rewriteHellos(bytes, transport, edit) : bytes;
  const ends = transport === "stream"
    ? shakeOnStream(client, server, tamper)
    : shakeOnDatagrams(client, server, tamper);
  return { client: agreedOf(ends.client, ends.seen), server: agreedOf(ends.server, ends.seen), isChanged };
}

/** Fails unless the handshake failed on both ends, or ended on both with the best. */
export function checkOutcome({ client, server, isChanged }: Outcome, best: Agreed | undefined, what: string): void {
  if (client === undefined && server === undefined) {
    assert.ok(isChanged || best === undefined, `${what}: nothing agreed`);
    return;
  }
  assert.deepEqual({ client, server }, { client: best, server: best }, what);
}

interface Ends {
  readonly client: Session | undefined;
  readonly server: Session | undefined;
  /** What a session does not say of itself: seen from outside. */
  readonly seen: Pick<Agreed, "isLimited" | "isAsked">;
}

const UNSEEN: Ends["seen"] = { isLimited: { client: false, server: false }, isAsked: false };

type Tampering = (bytes: Uint8Array) => Uint8Array;

function shakeOnStream(client: Allowed, server: Allowed, tamper: Tampering): Ends {
  const { resume, resumption } = earlierOf(client, server, "stream");
  const left = streamClient({ ...optionsOf(client, "stream"), ...resume, random: seededRandom(3) }, lasting);
  const right = streamServer({ ...optionsOf(server, "stream"), ...resumption, random: seededRandom(4) }, lasting);
  runStream(left, right, tamper);
  if (!left.session || !right.session) return { client: left.session, server: right.session, seen: UNSEEN };
  const isLimited = (end: typeof left): boolean => recordsIn(end.send(LONG)).length > 1;
  const seen = { isLimited: { client: isLimited(left), server: isLimited(right) }, isAsked: false };
  return { client: left.session, server: right.session, seen };
}

function shakeOnDatagrams(client: Allowed, server: Allowed, tamper: Tampering): Ends {
  const { resume, resumption } = earlierOf(client, server, "datagram");
  const left = datagramClient({ ...ofClient(client), ...resume, random: seededRandom(3) }, lasting);
  const front = new Front({ ...ofFront(server), ...resumption, random: seededRandom(4) }, lasting);
  const tampering = { receive: (...datagrams: Uint8Array[]) => left.receive(...datagrams.map(tamper)) };
  const receive = front.receive.bind(front);
  front.receive = (bytes, from) => receive(tamper(bytes), from);
  runDatagrams(Object.assign(Object.create(left), tampering), front, "c:1", left.sent());
  const right = [...front.peers.values()].find(({ session }) => session);
  if (!left.session || !right?.session) return { client: left.session, server: right?.session, seen: UNSEEN };
  const isLimited = (end: typeof left): boolean => {
    try {
      end.send(LONG);
      return false;
    } catch {
      return true;
    }
  };
  const limited = { client: isLimited(left), server: isLimited(right) };
  const isAsked = front.receive(left.send(toUtf8("from elsewhere")), "c:2").length > 0;
  return { client: left.session, server: right.session, seen: { isLimited: limited, isAsked } };
}

/** Longer than any limit of the walk, and not than a path. */
const LONG = new Uint8Array(600);

const lasting: Answerer = () => ({ kind: "psk", identity: IDENTITY, key: secretFrom(PSK), expiresAt: 3_600_000 });

interface EarlierSession {
  readonly resume?: { readonly resume: Resumable };
  readonly resumption?: { readonly resumption: Resumption };
}

/** Of the last pair. */
let latest: { readonly key: string; readonly made: EarlierSession } | undefined;

/** What the two have of a session that they had before, if both want it; made once for all attacks on them. */
function earlierOf(client: Allowed, server: Allowed, transport: Transport): EarlierSession {
  if (!client.resumes && !server.resumes) return {};
  const key = JSON.stringify([client, server, transport]);
  if (latest?.key === key) return latest.made;
  const resumption = createResumption({ random: seededRandom(5) });
  let state: Resumable | undefined;
  if (transport === "stream") {
    const left = streamClient({ ...optionsOf(client, "stream"), resumable: true }, lasting);
    runStream(left, streamServer({ ...optionsOf(server, "stream"), resumption }, lasting));
    state = left.resumable;
  } else {
    const left = datagramClient({ ...ofClient(client), resumable: true }, lasting);
    runDatagrams(left, new Front({ ...ofFront(server), resumption }, lasting));
    state = left.resumable;
  }
  const made = {
    ...(client.resumes && state && { resume: { resume: state } }),
    ...(server.resumes && { resumption: { resumption } }),
  };
  latest = { key, made };
  return made;
}

function ofClient(allowed: Allowed): Partial<DtlsOptions> {
  const id = allowed.connectionId;
  return { ...optionsOf(allowed, "datagram"), connectionId: id === undefined ? false : new Uint8Array(id).fill(7) };
}

function ofFront(allowed: Allowed): Partial<DtlsAcceptorOptions> {
  return { ...optionsOf(allowed, "datagram"), connectionIdLength: allowed.connectionId ?? false };
}

function optionsOf(
  allowed: Allowed,
  transport: Transport,
): Omit<Allowed, "connectionId" | "recordSizeLimit" | "resumes"> & { versions: number[]; recordSizeLimit?: number } {
  const { recordSizeLimit } = allowed;
  const { suites, groups, requireExtendedMasterSecret, macThenEncrypt, forwardSecrecy } = allowed;
  const is13 = CLASSES.some(({ suite, version }) => version === "1.3" && suites.includes(suite));
  const is12 = CLASSES.some(({ suite, version }) => version === "1.2" && suites.includes(suite));
  const numbers = transport === "stream" ? [0x0304, 0x0303] : [0xfefc, 0xfefd];
  const versions = numbers.filter((_, index) => index === 0 ? is13 : is12);
  const limit = recordSizeLimit === undefined ? {} : { recordSizeLimit };
  return { versions, suites, groups, requireExtendedMasterSecret, macThenEncrypt, forwardSecrecy, ...limit };
}

function agreedOf(session: Session | undefined, seen: Ends["seen"]): Agreed | undefined {
  if (!session) return undefined;
  const { version, suite, extendedMasterSecret, encryptThenMac, forwardSecret, connectionIds: ids } = session;
  const isResumed = session.resumed === true;
  const agreed = { version, suite, extendedMasterSecret, encryptThenMac, forwardSecret, isResumed, ...seen };
  return ids ? { ...agreed, connectionIds: { client: ids.client.length, server: ids.server.length } } : agreed;
}

function hexed(_: string, value: unknown): unknown {
  return value instanceof Uint8Array ? toHex(value) : value;
}

/** Every choice of at least one class. */
export function* choices(): Generator<readonly number[]> {
  for (let bits = 1; bits < 2 ** CLASSES.length; bits++) {
    yield CLASSES.map(({ suite }) => suite).filter((_, index) => bits & (1 << index));
  }
}
