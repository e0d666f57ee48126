import type { MonoTypeOperatorFunction } from 'rxjs';
import { describe, numberOption, objectOption } from '../src/policies/options';
import { OverlapTrimmer } from '../src/policies/OverlapTrimmer';
import { resolveRuntime, type RuntimeOptions } from './kernel/runtime';
import { TrimSeam } from './kernel/seams';
import { operatorOf } from './kernel/StreamRun';

/** Options of {@link trimOverlap}. */
export interface TrimOverlapOptions<T = unknown> extends RuntimeOptions<T> {
  /** Characters: a shorter agreement may be chance, and nothing is left out. @defaultValue 16 */
  min?: number;
}

/**
 * Leaves out what a continuation repeats: the longest end of the delivered text with which it begins.
 *
 * ```text
 * delivered:  'The quick brown fox'          min: 5
 * source:     --'brown '--'fox jumps'--|
 * result:     -------------' jumps'----|
 * ```
 *
 * - It waits for more only as long as what came agrees with the delivered text up to a place from which at least `min`
 *   characters are left; values without text wait only behind such text. What waits is dropped with an error.
 * - A text that repeats itself has several such ends, and the longest need not be the one that was meant: a continuation
 *   that is known to be exact needs no trimming.
 *
 * @example
 * chat$.pipe(retryBackoff({ onPartial: (partial) => continued(partial.text).pipe(trimOverlap(partial.text, { min: 16 })) }))
 *
 * @throws TypeError, RangeError at the call for a bad option
 */
export function trimOverlap<T>(delivered: string, options: TrimOverlapOptions<T> = {}): MonoTypeOperatorFunction<T> {
  if (typeof delivered !== 'string') throw new TypeError(`delivered must be a string, got ${describe(delivered)}`);
  objectOption('trimOverlap', options);
  const runtime = resolveRuntime<T>(options);
  const min = numberOption('min', options.min ?? 16, { min: 1, integer: true });
  return operatorOf<T>({
    ...runtime,
    hold: false,
    seam: () => new TrimSeam(new OverlapTrimmer(delivered, min), runtime),
  });
}
