import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { Page } from 'playwright';
import { expect, it } from 'vitest';
import { ANSWERS } from '../../examples/dashboard/answers';
import { dashboards, eventually, SLOW_MS } from './support/dashboard';

const dashboard = dashboards();

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong with the page as it is, by WCAG A and AA and by its own good practice, or by one rule. */
async function problems(page: Page, rule?: string): Promise<unknown> {
  await page.evaluate(axe);
  return page.evaluate(async (only) => {
    const { axe } = window as unknown as {
      axe: {
        run(
          options: object,
        ): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
      };
    };
    const { violations } = await axe.run(only ? { runOnly: [only] } : {});
    return violations.map(({ id, nodes }) => ({
      id,
      nodes: nodes.map(({ html, failureSummary }) => [html.slice(0, 160), failureSummary]),
    }));
  }, rule);
}

it('passes axe in light and in dark, and fits on a phone of 360 pixels', async () => {
  const options = { reducedMotion: 'reduce' } as const;
  const { page, button, card, until, failed } = await dashboard.open(options, (blank) => blank.clock.install());
  // A recovered answer, a failed one, an open circuit, events, a load: all that has a colour or a width.
  await button('Cut the answer half-way').click();
  await until('complete');
  for (const name of ['gpt-4o', 'claude-3-5-sonnet', 'deepseek-chat'])
    await page.getByRole('checkbox', { name, exact: true }).check();
  await page.getByText('outage of gpt-4o, claude-3-5-sonnet, deepseek-chat.').waitFor();
  await page.getByRole('textbox', { name: 'Question' }).fill('x'.repeat(300));
  await button('Send').click();
  await failed();
  await card('deepseek-chat').getByText('half-open in').waitFor();
  await page.getByRole('slider', { name: 'Chats at once' }).fill('30');
  await page.locator('#tiles > [data-state=failed]').first().waitFor();
  await page.getByText('How this works').click();
  expect(await problems(page)).toEqual([]);
  await page.emulateMedia({ colorScheme: 'dark' });
  expect(await problems(page, 'color-contrast')).toEqual([]);

  await page.setViewportSize({ width: 360, height: 740 });
  const overflow = (): Promise<number> =>
    page.evaluate(() => {
      const lists = [document.documentElement, ...document.querySelectorAll('#messages, #events')];
      return Math.max(...lists.map(({ scrollWidth, clientWidth }) => scrollWidth - clientWidth));
    });
  await page.locator('#tiles.roomy').waitFor();
  expect(await overflow()).toBe(0);
  await page.getByRole('slider', { name: 'Chats at once' }).fill('60');
  await page.locator('#tiles:not(.roomy)').waitFor();
  expect(await overflow()).toBe(0);
  expect(await problems(page, 'target-size')).toEqual([]);
}, 60_000);

it('can be led by the keyboard alone', async () => {
  dashboard.pace(SLOW_MS);
  const { page, until, exchange } = await dashboard.open();
  const focused = (): Promise<string | undefined> =>
    page.evaluate(() => {
      const element = document.activeElement as HTMLInputElement | null;
      return element?.labels?.[0]?.textContent.trim() || element?.textContent.trim();
    });
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('To the question');
  await page.keyboard.press('Enter');
  expect(await focused()).toBe('Question');
  await page.keyboard.press('ControlOrMeta+A');
  await page.keyboard.type('What happens in an outage?');
  await page.keyboard.press('Enter');
  await until('answers now');
  expect(await focused()).toBe('Question');
  await page.keyboard.press('Escape');
  await until('stopped');
  await dashboard.provider.when(({ outcome }) => outcome === 'aborted');

  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Send');
  await page.keyboard.press('Enter');
  await until('answers now');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Stop');
  await page.keyboard.press('Space');
  await until('stopped');
  // The focus is not lost with the use of the button.
  expect(await focused()).toBe('Stop');
  await page.keyboard.press('Tab');
  expect(await focused()).toBe('Retry');
  dashboard.pace(10);
  await page.keyboard.press('Enter');
  await until('complete');
  expect(await exchange.getByText('What happens in an outage?').count()).toBe(1);
  const rest: (string | undefined)[] = [];
  for (let i = 0; i < 30; i++) {
    await page.keyboard.press('Tab');
    rest.push(await focused());
  }
  expect(rest).toEqual(
    expect.arrayContaining(['Error rate', '429', 'Cut', 'gpt-4o', 'Chats at once', 'Pause', 'Recovery', 'Attempts']),
  );
});

it('reads the answer out in whole sentences, each once', async () => {
  const { page, until, ask, button } = await dashboard.open();
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    const region = document.querySelector('#announcements')!;
    new MutationObserver((records) => {
      for (const { addedNodes } of records) for (const node of addedNodes) said.push(node.textContent ?? '');
    }).observe(region, { childList: true, subtree: true, characterData: true });
  });
  const said = async (): Promise<string[]> => {
    await eventually(() => page.evaluate(() => (window as unknown as { said: string[] }).said.at(-1))).toBe(
      'End of the answer.',
    );
    return page.evaluate(() => (window as unknown as { said: string[] }).said.splice(0));
  };
  await ask('What is a weir?');
  await until('complete');
  const spoken = await said();
  expect(spoken.slice(0, -1).join(' ')).toBe(ANSWERS['What is a weir?']);
  expect(spoken.every((text) => /[.🌊]$/u.test(text))).toBe(true);

  await button('Cut the answer half-way').click();
  await until('complete');
  const recovered = await said();
  expect(
    recovered
      .filter((text) => text !== 'The stream was cut, and goes on.')
      .slice(0, -1)
      .join(' '),
  ).toBe(ANSWERS['What happens when the answer is cut?']);
  expect(recovered).toContain('The stream was cut, and goes on.');
  // The text that grows is itself in no live region, nor is the log.
  expect(await page.locator('[aria-live] .text, [role=log], [role=status] .text, [aria-live] #events').count()).toBe(0);
});

it('goes on in a hidden tab, where there are no frames', async () => {
  const { ask, until, text, page } = await dashboard.open({}, (blank) =>
    blank.addInitScript(() => {
      Object.defineProperty(document, 'visibilityState', { get: () => 'hidden' });
      window.requestAnimationFrame = () => 0;
    }),
  );
  dashboard.pace(40);
  await ask('What is a weir?');
  await until('answers now');
  await until('complete');
  expect(await text()).toBe(ANSWERS['What is a weir?']);
  // Nobody sees the charts: nothing is drawn.
  expect(await page.locator('#chart-rate .reading').textContent()).toBe('');
});

it('draws the last minute in charts, with the numbers in words', async () => {
  const { page, ask, until } = await dashboard.open();
  const inked = (): Promise<number> =>
    page.locator('#chart-inflight canvas').evaluate((canvas: HTMLCanvasElement) => {
      const { data } = canvas.getContext('2d')!.getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((value, i) => i % 4 === 3 && value > 0).length;
    });
  dashboard.pace(60);
  await ask('What is a weir?');
  await page.locator('#chart-inflight .reading', { hasText: 'gpt-4o 1, claude-3-5-sonnet 0' }).waitFor();
  await until('complete');
  await eventually(inked).toBeGreaterThan(200);
  await page.locator('#chart-first .reading', { hasText: /gpt-4o \d+ ms, claude-3-5-sonnet –/ }).waitFor();
});
