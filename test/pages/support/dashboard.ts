import type { BrowserContextOptions, Locator, Page } from 'playwright';
import type { FaultyProvider } from 'rx-weir/testing';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { HEALTHY, type Faults } from '../../../examples/dashboard/faults';
import { startDashboard, type Dashboard } from '../../../examples/dashboard/startDashboard';
import { pages } from '../../support/chromium';

/** So slow, in ms between two tokens, that a test can act in the middle of an answer; it does not wait for the end. */
export const SLOW_MS = 150;

/** `expect.poll` with the patience of the other waits: what a page shows takes as long as it takes. */
export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 20_000, interval: 20 });

/** The dashboard's page, as a person finds their way on it. */
export interface Shown {
  readonly page: Page;
  button(name: string): Locator;
  /** The last question with its answer. */
  readonly exchange: Locator;
  card(model: string): Locator;
  /** How often the chip of an operator says that it acted. */
  acted(operator: string): Promise<number>;
  /** The answer's text, without the marks in it. */
  text(): Promise<string>;
  ask(question: string): Promise<void>;
  /** Waits for the last answer to be in a state, in its own words. */
  until(status: 'answers now' | 'complete' | 'stopped'): Promise<void>;
  /** Waits for the last answer to fail, and skips the waits of its retries: on a page whose clock is installed. */
  failed(): Promise<void>;
}

export interface Dashboards {
  /** How slowly the answers of this test come, in ms between two tokens. */
  pace(ms: number): void;
  readonly provider: FaultyProvider;
  readonly url: string;
  open(options?: BrowserContextOptions, prepare?: (page: Page) => Promise<unknown>): Promise<Shown>;
  set(faults: Partial<Faults>): Promise<Response>;
}

/**
 * One dashboard per test file, healthy and with an empty recorder for each test. To be called at the top of the file.
 *
 * @param usualMs - between two tokens: nobody reads along
 */
export function dashboards(usualMs = 10): Dashboards {
  let paceMs = usualMs;
  const browser = pages();
  let running: Dashboard | undefined;
  const elsewhere: string[] = [];
  beforeAll(async () => {
    running = await startDashboard({ paceMs: () => paceMs });
  });
  afterEach(async () => {
    expect(elsewhere.splice(0)).toEqual([]);
    paceMs = usualMs;
    await set({});
    running!.provider.reset();
  });
  afterAll(() => running?.close());
  const set = (faults: Partial<Faults>): Promise<Response> =>
    fetch(`${running!.url}api/faults`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...HEALTHY, ...faults }),
    });
  return {
    get provider() {
      return running!.provider;
    },
    get url() {
      return running!.url;
    },
    set,
    pace: (ms) => {
      paceMs = ms;
    },
    async open(options, prepare) {
      const page = await browser.open(options);
      page.on('request', (request) => {
        const { hostname, protocol } = new URL(request.url());
        if (hostname !== '127.0.0.1' && protocol !== 'data:') elsewhere.push(request.url());
      });
      await prepare?.(page);
      await page.goto(running!.url);
      await page.locator('html[data-ready]').waitFor({ state: 'attached' });
      return shown(page);
    },
  };
}

function shown(page: Page): Shown {
  const exchange = page.getByRole('list', { name: 'Conversation' }).locator('> li').last();
  const button = (name: string): Locator => page.getByRole('button', { name, exact: true });
  return {
    page,
    button,
    exchange,
    card: (model) => page.getByRole('article', { name: model, exact: true }),
    acted: async (operator) => {
      const chip = page
        .getByRole('listitem')
        .filter({ has: page.getByRole('heading', { name: operator, exact: true }) });
      return Number(/acted (\d+)/.exec((await chip.textContent()) ?? '')?.[1]);
    },
    text: () => exchange.locator('.text').evaluate(textWithoutMarks),
    ask: async (question) => {
      await page.getByRole('textbox', { name: 'Question' }).fill(question);
      await button('Send').click();
    },
    failed: async () => {
      const status = exchange.locator('.status');
      await eventually(async () => {
        await page.clock.fastForward(300);
        return status.textContent();
      }).toBe('failed');
    },
    until: (status) => exchange.locator('.status', { hasText: status }).waitFor(),
  };
}

/** Runs in the page. */
function textWithoutMarks(element: HTMLElement | SVGElement): string {
  const copy = element.cloneNode(true) as HTMLElement;
  for (const mark of copy.querySelectorAll('mark')) mark.remove();
  return copy.textContent ?? '';
}
