// Both ends of a rotation in every order of events: messages lost, late and doubled, ends that stop and start again.
import assert from "node:assert/strict";
import { test } from "node:test";
import { toHex, toUtf8 } from "../../lib/bytes/mod.ts";
import { createAssociation, rawPsk, startLifetime } from "../../lib/association/mod.ts";
import {
  deviceExpire,
  deviceInstall,
  deviceProved,
  identityOfFile,
  openIdentityFile,
  type Rotation,
  rotationHook,
  serverHeard,
  serverOffer,
  serverTold,
  startRotation,
  usable,
} from "../../lib/identity/mod.ts";
import { secretHex, withCode } from "../aka/vectors.ts";
import { seededRandom, VirtualClock, virtualPlatform } from "../support/virtual.ts";
import { fileWith, provisioned, wrapping } from "./files.ts";

/** A key is a number here: 0 is the first, n that of attempt n. */
type End = Rotation<number>;

/** What both ends keep, and all that was ever sent: what is lost is never taken, what is late or double is taken then. */
interface World {
  readonly device: End;
  readonly server: End;
  readonly sent: readonly string[];
}

/** Who stops and starts again has what it kept, so a crash is a step that was not made: the file is old or new (test/fault). */
interface Rules {
  readonly offer: (server: End, key: number) => End;
  /** The device hears of an offer. */
  readonly install: (device: End, attempt: number) => End;
  /** The device receives the server's proof of `key`. */
  readonly proof: (device: End, key: number) => End;
  /** The device's time is over. */
  readonly expire: (device: End) => End;
  /** The server receives the device's part of a handshake under `key`. */
  readonly handshake: (server: End, key: number) => End;
  /** The server receives a message under `key`: the device says which attempt was its last, and whether it is over. */
  readonly message: (server: End, key: number, told: { attempt: number; over: boolean }) => End;
  /** The server's own time is over. */
  readonly serverExpire: (server: End) => End;
}

const LATE = 1;
const OURS: Rules = {
  offer: (server, key) => server.next === undefined ? serverOffer(server, key) : server,
  install(device, attempt) {
    if (attempt <= device.attempt || device.next !== undefined) return device;
    return deviceInstall(device, { attempt, next: attempt, until: LATE });
  },
  proof: (device, key) => device.next === key ? deviceProved(device, 0) ?? device : device,
  expire: (device) => deviceExpire(device, LATE),
  handshake: (server) => server,
  message(server, key, { attempt, over }) {
    if (key === server.next) return serverHeard(server);
    return over ? serverTold(server, attempt) : server;
  },
  serverExpire: (server) => server,
};

const ATTEMPTS = 2;

function* steps(world: World, rules: Rules): Generator<World> {
  const { device, server, sent } = world;
  const say = (...words: string[]) => [...new Set([...sent, ...words])].sort();
  const holds = (end: End, key: number) => usable(end).includes(key);
  if (server.attempt < ATTEMPTS) {
    const offered = rules.offer(server, server.attempt + 1);
    yield { device, server: offered, sent: say(`offer ${offered.attempt}`) };
  }
  // What the device sends of itself: handshakes under what it has, messages under the one that it works with.
  yield { ...world, sent: say(...usable(device).map((key) => `hello ${key}`)) };
  yield { ...world, sent: say(`message ${device.current} ${device.attempt} ${device.next === undefined}`) };
  yield { ...world, device: rules.expire(device) };
  yield { ...world, server: rules.serverExpire(server) };
  for (const message of sent) {
    const [kind, first, second, third] = message.split(" ");
    const key = Number(first);
    if (kind === "offer") yield { ...world, device: rules.install(device, key) };
    // A server that does not have the key answers nothing.
    if (kind === "hello" && holds(server, key)) {
      yield { device, server: rules.handshake(server, key), sent: say(`proof ${key}`) };
    }
    // A device that gave a key up has no handshake under it any more.
    if (kind === "proof" && holds(device, key)) yield { ...world, device: rules.proof(device, key) };
    if (kind === "message" && holds(server, key)) {
      yield { ...world, server: rules.message(server, key, { attempt: Number(second), over: third === "true" }) };
    }
  }
}

/** Every world that can be reached, and the first in which no key is shared, if there is one. */
function explore(rules: Rules): { readonly worlds: readonly World[]; readonly locked: World | undefined } {
  const start: World = { device: startRotation(0), server: startRotation(0), sent: [] };
  const worlds = [start];
  const known = new Set([JSON.stringify(start)]);
  for (const world of worlds) {
    if (!usable(world.device).some((key) => usable(world.server).includes(key))) return { worlds, locked: world };
    for (const next of steps(world, rules)) {
      const name = JSON.stringify(next);
      if (known.has(name)) continue;
      known.add(name);
      worlds.push(next);
    }
  }
  return { worlds, locked: undefined };
}

test("whatever is lost, late, double or interrupted, both ends have a key in common", () => {
  const { worlds, locked } = explore(OURS);
  assert.equal(locked, undefined, JSON.stringify(locked));
  assert.ok(worlds.length > 300, `${worlds.length} worlds`);
  // It also gets somewhere: to each key of each attempt at both ends alone, and to the old one after an attempt that failed.
  const settled = new Set(
    worlds.filter(({ device, server }) => device.next === undefined && server.next === undefined)
      .map(({ device, server }) => `${device.current} ${server.current} ${server.attempt}`),
  );
  for (const end of ["0 0 0", "1 1 1", "0 0 1", "2 2 2", "1 1 2", "0 0 2"]) assert.ok(settled.has(end), end);
});

test("from every world there is a way to one key at both ends", () => {
  const { worlds } = explore(OURS);
  for (const world of worlds) {
    // What an orderly pair does next: offers and time run out, the device proves, tells, and is heard.
    let { device, server } = world;
    if (device.next !== undefined && usable(server).includes(device.next)) device = OURS.proof(device, device.next);
    else device = OURS.expire(device);
    if (server.attempt > device.attempt) device = OURS.expire(OURS.install(device, server.attempt));
    server = OURS.message(server, device.current, { attempt: device.attempt, over: device.next === undefined });
    assert.deepEqual([device.current, device.next], [server.current, server.next], JSON.stringify(world));
  }
});

test("each rule that one might think of instead locks a device out", () => {
  const drop = (end: End): End => ({ attempt: end.attempt, current: end.current });
  const take = (end: End): End => ({ attempt: end.attempt, current: end.next ?? end.current });
  const wrong: Record<string, Partial<Rules>> = {
    "the server drops the old key at the end of a handshake": {
      handshake: (server, key) => key === server.next ? take(server) : server,
    },
    "the server drops the new key when its time is over": { serverExpire: drop },
    "the server drops the new key at a message under the old one": {
      message: (server, key, told) => key === server.next ? OURS.message(server, key, told) : drop(server),
    },
    "the server offers a third key in the place of the second": {
      offer: (server, key) => serverOffer(drop(server), key),
    },
    "the device takes the new key without a proof, and the server goes back": {
      install: (device, attempt) => take(OURS.install(device, attempt)),
      serverExpire: drop,
    },
    "the device gives up the old key at a proof, whoever's it is": {
      proof: take,
      message: (server, key, told) => key === server.next ? server : OURS.message(server, key, told),
      serverExpire: drop,
    },
    "the server forgets the old key as soon as it offers": { offer: (server, key) => take(OURS.offer(server, key)) },
    "the device forgets the old key, and an attempt that is over can come again": {
      install: (device, attempt) =>
        attempt === device.attempt ? { ...device, next: attempt } : OURS.install(device, attempt),
    },
  };
  for (const [name, rules] of Object.entries(wrong)) {
    assert.notEqual(explore({ ...OURS, ...rules }).locked, undefined, name);
  }
});

test("an offer that is over is replayed, one beside another is out of order, a proof too late is none", () => {
  const installed = deviceInstall(startRotation("old"), { attempt: 3, next: "new", until: 100 });
  assert.deepEqual(usable(installed), ["new", "old"]);
  assert.throws(() => deviceInstall(installed, { attempt: 3, next: "new", until: 100 }), withCode("replayed"));
  assert.throws(() => deviceInstall(installed, { attempt: 4, next: "newer", until: 100 }), withCode("state"));
  assert.equal(deviceProved(installed, 100), undefined);
  assert.equal(deviceProved(startRotation("old"), 0), undefined);
  assert.deepEqual(deviceProved(installed, 99), { attempt: 3, current: "new" });
  assert.equal(deviceExpire(installed, 99), installed);
  assert.deepEqual(deviceExpire(installed, 100), { attempt: 3, current: "old" });
  assert.throws(() => serverOffer(serverOffer(startRotation(0), 1), 2), withCode("state"));
});

const OLD = toUtf8("device-7");
const NEW = toUtf8("device-7;1");
const offer = (attempt: number, withinSeconds = 60) => ({
  attempt,
  identity: NEW,
  key: secretHex("0c".repeat(16)),
  withinSeconds,
});
const names = (keys: readonly Uint8Array[]) => keys.map((key) => new TextDecoder().decode(key));

test("a device keeps its old key until an association under the new one is bound, and stores that first [SEC_CF-SEC-003]", async () => {
  const clock = new VirtualClock();
  const file = await fileWith([provisioned("device-7")]);
  const options = { clock, random: seededRandom(3) };
  await using identity = await identityOfFile(file, options);
  await identity.install(OLD, offer(1));
  assert.deepEqual(names(identity.provisioned!.identities), ["device-7;1", "device-7"]);

  const hook = identity.rotation(NEW);
  await assert.rejects(hook.settled(), withCode("state"));
  await using association = createAssociation({
    ...{ reference: "device-7;1", serverName: "meter.example.net", role: "initiator", onBound: hook.onBound },
    peer: { identity: toUtf8("meter.example.net"), assurance: "psk" },
    origin: rawPsk({ identity: NEW, key: secretHex("0c".repeat(16)), use: "tls" }),
    lifetime: startLifetime({ clock, seconds: 60 }),
    platform: virtualPlatform(),
  });
  association.bound({ carrier: "tls", suite: 0x00a8, strength: 2 });
  await hook.settled();
  association.bound({ carrier: "tls", suite: 0x00a8, strength: 2 });
  assert.deepEqual(names(identity.provisioned!.identities), ["device-7;1"]);
  using again = await openIdentityFile({ ...file.place, unlock: wrapping(1) });
  const [fact] = await again.facts();
  assert.ok(fact?.kind === "provisioned" && fact.next === undefined && fact.attempt === 1);
  assert.equal(toHex(fact.identity), toHex(NEW));
  assert.equal(clock.pending, 0);
});

test("a device goes back to its old key when no proof of the new one came in time, and a late one changes nothing", async () => {
  const clock = new VirtualClock();
  const file = await fileWith([provisioned("device-7")]);
  await using identity = await identityOfFile(file, { clock, random: seededRandom(3) });
  await identity.install(OLD, offer(1, 60));
  const hook = identity.rotation(NEW);
  await clock.advance(59_999);
  assert.equal(identity.provisioned!.identities.length, 2);
  await clock.advance(1);
  assert.deepEqual(names(identity.provisioned!.identities), ["device-7"]);
  hook.onBound();
  await assert.rejects(hook.settled(), withCode("identity-unavailable"));
  await assert.rejects(identity.install(OLD, offer(1)), withCode("replayed"));
  await identity.install(OLD, offer(2));
  assert.equal(identity.provisioned!.identities.length, 2);
});

test("an attempt outlives a restart, and is over when its time was over meanwhile", async () => {
  const clock = new VirtualClock();
  const file = await fileWith([provisioned("device-7")]);
  const open = async () =>
    await identityOfFile(await openIdentityFile({ ...file.place, unlock: wrapping(1) }), {
      clock,
      random: seededRandom(4),
    });
  {
    await using identity = await identityOfFile(file, { clock, random: seededRandom(3) });
    await identity.install(OLD, offer(1, 60));
  }
  assert.equal(clock.pending, 0);
  await clock.advance(30_000);
  {
    await using identity = await open();
    assert.equal(identity.provisioned!.identities.length, 2);
  }
  await clock.advance(30_000);
  await using identity = await open();
  assert.deepEqual(names(identity.provisioned!.identities), ["device-7"]);
});

test("a disk that refuses the commitment keeps both keys, and whoever sends hears of it", async () => {
  const refused = new Error("disk");
  let calls = 0;
  const hook = rotationHook(() => {
    calls++;
    return Promise.reject(refused);
  });
  hook.onBound();
  hook.onBound();
  await assert.rejects(hook.settled(), refused);
  assert.equal(calls, 1);
});
