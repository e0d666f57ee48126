import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { commands } from '../test/chromium/commands';
import { CHROMIUM } from './chromium';

/** `npm run test:chromium`: the core of the suite, and what only a browser has, inside Chromium. Needs Debian's `chromium`. */
export default defineConfig({
  resolve: { tsconfigPaths: true },
  test: {
    include: ['errors', 'events', 'policies', 'signals', 'kernel', 'operators', 'sources', 'interop', 'chromium'].map(
      (folder) => `test/${folder}/**/*.test.ts`,
    ),
    // These are about Node itself: servers, SDKs, variables, streams.
    exclude: ['**/*.node.test.ts'],
    setupFiles: ['test/support/unhandled.ts'],
    // Sockets and a browser take real time: this is only the end of a test's patience.
    testTimeout: 30_000,
    // One page for all: opening one for each file takes as long as the tests.
    isolate: false,
    browser: {
      commands,
      enabled: true,
      headless: true,
      screenshotFailures: false,
      api: { host: '127.0.0.1' },
      provider: playwright({ launchOptions: CHROMIUM }),
      instances: [{ browser: 'chromium' }],
    },
  },
});
