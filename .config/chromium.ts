/** How the tests start Chromium: Debian's, since Playwright's own cannot be had everywhere. `CHROMIUM` names another one. */
export const CHROMIUM = {
  executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox', // needed as root, as in CI; the pages are our own
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    // Nothing but loopback is asked.
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
};
