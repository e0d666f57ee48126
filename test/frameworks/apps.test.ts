import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { APPS, folderOf } from './App';

interface Lockfile {
  readonly packages: Readonly<
    Record<string, { readonly version?: string; readonly resolved?: string; readonly link?: boolean }>
  >;
}

describe.each(APPS)('%s', (name) => {
  const read = (file: string): string => readFileSync(join(folderOf(name), file), 'utf8');
  const { packages } = JSON.parse(read('package-lock.json')) as Lockfile;

  it('has one RxJS, and the package as an install would have it', () => {
    const copies = Object.keys(packages).filter((path) => /(^|\/)node_modules\/rxjs$/.test(path));
    expect(copies).toEqual(['node_modules/rxjs']);
    expect(packages['node_modules/rx-weir']).toMatchObject({ resolved: 'file:../..' });
    expect(packages['node_modules/rx-weir']).not.toHaveProperty('link');
  });

  it('has exact versions, and a lockfile without addresses', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    for (const [dependency, version] of Object.entries({ ...dependencies, ...devDependencies })) {
      if (dependency !== 'rx-weir') expect(version, dependency).toMatch(/^\d+\.\d+\.\d+$/);
    }
    const resolved = Object.values(packages).flatMap((one) => one.resolved ?? []);
    expect(resolved).toEqual(['file:../..']);
  });

  it('has the same client as the others', () => {
    const client = (app: (typeof APPS)[number]): string =>
      readFileSync(join(folderOf(app), app === 'angular' ? 'src/app/client.ts' : 'src/client.ts'), 'utf8');
    expect(client(name)).toBe(client(APPS[0]));
  });
});
