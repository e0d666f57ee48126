import { defineConfig } from 'tsup';

export default defineConfig({
  entry: { index: 'src/index.ts', 'operators/index': 'operators/index.ts', 'testing/index': 'src/testing/index.ts' },
  format: ['esm', 'cjs'],
  // tsup 8.5.1 sets baseUrl, which TypeScript 6 rejects (TS5101) unless told.
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  sourcemap: true,
  clean: true,
  // One shared chunk per format: `instanceof` then holds across the entries, in CommonJS too.
  splitting: true,
  // By Rollup, which then writes the CommonJS chunks too: without it sucrase does, and it breaks `static name` and slows `?.`.
  treeshake: true,
  target: 'es2022',
  platform: 'neutral',
  external: [/^node:/],
  removeNodeProtocol: false,
});
