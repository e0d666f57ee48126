import { defineConfig } from 'vitest/config';

const common = {
  // A page takes real time; a test waits for what it shows, and these are only the ends of its patience.
  expect: { poll: { timeout: 20_000 } },
  testTimeout: 60_000,
  hookTimeout: 60_000,
};
/** How responsive a page is cannot be seen beside other tests: it comes when they are done. */
const QUIET = 'test/pages/dashboardLoad.test.ts';

/** `npm run test:pages`: the pages of the examples, driven in Chromium. Needs Debian's `chromium`. */
export default defineConfig({
  test: {
    maxWorkers: '100%',
    projects: [
      {
        resolve: { tsconfigPaths: true },
        test: {
          ...common,
          name: 'pages',
          include: ['test/pages/**/*.test.ts'],
          exclude: [QUIET],
          sequence: { groupOrder: 0 },
        },
      },
      {
        resolve: { tsconfigPaths: true },
        test: { ...common, name: 'load', include: [QUIET], sequence: { groupOrder: 1 } },
      },
    ],
  },
});
