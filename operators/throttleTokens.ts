import type { MonoTypeOperatorFunction } from 'rxjs';
import type { RateLimiter, RateLimiterConfig } from '../src/policies/RateLimiter';
import { resolveAdmission, type CostOptions } from './kernel/admissionOptions';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/**
 * Waits until a token bucket holds what the stream costs, in requests and in LLM tokens, then subscribes to the source.
 *
 * ```text
 * requestsPerSecond: 1
 * subscribers:  ^^^
 * source:       --a|   --a|   --a|
 *               0 s    1 s    2 s
 * ```
 *
 * - First come, first served. Leaving while waiting takes nothing; a cost that can never be met is refused at once
 *   (`RateLimitExceededError`).
 * - The token estimate is settled at the end by what the stream reports (`usage`); where it dies early, by its text. A 429
 *   with Retry-After pauses the bucket for everybody (`adaptive`), and so do the rate-limit headers in a chat `start` event.
 *
 * @example
 * const limiter = new RateLimiter({ requestsPerMinute: 60, tokensPerMinute: 100_000 });
 * chat$.pipe(throttleTokens(limiter, { cost: { tokens: 1_200 } }))
 *
 * @param limiter - a RateLimiter, shared with whoever else has it; or options, for one that all subscriptions through this
 *   operator share
 * @throws TypeError, RangeError at the call for a bad option
 */
export function throttleTokens<T>(
  limiter: RateLimiter | (RateLimiterConfig & CostOptions<T> & RuntimeOptions<T>),
  options: CostOptions<T> & RuntimeOptions<T> = {},
): MonoTypeOperatorFunction<T> {
  const runtime = resolveRuntime<T>(limiter, options);
  const admission = resolveAdmission<T>({ rateLimiter: limiter }, runtime, {
    ...(limiter as CostOptions<T>),
    ...options,
  });
  return operatorOf<T>({ ...runtime, hold: false, admission });
}
