/** `seccf demo`: the whole story on loopback, in a process for each role. @module */

import { randomBytes } from "node:crypto";
import { toHex, toUtf8 } from "../../../lib/bytes/mod.ts";
import { deadline, unlessAborted } from "../../../lib/deadline.ts";
import { SeccfError } from "../../../lib/error.ts";
import { bsfNameOf } from "../../../lib/identity/mod.ts";
import type { Arguments } from "../arguments.ts";
import type { Command, Console } from "../console.ts";
import { runDevice } from "./device.ts";
import { runEnabler } from "./enabler.ts";
import { demoIdentity, vpcdPort } from "./identity.ts";
import { runKeyManager } from "./key_manager.ts";
import { type Actor, receiveTask, startActor } from "./process.ts";
import type { DeviceTask, EnablerTask, KeyManagerTask } from "./task.ts";

/** The one that people call. */
export const demoCommand: Command = {
  spec: {
    name: "demo",
    summary: "the whole story on loopback: Key Manager, enabler and device, three processes",
    operands: [],
    options: [
      { name: "--identity", value: "WHERE", help: "where the device's subscriber lives (default: in its memory)" },
    ],
    notes: [
      "WHERE is file:PATH, an identity file, made if it is not there; or pcsc[:PORT], a soft USIM in pcscd's virtual",
      "reader vpcd (default port 35963), opened from there as a card.",
      "",
      "Keys are made for each run and go to the processes by pipes; every port is one that the system chose.",
    ],
  },
  run: demo,
};

/** The one that it calls: a role in a process of its own, with its task on standard input. */
export const demoRoleCommand: Command = {
  spec: { name: "demo-role", summary: "a role of the demo", operands: ["ROLE"], options: [] },
  async run({ operands: [role] }, { platform }) {
    const { task, parentGone } = await receiveTask();
    // From our own parent, which types what it sends as it types here.
    if (role === "key-manager") await runKeyManager(task as KeyManagerTask, platform, parentGone);
    else if (role === "enabler") await runEnabler(task as EnablerTask, platform, parentGone);
    else await runDevice(task as DeviceTask, platform);
    return 0;
  },
};

const IMSI = "001010000000001";
const ENABLER = "meter.example.net";
/** Many times what it takes, a card reader included. */
const STORY_SECONDS = 60;
const USES = { tls: "PSK-TLS", http: "HTTP Digest", message: "sealed message" } as const;

async function demo(given: Arguments, console: Console): Promise<number> {
  const print = (line: string) => console.write(toUtf8(`${line}\n`));
  const { platform: { clock }, interrupted: signal } = console;
  const started = clock.now();
  // Whichever of them hangs: the story has an end, and leaves no process behind.
  using limit = deadline({ clock, seconds: STORY_SECONDS, signal });
  const within = <T>(work: Promise<T>): Promise<T> => unlessAborted(work, limit.signal);
  const key = () => toHex(randomBytes(16));
  const subscriber = { imsi: IMSI, k: key(), opc: key() };
  const provisioned = { identity: ENABLER, key: key() };
  const identity = given.one("--identity");
  const vpcd = vpcdPort(identity);
  const fromFile = identity === undefined || vpcd ? undefined : await demoIdentity(identity, IMSI, console);
  const name = fromFile?.keyManager ?? bsfNameOf(IMSI, 2);
  const start = (role: string, task: KeyManagerTask | EnablerTask | DeviceTask): Actor =>
    startActor(role, task, (text) => void print(`${role.padEnd(12)} ${text}`));

  await using manager = start("key-manager", {
    name,
    subscriber: fromFile?.file ?? subscriber,
    enabler: { ...provisioned, names: [ENABLER] },
  });
  const { ub = 0, nbsp = 0 } = await within(manager.ready);
  await using enabler = start("enabler", { name: ENABLER, keyManager: { name, port: nbsp }, provisioned });
  const doors = await within(enabler.ready);
  await using device = start("device", {
    subscriber: fromFile?.file ?? { ...subscriber, pin: "1234", ...vpcd },
    keyManager: { name, port: ub },
    enabler: { name: ENABLER, tls: doors["tls"] ?? 0, http: doors["http"] ?? 0 },
  });
  const status = await within(device.ended);
  if (status !== 0) throw new SeccfError("state", `the device ended with status ${status}`);

  const agreed = Object.entries(USES).map(([use, title]) => ({
    title,
    here: device.keys.get(use),
    there: enabler.keys.get(use),
  }));
  await print("");
  for (const { title, here, there } of agreed) {
    await print(`${title.padEnd(15)} key ${here}${here === there ? " at both ends" : `, but ${there} at the enabler`}`);
  }
  const distinct = new Set(agreed.map(({ here }) => here)).size;
  if (distinct !== agreed.length || agreed.some(({ here, there }) => here === undefined || here !== there)) {
    throw new SeccfError("state", "the keys are not three, or not the same at both ends");
  }
  const ms = Math.round(clock.now() - started);
  await print(`one association, ${agreed.length} uses, ${distinct} keys, 3 processes, ${ms} ms`);
  return 0;
}
