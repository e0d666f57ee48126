import { build } from 'esbuild';
import { expect, inject, it } from 'vitest';
import { startFaultyProvider } from 'rx-weir/testing';
import { pages } from '../support/chromium';
import { serve } from '../support/serve';

const browser = pages();

/** What a bundler makes of a page's script in the consumer's folder. Fails if it comes upon a module of Node's. */
async function bundle(script: string, external: string[] = []): Promise<string> {
  const { outputFiles } = await build({
    stdin: { contents: script, resolveDir: inject('consumer') },
    bundle: true,
    minifySyntax: true,
    minifyWhitespace: true, // and with that, no comments
    external,
    write: false,
    format: 'esm',
    platform: 'browser',
  });
  return outputFiles[0]!.text;
}

it.each(['rx-weir', 'rx-weir/operators'])('%s leads to nothing of Node', async (entry) => {
  const text = await bundle(`export * from '${entry}';`, ['rxjs']);
  expect(text).not.toMatch(/["'`]node:|\bBuffer\b|\brequire\(/);
  // The environment is asked only where there is one.
  expect(text.replaceAll('globalThis.process?.env', '')).not.toMatch(/\bprocess[.?[]/);
});

it('rx-weir/testing is bundled for a browser, which uses scriptedStream', async () => {
  expect(await bundle(`export { scriptedStream } from 'rx-weir/testing';`)).toContain('scriptedStream');
});

it('the package chats in a page that has nothing but the browser', async () => {
  const provider = await startFaultyProvider({ script: [{ cut: { afterChars: 40 } }] });
  const script = await bundle(`
    import { accumulate, createChatClient } from 'rx-weir';
    const openai = { apiKey: 'k', baseUrl: '${provider.baseUrl('openai')}' };
    const client = createChatClient({ model: 'openai/weir-1', providers: { openai } });
    client.stream({ messages: [{ role: 'user', content: 'Hi' }] }).pipe(accumulate()).subscribe({
      next: ({ text }) => (document.body.textContent = text),
      complete: () => document.body.setAttribute('data-done', ''),
      error: (error) => (document.body.textContent = String(error)),
    });`);
  const { url } = await serve(({ req, res }) => {
    const [type, text] = req.url === '/page.js' ? ['text/javascript', script] : ['text/html', PAGE];
    res.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(text);
  });
  const page = await browser.open();
  await page.goto(url);
  await page.waitForSelector('[data-done]');
  expect(await page.locator('body').textContent()).toMatch(/^A weir holds a river .* nothing comes twice\.$/);
  expect(
    await page.evaluate(() => ['process', 'Buffer', 'require', 'global'].filter((name) => name in globalThis)),
  ).toEqual([]);
  await provider.close();
});

const PAGE =
  '<!doctype html><link rel="icon" href="data:," /><body></body><script type="module" src="page.js"></script>';
