import { createChatClient, type ChatClient } from 'rx-weir';
import { MODELS, PROVIDERS } from '../models';
import { laneFetch } from './lanes';

/** What protects each model; short enough to see it happen. */
export const LIMITS = {
  retry: { maxRetries: 3, initialDelayMs: 500, maxDelayMs: 4_000 },
  circuitBreaker: { failureThreshold: 3, cooldownMs: 8_000 },
  rateLimiter: { requestsPerSecond: 24, burstSize: 72 },
  backpressure: { maxInflight: 64 },
  timeout: { firstMs: 5_000, idleMs: 2_000 },
} as const;

/** @param ports - of the lanes to the provider, on loopback */
export function createClient(ports: readonly number[]): ChatClient {
  const origins = ports.map((port) => `http://127.0.0.1:${port}`);
  return createChatClient({
    model: MODELS[0],
    fallbacks: MODELS.slice(1),
    resilience: LIMITS,
    fetch: laneFetch(origins, globalThis.fetch.bind(globalThis)),
    providers: Object.fromEntries(
      PROVIDERS.map((name) => [
        name,
        {
          // The embedded provider takes any. A real key belongs on a server: see examples/relay.
          apiKey: 'demo',
          baseUrl: `${origins[0]}/${name}${name === 'anthropic' ? '' : '/v1'}`,
          // Without it Anthropic refuses to be called from a browser.
          ...(name === 'anthropic' && { headers: { 'anthropic-dangerous-direct-browser-access': 'true' } }),
        },
      ]),
    ),
  });
}
