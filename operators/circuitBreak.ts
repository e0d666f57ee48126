import type { MonoTypeOperatorFunction } from 'rxjs';
import type { CircuitBreaker, CircuitBreakerConfig } from '../src/policies/CircuitBreaker';
import { resolveAdmission } from './kernel/admissionOptions';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/**
 * Keeps streams away from a source that fails: while the circuit is open, a subscriber gets a `CircuitOpenError` at once
 * and the source is not touched.
 *
 * ```text
 * source:   #   #   #                    --a--|
 *           1   2   3 = failureThreshold ^ the probe
 * circuit:  closed......open............half_open.closed
 * result:   #   #   #   X  X  X          --a--|
 * ```
 *
 * - A stream that completes, or is left after its first content, is a success; one left before is not counted, nor are
 *   errors that say nothing about the provider (4xx, cancelled, 429 unless `countRateLimits`).
 * - The outcome is recorded before the terminal event is forwarded.
 *
 * @example
 * const breaker = new CircuitBreaker({ failureThreshold: 3 });
 * chat$.pipe(circuitBreak(breaker), retryBackoff())
 *
 * @param breaker - a CircuitBreaker, shared with whoever else has it; or options, for one that all subscriptions through
 *   this operator share
 * @throws TypeError, RangeError at the call for a bad option
 */
export function circuitBreak<T>(
  breaker: CircuitBreaker | (CircuitBreakerConfig & RuntimeOptions<T>) = {},
  options?: RuntimeOptions<T>,
): MonoTypeOperatorFunction<T> {
  const runtime = resolveRuntime<T>(breaker, options);
  return operatorOf<T>({ ...runtime, hold: false, admission: resolveAdmission({ circuitBreaker: breaker }, runtime) });
}
