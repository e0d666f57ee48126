import type { MonoTypeOperatorFunction } from 'rxjs';
import type { FallbackChain } from '../src/policies/FallbackChain';
import { functionOption, numberOption } from '../src/policies/options';
import { resolveOnPartial, type OnPartial } from '../src/policies/partial';
import { FallbackRecovery, type FallbackCallbacks } from './kernel/FallbackRecovery';
import { partialPlanOf } from './kernel/partials';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { operatorOf } from './kernel/StreamRun';
import { isStream, toChain, type FallbackInput } from './kernel/targets';

/** Options of {@link fallbackTo}. */
export interface FallbackOptions<T = unknown> extends FallbackCallbacks, RuntimeOptions<T> {
  /** What happens to an error after the first content. @defaultValue 'fail' */
  onPartial?: OnPartial<T>;
  /** No target is taken later than this after the stream was subscribed, in ms. @defaultValue Infinity */
  maxElapsedMs?: number;
}

/**
 * Takes the next of several streams when one fails with an error that another model or provider may not have.
 *
 * ```text
 * source:    --#
 * target 1:    ---#
 * target 2:       --a--b--|
 * result:    ------a--b--|
 * ```
 *
 * - The stream that failed is closed before the next opens. What it gave before its first content is dropped; after the
 *   first content nothing is tried unless `onPartial` says so.
 * - An error that is not fallbackable, or with nothing left to try at the first, comes out as it is. When all have failed:
 *   `FallbackExhaustedError`, with all their errors and the earliest `retryAfterMs`.
 * - A refusal (an open circuit, a full queue) is always fallbackable.
 *
 * @example
 * gpt$.pipe(fallbackTo({ name: 'claude', source: claude$ }, () => local$, { onFallback: (error) => log(error) }))
 *
 * @param targets - streams, functions that make one for the error, FallbackTargets, or one FallbackChain; options last
 * @throws TypeError at the call for something that is none of these, e.g. a string
 */
export function fallbackTo<T>(
  ...targets: [...targets: (FallbackInput<T> | FallbackChain<T>)[], options: FallbackOptions<T>]
): MonoTypeOperatorFunction<T>;
export function fallbackTo<T>(...targets: (FallbackInput<T> | FallbackChain<T>)[]): MonoTypeOperatorFunction<T>;
export function fallbackTo<T>(
  ...targets: (FallbackInput<T> | FallbackChain<T> | FallbackOptions<T>)[]
): MonoTypeOperatorFunction<T> {
  const last = targets.at(-1);
  const options = isOptions<T>(last) ? last : {};
  const chain = toChain((last === options ? targets.slice(0, -1) : targets) as FallbackInput<T>[]);
  functionOption('shouldFallback', options.shouldFallback);
  functionOption('onFallback', options.onFallback);
  const runtime = resolveRuntime<T>(undefined, options);
  const { maxElapsedMs = Infinity } = options;
  return operatorOf<T>({
    ...runtime,
    hold: true,
    partials: partialPlanOf(resolveOnPartial('onPartial', options.onPartial), runtime),
    maxElapsedMs: numberOption('maxElapsedMs', maxElapsedMs, { infinity: true }),
    recoveries: [() => new FallbackRecovery(chain, options)],
  });
}

const isOptions = <T>(value: unknown): value is FallbackOptions<T> =>
  typeof value === 'object' && value !== null && !isStream(value) && !('source' in value) && !('setEnabled' in value);
