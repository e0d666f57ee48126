import type { RateLimitInfo } from '../errors/headers';

/** Why a chat answer ended; `raw` in the finish event is the provider's own word. */
export type FinishReason = 'stop' | 'length' | 'toolCalls' | 'contentFilter' | 'refusal' | 'other';

/** What a chat stream is made of, whatever the provider. */
export type ChatEvent =
  | {
      type: 'start';
      provider: string;
      model: string;
      requestId?: string;
      /** What the response's headers say about the rate limit, for `limiter.observe`. */
      rateLimit?: RateLimitInfo;
    }
  | { type: 'text'; text: string }
  | { type: 'reasoning'; text: string }
  /** A whole tool call: its arguments are valid JSON, and it comes once. */
  | { type: 'toolCall'; id: string; name: string; arguments: string }
  /** Counts so far; the last one is right. */
  | { type: 'usage'; inputTokens: number; outputTokens: number }
  /** Forget the text after offset `to`: what follows replaces it. */
  | { type: 'rewind'; to: number }
  /**
   * The answer was cut and goes on: behind offset `at` of the text comes what attempt `attempt` (from 2) says. `prefix`: the
   * model goes on from its own words; `instruct`: it was told to, and what it repeats is trimmed; `rewind`: it begins anew,
   * and only where its text differs from what is there a `rewind` event follows.
   */
  | { type: 'resume'; strategy: 'prefix' | 'instruct' | 'rewind'; at: number; attempt: number }
  | { type: 'finish'; reason: FinishReason; raw?: string };
