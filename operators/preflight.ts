import type { MonoTypeOperatorFunction } from 'rxjs';
import type { AdmissionParts, PreflightChecker } from '../src/policies/PreflightChecker';
import { objectOption } from '../src/policies/options';
import { resolveAdmission, type CostOptions } from './kernel/admissionOptions';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';

/**
 * Refuses a stream at once, with a `PreflightError` that says by what and when to ask again, instead of letting it wait.
 *
 * ```text
 * no slot, an empty bucket or an open circuit
 * source:            (not subscribed)
 * result:  #
 * ```
 *
 * - All or nothing: what is refused by one part has taken nothing from the others.
 * - The stream's outcome goes to the breaker, its slot is given back at the end.
 *
 * @example
 * chat$.pipe(preflight({ circuitBreaker, backpressure }))
 *
 * @param parts - a PreflightChecker, or its parts, each an instance or its options
 * @throws TypeError, RangeError at the call for a bad option
 */
export function preflight<T>(
  parts: PreflightChecker | (AdmissionParts & CostOptions<T> & RuntimeOptions<T>),
  options: CostOptions<T> & RuntimeOptions<T> = {},
): MonoTypeOperatorFunction<T> {
  objectOption('preflight', parts);
  const runtime = resolveRuntime<T>('tryAdmit' in parts ? undefined : parts, options);
  const costs = 'tryAdmit' in parts ? options : { ...parts, ...options };
  const { circuitBreaker, rateLimiter, backpressure } = parts;
  const admission = resolveAdmission({ circuitBreaker, rateLimiter, backpressure }, runtime, costs, false);
  return operatorOf<T>({ ...runtime, hold: false, admission });
}
