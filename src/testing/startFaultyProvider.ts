import { whole } from './check';
import { FaultyProvider } from './FaultyProvider';
import type { FaultyProviderOptions } from './FaultyProviderOptions';

/**
 * Starts an LLM provider that fails on demand: an HTTP server on 127.0.0.1 that speaks OpenAI chat completions
 * (`POST /v1/chat/completions`) and Anthropic Messages (`POST /v1/messages`), streamed or not, `GET /v1/models` and CORS. A path
 * prefix names the provider that it plays, see {@link FaultyProvider.baseUrl}.
 *
 * ```ts
 * const provider = await startFaultyProvider();
 * provider.script('openai', [{ status: 503 }, { cut: { afterChars: 40 } }]); // then healthy answers
 * const client = new OpenAI({ apiKey: 'k', baseURL: provider.baseUrl('openai'), maxRetries: 0 });
 * // ...
 * await provider.when((request) => request.outcome === 'aborted');
 * await provider.close();
 * ```
 *
 * It keeps the process alive until it is closed. Requests, keys apart, are recorded in `provider.requests`.
 *
 * @throws RangeError, TypeError naming an option and its value; TypeError in a browser; the system's error if the port is taken
 */
export async function startFaultyProvider(options: FaultyProviderOptions = {}): Promise<FaultyProvider> {
  whole('port', options.port ?? 0, 0, 65_535);
  // No import: a browser has no such module, and loads this entry for `scriptedStream`.
  const { createServer } = (globalThis.process as NodeJS.Process | undefined)?.getBuiltinModule('node:http') ?? {};
  if (!createServer)
    throw new TypeError('startFaultyProvider is an HTTP server, for which it needs Node: start it there');
  return new FaultyProvider(options, createServer()).listen();
}
