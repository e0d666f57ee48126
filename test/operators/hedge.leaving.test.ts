import { NEVER, Observable, of, Subject, takeUntil } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import type { ChatEvent, OnPartial, PartialOutput } from 'rx-weir';
import { cut, rewind, start, text, timed, type Moment } from '../support/answers';
import { attempts, busy, seenBy } from '../support/attempts';
import { expectQuiet, story } from '../support/story';
import type { VirtualTime } from '../support/virtual';

const retry = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none' } as const;
const hedge = { afterMs: 4 };
const slow = (said: string, after = 2): readonly Moment<string>[] => [
  [after, { value: said }],
  [0, 'complete'],
];

describe('a hedged round behind a partial output', () => {
  const second = (time: VirtualTime, said: string): Observable<ChatEvent> =>
    timed<ChatEvent>(
      [
        [1, { value: start }],
        [1, { value: text(said) }],
        [0, 'complete'],
      ],
      time,
    );

  it.each<[string, OnPartial<ChatEvent>, string, readonly ChatEvent[]]>([
    ["'rewind'", 'rewind', 'abc', [text('ab'), rewind(), start, text('abc')]],
    ["'skip'", 'skip', 'abc', [text('ab'), text('c')]],
  ])('%s', (_name, onPartial, said, expected) => {
    const told = story({ hedge, retry, onPartial: onPartial as OnPartial<unknown> });
    const { time, executor, log } = told;
    const { source$, active } = attempts<ChatEvent>(cut(busy(), text('ab')), NEVER, second(time, said));
    const seen = seenBy(source$.pipe(executor.protect<ChatEvent>()));
    time.advance(100);
    expect([seen.values, seen.ends, active()]).toEqual([expected, ['complete'], 0]);
    expect(log()).toEqual([
      'start 1',
      'end 1 failure',
      'retry.scheduled',
      'start 2',
      'hedge',
      'start 3',
      'end 2 ignored',
      'end 3 success',
    ]);
    expectQuiet(told);
  });

  it('a function, which is asked for each attempt, and told of the target', () => {
    for (const targets of [undefined, [{ name: 'claude', source: () => of(text('never')) }]]) {
      const onPartial = vi.fn((_partial: PartialOutput<unknown>): Observable<unknown> =>
        onPartial.mock.calls.length === 1 ? NEVER : of(text('c')),
      );
      const told = story({ hedge: { ...hedge, ...(targets && { targets }) }, retry, onPartial });
      const { source$, opened } = attempts<ChatEvent>(cut(busy(), text('ab')));
      const seen = seenBy(source$.pipe(told.executor.protect<ChatEvent>()));
      told.time.advance(100);
      expect([seen.values, opened()]).toEqual([[text('ab'), text('c')], 1]);
      const asked = onPartial.mock.calls.map(([{ text: said, target }]) => [said, target]);
      expect(asked).toEqual([
        ['ab', undefined],
        ['ab', targets && 'claude'],
      ]);
      expectQuiet(told);
    }
  });
});

describe('leaving a hedged stream', () => {
  // Two attempts run, then the second has content and ends.
  it.each([
    ['attempt.start 1', 0, []],
    ['hedge', 1, []],
    ['attempt.start 2', 1, []],
    ['attempt.end 1', 2, []],
    ['next', 2, ['b']],
    ['attempt.end 2', 2, ['b']],
  ])('leaks nothing inside %s', (where, sources, expected) => {
    const told = story({ hedge, retry, circuitBreaker: {}, backpressure: 5, rateLimiter: { requestsPerSecond: 99 } });
    const { time, executor } = told;
    const stop = new Subject<void>();
    executor.events$.subscribe((event) => {
      const name = 'attempt' in event && event.type !== 'hedge' ? `${event.type} ${event.attempt}` : event.type;
      if (name === where) stop.next();
    });
    const { source$, active, opened } = attempts(NEVER, timed(slow('b'), time));
    const got: string[] = [];
    source$.pipe(executor.protect<string>(), takeUntil(stop)).subscribe({
      next: (value) => {
        got.push(value);
        if (where === 'next') stop.next();
      },
      error: () => got.push('#'),
    });
    time.advance(100);
    expect([got, active(), opened()]).toEqual([expected, 0, sources]);
    expect(executor.snapshot().streams).toMatchObject({ started: 1, cancelled: 1 });
    expectQuiet(told);
  });

  it('leaks nothing inside what makes the cost, or the target', () => {
    for (const where of ['cost', 'source']) {
      const leave = (): void => {
        if (time.elapsed > 0) subscription.unsubscribe();
      };
      const cost = (): { requests: number } => (where === 'cost' && leave(), { requests: 1 });
      const targets = [{ name: 'x', source: () => (leave(), of('x')) }];
      const told = story({
        hedge: { ...hedge, ...(where === 'source' && { targets }) },
        cost,
        rateLimiter: { requestsPerSecond: 99 },
      });
      const { time, executor, log } = told;
      const { source$, active, opened } = attempts(NEVER);
      const subscription = source$.pipe(executor.protect<string>()).subscribe();
      time.advance(100);
      expect([active(), opened()]).toEqual([0, 1]);
      expect(log()).toEqual(['start 1', 'end 1 ignored']);
      expectQuiet(told);
    }
  });
});
