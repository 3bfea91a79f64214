import assert from "node:assert/strict";
import { test } from "node:test";
import { concat, fromHex, toHex } from "../../lib/bytes/mod.ts";
import { secretFrom } from "../../lib/crypto/mod.ts";
import { SeccfError } from "../../lib/error.ts";
import { CardObjectForm } from "../../lib/identity/card_store_object.ts";
import { bindingDigest } from "../../lib/identity/pkcs15_parameters.ts";
import { toolkitCard } from "../../lib/identity/usat_card.ts";
import {
  decodeFileList,
  decodeProactiveCommand,
  decodeSmsDownload,
  decodeTerminalResponse,
  encodeFileList,
  encodeProactiveCommand,
  encodeSmsDownload,
  encodeTerminalResponse,
  PROACTIVE,
  REFRESH,
  terminalProfile,
  TOOLKIT_TAG,
} from "../../lib/identity/usat_message.ts";
import { type ToolkitHandler, UsatSession } from "../../lib/identity/usat_session.ts";
import { BINDING, contents, KEY, object, World } from "./card_store_world.ts";
import { card, scripted, taped } from "./cards.ts";
import { usat } from "./usat_vectors.ts";

const code = (expected: string) => (error: unknown) => error instanceof SeccfError && error.code === expected;
const done: ToolkitHandler = () => Promise.resolve({ general: 0 });

test("REFRESH commands of the conformance tests are read and made, and their responses too", () => {
  for (const { command, qualifier, files, result, response } of usat.refresh) {
    const read = decodeProactiveCommand(fromHex(command));
    assert.deepEqual([read.number, read.type, read.qualifier, read.destination], [
      1,
      PROACTIVE.refresh,
      qualifier,
      0x82,
    ]);
    const list = read.objects.find(({ tag }) => tag === TOOLKIT_TAG.fileList);
    assert.deepEqual(list ? decodeFileList(list.value).map(toHex) : [], files);
    const carried = files.length > 0 ? [encodeFileList(files.map(fromHex))] : [];
    assert.equal(toHex(encodeProactiveCommand({ number: 1, type: 1, qualifier }, ...carried)), command);
    assert.equal(toHex(encodeTerminalResponse(read, { general: result })), response);
    assert.equal(decodeTerminalResponse(fromHex(response)).general, result);
  }
});

test("SMS-PP DOWNLOAD envelopes of the conformance tests are made and read", () => {
  for (const { address, tpdu, envelope } of usat.download) {
    const message = { address: fromHex(address), tpdu: fromHex(tpdu) };
    assert.equal(toHex(encodeSmsDownload(message)), envelope);
    assert.deepEqual(decodeSmsDownload(fromHex(envelope)), message);
  }
  assert.throws(() => encodeSmsDownload({ tpdu: new Uint8Array(250) }), RangeError);
});

test("a SEND SHORT MESSAGE and a MORE TIME of the conformance tests are read", () => {
  const { command, destination, tags } = usat.sendShortMessage;
  const read = decodeProactiveCommand(fromHex(command));
  assert.deepEqual([read.type, read.destination], [PROACTIVE.sendShortMessage, destination]);
  assert.deepEqual(read.objects.map(({ tag }) => tag), tags);
  assert.equal(decodeProactiveCommand(fromHex(usat.moreTime.command)).type, PROACTIVE.moreTime);
});

test("a command that is cut, lengthened, or not from the card is refused", () => {
  const whole = fromHex(usat.refresh[2]!.command);
  for (let length = 0; length < whole.length; length++) {
    assert.throws(() => decodeProactiveCommand(whole.subarray(0, length)), code("malformed"));
  }
  const bad = [
    "d00981030101038202828100",
    "d009810301010382028382",
    "d1098103010103820281 82",
    "d0098103010103820281820000",
  ];
  for (const each of bad) {
    assert.throws(() => decodeProactiveCommand(fromHex(each.replaceAll(" ", ""))), code("malformed"));
  }
  for (const each of ["", "01", "013f00ff", "023f006f07", "01006f3f00", "003f00"]) {
    assert.throws(() => decodeFileList(fromHex(each)), code("malformed"));
  }
});

test("a terminal's profile has the bit of each facility", () => {
  assert.equal(toHex(terminalProfile([1, 2, 20, 24])), "030088");
  assert.throws(() => terminalProfile([0]), RangeError);
});

test("91xx brings the command, the command its response, and the caller sees that its own went well", async () => {
  const { command, response } = usat.refresh[0]!;
  const channel = scripted("910b", `${command}9000`, "910b", `${usat.moreTime.command}9000`, "9000");
  const session = new UsatSession(channel, { handlers: new Map([[PROACTIVE.refresh, done]]) });
  assert.equal(toHex(await session.transmit(fromHex("80f2000000"))), "9000");
  assert.ok(session.pending);
  await session.run();
  assert.ok(!session.pending);
  assert.deepEqual(channel.asked, [
    "80f2000000",
    "801200000b",
    `801400000c${response}`,
    "801200000b",
    "801400000c810301020082028281830100",
  ]);
});

test("a command that the terminal does not know is beyond its capabilities, one that cannot be read is not understood", async () => {
  const send = usat.sendShortMessage.command;
  const channel = scripted("9139", `${send}9000`, "9103", "d001ff9000", "9000");
  const session = new UsatSession(channel);
  await session.start();
  assert.deepEqual(channel.asked, [
    "8010000003030008",
    "8012000039",
    "801400000c810301130082028281830130",
    "8012000003",
    "801400000c810300000082028281830132",
  ]);
});

test("a handler that fails is told to the card as unable, and the next command is done", async () => {
  const { command } = usat.refresh[0]!;
  const channel = scripted("910b", `${command}9000`, "9000");
  const fail: ToolkitHandler = () => Promise.reject(new Error("no"));
  const session = new UsatSession(channel, { handlers: new Map([[PROACTIVE.refresh, fail]]) });
  await session.start();
  assert.equal(channel.asked.at(-1), "801400000d81030101038202828183022000");
});

test("a card without an end of commands does not hold the terminal for ever", async () => {
  const channel = scripted(
    "910b",
    ...Array.from({ length: 100 }, () => [`${usat.moreTime.command}9000`, "910b"]).flat(),
  );
  const session = new UsatSession(channel);
  await assert.rejects(session.start(), code("exhausted"));
  assert.ok(session.pending);
  assert.ok(channel.asked.length < 140);
});

test("a card without a toolkit says so, a busy one and one that refuses are told apart", async () => {
  const plain = card();
  await assert.rejects(new UsatSession(plain.connect()).start(), code("unsupported"));
  const tpdu = fromHex(usat.download[0]!.tpdu);
  assert.deepEqual(await new UsatSession(scripted("9300")).download({ tpdu }), { kind: "busy" });
  assert.deepEqual(await new UsatSession(scripted("01029000")).download({ tpdu }), {
    kind: "acknowledged",
    data: Uint8Array.of(1, 2),
  });
  assert.deepEqual(await new UsatSession(scripted("6102", "01026300")).download({ tpdu }), {
    kind: "refused",
    data: Uint8Array.of(1, 2),
  });
  await assert.rejects(new UsatSession(scripted("6f00")).download({ tpdu }), code("identity-unavailable"));
});

test("the virtual card issues commands one by one, and other commands go on between", async () => {
  const heard: string[] = [];
  const usim = card();
  const channel = taped(toolkitCard(usim.connect(), {
    profile: (profile, ask) => {
      heard.push(toHex(profile));
      ask(encodeProactiveCommand({ number: 1, type: PROACTIVE.refresh, qualifier: REFRESH.initialization }));
      ask(encodeProactiveCommand({ number: 2, type: 0x21, qualifier: 0 }));
    },
    responded: ({ number, general }) => heard.push(`${number}: ${general}`),
  }));
  const files: string[] = [];
  const session: UsatSession = new UsatSession(channel, {
    handlers: new Map<number, ToolkitHandler>([[PROACTIVE.refresh, async () => {
      await session.run();
      files.push(toHex(await session.transmit(fromHex("00a4000c023f00"))).slice(-4));
      return { general: 0 };
    }]]),
  });
  await session.start();
  assert.deepEqual(heard, ["030088", "1: 0", "2: 48"]);
  assert.deepEqual(files, ["9000"]);
  assert.equal(toHex(await channel.transmit(fromHex("801200000b"))), "6985");
  assert.equal(toHex(await channel.transmit(fromHex("801400000c810301010382028281830100"))), "6985");
});

/** SMS-DELIVER as in the conformance tests, with these user data. */
function deliver(userData: Uint8Array): Uint8Array {
  return concat(fromHex("04049121437f1689101000000000"), Uint8Array.of(userData.length), userData);
}

test("[SEC_CF-SEC-003] an object comes to the card by short message, and by REFRESH to the device; one of nobody's authority comes nowhere", async () => {
  const world = new World(1);
  using key = secretFrom(KEY);
  using authority = new CardObjectForm(key, bindingDigest(BINDING));
  const path = fromHex("3f007fff7001");
  const channel = toolkitCard(world.channel(), {
    download: ({ tpdu }, ask) => {
      const received = tpdu.subarray(15);
      if (authority.decode(received).kind !== "object") return Promise.resolve(undefined);
      world.files[1]!.set(received);
      ask(
        encodeProactiveCommand(
          { number: 1, type: PROACTIVE.refresh, qualifier: REFRESH.fileChange },
          encodeFileList([path]),
        ),
      );
      return Promise.resolve(new Uint8Array(0));
    },
  });
  using device = world.device();
  const changed: string[] = [];
  const session: UsatSession = new UsatSession(channel, {
    handlers: new Map<number, ToolkitHandler>([[PROACTIVE.refresh, async ({ objects }) => {
      changed.push(...decodeFileList(objects[0]!.value).map(toHex));
      await device.sync(session);
      return { general: 0x03 };
    }]]),
  });
  await session.start();
  const bytes = authority.encode({ name: "list", version: 1, content: object(7, 60) });
  assert.equal((await session.download({ tpdu: deliver(bytes) })).kind, "acknowledged");
  assert.deepEqual(changed, [toHex(path)]);
  assert.deepEqual(await contents(device), { list: 7 });
  using stranger = new CardObjectForm(key, bindingDigest({ ...BINDING, device: new Uint8Array(8) }));
  const foreign = stranger.encode({ name: "list", version: 2, content: object(9, 60) });
  assert.equal((await session.download({ tpdu: deliver(foreign) })).kind, "refused");
  assert.deepEqual(await contents(device), { list: 7 });
});
