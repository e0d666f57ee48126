import { defineConfig } from 'vitest/config';

/**
 * `npm run test:frameworks`: the apps of examples/, served as their users do, and driven in Chromium. Needs Debian's `chromium`,
 * `npm run build`, and `npm ci` in each app; Angular's CLI needs Node 22.22 or newer, in the folder `ANGULAR_NODE` where `node` is not.
 */
export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    expect: { poll: { timeout: 20_000 } },
    include: ['test/frameworks/**/*.test.ts'],
    maxWorkers: '100%',
    // A page takes real time; a test waits for what it shows, and this is only the end of its patience.
    testTimeout: 30_000,
    hookTimeout: 120_000,
  },
});
