import { readFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { BENCH, ROOT } from './prepare';

const json = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** What the figures hold for. */
export function machine() {
  const all = cpus();
  const { dependencies } = json(join(BENCH, 'package.json')) as { dependencies: Record<string, string> };
  const { version: rxjs } = json(join(ROOT, 'node_modules/rxjs/package.json')) as { version: string };
  const peers = Object.entries(dependencies).filter(([name]) => !name.startsWith('@types/') && name !== 'zod');
  return {
    cpu: `${all.length} x ${all[0]?.model ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    node: process.version,
    v8: process.versions.v8,
    versions: { rxjs, ...Object.fromEntries(peers) },
    /** Of the last minute; above the share of one process somebody else was at work. */
    load: loadavg()[0]!,
  };
}
