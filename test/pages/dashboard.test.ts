import { expect, it } from 'vitest';
import { ANSWERS } from '../../examples/dashboard/answers';
import { dashboards, eventually, SLOW_MS } from './support/dashboard';

const dashboard = dashboards();

it('streams the answer to a question, token by token', async () => {
  dashboard.pace(30);
  const { page, ask, until, exchange } = await dashboard.open();
  await page.evaluate(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    new MutationObserver(() => {
      const text = document.querySelector('.exchange .text')?.textContent ?? '';
      if (text !== seen.at(-1)) seen.push(text);
    }).observe(document.querySelector('#messages')!, { childList: true, subtree: true, characterData: true });
  });
  await ask('What is a weir?');
  await until('complete');
  const seen = await page.evaluate(() => (window as unknown as { seen: string[] }).seen);
  expect(seen.at(-1)).toBe(ANSWERS['What is a weir?']);
  expect(seen.length).toBeGreaterThan(10);
  expect(seen.every((text) => ANSWERS['What is a weir?'].startsWith(text))).toBe(true);
  expect(await exchange.getByRole('article').getByRole('heading').textContent()).toBe('gpt-4o');
  expect(dashboard.provider.requests.map(({ outcome }) => outcome)).toEqual(['completed']);
});

it('makes a cut answer whole, and marks where it was cut', async () => {
  const { page, button, exchange, until, text, acted } = await dashboard.open();
  await button('Cut the answer half-way').click();
  await until('complete');
  expect(await text()).toBe(ANSWERS['What happens when the answer is cut?']);
  const before = await exchange.locator('mark').evaluate((mark) => mark.previousSibling?.textContent ?? '');
  expect(await exchange.locator('mark').textContent()).toContain('the stream was cut here, and recovered by instruct');
  expect(await exchange.getByText(`Cut after ${before.length} characters`).textContent()).toContain(
    'gpt-4o was told to go on from its last words (instruct, attempt 2)',
  );
  expect(before.length).toBeGreaterThan(100);
  expect(before.length).toBeLessThanOrEqual(160);
  expect(dashboard.provider.requests.map(({ outcome, continues }) => [outcome, continues])).toEqual([
    ['cut', undefined],
    ['completed', 'instruct'],
  ]);
  await eventually(() => acted('resume')).toBe(1);
  await eventually(() => acted('verifyComplete')).toBe(1);
  await page
    .getByRole('list', { name: 'Events' })
    .getByText(/gpt-4o: cut after \d+ tokens, and goes on/)
    .waitFor();
});

it('opens the circuit in an outage, answers with the fallback, and closes it when all is well', async () => {
  // Time flows as it does, until the test skips the rest of the cooldown.
  const { page, button, exchange, card, until, text, acted } = await dashboard.open({}, (blank) =>
    blank.clock.install(),
  );
  const circuit = card('gpt-4o').getByText('Circuit');
  await button('Outage of gpt-4o').click();
  await circuit.getByText('open', { exact: true }).waitFor();
  const countdown = async (): Promise<number> =>
    Number(/half-open in (\d+\.\d) s/.exec((await circuit.textContent()) ?? '')?.[1]);
  const first = await countdown();
  expect(first).toBeLessThanOrEqual(8);
  await eventually(countdown).toBeLessThan(first);
  await until('complete');
  expect(await exchange.getByRole('article').getByRole('heading').textContent()).toBe('claude-3-5-sonnet');
  expect(await text()).toBe(ANSWERS['What happens in an outage?']);
  const events = page.getByRole('list', { name: 'Events' });
  await events.getByText(/gpt-4o gives up \(the circuit is open.*\), claude-3-5-sonnet takes over/).waitFor();
  await eventually(() => acted('fallbackTo')).toBe(1);
  await eventually(() => acted('retryBackoff')).toBe(3);

  await page.getByRole('group', { name: 'Outage' }).getByRole('checkbox', { name: 'gpt-4o' }).uncheck();
  await page.getByText('Nothing goes wrong now.').waitFor();
  dashboard.pace(SLOW_MS);
  await page.clock.fastForward(8_000);
  await circuit.getByText('half-open', { exact: true }).waitFor();
  await button('Retry').click();
  await circuit.getByText('closed', { exact: true }).waitFor();
  await events.getByText('gpt-4o: circuit half-open to closed').waitFor();
  await until('answers now');
  expect(await exchange.getByRole('article').getByRole('heading').textContent()).toBe('gpt-4o');
});

it('aborts the request when Stop is pressed, and asks anew when Retry is', async () => {
  const { button, exchange, ask, until, text } = await dashboard.open();
  expect(await button('Stop').getAttribute('aria-disabled')).toBe('true');
  dashboard.pace(SLOW_MS);
  await ask('What is a weir?');
  await until('answers now');
  await button('Stop').click();
  const request = await dashboard.provider.when(({ outcome }) => outcome === 'aborted');
  await until('stopped');
  const stopped = await text();
  expect(ANSWERS['What is a weir?'].startsWith(stopped)).toBe(true);
  expect(stopped.length).toBeLessThan(ANSWERS['What is a weir?'].length);
  expect(request.sentText.startsWith(stopped)).toBe(true);

  dashboard.pace(10);
  await button('Retry').click();
  await until('complete');
  expect(await exchange.getByText('What is a weir?').count()).toBe(1);
  expect(await text()).toBe(ANSWERS['What is a weir?']);
  expect(dashboard.provider.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'completed']);
});

it('waits as long as Retry-After says, and tells so', async () => {
  const { page, ask, until, text, acted, card } = await dashboard.open();
  await page.getByRole('spinbutton', { name: 'Retry-After' }).fill('1');
  await page.getByRole('checkbox', { name: '429' }).check();
  await page.getByText('The provider plays: 429 for 1 s.').waitFor();
  await ask('What happens on a 429?');
  const events = page.getByRole('list', { name: 'Events' });
  await events
    .getByText(/retryBackoff.*gpt-4o: 429 rate limited, Retry-After 1\.0 s, again in 1\.\d s \(attempt 2\)/)
    .waitFor();
  await card('gpt-4o').getByText('retries1').waitFor();
  await until('complete');
  expect(await text()).toBe(ANSWERS['What happens on a 429?']);
  await eventually(() => acted('retryBackoff')).toBe(1);
  const [refused, answered] = dashboard.provider.requests;
  expect([refused!.status, answered!.status]).toEqual([429, 200]);
  expect(answered!.startedAt - refused!.startedAt).toBeGreaterThanOrEqual(1_000);
});

it('gives up on silence, and goes on with the answer', async () => {
  const { button, until, text, acted, exchange } = await dashboard.open({}, (blank) => blank.clock.install());
  await button('Stall').click();
  await dashboard.provider.when(({ outcome }) => outcome === 'stalled');
  await until('complete');
  expect(await text()).toBe(ANSWERS['What happens when the provider stalls?']);
  expect(await exchange.locator('mark').count()).toBe(1);
  await eventually(() => acted('timeoutStream')).toBe(1);
  expect(dashboard.provider.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'completed']);
});

it('says what went wrong and what to do when nobody can answer', async () => {
  const { page, ask, exchange, button, failed } = await dashboard.open({}, (blank) => blank.clock.install());
  await page.getByRole('slider', { name: 'Error rate' }).fill('100');
  await page.getByText('The provider plays: 100 % errors.').waitFor();
  await ask('Anybody?');
  await failed();
  const error = await exchange.locator('.error').textContent();
  expect(error).toMatch(/^E300[12] .*press Retry in \d s, or switch faults off\.$/);
  expect(await button('Retry').getAttribute('aria-disabled')).toBe('false');
});

it('keeps the faults over a reload, and takes no nonsense', async () => {
  const { page } = await dashboard.open();
  const cut = page.getByRole('spinbutton', { name: 'after characters' });
  await page.getByRole('slider', { name: 'Error rate' }).fill('35');
  await cut.fill('77');
  await page.getByRole('checkbox', { name: 'Cut', exact: true }).check();
  await page.getByRole('checkbox', { name: 'Stall' }).check();
  await page.getByRole('checkbox', { name: 'deepseek-chat' }).check();
  const current = async (): Promise<unknown> => (await fetch(`${dashboard.url}api/faults`)).json();
  const wanted = { errorRate: 35, retryAfter: null, stall: true, cutAfter: 77, outages: ['deepseek'] };
  await eventually(current).toEqual(wanted);
  await page.reload();
  await page.locator('html[data-ready]').waitFor({ state: 'attached' });
  expect(await page.getByRole('slider', { name: 'Error rate' }).inputValue()).toBe('35');
  expect(await cut.inputValue()).toBe('77');
  expect(await page.getByRole('checkbox', { name: 'Cut', exact: true }).isChecked()).toBe(true);
  expect(await page.getByRole('checkbox', { name: 'Stall' }).isChecked()).toBe(true);
  expect(await page.getByRole('checkbox', { name: 'deepseek-chat' }).isChecked()).toBe(true);
  expect(await page.getByRole('checkbox', { name: 'gpt-4o' }).isChecked()).toBe(false);

  await cut.fill('0');
  expect(await cut.evaluate((input: HTMLInputElement) => input.matches(':invalid'))).toBe(true);
  const refused = await dashboard.set({ cutAfter: 0 });
  expect([refused.status, await refused.json()]).toEqual([
    400,
    { error: 'faults.cutAfter must be a whole number from 1 to 600, got 0' },
  ]);
  expect((await dashboard.set({ outages: ['nobody' as 'openai'] })).status).toBe(400);
  expect(await current()).toEqual(wanted);
});

it('lists events by kind, and stands still while it is paused', async () => {
  const { page, ask, until, button } = await dashboard.open();
  const events = page.getByRole('list', { name: 'Events' });
  await dashboard.set({ cutAfter: 40 });
  await ask('What is a weir?');
  await events.getByText('retryBackoff').waitFor();
  await page.getByRole('checkbox', { name: 'Recovery' }).uncheck();
  await eventually(() => events.getByText('retryBackoff').count()).toBe(0);
  await page.getByRole('checkbox', { name: 'Attempts' }).check();
  await events.getByText('gpt-4o: asked (attempt 2)').waitFor();
  await until('complete');
  await events.getByText('gpt-4o: attempt 2 ended well').waitFor();

  await button('Pause').click();
  const before = await events.getByRole('listitem').count();
  await dashboard.set({});
  await ask('What is a weir?');
  await until('complete');
  expect(await events.getByRole('listitem').count()).toBe(before);
  await button('Go on').click();
  await eventually(() => events.getByRole('listitem').count()).toBe(before + 2);
});
