import { readdirSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import vm from 'node:vm';
import { build } from 'esbuild';
import { describe, expect, inject, it } from 'vitest';
import { readReport } from './report';

const consumer = inject('consumer');
const packed = join(consumer, 'node_modules/rx-weir');
const files = readdirSync(packed, { recursive: true, encoding: 'utf8' }).map((path) => path.replaceAll('\\', '/'));
const { names } = readReport().import;

describe('the tarball', () => {
  it('holds what a user needs and nothing else', () => {
    expect(files.filter((path) => !path.startsWith('dist')).sort()).toEqual([
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'package.json',
    ]);
    expect(
      files.filter((path) => path.startsWith('dist/') && !/(\.c?js|\.d\.c?ts|\.map|^dist\/\w+)$/.test(path)),
    ).toEqual([]);
  });

  it('imports nothing that it does not depend on, and Node only in ./testing', () => {
    const manifest = JSON.parse(readFileSync(join(packed, 'package.json'), 'utf8'));
    expect(manifest.dependencies).toEqual({ 'eventsource-parser': expect.any(String) });
    expect(manifest.peerDependencies).toEqual({ rxjs: '^7.8.0' });
    const imported = (path: string): string[] =>
      [
        ...readFileSync(join(packed, path), 'utf8').matchAll(
          /(?:\bfrom|\bimport|\brequire\()\s*["']([^."'][^"']*)["']/g,
        ),
      ]
        .map(([, name = '']) => name)
        .filter((name) => name !== 'rxjs' && name !== 'eventsource-parser');
    for (const path of files.filter((one) => /\.(c?js|d\.c?ts)$/.test(one))) {
      const others = imported(path);
      const isNode = (name: string): boolean => name.startsWith('node:') && builtinModules.includes(name.slice(5));
      expect([path, path.startsWith('dist/testing/') ? others.filter((name) => !isNode(name)) : others]).toEqual([
        path,
        [],
      ]);
    }
  });
});

describe.each([
  ['rx-weir', 'main'],
  ['rx-weir/operators', 'operators'],
] as const)('%s in a browser', async (specifier, entry) => {
  const bundle = await build({
    stdin: { contents: `export * from '${specifier}'`, resolveDir: consumer },
    bundle: true,
    minify: true,
    platform: 'browser',
    format: 'iife',
    globalName: 'weir',
    write: false,
  });
  const code = bundle.outputFiles[0]!.text;

  it('names nothing of Node', () => {
    expect(code.match(/.{0,40}(\bnode:|\bprocess\.|\bBuffer\b).{0,40}/g)).toBeNull();
  });

  it('loads where there are only JavaScript and AbortController', () => {
    const context = vm.createContext({ AbortController });
    vm.runInContext(code, context);
    expect(vm.runInContext('Object.keys(weir).sort()', context)).toEqual(names[entry]);
  });
});
