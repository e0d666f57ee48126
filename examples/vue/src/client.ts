import { createChatClient } from 'rx-weir';

// The page has no key. What serves it passes `/api` on (see vite.config.ts), and in production adds the key there.
const api = (path: string) => ({ apiKey: 'added-by-the-server', baseUrl: new URL(path, location.href).href });

/** One for the whole app: what it has learned of a provider, it knows for every view. */
export const client = createChatClient({
  model: 'openai/gpt-4o',
  fallbacks: ['anthropic/claude-3-5-sonnet'],
  providers: { openai: api('/api/openai/v1'), anthropic: api('/api/anthropic') },
  resilience: {
    retry: { maxRetries: 2, initialDelayMs: 200 },
    circuitBreaker: { failureThreshold: 3 },
    timeout: { firstMs: 60_000, idleMs: 30_000 },
  },
});
