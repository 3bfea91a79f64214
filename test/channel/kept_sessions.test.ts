import assert from "node:assert/strict";
import test from "node:test";
import { type KeySource, startLifetime } from "../../lib/association/mod.ts";
import { fromUtf8, toUtf8 } from "../../lib/bytes/mod.ts";
import { type DatagramChannel, savedSessions } from "../../lib/channel/mod.ts";
import { shelfOf } from "../../lib/channel/saved_sessions.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { next } from "./datagram_fixtures.ts";
import { KEY, OTHER_KEY, testAssociation, testKeys } from "./fixtures.ts";
import { numbersFrom, Scene, WRAPPING } from "./kept_fixtures.ts";

const code = (code: string) => (error: unknown) => error instanceof SeccfError && error.code === code;

async function readOne(channel: DatagramChannel): Promise<string> {
  for await (const { payload } of channel) return fromUtf8(payload);
  throw new TypeError("the end");
}

/** A device and its server, agreed. */
async function agreed(scene: Scene, device = scene.device()) {
  const listener = await scene.listen();
  const [client, server] = await Promise.all([device(), next(listener)]);
  return { listener, client, server };
}

/** Whether a word goes there and back, once the server has asked a client that moved whether it is there (RFC 9853). */
async function talk(scene: Scene, client: DatagramChannel, server: DatagramChannel, word: string): Promise<void> {
  await client.send(toUtf8(word));
  assert.equal(await readOne(server), word);
  await scene.clock.settle();
  await server.send(toUtf8(`${word}?`));
  assert.equal(await readOne(client), `${word}?`);
}

for (const version of ["1.2", "1.3"] as const) {
  test(`DTLS ${version}: a device that slept goes on in its session, with no handshake and no word, from wherever it is by then`, async () => {
    const scene = new Scene(version);
    const device = scene.device();
    const { client, server } = await agreed(scene, device);
    await talk(scene, client, server, "one");
    const before = scene.sent.length;
    await client.sleep();
    assert.equal(scene.sent.length, before);
    await assert.rejects(client.send(toUtf8("asleep")), code("closed"));
    const mine = testAssociation();
    const woken = await device(mine);
    assert.equal(scene.sent.length, before);
    assert.deepEqual(mine.requests, [], "no key is needed");
    assert.deepEqual(mine.bindings, [client.binding]);
    await talk(scene, woken, server, "two");
  });

  test(`DTLS ${version}: a device that was killed goes on in its session, and so does its server`, async () => {
    const scene = new Scene(version);
    const { client, server } = await agreed(scene);
    await talk(scene, client, server, "one");
    await scene.clock.advance(2000);
    await scene.kill("client");
    const woken = await scene.device()();
    await talk(scene, woken, server, "two");
    await scene.clock.advance(2000);
    await scene.kill("server");
    const listener = await scene.listen();
    const answer = next(listener);
    await woken.send(toUtf8("three"));
    const back = await answer;
    assert.equal(await readOne(back), "three");
    await talk(scene, woken, back, "four");
    await scene.clock.advance(2000);
    await Promise.all([scene.kill("server"), scene.kill("client")]);
    const [again, last] = [await scene.device()(), next(await scene.listen())];
    await again.send(toUtf8("five"));
    assert.equal(await readOne(await last), "five");
    await talk(scene, again, await last, "six");
    for (const from of ["10.", "server"]) {
      const numbers = numbersFrom(scene, from);
      assert.equal(new Set(numbers).size, numbers.length, from);
    }
    // One handshake, long ago: its two hellos.
    assert.equal(scene.sent.filter(({ bytes }) => bytes[0] === 22 && bytes[13] === 1).length, 2);
  });

  test(`DTLS ${version}: what a device says while its server still asks whose it is waits for the answer, and some of it alone`, async () => {
    const scene = new Scene(version);
    const { client } = await agreed(scene);
    await scene.clock.advance(2000);
    await scene.kill("server");
    const keys = testKeys(testAssociation());
    const slow: KeySource = {
      find: async (request, wait) => {
        await new Promise<void>((resolve) => scene.clock.alarm(scene.clock.now() + 1000, resolve));
        return await keys.find(request, wait);
      },
    };
    const listener = await scene.listen(testAssociation(), {}, slow);
    const answer = next(listener);
    const words = Array.from({ length: 20 }, (_, i) => `word ${i}`);
    for (const word of words) {
      await client.send(toUtf8(word));
      await scene.clock.settle();
    }
    let server: DatagramChannel | undefined;
    void answer.then((channel) => server = channel);
    for (let i = 0; i < 20 && !server; i++) await scene.clock.advance(500);
    assert.ok(server);
    const channel = server;
    const got: string[] = [];
    void (async () => {
      for await (const { payload } of channel) got.push(fromUtf8(payload));
    })().catch(() => {});
    await scene.clock.advance(2000);
    assert.deepEqual(scene.codes, []);
    // The first one brought the session back, and behind it eight may wait.
    assert.deepEqual(got, words.slice(0, 9));
    await client.send(toUtf8("later"));
    await scene.clock.advance(2000);
    assert.equal(got.at(-1), "later");
  });

  test(`DTLS ${version}: a listener that closes while it asks whose a session is reports that, and nothing of what waited`, async () => {
    const scene = new Scene(version);
    const { client } = await agreed(scene);
    await scene.clock.advance(2000);
    await scene.kill("server");
    let answer = () => {};
    const asked = new Promise<void>((resolve) => answer = resolve);
    let isAsked = false;
    const slow: KeySource = { find: () => (isAsked = true, asked.then(() => undefined)) };
    const listener = await scene.listen(testAssociation(), {}, slow);
    await client.send(toUtf8("one"));
    for (let i = 0; i < 20 && !isAsked; i++) await scene.clock.advance(100);
    assert.ok(isAsked);
    await client.send(toUtf8("two"));
    await scene.clock.advance(100);
    await listener[Symbol.asyncDispose]();
    answer();
    await scene.clock.advance(2000);
    assert.equal(scene.codes.length, 1, String(scene.codes));
  });

  test(`DTLS ${version}: killed before or after any write, neither end repeats a number, delivers twice, or loses the session`, async () => {
    for (const side of ["client", "server"] as const) {
      for (let killAt = 1; killAt <= 16; killAt++) {
        const scene = new Scene(version);
        let { client, server } = await agreed(scene);
        // The ticket of version 1.3 and its ACK are on record.
        await scene.clock.advance(2000);
        let [writes, isDead] = [0, false];
        scene.onWrite = (who) => {
          if (who === side && ++writes === killAt) isDead = true, void scene.kill(side);
        };
        const got = { client: [] as string[], server: [] as string[] };
        const listen = async (who: "client" | "server", channel: DatagramChannel) => {
          try {
            for await (const { payload } of channel) got[who].push(fromUtf8(payload));
          } catch {
            // Killed.
          }
        };
        void listen("client", client);
        void listen("server", server);
        const say = async (word: string) => {
          await client.send(toUtf8(word)).catch(() => {});
          await scene.clock.advance(2000);
          await server.send(toUtf8(`${word}?`)).catch(() => {});
          await scene.clock.advance(2000);
        };
        for (let i = 0; i < 9 && !isDead; i++) await say(`${i}`);
        assert.ok(isDead, `only ${writes} writes`);
        if (side === "client") {
          client = await scene.device()();
          void listen("client", client);
        } else {
          const listener = await scene.listen();
          void client.send(toUtf8("wake"));
          server = await next(listener);
          void listen("server", server);
        }
        await say("after");
        assert.ok(got.server.includes("after"), `${side} ${killAt}: the client is heard`);
        assert.ok(got.client.includes("after?"), `${side} ${killAt}: the server is heard`);
        for (const who of ["client", "server"] as const) assert.equal(new Set(got[who]).size, got[who].length);
        for (const from of ["10.", "server"]) {
          const numbers = numbersFrom(scene, from);
          assert.equal(new Set(numbers).size, numbers.length, `${side} ${killAt} ${from}`);
        }
      }
    }
  });

  test(`DTLS ${version}: the server's last word of the handshake leaves after the session is on record, never before`, async () => {
    const scene = new Scene(version);
    let [writes, finished] = [0, -1];
    scene.onWrite = (side) => {
      // After the numbers are reserved, and the session is written.
      if (side === "server" && ++writes === 4) finished = numbersFrom(scene, "server").length;
    };
    await agreed(scene);
    assert.equal(finished, 0);
    // Finished; in version 1.3 the ACK of the client's, and a ticket.
    assert.equal(numbersFrom(scene, "server").length, version === "1.2" ? 1 : 2);
  });

  test(`DTLS ${version}: whoever wakes a session that somebody else has takes it over: the other one stops, and no number is shared`, async () => {
    const scene = new Scene(version);
    const { client, server } = await agreed(scene);
    await talk(scene, client, server, "one");
    scene.fork("client");
    const twin = await scene.device()();
    await client.send(toUtf8("still me"));
    await twin.send(toUtf8("me too"));
    await server.send(toUtf8("who?"));
    await scene.clock.settle();
    const stopped = assert.rejects(readOne(client), code("closed"));
    await scene.clock.advance(5000);
    await server.send(toUtf8("who are you?"));
    await stopped;
    await assert.rejects(client.send(toUtf8("no more")), code("closed"));
    const numbers = numbersFrom(scene, "10.");
    assert.equal(new Set(numbers).size, numbers.length);
  });

  test(`DTLS ${version}: two channels of one device to one server are two sessions, and both are found again`, async () => {
    const scene = new Scene(version);
    const device = scene.device();
    const { listener, client, server } = await agreed(scene, device);
    const [second, theirs] = await Promise.all([device(), next(listener)]);
    await talk(scene, client, server, "one");
    await talk(scene, second, theirs, "two");
    await scene.kill("client");
    const again = scene.device();
    const [a, b] = [await again(), await again()];
    await talk(scene, a, server, "three");
    await talk(scene, b, theirs, "four");
  });

  test(`DTLS ${version}: a session that was ended is gone for good, at both ends`, async () => {
    const scene = new Scene(version);
    const { client, server } = await agreed(scene);
    await client[Symbol.asyncDispose]();
    await scene.clock.settle();
    await assert.rejects(server.send(toUtf8("?")), code("closed"));
    const hellos = () => scene.sent.filter(({ bytes }) => bytes[13] === 1).length;
    const before = hellos();
    await scene.device()();
    assert.ok(hellos() > before, "a new handshake");
  });

  test(`DTLS ${version}: a record that was altered, cut, moved, or is another key's wakes nothing`, async () => {
    const scene = new Scene(version);
    const { client } = await agreed(scene);
    await client.sleep();
    const store = scene.stores.client;
    const puts: [string, Uint8Array][] = [];
    const names = namesIn(scene);
    assert.equal(names.length, 1);
    const [name] = names as [string];
    const good = (await store.get(name))!;
    const hellos = () => scene.sent.filter(({ bytes }) => bytes[13] === 1).length;
    const put = async (at: string, value: Uint8Array) => {
      const { version = 0 } = await store.get(at) ?? {};
      await store.put(at, value, { expected: version });
    };
    const isWoken = async (association = testAssociation(), options = {}): Promise<boolean> => {
      const before = hellos();
      const channel = await scene.device(options)(association);
      await scene.kill("client");
      void channel;
      return hellos() === before;
    };
    for (let bit = 0; bit < 8 * good.value.length; bit += 7) {
      const altered = good.value.slice();
      altered[bit >> 3]! ^= 1 << bit % 8;
      puts.push([`bit ${bit}`, altered]);
    }
    for (const length of [0, 1, 16, 31, 32, good.value.length - 1]) {
      puts.push([`${length}`, good.value.slice(0, length)]);
    }
    for (const [what, value] of puts) {
      await put(name, value);
      assert.equal(await isWoken(), false, what);
    }
    await put(name, good.value);
    const others = savedSessions({ store, wrappingKey: secretFrom(new Uint8Array(32).fill(8)) });
    assert.equal(await isWoken(testAssociation(), { sessions: others }), false, "another wrapping key");
    await put(name, good.value);
    const other = { ...testAssociation(), id: new Uint8Array(8).fill(1) };
    await isWoken(other);
    const [theirs] = namesIn(scene).filter((each) => each !== name) as [string];
    await put(theirs, good.value);
    assert.equal(await isWoken(other), false, "another association's place");
    assert.equal(await isWoken(), true, "its own");
  });

  test(`DTLS ${version}: a session ends with its key's lifetime, which neither a reboot nor a clock set back makes longer`, async () => {
    const scene = new Scene(version);
    const { clock } = scene;
    const mine = testAssociation(KEY, startLifetime({ clock, seconds: 1000 }));
    const device = scene.device();
    const listener = await scene.listen();
    const [client] = await Promise.all([device(mine), next(listener)]);
    await clock.advance(400_000);
    await client.send(toUtf8("1"));
    await client.sleep();
    clock.setWall(clock.wall() - 10_000_000);
    const fresh = () => testAssociation(KEY, startLifetime({ clock, seconds: 100_000 }));
    const woken = await device(fresh());
    await clock.advance(599_000);
    await woken.send(toUtf8("2"));
    await clock.advance(1001);
    await assert.rejects(woken.send(toUtf8("3")), code("expired"));
    const hellos = () => scene.sent.filter(({ bytes }) => bytes[13] === 1).length;
    let before = hellos();
    const third = await device(fresh());
    assert.ok(hellos() > before, "a new handshake");
    await third.sleep();
    clock.setWall(clock.wall() + 100_000_000);
    before = hellos();
    await device(fresh());
    assert.ok(hellos() > before, "the wall clock says that its time is over");
  });

  test(`DTLS ${version}: a server may let a session sleep too: its peer's next word wakes it, and is the first that is delivered`, async () => {
    const scene = new Scene(version);
    const { listener, client, server } = await agreed(scene);
    await talk(scene, client, server, "one");
    await server.sleep();
    await assert.rejects(server.send(toUtf8("?")), code("closed"));
    const answer = next(listener);
    await client.send(toUtf8("two"));
    const woken = await answer;
    assert.notEqual(woken, server);
    assert.equal(await readOne(woken), "two");
    await talk(scene, client, woken, "three");
    assert.equal(scene.sent.filter(({ bytes }) => bytes[0] === 22 && bytes[13] === 1).length, 2, "one handshake");
  });

  test(`DTLS ${version}: without sessions there is nothing to sleep in, and the channel stays`, async () => {
    const scene = new Scene(version);
    const nowhere = { sessions: undefined } as never;
    const listener = await scene.listen(testAssociation(), nowhere);
    const [client, server] = await Promise.all([scene.device(nowhere)(), next(listener)]);
    await assert.rejects(client.sleep(), code("state"));
    await talk(scene, client, server, "awake");
  });

  test(`DTLS ${version}: a server whose key source knows the key no more lets the session in no more`, async () => {
    const scene = new Scene(version);
    const { client } = await agreed(scene);
    await scene.kill("server");
    await scene.listen(testAssociation(), {}, { find: () => Promise.resolve(undefined) });
    await client.send(toUtf8("it is me"));
    await scene.clock.settle();
    assert.deepEqual(scene.codes, ["key-unavailable"]);
  });

  test(`DTLS ${version}: a server that has another key for the identity by now lets the session in no more, and it is over for good`, async () => {
    const scene = new Scene(version);
    const { client } = await agreed(scene);
    await scene.kill("server");
    const name = scene.written.server.at(-1)!;
    assert.ok(await scene.stores.server.get(name));
    const mine = testAssociation(OTHER_KEY);
    await scene.listen(mine);
    await client.send(toUtf8("it is me"));
    await scene.clock.settle();
    assert.equal(mine.handedOut.length, 1);
    assert.deepEqual(scene.codes, ["key-unavailable"]);
    assert.deepEqual(mine.bindings, []);
    assert.equal(await scene.stores.server.get(name), undefined);
    await client.send(toUtf8("it is still me"));
    await scene.clock.settle();
    assert.equal(mine.handedOut.length, 1, "nobody is asked again");
  });

  test(`DTLS ${version}: what a later version kept is left alone for a new session, and leaves no socket behind`, async () => {
    const scene = new Scene(version);
    const { client } = await agreed(scene);
    await client.sleep();
    const [name] = namesIn(scene) as [string];
    const shelf = shelfOf(savedSessions({ store: scene.stores.client, wrappingKey: WRAPPING }));
    const found = await shelf.find(name, { clock: scene.clock, random: scene.random });
    await found!.record.write(secretFrom(Uint8Array.of(99)));
    let [made, open] = [0, 0];
    const connect = (host: string, port: number, { localPort }: { readonly localPort?: number } = {}) => {
      const socket = scene.network.bind(`10.0.0.1:${localPort ?? 2000 + ++made}`);
      const dispose = socket[Symbol.asyncDispose].bind(socket);
      open++;
      Object.defineProperty(socket, Symbol.asyncDispose, { value: () => (open--, dispose()) });
      return Promise.resolve({ socket, remote: `${host}:${port}` });
    };
    const channel = await scene.device({ over: { connect, bind: () => Promise.reject(new TypeError("no server")) } })();
    assert.equal(open, 1);
    await channel[Symbol.asyncDispose]();
    assert.equal(open, 0);
  });

  test(`DTLS ${version}: strangers who guess Connection IDs cost a bounded number of looks into the store, and nothing is kept of them`, async () => {
    const scene = new Scene(version);
    const { client, server } = await agreed(scene);
    await talk(scene, client, server, "one");
    await scene.clock.advance(2000);
    await scene.kill("server");
    let gets = 0;
    let writes = 0;
    scene.onWrite = () => writes++;
    const { server: store } = scene.stores;
    scene.stores.server = { ...store, get: (...all) => (gets++, store.get(...all)) };
    const listener = await scene.listen();
    const stranger = scene.network.bind("66.6.6.6:6");
    const record = scene.sent.findLast(({ from, bytes }) => from.startsWith("10.") && bytes.length > 13)!.bytes;
    for (let i = 0; i < 1000; i++) {
      const forged = new Uint8Array(record);
      // A Connection ID of his own, or the true one with a record that is not the peer's.
      if (i % 2) new DataView(forged.buffer).setUint32(version === "1.2" ? 11 : 1, i);
      else forged[forged.length - 1]! ^= 1 + i % 200;
      stranger.send(forged, "server:5684");
      if (i % 50 === 0) await scene.clock.settle(2);
    }
    await scene.clock.settle();
    assert.ok(gets <= 64, `${gets} looks`);
    assert.equal(writes, 0);
    const answer = next(listener);
    await client.send(toUtf8("two"));
    assert.equal(await readOne(await answer), "two");
  });

  test(`DTLS ${version}: a store that is away loses no session: what has numbers goes on, the rest waits for it`, async () => {
    const scene = new Scene(version);
    const { client, server } = await agreed(scene);
    await talk(scene, client, server, "one");
    const { client: store } = scene.stores;
    const away = () => Promise.reject(new TypeError("the disk is full"));
    const { put, reserve } = store;
    Object.assign(store, { put: away, reserve: away });
    await scene.clock.advance(5000);
    for (let i = 0; i < (version === "1.2" ? 1000 : 40); i++) await client.send(toUtf8("x"));
    const refused = assert.rejects(async () => {
      for (let i = 0; i < 100; i++) await client.send(toUtf8("x"));
    }, { message: "the disk is full" });
    await scene.clock.advance(1000);
    await refused;
    Object.assign(store, { put, reserve });
    await scene.clock.advance(1000);
    await client.send(toUtf8("back"));
    await scene.clock.settle();
    await server.send(toUtf8("welcome"));
    assert.equal(await readOne(client), "welcome");
  });

  test(`DTLS ${version}: a store that is away when a session is agreed lets none begin that a crash could lose`, async () => {
    const scene = new Scene(version);
    const listener = await scene.listen();
    const { client: store } = scene.stores;
    const { put } = store;
    Object.assign(store, { put: () => Promise.reject(new TypeError("read-only")) });
    await assert.rejects(scene.device()(), { message: "read-only" });
    Object.assign(store, { put });
    const server = next(listener);
    await scene.device()();
    await server;
  });

  test(`DTLS ${version}: a peer without a Connection ID is known again by its address, where both stayed`, async () => {
    const scene = new Scene(version);
    const device = scene.device({ connectionId: false });
    const { client, server } = await agreed(scene, device);
    await talk(scene, client, server, "one");
    await client.sleep();
    const woken = await device();
    await talk(scene, woken, server, "two");
    await scene.clock.advance(2000);
    await scene.kill("server");
    const listener = await scene.listen();
    const answer = next(listener);
    await woken.send(toUtf8("three"));
    assert.equal(await readOne(await answer), "three");
    await talk(scene, woken, await answer, "four");
    assert.equal(new Set(scene.sent.map(({ from }) => from)).size, 2);
  });
}

/** What is in the device's store: its place is made of the association and the address. */
function namesIn(scene: Scene): string[] {
  return [...new Set(scene.written.client)].filter((name) => name.startsWith("dtls/client/"));
}
