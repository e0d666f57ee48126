import { readdirSync, readFileSync } from 'node:fs';
import { dirname, posix } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const root = dirname(import.meta.dirname);

/** A layer, what it may import of the others, and of which packages. */
interface Layer {
  readonly below: readonly string[];
  readonly packages?: readonly string[];
  /** Packages of which only types may be imported. */
  readonly types?: readonly string[];
}

// errors, events <- policies <- signals <- operators/kernel <- operators <- client; sources, interop and testing beside.
const bottom = ['src/errors', 'src/events'];
const toPolicies = [...bottom, 'src/policies'];
const toSignals = [...toPolicies, 'src/signals'];
const toOperators = [...toSignals, 'operators/kernel', 'operators'];
const LAYERS: Readonly<Record<string, Layer>> = {
  'src/errors': { below: [] },
  'src/events': { below: ['src/errors'] },
  'src/policies': { below: bottom, types: ['rxjs'] },
  'src/signals': { below: toPolicies, packages: ['rxjs'] },
  'operators/kernel': { below: toSignals, packages: ['rxjs'] },
  operators: { below: [...toSignals, 'operators/kernel'], packages: ['rxjs'] },
  'src/sources': { below: bottom, packages: ['rxjs', 'eventsource-parser'] },
  'src/interop': { below: bottom, packages: ['rxjs'] },
  'src/testing': { below: bottom, packages: ['rxjs', 'node:'] },
  'src/client': { below: [...toOperators, 'src/sources'], packages: ['rxjs'] },
  'src/index.ts': { below: [...toOperators, 'src/sources', 'src/interop', 'src/client'] },
};
const ENTRIES = ['src/index.ts', 'operators/index.ts', 'src/testing/index.ts'];
const TOP_LEVEL = ['src', 'operators', 'examples', 'test'];
/** Made by tools, in no commit. */
const GENERATED = ['node_modules', 'dist', 'coverage'];

/** Source text by path from the repository's root. */
type Tree = Readonly<Record<string, string>>;

const parse = (path: string, text: string): ts.SourceFile =>
  ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS);

/** Everything that a file imports or re-exports, `import()` and types included. */
function importsOf(path: string, text: string): { name: string; typeOnly: boolean }[] {
  const found: { name: string; typeOnly: boolean }[] = [];
  const add = (node: ts.Node | undefined, typeOnly: boolean): void => {
    if (node && ts.isStringLiteralLike(node)) found.push({ name: node.text, typeOnly });
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      add(node.moduleSpecifier, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
    else if (ts.isImportTypeNode(node))
      add(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined, true);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node.arguments[0], false);
    } else if (ts.isImportEqualsDeclaration(node) && ts.isExternalModuleReference(node.moduleReference)) {
      add(node.moduleReference.expression, node.isTypeOnly);
    }
    ts.forEachChild(node, visit);
  };
  visit(parse(path, text));
  return found;
}

const layerOf = (path: string): string | undefined =>
  Object.keys(LAYERS)
    .filter((layer) => path === layer || path.startsWith(`${layer}/`))
    .sort((a, b) => b.length - a.length)[0];

/** What is wrong with one import, and the file it leads to. An index may be imported only by an entry that re-exports it. */
function judge(tree: Tree, from: string, name: string, typeOnly: boolean): { problem?: string; to?: string } {
  const layer = layerOf(from);
  const rules = LAYERS[layer ?? ''];
  if (!rules) return { problem: 'is in no layer' };
  if (!name.startsWith('.')) {
    const allowed = [...(rules.packages ?? []), ...(typeOnly ? (rules.types ?? []) : [])];
    const known = allowed.some((one) => (one.endsWith(':') ? name.startsWith(one) : name === one));
    return known ? {} : { problem: `imports ${typeOnly ? 'a type of ' : ''}'${name}'` };
  }
  const to = `${posix.join(posix.dirname(from), name)}.ts`;
  const reExport = ENTRIES.includes(from) && ENTRIES.includes(to);
  if (to.endsWith('/index.ts') && !reExport) return { problem: `imports the index ${to}` };
  if (!(to in tree)) return { problem: `imports '${name}', which is no file` };
  const target = layerOf(to);
  if (target === undefined || (target !== layer && !rules.below.includes(target))) {
    return { problem: `imports ${to}`, to };
  }
  return { to };
}

/** The paths by which a file comes back to itself, each once. */
function circles(graph: ReadonlyMap<string, readonly string[]>): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const walk = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) found.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
    if (done.has(path) || trail.includes(path)) return;
    for (const next of graph.get(path) ?? []) walk(next, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) walk(path, []);
  return found;
}

/** Every way in which the tree breaks the table above; `[]` when it keeps it. */
function problemsOf(tree: Tree): string[] {
  const problems: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, text] of Object.entries(tree)) {
    const edges: string[] = [];
    if (!layerOf(path)) problems.push(`${path} is in no layer`);
    for (const { name, typeOnly } of importsOf(path, text)) {
      const { problem, to } = judge(tree, path, name, typeOnly);
      if (problem) problems.push(`${path} ${problem}`);
      if (to) edges.push(to);
    }
    graph.set(path, edges);
    const reExports = parse(path, text).statements.every((one) => ts.isExportDeclaration(one) && one.moduleSpecifier);
    if (path.endsWith('/index.ts') && !reExports) problems.push(`${path} holds more than re-exports`);
    if (path.endsWith('/index.ts') && !ENTRIES.includes(path)) problems.push(`${path} is an index but no entry`);
  }
  problems.push(...circles(graph).map((circle) => `circle: ${circle}`));
  const reached = new Set(ENTRIES);
  for (const path of reached) for (const next of graph.get(path) ?? []) reached.add(next);
  for (const path of Object.keys(tree)) if (!reached.has(path)) problems.push(`${path} is reached from no entry`);
  return problems;
}

describe('the layers', () => {
  const tree: Record<string, string> = {};
  for (const folder of ['src', 'operators']) {
    for (const name of readdirSync(`${root}/${folder}`, { recursive: true, encoding: 'utf8' })) {
      const path = `${folder}/${name.replaceAll('\\', '/')}`;
      if (path.endsWith('.ts')) tree[path] = readFileSync(`${root}/${path}`, 'utf8');
    }
  }

  it('has sources to look at', () => {
    expect(Object.keys(tree)).toEqual(expect.arrayContaining(ENTRIES));
  });

  it('holds the table', () => {
    expect(problemsOf(tree)).toEqual([]);
  });

  it('has no other folders', () => {
    const folders = (path: string): string[] =>
      readdirSync(`${root}/${path}`, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name);
    const top = folders('.').filter((name) => !name.startsWith('.') && !GENERATED.includes(name));
    expect(TOP_LEVEL).toEqual(expect.arrayContaining(top));
    expect(Object.keys(LAYERS)).toEqual(
      expect.arrayContaining(['src', 'operators'].flatMap((path) => folders(path).map((name) => `${path}/${name}`))),
    );
  });
});

describe('the check of the layers', () => {
  // A small tree that keeps the table; each case adds or replaces files.
  const good: Tree = {
    'src/index.ts': `export { retry } from '../operators/retry'; export * from './client/chat';`,
    'src/errors/codes.ts': `export const codes = 1;`,
    'src/policies/breaker.ts': `import { codes } from '../errors/codes'; import type { ObservableInput } from 'rxjs';`,
    'src/signals/hub.ts': `import { BehaviorSubject } from 'rxjs'; import type { Breaker } from '../policies/breaker';`,
    'src/sources/sse.ts': `import { createParser } from 'eventsource-parser'; import { codes } from '../errors/codes';`,
    'src/client/chat.ts': `import { sse } from '../sources/sse'; import { retry } from '../../operators/retry';`,
    'src/testing/index.ts': `export { server } from './server';`,
    'src/testing/server.ts': `import { createServer } from 'node:http';`,
    'operators/index.ts': `export { retry } from './retry';\nexport type { Breaker } from '../src/policies/breaker';`,
    'operators/retry.ts': `import { loop } from './kernel/loop'; import { Observable } from 'rxjs';`,
    'operators/kernel/loop.ts': `import { hub } from '../../src/signals/hub';`,
  };
  const check = (change: Tree): string[] => problemsOf({ ...good, ...change });

  it('finds nothing in a tree that keeps the table', () => {
    expect(check({})).toEqual([]);
    const wholeEntry = `export * from '../operators/index'; export * from './client/chat';`;
    expect(check({ 'src/index.ts': wholeEntry })).toEqual([]);
  });

  it.each([
    ['an upward import', 'src/errors/codes.ts', `import { hub } from '../signals/hub';`, 'imports src/signals/hub.ts'],
    [
      'an upward type',
      'src/errors/codes.ts',
      `import type { Hub } from '../signals/hub';`,
      'imports src/signals/hub.ts',
    ],
    ['an import() upwards', 'src/errors/codes.ts', `void import('../signals/hub');`, 'imports src/signals/hub.ts'],
    [
      'an import type upwards',
      'src/errors/codes.ts',
      `let a: import('../signals/hub').Hub;`,
      'imports src/signals/hub.ts',
    ],
    ['a re-export upwards', 'src/errors/codes.ts', `export * from '../signals/hub';`, 'imports src/signals/hub.ts'],
    [
      'operators that pull the client in',
      'operators/retry.ts',
      `import '../src/client/chat';`,
      'imports src/client/chat.ts',
    ],
    [
      'a kernel that knows its operators',
      'operators/kernel/loop.ts',
      `import '../retry';`,
      'imports operators/retry.ts',
    ],
    ['sources on policies', 'src/sources/sse.ts', `import '../policies/breaker';`, 'imports src/policies/breaker.ts'],
    ['the main entry on testing', 'src/index.ts', `export * from './testing/server';`, 'imports src/testing/server.ts'],
    ['the main entry on ./testing', 'src/index.ts', `export * from './testing/index';`, 'imports src/testing/index.ts'],
    [
      'an index',
      'src/client/chat.ts',
      `import { retry } from '../../operators/index';`,
      'the index operators/index.ts',
    ],
    ['a folder', 'src/client/chat.ts', `import { retry } from '../../operators';`, 'which is no file'],
    ['rxjs at run time in a policy', 'src/policies/breaker.ts', `import { of } from 'rxjs';`, `imports 'rxjs'`],
    ['rxjs in errors', 'src/errors/codes.ts', `import type { Observable } from 'rxjs';`, `imports a type of 'rxjs'`],
    ['deep rxjs', 'operators/retry.ts', `import { map } from 'rxjs/operators';`, `imports 'rxjs/operators'`],
    ['node: outside testing', 'src/client/chat.ts', `import { env } from 'node:process';`, `imports 'node:process'`],
    ['another package', 'src/client/chat.ts', `import OpenAI from 'openai';`, `imports 'openai'`],
    ['a parser outside sources', 'src/client/chat.ts', `import 'eventsource-parser';`, `imports 'eventsource-parser'`],
    [
      'an import from the package itself',
      'src/client/chat.ts',
      `import 'rx-weir/operators';`,
      `imports 'rx-weir/operators'`,
    ],
    ['code in an entry', 'src/index.ts', `export const version = '1';`, 'holds more than re-exports'],
    ['another index', 'src/errors/index.ts', `export * from './codes';`, 'is an index but no entry'],
    ['another folder', 'src/utils/map.ts', `export const map = 1;`, 'is in no layer'],
    ['a loose file', 'src/helpers.ts', `export const help = 1;`, 'is in no layer'],
    ['a file that nobody imports', 'src/events/old.ts', `export const old = 1;`, 'is reached from no entry'],
  ])('finds %s', (_, path, text, problem) => {
    expect(check({ [path]: text }).join('\n')).toContain(problem);
  });

  it('finds a circle, also one of types', () => {
    const circle = check({
      'operators/kernel/loop.ts': `import { step } from './step';`,
      'operators/kernel/step.ts': `import type { Loop } from './loop';`,
    });
    expect(circle).toContain(
      'circle: operators/kernel/loop.ts -> operators/kernel/step.ts -> operators/kernel/loop.ts',
    );
  });
});
