import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The TypeScript blocks of a Markdown text, each as a module of its own, with the line where it starts. */
function blocksOf(markdown: string): { line: number; code: string }[] {
  return [...markdown.matchAll(/^```ts\n([^]*?)^```/gm)].map(({ index, 1: code = '' }) => ({
    line: markdown.slice(0, index).split('\n').length,
    code,
  }));
}

/** What the compiler has to say about modules at the root of the repository. */
function problemsOf(modules: ReadonlyMap<string, string>): string[] {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, ts.sys.readFile) as { config: unknown };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => modules.has(name) || fileExists(name);
  host.readFile = (name) => modules.get(name) ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const code = modules.get(name);
    return code === undefined ? getSourceFile(name, version, ...rest) : ts.createSourceFile(name, code, version);
  };
  const program = ts.createProgram({
    rootNames: [...modules.keys()],
    options: { ...options, noUnusedLocals: false },
    host,
  });
  return [...modules.keys()].flatMap((name) => {
    const source = program.getSourceFile(name);
    return [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)].map(
      ({ messageText }) => `${name.slice(root.length)}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`,
    );
  });
}

it('compiles every code block of the README', { timeout: 60_000 }, () => {
  const blocks = blocksOf(readFileSync(`${root}README.md`, 'utf8'));
  expect(blocks.length).toBeGreaterThanOrEqual(4);
  const wrong = 'import { noSuchThing } from "rx-weir"; export { noSuchThing };';
  const modules = new Map(blocks.map(({ line, code }) => [`${root}README-${line}.ts`, `${code}\nexport {};`]));
  modules.set(`${root}wrong.ts`, wrong);
  const problems = problemsOf(modules);
  expect(problems.filter((problem) => !problem.startsWith('wrong.ts'))).toEqual([]);
  expect(problems).not.toEqual([]); // the check sees a mistake where there is one
});
