/**
 * Pictures of the dashboard's main states, taken in Chromium:
 *
 *   npx tsx examples/dashboard/screenshots.ts OUT_DIR [STATE ...]    all of them, or some: light, dark, and on a phone
 *   --readme FILE                                                    the one of the README
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright';
import { CHROMIUM } from '../../.config/chromium';
import { startDashboard, type Dashboard } from './startDashboard';

const DESKTOP = { width: 1280, height: 1000 };
const PHONE = { width: 360, height: 740 };

type State = (page: Page) => Promise<void>;

const press = (page: Page, name: string): Promise<void> => page.getByRole('button', { name }).click();
const answers = async (page: Page, text: string | RegExp): Promise<void> =>
  page.locator('.exchange').last().filter({ hasText: text }).waitFor();
const circuit = (page: Page, state: string): Promise<void> =>
  page.locator(`.card .circuit[data-state="${state}"]`).first().waitFor();

const STATES: Readonly<Record<string, State>> = {
  async healthy(page) {
    await press(page, 'All healthy');
    await answers(page, 'downstream');
  },
  async recovered(page) {
    await press(page, 'Cut the answer');
    await answers(page, /complete[^]*Cut after/);
  },
  async outage(page) {
    await press(page, 'Outage of gpt-4o');
    await answers(page, /claude-3-5-sonnet[^]*growing wait/);
    await circuit(page, 'open');
  },
  async 'half-open'(page) {
    await press(page, 'Outage of gpt-4o');
    await circuit(page, 'half_open');
  },
  async failed(page) {
    for (const name of ['gpt-4o', 'claude-3-5-sonnet', 'deepseek-chat'])
      await page.getByRole('checkbox', { name }).check();
    await press(page, 'Send');
    await answers(page, 'E3002');
  },
  async '24-chats'(page) {
    await page.getByRole('slider', { name: 'Chats at once' }).fill('24');
    await press(page, 'Cut the answer');
    await answers(page, /Cut after/);
  },
  async '200-chats'(page) {
    await press(page, '200 chats');
    await page
      .locator('#load-summary')
      .filter({ hasText: /[1-9]\d answered/ })
      .waitFor();
  },
};

/** All at once: a recovered answer, load, an open circuit, the fallback. */
const readme: State = async (page) => {
  await press(page, 'Cut the answer');
  await answers(page, /complete[^]*Cut after/);
  // Under load cuts would open all circuits.
  await page.getByRole('checkbox', { name: 'Cut', exact: true }).uncheck();
  await page.getByRole('slider', { name: 'Chats at once' }).fill('120');
  await page
    .locator('#load-summary')
    .filter({ hasText: /\d\d\d answered/ })
    .waitFor();
  await page.getByRole('checkbox', { name: 'gpt-4o' }).check();
  await circuit(page, 'open');
  await page.locator('#tiles [data-state=streaming][data-provider=anthropic]').nth(40).waitFor();
  await page.evaluate(() => scrollTo(0, 0));
};

async function take(
  browser: Browser,
  dashboard: Dashboard,
  file: string,
  state: State,
  { isWhole = true, ...options }: BrowserContextOptions & { isWhole?: boolean },
): Promise<void> {
  const context = await browser.newContext(options);
  try {
    const page = await context.newPage();
    page.on('pageerror', (error) => console.error(file, error));
    await page.goto(dashboard.url);
    await page.locator('[data-ready]').waitFor();
    // Whatever the one before set.
    await press(page, 'All healthy');
    await page.getByText('Nothing goes wrong now.').waitFor();
    await state(page);
    await page.screenshot({ path: file, fullPage: isWhole });
    console.log(file);
  } finally {
    await context.close();
  }
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ options: { readme: { type: 'string' } }, allowPositionals: true });
  const [folder, ...names] = positionals;
  if (folder === undefined && values.readme === undefined)
    throw new TypeError('say where to: OUT_DIR or --readme FILE');
  const dashboard = await startDashboard();
  const browser = await chromium.launch(CHROMIUM);
  try {
    if (values.readme !== undefined) {
      const options = { viewport: { width: 1280, height: 900 }, colorScheme: 'dark' as const, isWhole: false };
      await take(browser, dashboard, values.readme, readme, options);
    }
    if (folder === undefined) return;
    await mkdir(folder, { recursive: true });
    for (const [name, state] of Object.entries(STATES)) {
      if (names.length > 0 && !names.includes(name)) continue;
      for (const colorScheme of ['light', 'dark'] as const) {
        const file = join(folder, `${name}-${colorScheme}.png`);
        await take(browser, dashboard, file, state, { viewport: DESKTOP, colorScheme });
      }
      const phone = { viewport: PHONE, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
      await take(browser, dashboard, join(folder, `${name}-phone.png`), state, phone);
    }
  } finally {
    await browser.close();
    await dashboard.close();
  }
}

await main();
