import type { ObservableInput } from 'rxjs';
import { choiceOption } from './options';

/** What the subscriber had been given when the stream failed. */
export interface PartialOutput<T> {
  readonly values: readonly T[];
  /** The text of the values. */
  readonly text: string;
  /** The number of the attempt that failed, from 1. */
  readonly attempt: number;
  /** The raw error. */
  readonly error: unknown;
}

/**
 * What happens when a stream fails after its first content: `'fail'` gives the error, `'rewind'` a rewind value and then
 * the new attempt from its start. `'skip'` and a function are reserved: this version refuses them.
 */
export type OnPartial<T> = 'fail' | 'rewind' | 'skip' | ((partial: PartialOutput<T>) => ObservableInput<T>);

/** @throws TypeError for a mode that is unknown or not in this version, naming the option and the value */
export function resolveOnPartial<T>(name: string, value: OnPartial<T> = 'fail'): 'fail' | 'rewind' {
  if (value === 'skip' || typeof value === 'function') {
    const mode = value === 'skip' ? `'skip'` : 'a function';
    throw new TypeError(`${name}: ${mode} is not in this version, use 'fail' or 'rewind'`);
  }
  return choiceOption(name, value, ['fail', 'rewind']);
}
