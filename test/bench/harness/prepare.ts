/** Brings what is measured into place: the peers, the built library, and the benchmarks as plain JavaScript. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';

export const BENCH = join(import.meta.dirname, '..');
export const ROOT = join(BENCH, '../..');
/** Below node_modules: what is compiled finds the peers from there, and no tool of the root looks at it. */
const OUT = join(BENCH, 'node_modules/.cache/bench');

const changedAt = (path: string): number => (existsSync(path) ? statSync(path).mtimeMs : 0);

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
      changedAt(join(ROOT, folder, name)),
    ),
  );

/** npm, whose output goes to ours for people to read. */
function npm(args: readonly string[]): void {
  console.error(`> npm ${args.join(' ')}`);
  const { status } = spawnSync('npm', args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
  if (status !== 0) throw new Error(`npm ${args.join(' ')} failed`);
}

/** Installs the peers and builds the library where that is missing or out of date. */
export function provide({ peers = true } = {}): void {
  if (
    peers &&
    changedAt(join(BENCH, 'node_modules/.package-lock.json')) < changedAt(join(BENCH, 'package-lock.json'))
  ) {
    // Some newest versions ask for a newer Node than ours, and run with it all the same: not a word about that.
    npm(['ci', '--prefix', 'test/bench', '--loglevel', 'error']);
  }
  if (changedAt(join(ROOT, 'dist/index.d.ts')) < Math.max(newest('src'), newest('operators'))) npm(['run', 'build']);
}

/** The package as a user has it: its built ES modules. */
const builtLibrary: Plugin = {
  name: 'built-library',
  setup({ onResolve }) {
    onResolve({ filter: /^rx-weir(\/testing)?$/ }, ({ path }) => ({
      path: pathToFileURL(join(ROOT, path.replace('rx-weir', 'dist'), 'index.js')).href,
      external: true,
    }));
  },
};

/**
 * Compiles a program of this folder. By esbuild alone and not by tsx, which keeps the names of functions by a call wherever
 * one is made: a closure would cost more than it does.
 *
 * @param others - more programs, which it starts by the names given here, beside it
 * @returns its path
 */
export async function compile(name: string, others: Readonly<Record<string, string>> = {}): Promise<string> {
  const outdir = join(OUT, name.replaceAll('/', '-'));
  rmSync(outdir, { recursive: true, force: true });
  await build({
    entryPoints: Object.fromEntries(
      Object.entries({ main: name, ...others }).map(([to, from]) => [to, join(BENCH, `${from}.ts`)]),
    ),
    outdir,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    packages: 'external',
    sourcemap: 'inline',
    tsconfigRaw: {},
    plugins: [builtLibrary],
    logLevel: 'warning',
  });
  return join(outdir, 'main.mjs');
}
