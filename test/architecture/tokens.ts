/**
 * The tokens of a TypeScript source: enough to tell code from comments and text, which is all that the rules about
 * imports and names need. Not a parser: it knows no grammar, and it tells a regular expression from a division by
 * the token before it.
 *
 * @module
 */

/** A word, a literal or one character of punctuation, with its line (1 is the first). */
export interface Token {
  readonly kind: "word" | "string" | "template" | "regex" | "number" | "mark";
  /** A string's and a template's text is without its quotes, escapes as they stand. */
  readonly text: string;
  readonly line: number;
}

/** A source taken apart. */
export interface Lexed {
  readonly tokens: readonly Token[];
  readonly comments: readonly { readonly text: string; readonly line: number }[];
}

const WORD = /[\p{ID_Start}_$#@][\p{ID_Continue}_$]*/uy;
const NUMBER = /\d[\w.]*/y;
const STRING = /"(?:[^"\\\n]|\\[^])*"|'(?:[^'\\\n]|\\[^])*'/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;
const COMMENT = /\/\/[^\n]*|\/\*[^]*?\*\//y;
const TEMPLATE = /(?:[^`\\$]|\\[^]|\$(?!\{))*(?:`|\$\{)/y;
const BEFORE_VALUE =
  /^(?:return|typeof|case|in|of|do|else|void|throw|new|delete|await|yield|instanceof|extends|default)$/;

/** Takes `source` apart; throws `SyntaxError` with the line where it can not. */
export function lex(source: string): Lexed {
  const tokens: Token[] = [];
  const comments: { text: string; line: number }[] = [];
  const braces: ("block" | "template")[] = [];
  let at = 0;
  let line = 1;

  const match = (pattern: RegExp): string | undefined => {
    pattern.lastIndex = at;
    return pattern.exec(source)?.[0];
  };
  const pass = (text: string): void => {
    at += text.length;
    for (const character of text) if (character === "\n") line++;
  };
  const push = (kind: Token["kind"], raw: string, text = raw): void => {
    tokens.push({ kind, text, line });
    pass(raw);
  };
  const template = (): void => {
    const chunk = match(TEMPLATE);
    if (chunk === undefined) throw new SyntaxError(`line ${line}: a template without an end`);
    const open = chunk.endsWith("${");
    if (open) braces.push("template");
    push("template", chunk, chunk.slice(0, open ? -2 : -1));
  };
  const regexMayStand = (): boolean => {
    const last = tokens.at(-1);
    if (!last) return true;
    if (last.kind === "word") return BEFORE_VALUE.test(last.text);
    return last.kind === "mark" && !/[)\]}]/.test(last.text);
  };

  while (at < source.length) {
    const here = source[at]!;
    const comment = here === "/" ? match(COMMENT) : undefined;
    const regex = here === "/" && comment === undefined && regexMayStand() ? match(REGEX) : undefined;
    const word = match(WORD);
    if (/\s/.test(here)) pass(here);
    else if (comment !== undefined) {
      comments.push({ text: comment, line });
      pass(comment);
    } else if (regex !== undefined) push("regex", regex);
    else if (word !== undefined) push("word", word);
    else if (/\d/.test(here)) push("number", match(NUMBER)!);
    else if (here === "`") {
      pass(here);
      template();
    } else if (here === '"' || here === "'") {
      const text = match(STRING);
      if (text === undefined) throw new SyntaxError(`line ${line}: a string without an end`);
      push("string", text, text.slice(1, -1));
    } else {
      // No rule about names would know it again.
      if (here === "\\") throw new SyntaxError(`line ${line}: an escape in a name`);
      if (here === "{") braces.push("block");
      const closed = here === "}" ? braces.pop() : undefined;
      if (closed === "template") {
        pass(here);
        template();
      } else push("mark", here);
    }
  }
  return { tokens, comments };
}

/** One `import` or `export ... from`. */
export interface Import {
  /** What stands between the quotes; `undefined` when it is computed. */
  readonly specifier: string | undefined;
  /** The names asked for; `*` for all of them or for a dynamic import. */
  readonly names: readonly string[];
  /** Whether only types can come through: `import type`, `export type`, `typeof import()`. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/** Every import of a source: static, re-exporting, for its effects, and dynamic. */
export function importsOf({ tokens }: Lexed): Import[] {
  const found: Import[] = [];
  for (let i = 0; i < tokens.length; i++) {
    const { kind, text, line } = tokens[i]!;
    if (kind !== "word" || (text !== "import" && text !== "export") || tokens[i - 1]?.text === ".") continue;
    const next = tokens[i + 1];
    if (text === "import" && next?.kind === "string") {
      found.push({ specifier: next.text, names: [], typeOnly: false, line });
    } else if (text === "import" && next?.text === "(") {
      const argument = tokens[i + 2];
      const literal = argument?.kind === "string" || (argument?.kind === "template" && tokens[i + 3]?.text === ")");
      found.push({ specifier: literal ? argument.text : undefined, names: ["*"], typeOnly: false, line });
    } else if (text === "import" && next?.text !== "." || /^(?:\*|\{|type)$/.test(next?.text ?? "")) {
      const clause = clauseFrom(tokens, i + 1);
      if (clause) found.push({ ...clause, line });
    }
  }
  return found;
}

/** `type { a, b as c } from "x"` from `start` on; `undefined` for an export that declares. */
function clauseFrom(tokens: readonly Token[], start: number): Omit<Import, "line"> | undefined {
  const typeOnly = tokens[start]?.text === "type" && tokens[start + 1]?.text !== "from";
  const names: string[] = [];
  for (let i = start; i < tokens.length; i++) {
    const { kind, text } = tokens[i]!;
    const after = tokens[i + 1];
    if (text === "from" && after?.kind === "string") return { specifier: after.text, names, typeOnly };
    if (kind === "word") {
      const renaming = text === "as" || tokens[i - 1]?.text === "as";
      if (!renaming && text !== "type") names.push(text);
    } else if (text === "*") names.push(text);
    else if (!/^[{},]$/.test(text)) return undefined;
  }
  return undefined;
}
