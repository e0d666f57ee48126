import fc from 'fast-check';
import { Observable, take, VirtualTimeScheduler, type MonoTypeOperatorFunction } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  fallbackTo,
  FallbackExhaustedError,
  resilient,
  retryBackoff,
  timeoutStream,
  type ChatEvent,
  type ProviderError,
} from 'rx-weir';
import { expected, options, playing, whatOf, type Event, type Options, type Script } from '../support/attemptModel';

/** When the subscriber leaves: between two instants, or with its n-th value. */
type Leave = { readonly at: number } | { readonly take: number } | undefined;

type Source = Observable<ChatEvent>;
type Build = (o: Options, source: Source, targets: Source[], scheduler: VirtualTimeScheduler) => Source;

const retry = (o: Options, scheduler: VirtualTimeScheduler): MonoTypeOperatorFunction<ChatEvent> =>
  retryBackoff(
    {
      maxRetries: o.maxRetries,
      initialDelayMs: o.delayMs,
      backoffMultiplier: 1,
      jitter: 'none',
      onPartial: o.onPartial,
    },
    { scheduler },
  );

// All of them are the same to the subscriber: retry, then fall back.
const BUILDS: Record<string, Build> = {
  'retry inside fallback': (o, source, targets, scheduler) =>
    source.pipe(retry(o, scheduler), fallbackTo(...targets, { onPartial: o.onPartial, scheduler })),
  'with limits that never matter, inside and outside': (o, source, targets, scheduler) => {
    const limits = { firstMs: 1000, idleMs: 1000, totalMs: 10_000, scheduler };
    const guarded = [source, ...targets].map((stream) => stream.pipe(timeoutStream(limits)));
    return guarded[0]!.pipe(
      retry(o, scheduler),
      timeoutStream(limits),
      fallbackTo(...guarded.slice(1), { onPartial: o.onPartial, scheduler }),
      timeoutStream(limits),
    );
  },
  'one fallback inside the other': (o, source, targets, scheduler) => {
    const [first, ...others] = targets;
    const settings = { onPartial: o.onPartial, scheduler };
    if (others.length === 0) return source.pipe(retry(o, scheduler), fallbackTo(...targets, settings));
    return source.pipe(retry(o, scheduler), fallbackTo(first!, ...others, settings), fallbackTo(settings));
  },
  resilient: (o, source, targets, scheduler) =>
    source.pipe(
      resilient<ChatEvent>(
        {
          retry: { maxRetries: o.maxRetries, initialDelayMs: o.delayMs, backoffMultiplier: 1, jitter: 'none' },
          fallback: targets,
          onPartial: o.onPartial,
        },
        { scheduler },
      ),
    ),
};

function run(build: Build, o: Options, leave: Leave): Event[] {
  const scheduler = new VirtualTimeScheduler();
  let active = 0;
  const closed: number[] = []; // how often each attempt was
  const source = (scriptOf: (n: number) => readonly [Script, string]): Source => {
    let n = 0;
    return new Observable((subscriber) => {
      expect(active++, 'one attempt after the other').toBe(0);
      expect(endedAt, 'nothing opens for nobody').toBeUndefined();
      const id = closed.push(0) - 1;
      playing(...scriptOf(n++), scheduler).subscribe(subscriber);
      return () => {
        closed[id]!++;
        active--;
      };
    });
  };
  const primary = source((n) => [o.primary[Math.min(n, o.primary.length - 1)]!, `p${n}`]);
  const targets = o.targets.map((script, i) => source(() => [script, `t${i}`]));
  const events: Event[] = [];
  let endedAt: number | undefined;
  const end = (what: string): void => {
    endedAt = scheduler.now();
    if (what !== 'taken') expect(active, 'closed before the end is told').toBe(0);
    events.push([endedAt, what]);
    leaving?.unsubscribe();
  };
  const built = build(o, primary, targets, scheduler);
  const taken = leave && 'take' in leave ? built.pipe(take(leave.take)) : built;
  const atEnd = (): string => (leave && 'take' in leave && events.length === leave.take ? 'taken' : 'complete');
  const leaving =
    leave && 'at' in leave
      ? scheduler.schedule(() => {
          subscription.unsubscribe();
          endedAt = scheduler.now();
          expect(active, 'closed at once').toBe(0);
        }, leave.at + 0.5) // no script has halves
      : undefined;
  const subscription = taken.subscribe({
    // What comes behind the end is one event too many.
    next: (value) => void events.push([scheduler.now(), whatOf(value)]),
    error: (error: unknown) =>
      end(error instanceof FallbackExhaustedError ? 'all targets failed' : (error as ProviderError).message),
    complete: () => end(atEnd()),
  });
  scheduler.flush();
  expect(closed.length).toBeLessThanOrEqual(1 + o.maxRetries + o.targets.length);
  if (endedAt === undefined) subscription.unsubscribe();
  else expect(scheduler.frame, 'nothing was left scheduled').toBe(endedAt);
  expect(closed, 'each closed once').toEqual(closed.map(() => 1));
  expect(scheduler.actions).toEqual([]);
  return events;
}

describe.each(Object.entries(BUILDS))('%s', (name, build) => {
  // An idle or first timer is there while a stream stalls; the others wait for nothing.
  const stalls = name.includes('limits');

  it('gives what the contract says, and leaks nothing', () => {
    fc.assert(
      fc.property(options, (o) => {
        const model = expected(o);
        fc.pre(!stalls || isEnd(model.at(-1)));
        expect(run(build, o, undefined)).toEqual(model);
      }),
      { numRuns: 300 },
    );
  });

  it('gives just what had come until then to one who leaves between two instants', () => {
    fc.assert(
      fc.property(options, fc.nat(15), (o, at) => {
        const model = expected(o).filter(([time]) => time <= at);
        expect(run(build, o, { at })).toEqual(model);
      }),
    );
  });

  it('gives just so many values to one who takes no more', () => {
    fc.assert(
      fc.property(options, fc.integer({ min: 1, max: 8 }), (o, n) => {
        const model = expected(o);
        const taken = model.slice(0, n);
        fc.pre(!stalls || isEnd(model.at(-1)) || taken.length === n);
        const last = taken.at(-1);
        if (last && taken.length === n && !isEnd(last)) taken.push([last[0], 'taken']);
        expect(run(build, o, { take: n })).toEqual(taken);
      }),
    );
  });
});

const isEnd = (event: Event | undefined): boolean => event !== undefined && !/^[pt]\d|^rewind$|^usage$/.test(event[1]);
