import type { MonoTypeOperatorFunction } from 'rxjs';
import { resolveLimits, type TimeoutConfig } from './kernel/limits';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/**
 * Ends a stream that takes too long with a `StreamTimeoutError`, whose `phase` says what took too long.
 *
 * ```text
 * firstMs: 5, idleMs: 8
 * source:  -----------a        --a--b---------------
 * result:  -----#              --a--b--------#
 *               first                        idle
 * ```
 *
 * - `firstMs` and `totalMs` are exact; `idleMs` is noticed within [idleMs, 1.25 * idleMs], so that no timer is touched per
 *   token.
 * - Values that are no content (keep-alives, metadata) prove nothing: only content stops `firstMs` and `idleMs`.
 * - The source is closed before the error is forwarded.
 *
 * @example
 * chat$.pipe(timeoutStream({ firstMs: 30_000, idleMs: 15_000 }), retryBackoff())
 *
 * @throws TypeError, RangeError at the call for a bad option
 */
export function timeoutStream<T>(
  config: TimeoutConfig & RuntimeOptions<T>,
  options?: RuntimeOptions<T>,
): MonoTypeOperatorFunction<T> {
  const { limits, totalMs } = resolveLimits(config);
  return operatorOf<T>({ ...resolveRuntime<T>(config, options), hold: false, limits, totalMs });
}
