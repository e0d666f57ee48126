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
import { parseArgs } from 'node:util';
import { createChatClient, type ChatClient } from 'rx-weir';
import { startFaultyProvider, type FaultyProvider } from 'rx-weir/testing';
import { serveRelay } from './serveRelay';

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

async function main(): Promise<void> {
  if (values.model === undefined && values.fallback.length > 0) throw new TypeError('--fallback needs a --model');
  const provider = values.model === undefined ? await startProvider() : undefined;
  const { url, close } = await serveRelay(createClient(provider), { port: Number(values.port) });
  console.log(url);
  const leave = (): void => void close().then(() => provider?.close());
  process.once('SIGTERM', leave).once('SIGINT', leave);
}

await main();
