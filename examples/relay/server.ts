/**
 * Shows the relay at work, on plain `node:http`, with a page that uses it:
 *
 * ```
 * npx tsx examples/relay/server.ts                          an embedded provider that fails: no key, no network
 * npx tsx examples/relay/server.ts --model openai/gpt-4o    the real thing, with your key, e.g. of OPENAI_API_KEY
 *   --fallback provider/model    takes over when the model fails; may be given more than once
 *   --port 8787                  0: any free one
 * ```
 */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { createChatClient, type ChatClient } from 'rx-weir';
import { startFaultyProvider, type FaultyProvider } from 'rx-weir/testing';
import { createRelay } from './createRelay';
import { toNodeHandler } from './nodeHandler';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    fallback: { type: 'string', multiple: true, default: [] },
    port: { type: 'string', default: '8787' },
  },
});

/** Every other answer is cut in its middle, and mended by the client. */
const startProvider = (): Promise<FaultyProvider> =>
  startFaultyProvider({
    reply: { chunkChars: 3, paceMs: 60, firstTokenMs: 300 },
    script: ({ nth, continues }) => (nth % 2 === 1 && !continues ? { cut: { afterChars: 120 } } : undefined),
  });

function createClient(provider: FaultyProvider | undefined): ChatClient {
  const { model = 'openai/gpt-4o', fallback: fallbacks } = values;
  if (!provider) return createChatClient({ model, fallbacks });
  return createChatClient({ model, providers: { openai: { apiKey: 'demo', baseUrl: provider.baseUrl('openai') } } });
}

async function bundle(file: string): Promise<string> {
  const options = { bundle: true, write: false, format: 'esm', target: 'es2022' } as const;
  const { outputFiles } = await build({ entryPoints: [join(import.meta.dirname, file)], ...options });
  return outputFiles[0]!.text;
}

async function main(): Promise<void> {
  if (values.model === undefined && values.fallback.length > 0) throw new TypeError('--fallback needs a --model');
  const provider = values.model === undefined ? await startProvider() : undefined;
  const relay = createRelay(createClient(provider));
  const files = new Map([
    ['/', { type: 'text/html', body: await readFile(join(import.meta.dirname, 'page.html'), 'utf8') }],
    ['/page.js', { type: 'text/javascript', body: await bundle('page.ts') }],
  ]);
  const server = createServer(
    toNodeHandler((request) => {
      const file = files.get(new URL(request.url).pathname);
      if (!file) return relay.handle(request);
      return new Response(file.body, { headers: { 'content-type': `${file.type}; charset=utf-8` } });
    }),
  );
  server.listen(Number(values.port), '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo;
    console.log(`http://127.0.0.1:${port}`);
  });
  const close = (): void => {
    relay.close();
    server.close();
    setTimeout(() => server.closeAllConnections(), 1_000).unref(); // who does not read the end is not waited for
    void provider?.close();
  };
  process.once('SIGTERM', close).once('SIGINT', close);
}

await main();
