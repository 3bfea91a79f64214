/** One process of the demo: told what to do by a line on stdin, telling what happened by lines on stdout. @module */

import { type ChildProcessByStdio, spawn } from "node:child_process";
import type { Readable, Writable } from "node:stream";
import { createInterface } from "node:readline";
import process from "node:process";
import { SeccfError } from "../../../lib/error.ts";

/** What a process of the demo tells its parent. */
export type Report =
  | { readonly kind: "step"; readonly text: string }
  /** It listens; `ports` by name. */
  | { readonly kind: "ready"; readonly ports: Readonly<Record<string, number>> }
  /** The key it has for a use, by fingerprint. */
  | { readonly kind: "key"; readonly use: string; readonly fingerprint: string };

/** A child as its parent sees it. */
export interface Actor extends AsyncDisposable {
  /** Resolves with its ports when it listens; rejects if it ends before. */
  readonly ready: Promise<Readonly<Record<string, number>>>;
  /** Resolves with its exit status. */
  readonly ended: Promise<number>;
  /** What it told of its keys so far, by use. */
  readonly keys: ReadonlyMap<string, string>;
}

/** Starts `seccf demo-role ROLE` as a process of its own and hands it `task`; every step it tells goes to `onStep`. */
export function startActor(role: string, task: unknown, onStep: (text: string) => void): Actor {
  const [command, ...args] = selfCommand();
  const child: ChildProcessByStdio<Writable, Readable, null> = spawn(command, [...args, "demo-role", role], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const keys = new Map<string, string>();
  const ended = new Promise<number>((resolve) => {
    child.once("error", () => resolve(1));
    child.once("exit", (code) => resolve(code ?? 1));
  });
  const ready = new Promise<Readonly<Record<string, number>>>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const report = JSON.parse(line) as Report; // our own child's
      if (report.kind === "step") onStep(report.text);
      else if (report.kind === "ready") resolve(report.ports);
      else keys.set(report.use, report.fingerprint);
    });
    ended.then((code) => reject(new SeccfError("state", `${role} ended with status ${code} before it was ready`)));
  });
  ready.catch(() => undefined); // whoever waits for it hears of it
  child.stdin.on("error", () => undefined); // a child that is gone is told by \`ended\`
  // The secrets of the demo's subscriber go through a pipe: arguments are there for everybody to read.
  child.stdin.write(`${JSON.stringify(task)}\n`);
  return {
    ready,
    ended,
    keys,
    async [Symbol.asyncDispose]() {
      child.stdin.end(); // a child ends when its stdin does, also when this process is killed
      const grace = setTimeout(() => void child.kill("SIGKILL"), GRACE_MS);
      await ended;
      clearTimeout(grace);
    },
  };
}

/** In a child: the task, and the end of the parent's interest. */
export async function receiveTask(): Promise<{ readonly task: unknown; readonly parentGone: Promise<void> }> {
  const lines = createInterface({ input: process.stdin });
  const parentGone = new Promise<void>((resolve) => lines.once("close", resolve));
  const task = await new Promise<unknown>((resolve, reject) => {
    lines.once("line", (line) => resolve(JSON.parse(line)));
    lines.once("close", () => reject(new Error("no task on stdin")));
  });
  return { task, parentGone };
}

/** In a child: tells the parent. */
export function report(what: Report): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

/** How this very program is started, with the runtime's own arguments. */
function selfCommand(): [string, ...string[]] {
  const script = process.argv[1];
  if (script === undefined) throw new Error("not started from a file");
  // Deno needs its permissions said again; Node and Bun run the file as they are.
  return "deno" in process.versions ? [process.execPath, "run", "-A", script] : [process.execPath, script];
}

/** What a child has to end by itself. */
const GRACE_MS = 5000;
