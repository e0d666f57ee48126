import type { MonoTypeOperatorFunction } from 'rxjs';
import { resolveRetry, type RetryConfig } from '../src/policies/backoff';
import { partialPlanOf } from './kernel/partials';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { RetryRecovery } from './kernel/RetryRecovery';
import { operatorOf } from './kernel/StreamRun';

/**
 * Subscribes to the source again when it fails with an error that may pass, after a delay that grows.
 *
 * ```text
 * source:  --#  --a--b--|
 *            ^ retryable: wait initialDelayMs, +- jitter
 * result:  -----....--a--b--|
 * ```
 *
 * - What a failed attempt gave before its first content is dropped with it. After the first content nothing is retried
 *   unless `onPartial` says so: tokens are never doubled.
 * - The failed attempt is closed before the next opens; leaving during a wait, or while an asynchronous `retryOn` decides,
 *   cancels it. The state is per subscription; a value never resets the count.
 * - A server's Retry-After is a floor under the delay. One above `maxRetryAfterMs` or beyond `maxElapsedMs` fails at once.
 * - The last error comes out as it is. A refusal of the library (`RejectedError`) is never retried.
 * - The source must be cold: one subscription, one request.
 *
 * @example
 * defer(() => fetchTokens()).pipe(retryBackoff({ maxRetries: 5, initialDelayMs: 250 }))
 *
 * @param config - options, or just `initialDelayMs`; may hold the runtime options too
 * @throws TypeError, RangeError at the call for a bad option
 */
export function retryBackoff<T>(
  config: (RetryConfig<T> & RuntimeOptions<T>) | number = {},
  options?: RuntimeOptions<T>,
): MonoTypeOperatorFunction<T> {
  const runtime = resolveRuntime<T>(config, options);
  const retry = resolveRetry(config);
  return operatorOf<T>({
    ...runtime,
    hold: true,
    partials: partialPlanOf(retry.onPartial, runtime),
    budget: retry.budget,
    recoveries: [() => new RetryRecovery(retry, runtime.random)],
  });
}
