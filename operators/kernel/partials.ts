import type { Observable } from 'rxjs';
import { describe } from '../../src/policies/options';
import type { OnPartial, PartialOutput } from '../../src/policies/partial';
import type { Delivered } from './Delivered';
import type { Runtime } from './runtime';
import { skipSeam, type Seam } from './seams';
import { isStream, toObservable } from './targets';

/** How a stream goes on that failed after its first content. */
export interface PartialPlan<T> {
  /** As events tell of it. */
  readonly action: 'rewind' | 'skip' | 'resume';
  /** Whether the subscriber is told to forget what was delivered. @defaultValue false */
  readonly rewinds?: boolean;
  /** What has to be collected of what is delivered. */
  readonly collects: 'nothing' | 'text' | 'values';
  /** Whether anything can be tried. @defaultValue always */
  allows?(delivered: Delivered<T> | undefined): boolean;
  /** Contents that the subscriber has, where somebody else knows better. */
  emitted?(): number;
  /** What stands in for the source, or for the target that would be next. @throws what makes it throws */
  source?(partial: PartialOutput<T>): Observable<T>;
  /** What joins the new attempt to what was delivered. */
  seam?(delivered: Delivered<T>): Seam<T>;
}

/** @returns `undefined` for `'fail'`: nothing is tried */
export function partialPlanOf<T>(onPartial: OnPartial<T>, runtime: Runtime<T>): PartialPlan<T> | undefined {
  if (onPartial === 'fail') return undefined;
  if (onPartial === 'rewind') return { action: 'rewind', rewinds: true, collects: 'nothing' };
  if (onPartial === 'skip') {
    return {
      action: 'skip',
      collects: 'text',
      // There is nothing to compare by, or something that must not be said again.
      allows: (delivered) => delivered?.text !== '' && !delivered?.toolCalled,
      seam: (delivered) => skipSeam(delivered, runtime),
    };
  }
  return {
    action: 'resume',
    collects: 'values',
    source: (partial) => {
      const made: unknown = onPartial(partial);
      if (Object(made) === made && isStream(made as object)) return toObservable(made as Observable<T>);
      throw new TypeError(`onPartial must return a stream, got ${describe(made)}`);
    },
  };
}
