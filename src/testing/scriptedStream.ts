import { asyncScheduler, Observable, type SchedulerLike, type Subscriber, type Subscription } from 'rxjs';
import { delay } from './check';

/**
 * When a step comes: `after` so many ms behind the one before it (default 0: at once, synchronously), or `at` so many ms
 * from the subscription (at once if that has gone by).
 */
type When = { after?: number; at?: never } | { at: number; after?: never };

/** One step of a script. */
export type ScriptStep<T> =
  | (When & { value: T })
  | (When & { error: unknown })
  | (When & { complete: true })
  /** The stream stays open and silent. */
  | { stall: true };

/**
 * What one subscription plays. A string: its words, each with the space before it. A list: steps, and strings as values.
 * Without an end (an error, a completion, a stall) it completes after its last step.
 */
export type StreamScript<T> = (string extends T ? string : never) | readonly (ScriptStep<T> | Extract<T, string>)[];

/** Options of {@link scriptedStream}. */
export interface ScriptedStreamOptions {
  /** Clock and timers. @defaultValue asyncScheduler, which `TestScheduler.run` makes virtual */
  scheduler?: SchedulerLike;
  /** `after` of every value that has neither `after` nor `at`, in ms. @defaultValue 0: synchronous */
  paceMs?: number;
}

/** What became of one subscription; times are in ms on the scheduler's clock. A live object. */
export interface ScriptedSubscription {
  readonly openedAt: number;
  /** `undefined` while it is open. */
  readonly closedAt: number | undefined;
  /** How many values it was given. */
  readonly emitted: number;
  readonly end: 'complete' | 'error' | 'unsubscribed' | undefined;
}

/** A cold source that keeps count of its subscriptions. */
export interface ScriptedStream<T> extends Observable<T> {
  /** In the order in which they were opened. */
  readonly subscriptions: readonly ScriptedSubscription[];
  /** How many are open. */
  readonly active: number;
  /** How many were open at the same time, at most. */
  readonly maxConcurrent: number;
}

/** A step, and how long after the one before it, in ms. */
type TimedStep<T> = ScriptStep<T> & { wait: number };

function timed<T>(script: StreamScript<T>, paceMs: number): TimedStep<T>[] {
  const parts: readonly unknown[] = typeof script === 'string' ? (script.match(/\s*\S+|\s+$/g) ?? []) : script;
  let now = 0;
  return parts.map((part, i) => {
    const step = (typeof part === 'string' ? { value: part } : part) as ScriptStep<T> & When;
    if (step.at !== undefined) delay(`script[${i}].at`, step.at);
    if (step.after !== undefined) delay(`script[${i}].after`, step.after);
    const wait = step.at === undefined ? (step.after ?? ('value' in step ? paceMs : 0)) : Math.max(0, step.at - now);
    now += wait;
    return { ...step, wait };
  });
}

class Scripted<T> extends Observable<T> implements ScriptedStream<T> {
  readonly subscriptions: { -readonly [K in keyof ScriptedSubscription]: ScriptedSubscription[K] }[] = [];
  active = 0;
  maxConcurrent = 0;

  constructor(scripts: readonly StreamScript<T>[], { scheduler = asyncScheduler, paceMs = 0 }: ScriptedStreamOptions) {
    delay('paceMs', paceMs);
    if (scripts.length === 0) throw new TypeError('scriptedStream.attempts needs at least one script');
    const plays = scripts.map((script) => timed(script, paceMs));
    super((subscriber) => {
      const steps = plays[Math.min(this.subscriptions.length, plays.length - 1)] ?? [];
      this.#play(steps, subscriber, scheduler);
    });
  }

  #play(steps: readonly TimedStep<T>[], subscriber: Subscriber<T>, scheduler: SchedulerLike): void {
    const record: (typeof this.subscriptions)[number] = {
      openedAt: scheduler.now(),
      closedAt: undefined,
      emitted: 0,
      end: undefined,
    };
    this.subscriptions.push(record);
    this.maxConcurrent = Math.max(this.maxConcurrent, ++this.active);
    let timer: Subscription | undefined;
    // What has ended is closed before anybody hears of it: who calls again in `complete` finds nothing open.
    const close = (end: typeof record.end): void => {
      if (record.end !== undefined) return;
      timer?.unsubscribe();
      record.end = end;
      record.closedAt = scheduler.now();
      this.active--;
    };
    // Before the first value: a synchronous script may be left while it plays.
    subscriber.add(() => close('unsubscribed'));
    let next = 0;
    // `due`: the delay of the step at `next` has gone by.
    const run = (due: boolean): void => {
      for (; !subscriber.closed; next++, due = false) {
        const step = steps[next] ?? { complete: true, wait: 0 };
        if ('stall' in step) return;
        if (step.wait > 0 && !due) {
          timer = scheduler.schedule(() => run(true), step.wait);
          return;
        }
        if ('value' in step) {
          record.emitted++;
          subscriber.next(step.value);
        } else if ('error' in step) {
          close('error');
          subscriber.error(step.error);
        } else {
          close('complete');
          subscriber.complete();
        }
      }
    };
    run(false);
  }
}

/**
 * A cold source that plays a script: values, pauses, an error, a stall. What has no delay comes synchronously;
 * unsubscribing stops it at once. Every subscription plays it from the start and is recorded.
 *
 * ```
 * scriptedStream(['a', { value: 'b', after: 2 }, { error: new Error('x'), at: 5 }])
 * a-b--#
 * ```
 *
 * ```ts
 * scriptedStream('Hello big world'); // 'Hello', ' big', ' world', complete
 * scriptedStream(['Hel', 'lo'], { paceMs: 10 }); // 10 ms before each
 * const source = scriptedStream.attempts(['a', { error: new Error('cut') }], ['a', 'b']); // fails once, then is whole
 * source.pipe(retry(1)).subscribe();
 * source.subscriptions.length; // 2
 * ```
 *
 * @throws RangeError naming a time that is no number from 0 to 2^31 - 1
 */
export function scriptedStream(script: StreamScript<string>, options?: ScriptedStreamOptions): ScriptedStream<string>;
export function scriptedStream<T>(script: StreamScript<T>, options?: ScriptedStreamOptions): ScriptedStream<T>;
export function scriptedStream<T>(script: StreamScript<T>, options: ScriptedStreamOptions = {}): ScriptedStream<T> {
  return new Scripted([script], options);
}

/** Scripts, and options that may come last. */
type Attempts<T> = StreamScript<T>[] | [...scripts: StreamScript<T>[], options: ScriptedStreamOptions];

const isOptions = (last: unknown): last is ScriptedStreamOptions => typeof last === 'object' && !Array.isArray(last);

function attempts(...args: Attempts<string>): ScriptedStream<string>;
function attempts<T>(...args: Attempts<T>): ScriptedStream<T>;
function attempts<T>(...args: Attempts<T>): ScriptedStream<T> {
  const last = args.at(-1);
  const scripts = args.filter((arg) => !isOptions(arg)) as readonly StreamScript<T>[];
  return new Scripted(scripts, isOptions(last) ? last : {});
}

/**
 * A source whose every subscription plays the next script; the last one repeats. Options may come last.
 *
 * @throws TypeError without a script
 */
scriptedStream.attempts = attempts;
