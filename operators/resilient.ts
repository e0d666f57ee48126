import type { MonoTypeOperatorFunction } from 'rxjs';
import { objectOption } from '../src/policies/options';
import { Pipeline, type ResilienceConfig } from './kernel/pipeline';
import type { RuntimeOptions } from './kernel/runtime';

/** Anything that protects streams, e.g. a ResilientExecutor. */
export interface Protector {
  protect<T>(options?: RuntimeOptions<T>): MonoTypeOperatorFunction<T>;
}

/**
 * All protections in one operator, in the order that works: total deadline (over everything) > fallback > retry > breaker
 * > admission (rate and slot together) > first and idle timeouts > source.
 *
 * ```text
 * source:  --#   (breaker, bucket, slot, timeouts: per attempt)
 *             ..--a--b-X--
 *                      ^ after the first content: onPartial decides
 * result:  ------a--b-#
 * ```
 *
 * - It behaves as the single operators piped in that order would, but for one subscription per attempt instead of one per
 *   operator, and a joint admission: waiting for a slot never holds the bucket, nor the other way round.
 * - Every attempt passes all of it; nothing is held while backing off.
 *
 * @example
 * chat$.pipe(resilient({ retry: {}, circuitBreaker: {}, backpressure: 4, timeout: { firstMs: 30_000, idleMs: 15_000 } }))
 *
 * @param protection - a ResilientExecutor, shared; or options, for policies that all subscriptions through this operator share
 * @throws TypeError, RangeError at the call for a bad option
 */
export function resilient<T>(
  protection: Protector | ResilienceConfig<T>,
  options?: RuntimeOptions<T>,
): MonoTypeOperatorFunction<T> {
  objectOption('resilient', protection);
  return 'protect' in protection ? protection.protect<T>(options) : new Pipeline<T>(protection, options).operator<T>();
}
