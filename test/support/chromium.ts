import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { CHROMIUM } from '../../.config/chromium';

/** Opens pages of one Chromium per test file. Each page is a user of its own, and is closed with its test. */
export interface Pages {
  /** A blank page. What it logs as an error, or throws, fails the test. */
  open(options?: BrowserContextOptions): Promise<Page>;
}

/** To be called at the top of a test file. */
export function pages(): Pages {
  let browser: Browser | undefined;
  const opened: Page[] = [];
  const problems: string[] = [];

  beforeAll(async () => {
    browser = await chromium.launch(CHROMIUM);
  });
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((page) => page.context().close()));
    expect(problems.splice(0)).toEqual([]);
  });
  afterAll(() => browser?.close());

  return {
    async open(options) {
      const context = await browser!.newContext(options);
      const page = await context.newPage();
      opened.push(page);
      page.on('pageerror', (error) => problems.push(String(error.stack ?? error)));
      page.on('console', (message) => {
        // That a request failed is the browser's own line; what the page makes of it is what is tested.
        if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
          problems.push(message.text());
      });
      return page;
    },
  };
}
