import { NEVER, of, throwError, type Observable } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  CircuitBreaker,
  FallbackExhaustedError,
  fallbackTo,
  resilient,
  ResilientExecutor,
  RetryBudget,
  type FallbackOptions,
  type ResilienceConfig,
} from 'rx-weir';
import { cut, timed } from '../support/answers';
import { attempts, busy, seenBy, type Seen } from '../support/attempts';
import { VirtualTime } from '../support/virtual';

const retry = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none', maxRetries: 9 } as const;

/** A target that fails at once, and how often it was asked. */
const failing = (error: Error = busy()) => attempts<string>(throwError(() => error));

/** The errors of all targets, by name; `undefined` where it is another error. */
const partsOf = ({ error }: Seen<unknown>): string[] | undefined =>
  error instanceof FallbackExhaustedError ? error.errors.map(({ target }) => target) : undefined;

describe('maxAttempts in resilient', () => {
  it.each<[max: number, opened: number[], parts: string[] | undefined]>([
    [1, [1, 0, 0], undefined],
    [2, [2, 0, 0], undefined],
    [3, [3, 0, 0], undefined],
    [4, [3, 1, 0], ['primary', 'fallback 1']],
    [5, [3, 1, 1], ['primary', 'fallback 1', 'fallback 2']],
    [Infinity, [3, 1, 1], ['primary', 'fallback 1', 'fallback 2']],
  ])('counts the first, two retries and two fallbacks: %d', (maxAttempts, opened, parts) => {
    const time = new VirtualTime();
    const error = busy();
    const sources = [failing(error), failing(), failing()];
    const [primary, ...targets] = sources.map(({ source$ }) => source$);
    const config = { retry: { ...retry, maxRetries: 2 }, maxAttempts, fallback: targets };
    const seen = seenBy(primary!.pipe(resilient<string>(config, { scheduler: time })));
    time.flush();
    expect(sources.map((source) => source.opened())).toEqual(opened);
    expect(partsOf(seen)).toEqual(parts);
    if (!parts) expect(seen.error).toBe(error);
    // Nobody waits for a retry that may not be.
    expect(time.elapsed).toBe(5 * Math.min(2, maxAttempts - 1));
  });

  it.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 4],
    [5, 5],
    [6, 5],
  ])('counts hedges as well: %d', (maxAttempts, expected) => {
    const time = new VirtualTime();
    // Two attempts, after the delay two more, then the target.
    const source = attempts<string>(timed([[9, { error: busy() }]], time));
    const target = failing();
    const config: ResilienceConfig<string> = {
      ...{ hedge: { afterMs: 4 }, maxAttempts },
      ...{ retry: { ...retry, maxRetries: 1 }, fallback: [target.source$] },
    };
    const seen = seenBy(source.source$.pipe(resilient<string>(config, { scheduler: time })));
    time.flush();
    expect(source.opened() + target.opened()).toBe(expected);
    expect(seen.ends).toEqual(['error']);
  });

  it('counts hedges at targets', () => {
    const time = new VirtualTime();
    const target = attempts<string>(NEVER);
    const hedge = { afterMs: 4, max: 9, targets: [1, 2, 3, 4].map((n) => ({ name: `t${n}`, source: target.source$ })) };
    const said$ = NEVER.pipe(resilient<string>({ hedge, maxAttempts: 3 }, { scheduler: time }));
    said$.subscribe();
    time.flush();
    expect(target.opened()).toBe(2);
  });

  it('counts continuations', () => {
    const time = new VirtualTime();
    const onPartial = vi.fn(() => cut(busy(), 'b'));
    const said$ = cut(busy(), 'a').pipe(resilient<string>({ retry, onPartial, maxAttempts: 3 }, { scheduler: time }));
    const seen = seenBy(said$);
    time.flush();
    expect([seen.values, seen.ends, onPartial.mock.calls.length]).toEqual([['a', 'b', 'b'], ['error'], 2]);
  });

  it('schedules nothing that may not be: no callback, no event', () => {
    const time = new VirtualTime();
    const [onRetry, onFallback] = [vi.fn(), vi.fn()];
    const executor = new ResilientExecutor(
      { retry: { ...retry, onRetry }, maxAttempts: 2, fallback: [of('never')], onFallback },
      { scheduler: time },
    );
    const seen = seenBy(failing().source$.pipe(executor.protect<string>()));
    time.flush();
    expect([seen.values, onRetry.mock.calls.length, onFallback.mock.calls.length]).toEqual([[], 1, 0]);
    expect(executor.snapshot().streams).toMatchObject({ started: 1, failed: 1, retries: 1, fallbacks: 0 });
  });

  it('counts no attempt that was refused: nobody was asked', () => {
    const time = new VirtualTime();
    const circuitBreaker = new CircuitBreaker();
    circuitBreaker.isolate();
    const { source$, opened } = failing();
    const config: ResilienceConfig<string> = { circuitBreaker, maxAttempts: 1, fallback: [of('f')] };
    const seen = seenBy(source$.pipe(resilient<string>(config, { scheduler: time })));
    expect([seen.values, opened()]).toEqual([['f'], 0]);
  });

  it('counts each stream for itself', () => {
    const time = new VirtualTime();
    const { source$, opened } = failing();
    const said$ = source$.pipe(resilient<string>({ retry, maxAttempts: 2 }, { scheduler: time }));
    seenBy(said$);
    seenBy(said$);
    time.flush();
    expect(opened()).toBe(4);
  });

  it('lets a retry and a hedge take from one budget, and a fallback be free', () => {
    const time = new VirtualTime();
    const budget = new RetryBudget({ maxTokens: 4 });
    const source = attempts<string>(timed([[9, { error: busy() }]], time));
    const fallback = [failing().source$, of('f')];
    const config: ResilienceConfig<string> = { hedge: { afterMs: 4 }, retry: { ...retry, budget }, fallback };
    const seen = seenBy(source.source$.pipe(resilient<string>(config, { scheduler: time })));
    time.flush();
    // One for the hedge, one for the failure: half of it is left, and nothing is tried again.
    expect([source.opened(), budget.tokens, seen.values]).toEqual([2, 2, ['f']]);
  });

  it.each([0, -1, 1.5, NaN, '3'])('refuses %o', (maxAttempts) => {
    expect(() => resilient({ maxAttempts: maxAttempts as number })).toThrow(/maxAttempts/);
  });
});

describe('maxElapsedMs', () => {
  const builds: Record<
    string,
    (source$: Observable<string>, targets: Observable<string>[], ms: number, time: VirtualTime) => Observable<string>
  > = {
    'of the retries in resilient': (source$, targets, maxElapsedMs, time) =>
      source$.pipe(
        resilient<string>({ retry: { ...retry, maxRetries: 0, maxElapsedMs }, fallback: targets }, { scheduler: time }),
      ),
    'of fallbackTo': (source$, targets, maxElapsedMs, time) =>
      source$.pipe(fallbackTo<string>(...targets, { maxElapsedMs, scheduler: time })),
  };

  it.each(Object.entries(builds))('%s: no target is taken later', (_name, build) => {
    for (const [ms, opened] of [
      [9, 0],
      [10, 1],
      [19, 1],
      [20, 2],
      [Infinity, 2],
    ] as const) {
      const time = new VirtualTime();
      const error = busy();
      const fails = (): Observable<string> => timed([[10, { error }]], time);
      const target = attempts<string>(fails());
      const seen = seenBy(build(fails(), [target.source$, target.source$], ms, time));
      time.flush();
      expect(target.opened(), `${ms} ms`).toBe(opened);
      // Where none was tried the error comes out as it is.
      if (opened === 0) expect(seen.error).toBe(error);
      else expect(partsOf(seen)).toHaveLength(1 + opened);
    }
  });

  it.each(Object.entries(builds))('%s: a target that was taken in time has all the time', (_name, build) => {
    const time = new VirtualTime();
    const late = timed<string>(
      [
        [1000, { value: 'late' }],
        [0, 'complete'],
      ],
      time,
    );
    const seen = seenBy(build(failing().source$, [late], 10, time));
    time.flush();
    expect(seen).toEqual({ values: ['late'], ends: ['complete'] });
  });

  it('holds for a fallback behind a partial output', () => {
    const time = new VirtualTime();
    const error = busy();
    const source = timed(
      [
        [5, { value: 'a' }],
        [6, { error }],
      ],
      time,
    );
    const options: FallbackOptions<string> = { maxElapsedMs: 10, onPartial: () => of('b'), scheduler: time };
    const seen = seenBy(source.pipe(fallbackTo<string>(of('x'), options)));
    time.flush();
    expect(seen.values).toEqual(['a']);
    expect(seen.error).toBe(error);
  });

  it('refuses what is no time', () => {
    for (const maxElapsedMs of [-1, NaN, '5'] as number[]) {
      expect(() => fallbackTo(NEVER, { maxElapsedMs })).toThrow(/maxElapsedMs/);
    }
  });
});

describe('a Retry-After that is too long', () => {
  it.each<[string, ResilienceConfig<string>['retry']]>([
    ['maxElapsedMs', { ...retry, maxElapsedMs: 1000 }],
    ['maxRetryAfterMs', { ...retry, maxRetryAfterMs: 1000 }],
    ['the default of a minute', { ...retry }],
  ])('moves to the next target at once: %s', (_name, config) => {
    const time = new VirtualTime();
    const { source$, opened } = failing(busy(60_001));
    const seen = seenBy(source$.pipe(resilient<string>({ retry: config, fallback: [of('f')] }, { scheduler: time })));
    expect([seen.values, seen.ends, opened(), time.timers]).toEqual([['f'], ['complete'], 1, 0]);
  });

  it('is waited for where it fits', () => {
    const time = new VirtualTime();
    const { source$ } = attempts<string>(
      throwError(() => busy(1000)),
      of('a'),
    );
    const config = { retry: { ...retry, maxElapsedMs: 1000, maxRetryAfterMs: 1000 }, fallback: [of('f')] };
    const seen = seenBy(source$.pipe(resilient<string>(config, { scheduler: time })));
    time.flush();
    expect([seen.values, time.elapsed]).toEqual([['a'], 1000]);
  });

  it('is told where all have failed: the earliest of them', () => {
    for (const [primary, target, expected] of [
      [90_000, 70_000, 70_000],
      [70_000, 90_000, 70_000],
      [undefined, 70_000, 70_000],
      [90_000, undefined, 90_000],
    ]) {
      const time = new VirtualTime();
      const config: ResilienceConfig<string> = {
        retry: { ...retry, maxRetries: 1 },
        fallback: [failing(busy(target)).source$],
      };
      const seen = seenBy(failing(busy(primary)).source$.pipe(resilient<string>(config, { scheduler: time })));
      time.flush();
      expect(seen.error).toBeInstanceOf(FallbackExhaustedError);
      expect(seen.error).toMatchObject({ retryAfterMs: expected, retryable: false });
    }
  });
});
