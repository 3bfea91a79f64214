/** Command lines from one table a command: what is parsed is what `--help` shows. @module */

/** One option. */
export interface OptionSpec {
  /** With its dashes: `--suite`. */
  readonly name: string;
  /** What stands for its value in the help; absent for a switch. */
  readonly value?: string;
  /** May be given more than once. */
  readonly repeated?: true;
  /** One line. */
  readonly help: string;
}

/** What a command takes. */
export interface CommandSpec {
  readonly name: string;
  /** One line. */
  readonly summary: string;
  /** What stands for each argument that is not an option, all of them required. */
  readonly operands: readonly string[];
  readonly options: readonly OptionSpec[];
  /** Lines below the options. */
  readonly notes?: readonly string[];
}

/** A command line that makes no sense: exit status 2. Its message never shows a value, which may be a key. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A command line that does. */
export interface Arguments {
  readonly operands: readonly string[];
  readonly help: boolean;
  /** Whether a switch is there. */
  has(name: string): boolean;
  /** The value of an option that is given at most once. */
  one(name: string): string | undefined;
  /** All values, in order. */
  all(name: string): readonly string[];
}

/** Every command has these. */
export const COMMON_OPTIONS: readonly OptionSpec[] = [
  { name: "--json", help: "errors and events as one JSON object a line, on stderr" },
  { name: "--help", help: "this text" },
];

/** Takes `--name value`, `--name=value`, switches and operands in any order; `--` ends the options. Throws {@link UsageError}. */
export function parseArguments(spec: CommandSpec, words: readonly string[]): Arguments {
  const known = [...spec.options, ...COMMON_OPTIONS];
  const values = new Map<string, string[]>();
  const operands: string[] = [];
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (word === "--") {
      operands.push(...rest.splice(0));
    } else if (word === "-h") {
      values.set("--help", []);
    } else if (word.startsWith("--")) {
      const { option, inline } = findOption(known, word);
      const given = values.get(option.name) ?? [];
      if (values.has(option.name) && !option.repeated) throw new UsageError(`${option.name} is given twice`);
      values.set(option.name, given);
      if (option.value !== undefined) given.push(inline ?? nextValue(known, option, rest));
      else if (inline !== undefined) throw new UsageError(`${option.name} takes no value`);
    } else {
      operands.push(word);
    }
  }
  const help = values.has("--help");
  if (!help && operands.length !== spec.operands.length) throw new UsageError(wrongCount(spec, operands.length));
  return {
    operands,
    help,
    has: (name) => values.has(name),
    one: (name) => values.get(name)?.[0],
    all: (name) => values.get(name) ?? [],
  };
}

/** The text of `--help`. */
export function helpFor(spec: CommandSpec): string {
  const options = [...spec.options, ...COMMON_OPTIONS].map((option) => ({
    left: `${option.name}${option.value === undefined ? "" : ` ${option.value}`}`,
    right: option.help + (option.repeated ? " (repeatable)" : ""),
  }));
  const width = Math.max(...options.map(({ left }) => left.length));
  return [
    `seccf ${spec.name} - ${spec.summary}`,
    "",
    `usage: seccf ${[spec.name, ...spec.operands].join(" ")} [options]`,
    "",
    ...options.map(({ left, right }) => `  ${left.padEnd(width)}  ${right}`),
    ...(spec.notes ? ["", ...spec.notes] : []),
    "",
  ].join("\n");
}

/** `; did you mean X?` for the nearest of `names`, or nothing when none is near. */
export function suggestion(word: string, names: readonly string[]): string {
  const near = names
    .map((name) => ({ name, distance: name.startsWith(word) && word.length > 3 ? 1 : editDistance(word, name) }))
    .filter(({ name, distance }) => distance <= Math.max(2, Math.floor(name.length / 4)))
    .sort((a, b) => a.distance - b.distance)[0];
  return near ? `; did you mean ${near.name}?` : "";
}

function findOption(known: readonly OptionSpec[], word: string): { option: OptionSpec; inline: string | undefined } {
  const at = word.indexOf("=");
  const name = at < 0 ? word : word.slice(0, at);
  const option = known.find((each) => each.name === name);
  if (!option) {
    throw new UsageError(`no such option: ${name}${suggestion(name, known.map((each) => each.name))}`);
  }
  return { option, inline: at < 0 ? undefined : word.slice(at + 1) };
}

function nextValue(known: readonly OptionSpec[], option: OptionSpec, rest: string[]): string {
  const value = rest.shift();
  // `--hint --echo` is a forgotten value; a value that really looks so can be given as `--hint=--echo`.
  if (value === undefined || known.some((each) => each.name === value)) {
    throw new UsageError(`${option.name} needs a value: ${option.name} ${option.value}`);
  }
  return value;
}

function wrongCount(spec: CommandSpec, count: number): string {
  return `seccf ${spec.name} takes ${spec.operands.join(" ") || "no arguments"}, not ${count} arguments`;
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
