import type { Page } from 'playwright';
import { expect, it, onTestFinished } from 'vitest';
import type { FaultyProvider, Reply } from 'rx-weir/testing';
import { serveRelay } from '../../examples/relay/serveRelay';
import { clientOf, provide, TEXT } from '../support/chat';
import { pages } from '../support/chromium';

const browser = pages();

/** The example's page in Chromium, its relay with a client that fetches like this, and a provider behind that. */
async function open(
  script: Reply | readonly Reply[],
  { graceMs, fetch }: { graceMs?: number; fetch?: typeof globalThis.fetch } = {},
): Promise<{ page: Page; provider: FaultyProvider }> {
  const provider = await provide({ script });
  const client = clientOf(provider, fetch ? { fetch } : {});
  const relay = await serveRelay(client, { port: 0, ...(graceMs === undefined ? {} : { graceMs }) });
  const page = await browser.open();
  onTestFinished(async () => {
    await page.context().close();
    await relay.close();
  });
  await page.goto(relay.url);
  return { page, provider };
}

const answer = (page: Page): Promise<string | null> => page.locator('#answer').textContent();
const send = (page: Page): Promise<void> => page.getByRole('button', { name: 'Send' }).click();
/** The answer has begun, and can still be left. */
const begun = (page: Page): Promise<void> => expect.poll(() => answer(page)).not.toBe('');

/** A fetch whose answers stop behind their first words, until `goOn` is called. */
function halting(): { fetch: typeof fetch; goOn: () => void } {
  let goOn!: () => void;
  const released = new Promise<void>((resolve) => (goOn = resolve));
  const halt = (): TransformStream<Uint8Array, Uint8Array> => {
    const decoder = new TextDecoder();
    let seen = '';
    return new TransformStream({
      async transform(chunk, controller) {
        seen += decoder.decode(chunk, { stream: true });
        controller.enqueue(chunk);
        if (seen.includes('weir holds')) await released;
      },
    });
  };
  return {
    fetch: async (...asked) => {
      const response = await fetch(...asked);
      return new Response(response.body?.pipeThrough(halt()), response);
    },
    goOn,
  };
}
/** An answer that has words to stop behind. */
const WORDS: Reply = { paceMs: 20, chunkChars: 12 };

/** So slow that a test can act in its middle; it does not wait for the end. */
const SLOW: Reply = { paceMs: 100, chunkChars: 1 };

it('streams an answer, and shows what the server knows', async () => {
  const { fetch, goOn } = halting();
  const { page, provider } = await open(WORDS, { fetch });
  await expect.poll(() => page.getByRole('listitem').textContent()).toContain('circuit closed, 0 in flight');
  await send(page);
  await begun(page);
  await expect.poll(() => page.getByRole('listitem').textContent()).toContain('1 in flight');
  goOn();
  await expect.poll(() => answer(page)).toBe(TEXT);
  await expect.poll(() => page.getByRole('listitem').textContent()).toContain('0 in flight, 1 completed');
  expect(provider.requests).toHaveLength(1);
});

it('says where an answer was mended that was cut at the provider', async () => {
  const { page } = await open([{ cut: { afterChars: 40 } }]);
  await send(page);
  await expect.poll(() => answer(page)).toBe(TEXT);
  expect(await page.getByRole('status').textContent()).toMatch(/cut at the provider after 4\d characters/);
});

it('aborts the request at the provider when Stop is pressed', async () => {
  const { page, provider } = await open(SLOW);
  await send(page);
  await begun(page);
  await page.getByRole('button', { name: 'Stop' }).click();
  await provider.when(({ outcome }) => outcome === 'aborted');
  const text = await answer(page);
  expect(TEXT.startsWith(text!) && text !== TEXT).toBe(true);
  await expect.poll(() => page.getByRole('button', { name: 'Send' }).isEnabled()).toBe(true);
});

it('goes on with the answer after a reload, which is one request', async () => {
  const { fetch, goOn } = halting();
  const { page, provider } = await open(WORDS, { fetch });
  await send(page);
  await begun(page);
  await page.reload();
  await begun(page);
  goOn();
  await expect.poll(() => answer(page)).toBe(TEXT);
  expect(provider.requests).toMatchObject([{ outcome: 'completed' }]);
  // A whole answer is not begun again.
  await page.reload();
  await expect.poll(() => page.getByRole('listitem').textContent()).toContain('1 completed');
  expect(await answer(page)).toBe('');
});

it('gives an answer up at the provider when the tab is closed', async () => {
  const { page, provider } = await open(SLOW, { graceMs: 50 });
  await send(page);
  await begun(page);
  await page.close();
  await provider.when(({ outcome }) => outcome === 'aborted');
});
