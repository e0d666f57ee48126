import { asyncScheduler, type BehaviorSubject, type SchedulerLike } from 'rxjs';
import { numberOption } from '../policies/options';
import { SignalsHub, type SignalSources } from './SignalsHub';
import type { SignalsSnapshot } from './SignalsSnapshot';

/** Options of {@link liveSignals}. */
export interface LiveSignalsOptions {
  /** How often changes are emitted at the most, in ms; circuit transitions are emitted at once. @defaultValue 50 */
  everyMs?: number;
  /** @defaultValue asyncScheduler */
  scheduler?: SchedulerLike;
}

/**
 * The live state of any set of policies, e.g. of those given to single operators.
 *
 * ```ts
 * const circuitBreaker = new CircuitBreaker();
 * liveSignals({ circuitBreaker }).subscribe(({ circuitState }) => badge.show(circuitState));
 * ```
 *
 * The subject's `value` is the truth now. Nothing is watched and no timer runs while nobody subscribes.
 *
 * @throws RangeError, TypeError for a bad `everyMs`
 */
export function liveSignals(
  sources: Omit<SignalSources, 'observer'>,
  { everyMs = 50, scheduler = asyncScheduler }: LiveSignalsOptions = {},
): BehaviorSubject<SignalsSnapshot> {
  return new SignalsHub({ ...sources, observer: true }, numberOption('everyMs', everyMs, { min: 1 }), scheduler)
    .signals$;
}
