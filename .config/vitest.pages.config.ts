import { defineConfig } from 'vitest/config';

/** `npm run test:pages`: the pages of the examples, driven in Chromium. Needs Debian's `chromium`. */
export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    include: ['test/pages/**/*.test.ts'],
    // A page takes real time; a test waits for what it shows, and these are only the ends of its patience.
    expect: { poll: { timeout: 20_000 } },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    // Two browsers on two cores are slower than one after the other.
    fileParallelism: false,
  },
});
