import { asyncScheduler, type SchedulerLike } from 'rxjs';
import * as defaults from '../../src/events/defaults';
import { describe, functionOption } from '../../src/policies/options';

/** What every operator takes as its last argument, or among its options. */
export interface RuntimeOptions<T = unknown> {
  /** Time and timers. @defaultValue asyncScheduler (a TestScheduler's `run` makes that virtual by itself) */
  scheduler?: SchedulerLike;
  /** Chance, in [0, 1). @defaultValue Math.random */
  random?(): number;
  /**
   * Whether a value cannot be taken back once delivered; what comes before the first of them is held back by the operators
   * that try again.
   *
   * @defaultValue every value, except that of chat events only text (not empty), reasoning and tool calls are
   */
  isContent?(value: T): boolean;
  /** The text of a value. @defaultValue the string itself, or a chat event's text */
  textOf?(value: T): string;
  /**
   * The value with another text in place of its own, where a stream is gone on with in the middle of one.
   *
   * @defaultValue for strings and text events; anything else is a TypeError then
   */
  withText?(value: T, text: string): T;
  /** The value that tells the subscriber to forget what it was given. @defaultValue the chat event `{ type: 'rewind', to: 0 }` */
  rewindValue?(emitted: number, error: unknown): T;
}

/** {@link RuntimeOptions} with their defaults, checked. */
export type Runtime<T> = Required<RuntimeOptions<T>>;

/**
 * Merges the last argument over what a plain config holds of the same keys.
 *
 * @throws TypeError naming the option
 */
export function resolveRuntime<T>(config: unknown, options: RuntimeOptions<T> = {}): Runtime<T> {
  const plain = typeof config === 'object' && config !== null ? (config as RuntimeOptions<T>) : {};
  const pick = <K extends keyof RuntimeOptions<T>>(key: K): RuntimeOptions<T>[K] => options[key] ?? plain[key];
  for (const key of ['random', 'isContent', 'textOf', 'withText', 'rewindValue'] as const)
    functionOption(key, pick(key));
  const scheduler = pick('scheduler') ?? asyncScheduler;
  if (typeof scheduler.now !== 'function' || typeof scheduler.schedule !== 'function') {
    throw new TypeError(`scheduler must be an RxJS scheduler, got ${describe(scheduler)}`);
  }
  return {
    scheduler,
    // eslint-disable-next-line no-restricted-properties -- the default of `random`, the one place where it is named
    random: pick('random') ?? Math.random,
    isContent: pick('isContent') ?? defaults.isContent,
    textOf: pick('textOf') ?? defaults.textOf,
    withText: pick('withText') ?? (defaults.withText as (value: T, text: string) => T),
    rewindValue: pick('rewindValue') ?? (defaults.rewindValue as () => T),
  };
}
