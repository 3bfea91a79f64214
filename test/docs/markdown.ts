/** What a page of Markdown promises: blocks of code, commands and links. @module */

/** A fenced block. */
export interface Block {
  /** The words after the fence: `ts`, `ts run`, `sh`. */
  readonly info: string;
  readonly code: string;
  /** Of the fence; 1 is the first. */
  readonly line: number;
}

/** The fenced blocks of a page. */
export function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let open: { info: string; line: number; lines: string[] } | undefined;
  for (const [i, text] of page.split("\n").entries()) {
    const fence = /^```(.*)$/.exec(text);
    if (!fence) open?.lines.push(text);
    else if (open) {
      blocks.push({ info: open.info, code: open.lines.join("\n") + "\n", line: open.line });
      open = undefined;
    } else open = { info: fence[1]!.trim(), line: i + 1, lines: [] };
  }
  if (open) throw new SyntaxError(`line ${open.line}: a block without an end`);
  return blocks;
}

/** Lines of `sh` blocks that name a script or a command which is not there. */
export function commandFaults(page: string, scripts: readonly string[], commands: readonly string[]): string[] {
  const names = new Set([...scripts, "ci", "install"]);
  return blocksOf(page).filter(({ info }) => info === "sh").flatMap(({ code, line }) =>
    code.split("\n").flatMap((text, i) => {
      const at = `line ${line + 1 + i}`;
      const run = [...text.matchAll(/\bnpm (?:run (?:--silent )?)?([\w:-]+)/g)].map(([, name]) => name!);
      const called = [...text.matchAll(/(?:^|[|&;$(]\s*|npx |npm run --silent seccf -- )seccf ([\w-]+)/g)].map((
        [, name],
      ) => name!);
      const ours = /\bnpm run --silent seccf -- ([\w-]+)/.exec(text)?.[1];
      return [
        ...run.filter((name) => !names.has(name)).map((name) => `${at}: no script ${name}`),
        ...[...called, ...(ours ? [ours] : [])].filter((name) => !commands.includes(name)).map((name) =>
          `${at}: no command ${name}`
        ),
      ];
    })
  );
}

/** Relative links to files that `exists` does not know. */
export function linkFaults(page: string, exists: (path: string) => boolean): string[] {
  return [...page.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)].map(([, path]) => path!)
    .filter((path) => !exists(path)).map((path) => `no ${path}`);
}
