/**
 * What a source takes from its surroundings: clocks, timers, randomness, the network, the machine. A member, a key, a
 * method or a local variable that only shares the name is not that. By tokens and brackets alone, so that the port
 * `fetch` may be handed around under its own name.
 *
 * @module
 */

import type { Token } from "./tokens.ts";

const AMBIENT = new Set([
  ...["setTimeout", "setInterval", "setImmediate", "clearTimeout", "clearInterval", "clearImmediate", "performance"],
  ...["crypto", "fetch", "console", "process", "globalThis", "self", "window", "Deno", "Bun", "Buffer", "require"],
  ...["navigator", "WebSocket", "XMLHttpRequest", "EventSource", "Worker", "localStorage", "eval", "Function"],
  ...[
    "global",
    "location",
    "indexedDB",
    "caches",
    "SharedWorker",
    "BroadcastChannel",
    "MessageChannel",
    "WebTransport",
  ],
  ...["queueMicrotask", "scheduler", "Temporal", "Intl", "Event", "importScripts", "prompt", "alert"],
]);
/** Of these some members are pure: they are named where they are used, and never handed around. */
const MIXED = new Set(["Math", "Date", "AbortSignal", "Atomics"]);
const AMBIENT_MEMBERS = new Set([
  "Math.random",
  "Date.now",
  "AbortSignal.timeout",
  "Atomics.wait",
  "Atomics.waitAsync",
]);

/** Every use of the surroundings, in order. */
export function ambientUses(tokens: readonly Token[]): { name: string; line: number }[] {
  const pairs = brackets(tokens);
  return tokens.flatMap((token, i) => {
    const name = token.kind === "word" ? ambientUse(tokens, pairs, i) : undefined;
    return name === undefined ? [] : [{ name, line: token.line }];
  });
}

function ambientUse(tokens: readonly Token[], pairs: Pairs, i: number): string | undefined {
  const text = tokens[i]!.text;
  const [before, next, after] = [tokens[i - 1]?.text, tokens[i + 1]?.text, tokens[i + 2]?.text];
  if (before === "." && tokens[i - 2]?.text !== ".") {
    // Of any function this is `Function`.
    return text === "constructor" && (next === "(" || next === ".") ? ".constructor" : undefined;
  }
  if (text === "import" && next === "." && after === "meta") return "import.meta";
  const member = `${text}${next}${after}`;
  if (AMBIENT_MEMBERS.has(member)) return member;
  if (MIXED.has(text) && handedOn(tokens, i)) return text;
  if (text === "Date" && next === "(" && (after === ")" || after === ".")) return "Date()";
  if (!AMBIENT.has(text)) return undefined;
  const key = (next === ":" || (next === "?" && after === ":")) && before !== "?";
  const method = next === "(" && /^(?:async|[{},;])$/.test(before ?? "") &&
    /^[{:]$/.test(tokens[pairs.get(i + 1)! + 1]?.text ?? "");
  return key || method || binds(tokens, pairs, i) || bound(tokens, pairs, i) ? undefined : text;
}

/** Whether the object at `i` is indexed, kept, passed or made without arguments, as a type never is. */
function handedOn(tokens: readonly Token[], i: number): boolean {
  const [before, next, after] = [tokens[i - 1]?.text, tokens[i + 1]?.text, tokens[i + 2]?.text];
  if (next === "[") return after !== "]";
  if (before === "new") return next !== "(";
  const alias = before === "=" && tokens[i - 3]?.text !== "type";
  return next !== "." && (alias || /^(?:[(,[]|return)$/.test(before ?? "") && /^[),\]};]$/.test(next ?? ""));
}

/** Opening bracket -> closing one and back. */
type Pairs = ReadonlyMap<number, number>;

function brackets(tokens: readonly Token[]): Pairs {
  const pairs = new Map<number, number>();
  const open: number[] = [];
  for (const [i, { kind, text }] of tokens.entries()) {
    if (kind !== "mark") continue;
    if (/^[({[]$/.test(text)) open.push(i);
    else if (/^[)}\]]$/.test(text)) {
      const from = open.pop() ?? -1;
      pairs.set(i, from).set(from, i);
    }
  }
  return pairs;
}

/** Whether the word at `i` is declared there: `const { fetch }`, `({ fetch }) =>`. */
function binds(tokens: readonly Token[], pairs: Pairs, i: number): boolean {
  if (/^(?:const|let|function)$/.test(tokens[i - 1]?.text ?? "")) return true;
  // What stands behind = is a default, taken from the surroundings.
  if (tokens[i - 1]?.text === "=") return false;
  let opener = enclosing(tokens, pairs, i);
  while (tokens[opener]?.text === "{" && tokens[opener - 1]?.text === ":") opener = enclosing(tokens, pairs, opener);
  if (/^(?:const|let)$/.test(tokens[opener - 1]?.text ?? "")) return true;
  const list = tokens[opener]?.text === "{" ? enclosing(tokens, pairs, opener) : opener;
  if (tokens[list]?.text !== "(" || /^(?:if|while|for|switch)$/.test(tokens[list - 1]?.text ?? "")) return false;
  const close = pairs.get(list)!;
  return isArrow(tokens, close + 1) || (list !== opener && /^[{:]$/.test(tokens[close + 1]?.text ?? ""));
}

/** Whether the word at `i` was declared in a block around it or in the parameters of one. */
function bound(tokens: readonly Token[], pairs: Pairs, i: number): boolean {
  const name = tokens[i]!.text;
  const declares = (from: number, to: number): boolean =>
    tokens.slice(from, to).some(({ text }, k) =>
      text === name && tokens[from + k - 1]?.text !== "." && /^[,:=?)}]$/.test(tokens[from + k + 1]?.text ?? "")
    );
  let inHeader = false;
  /** Whether an expression ended between there and here: the body of an arrow without braces is over. */
  let ended = false;
  for (let k = i - 1; k >= 0; k--) {
    const { kind, text } = tokens[k]!;
    if (text === name && /^(?:const|let|function)$/.test(tokens[k - 1]?.text ?? "")) return true;
    if (kind !== "mark") continue;
    if (/^[)}\]]$/.test(text)) {
      const from = pairs.get(k)!;
      const pattern = text === "}" && /^(?:const|let)$/.test(tokens[from - 1]?.text ?? "");
      if ((pattern || (text === ")" && inHeader)) && declares(from, k)) return true;
      if (text === "}") inHeader = false;
      k = from;
    } else if (text === "{" || (isArrow(tokens, k - 1) && !ended)) inHeader = true;
    else if (text === ";") inHeader = false;
    if (/^[;,]$/.test(text)) ended = true;
    else if (/^[({[]$/.test(text)) ended = false;
  }
  return false;
}

function isArrow(tokens: readonly Token[], i: number): boolean {
  return tokens[i]?.text === "=" && tokens[i + 1]?.text === ">" && tokens[i + 1]?.kind === "mark";
}

/** The bracket that the token at `i` stands in; -1 for none. */
function enclosing(tokens: readonly Token[], pairs: Pairs, i: number): number {
  for (let k = i - 1; k >= 0; k--) {
    const { kind, text } = tokens[k]!;
    if (kind !== "mark") continue;
    if (/^[({[]$/.test(text)) return k;
    if (/^[)}\]]$/.test(text)) k = pairs.get(k)!;
  }
  return -1;
}
