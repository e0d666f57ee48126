import { defineConfig } from 'vitest/config';

export default defineConfig({
  // The tests import the package by its own name, as a user does; tsconfig.json says where that leads.
  resolve: { tsconfigPaths: true },
  test: {
    // Lighter to start than processes, of which each file would get one.
    pool: 'threads',
    // By default one core is left for others, which on two cores is half of the machine.
    maxWorkers: '100%',
    // The end of patience, on a machine that is busy.
    testTimeout: 30_000,
    include: ['test/**/*.test.ts'],
    // These need more than Node: a build, Chromium, frameworks, a quiet machine. Each has its own command, see CONTRIBUTING.md.
    exclude: ['package', 'pages', 'chromium', 'frameworks', 'bench'].map((folder) => `test/${folder}/**`),
    setupFiles: ['test/support/unhandled.ts'],
  },
});
