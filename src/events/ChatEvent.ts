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
  | { type: 'finish'; reason: FinishReason; raw?: string };
