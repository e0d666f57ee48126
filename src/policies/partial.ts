import type { ObservableInput } from 'rxjs';
import { describe } from './options';

/** What the subscriber had been given when the stream failed. */
export interface PartialOutput<T> {
  readonly values: readonly T[];
  /** The text of the values. */
  readonly text: string;
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number;
  /** The raw error. */
  readonly error: unknown;
  /** The name of the fallback target whose place the continuation takes; absent where the source itself is tried again. */
  readonly target?: string;
}

/**
 * What happens when a stream fails after its first content.
 *
 * - `'fail'`: the error comes out as it is. Nothing is tried.
 * - `'rewind'`: a rewind value, and then the new attempt from its start.
 * - `'skip'`: the new attempt from its start, without what it repeats. Where its text differs from what was delivered, or
 *   ends before it, `DivergedStreamError`. After a delivered tool call, and where what was delivered has no text, as `'fail'`.
 * - A function: the stream that it returns goes on right behind what was delivered, in the place of the source or of the
 *   fallback target. Nothing is trimmed: see `trimOverlap`. It is asked when that attempt starts. What it throws, and a
 *   TypeError for what is no stream, becomes the stream's error.
 */
export type OnPartial<T> = 'fail' | 'rewind' | 'skip' | ((partial: PartialOutput<T>) => ObservableInput<T>);

/** @throws TypeError for anything else, naming the option and the value */
export function resolveOnPartial<T>(name: string, value: OnPartial<T> = 'fail'): OnPartial<T> {
  if (typeof value === 'function' || ['fail', 'rewind', 'skip'].includes(value)) return value;
  throw new TypeError(`${name} must be 'fail', 'rewind', 'skip' or a function, got ${describe(value)}`);
}
