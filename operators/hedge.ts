import type { MonoTypeOperatorFunction } from 'rxjs';
import { HedgePlan, type HedgeConfig } from './kernel/HedgePlan';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/**
 * Subscribes to the source once more when it says nothing for a while; the first content wins.
 *
 * ```text
 * afterMs: 4
 * source:  ----------a--b--|
 *              --a--b--|
 * result:  ------a--b--|
 *                ^ the other one is unsubscribed before `a` is delivered
 * ```
 *
 * - Values before the first content are held back, and dropped with an attempt that loses.
 * - An attempt that fails is dropped while another one runs; when all have failed, the error of the earliest comes out. One
 *   that completes without content wins.
 * - Every hedge takes a token of the `budget`; none is started where `preflight` has no room, or its breaker is not closed.
 * - A provider may bill the request that lost: `hedge` and `attempt.end` events of an executor tell of it.
 *
 * @example
 * chat$.pipe(hedge({ after: 'p95', afterMs: 2_000, budget: new RetryBudget({ tokenRatio: 0.05 }) }), retryBackoff())
 *
 * @throws TypeError, RangeError at the call for a bad option
 */
export function hedge<T>(
  config: HedgeConfig<T> & RuntimeOptions<T>,
  options?: RuntimeOptions<T>,
): MonoTypeOperatorFunction<T> {
  const runtime = resolveRuntime<T>(config, options);
  const plan = new HedgePlan<T>(config, () => runtime.scheduler.now());
  return operatorOf<T>({ ...runtime, hold: true, hedge: plan });
}
