import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** A folder outside the repository where the packed package and what it depends on are installed. */
    consumer: string;
  }
}

const root = resolve(import.meta.dirname, '../..');

/** Packs `dist`, and installs it as npm would; what it depends on is linked, so that no network is needed. */
export default function setup({ provide }: TestProject): () => void {
  if (!existsSync(join(root, 'dist/index.js'))) throw new Error('nothing is built: run `npm run build` first');
  const consumer = mkdtempSync(join(tmpdir(), 'rx-weir-consumer-'));
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', consumer];
  const tarball = execFileSync('npm', pack, { cwd: root, encoding: 'utf8' }).trim();
  const modules = join(consumer, 'node_modules');
  mkdirSync(join(modules, 'rx-weir'), { recursive: true });
  execFileSync('tar', ['xzf', tarball, '--strip-components=1', '-C', join(modules, 'rx-weir')], { cwd: consumer });
  for (const name of ['rxjs', 'eventsource-parser', '@types/node', 'undici-types']) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  cpSync(join(import.meta.dirname, 'consumer'), consumer, { recursive: true });
  provide('consumer', consumer);
  return () => rmSync(consumer, { recursive: true });
}
