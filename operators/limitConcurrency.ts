import type { MonoTypeOperatorFunction } from 'rxjs';
import { toBackpressure, type Backpressure, type BackpressureConfig } from '../src/policies/Backpressure';
import { resolveAdmission, type PriorityOptions } from './kernel/admissionOptions';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/**
 * Lets so many streams run at once; the others wait for a slot, then subscribe to the source.
 *
 * ```text
 * maxInflight: 1
 * subscribers:  ^^
 * source:       --a--b|--a--b|
 * ```
 *
 * - First come, first served, higher `priority` first. A slot is held until the stream ends, and is given back before its
 *   terminal event is forwarded (on unsubscribe: once the source is closed).
 * - Beyond `maxQueue` waiting streams, or after `maxWaitMs`, a stream is refused (`ConcurrencyLimitError`).
 *
 * @example
 * const slots = new Backpressure({ maxInflight: 4 });
 * chat$.pipe(limitConcurrency(slots, { priority: 1 }))
 *
 * @param limit - `maxInflight`, or options, for a limit that all subscriptions through this operator share; or a
 *   Backpressure, shared with whoever else has it
 * @throws TypeError, RangeError at the call for a bad option
 */
export function limitConcurrency<T>(
  limit: number | Backpressure | (BackpressureConfig & PriorityOptions & RuntimeOptions<T>),
  options: PriorityOptions & RuntimeOptions<T> = {},
): MonoTypeOperatorFunction<T> {
  const runtime = resolveRuntime<T>(limit, options);
  const backpressure = toBackpressure(limit);
  const { priority = (limit as PriorityOptions).priority } = options;
  const admission = resolveAdmission({ backpressure }, runtime, priority === undefined ? {} : { priority });
  return operatorOf<T>({ ...runtime, hold: false, admission });
}
