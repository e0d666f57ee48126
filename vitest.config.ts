import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The tests import the package by its own name, as a user does; tsconfig.json says where that leads.
  resolve: { tsconfigPaths: true },
  test: {
    // Lighter to start than processes, of which each file would get one.
    pool: 'threads',
    // By default one core is left for others, which on two cores is half of the machine.
    maxWorkers: '100%',
    include: ['test/**/*.test.ts'],
    // test/package needs a build (`npm run test:package`), test/bench a quiet machine.
    exclude: ['test/package/**', 'test/bench/**'],
    setupFiles: ['test/support/unhandled.ts'],
  },
});
