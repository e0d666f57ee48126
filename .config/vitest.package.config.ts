import { defineConfig } from 'vitest/config';

/** `npm run test:package`: what a user gets from the built and packed package. Needs `npm run build` before. */
export default defineConfig({
  test: {
    include: ['test/package/**/*.test.ts'],
    globalSetup: ['test/package/setup.ts'],
    testTimeout: 60_000,
  },
});
