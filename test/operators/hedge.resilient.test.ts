import { NEVER, Observable, of, throwError } from 'rxjs';
import { describe, expect, it, vi } from 'vitest';
import {
  Backpressure,
  CircuitBreaker,
  CircuitOpenError,
  RateLimiter,
  ResilientExecutor,
  RetryBudget,
  StreamTimeoutError,
  type ResilienceConfig,
} from 'rx-weir';
import { timed, type Moment } from '../support/answers';
import { attempts, busy, invalid, seenBy, unauthorized } from '../support/attempts';
import { expectQuiet, story } from '../support/story';
import { VirtualTime } from '../support/virtual';

const retry = { initialDelayMs: 5, backoffMultiplier: 1, jitter: 'none' } as const;
const hedge = { afterMs: 4 };
const slow = (said: string, after = 2): readonly Moment<string>[] => [
  [after, { value: said }],
  [0, 'complete'],
];

describe('hedge in an executor', () => {
  it('tells of it, and counts only the winner', () => {
    const told = story({ hedge, circuitBreaker: {}, backpressure: 3 });
    const { time, executor, events, log } = told;
    const { source$, log: opened } = attempts(NEVER, timed(slow('b'), time));
    const seen = seenBy(source$.pipe(executor.protect<string>()));
    time.advance(5);
    expect(executor.snapshot()).toMatchObject({ currentInflight: 2, inflight: { inUse: 2 } });
    time.advance(100);
    expect(seen).toEqual({ values: ['b'], ends: ['complete'] });
    expect(opened).toEqual(['open 1', 'open 2', 'close 1', 'close 2']);
    expect(log()).toEqual(['start 1', 'hedge', 'start 2', 'end 1 ignored', 'end 2 success']);
    expect(events.find(({ type }) => type === 'hedge')).toMatchObject({ afterMs: 4, stream: 1, attempt: 1 });
    expect(executor.snapshot()).toMatchObject({ circuit: { failureCount: 0 }, streams: { started: 1, completed: 1 } });
    expectQuiet(told);
  });

  it('counts a failure of either with the breaker', () => {
    const told = story({ hedge, circuitBreaker: { failureThreshold: 9 } });
    const { time, executor, log } = told;
    const fails: readonly Moment<string>[] = [[7, { error: busy() }]];
    const { source$ } = attempts(timed(fails, time));
    seenBy(source$.pipe(executor.protect<string>()));
    time.advance(100);
    expect(log()).toEqual(['start 1', 'hedge', 'start 2', 'end 1 failure', 'end 2 failure']);
    expect(executor.snapshot().circuit?.failureCount).toBe(2);
    expectQuiet(told);
  });

  it('waits from when the source is opened, not in the queue', () => {
    const told = story({ hedge, backpressure: { maxInflight: 2 } });
    const { time, executor, log } = told;
    const slot = executor.preflight.backpressure!.take();
    const other = executor.preflight.backpressure!.take();
    const { source$ } = attempts(NEVER, of('b'));
    const openedAt: number[] = [];
    const seen = seenBy(
      new Observable<string>((subscriber) => {
        openedAt.push(time.elapsed);
        return source$.subscribe(subscriber);
      }).pipe(executor.protect<string>()),
    );
    time.advance(50);
    expect(openedAt).toEqual([]);
    slot.release();
    other.release();
    time.advance(100);
    expect(openedAt).toEqual([50, 54]);
    expect(seen.values).toEqual(['b']);
    expect(log()).toEqual(['start 1', 'hedge', 'start 2', 'end 1 ignored', 'end 2 success']);
    expectQuiet(told);
  });

  it.each<[string, () => ResilienceConfig & { after?: (executor: ResilientExecutor) => void }]>([
    ['all slots are taken', () => ({ backpressure: 1 })],
    ['the bucket is empty', () => ({ rateLimiter: { requestsPerSecond: 1, burstSize: 1 } })],
    [
      'the bucket is paused',
      () => ({
        rateLimiter: { requestsPerSecond: 99 },
        after: ({ preflight }) => preflight.rateLimiter!.observe({ retryAfterMs: 1000 }),
      }),
    ],
    [
      'somebody else waits for the bucket',
      () => ({
        rateLimiter: { requestsPerSecond: 1, burstSize: 3 },
        after: (executor) => void NEVER.pipe(executor.protect({ cost: { requests: 3 } })).subscribe(),
      }),
    ],
    [
      'the circuit is open',
      () => ({
        circuitBreaker: { failureThreshold: 1 },
        after: (executor) =>
          void throwError(busy)
            .pipe(executor.protect())
            .subscribe({ error: () => undefined }),
      }),
    ],
    [
      'the circuit is isolated',
      () => ({ circuitBreaker: {}, after: ({ preflight }) => void preflight.circuitBreaker!.isolate() }),
    ],
    [
      'the budget is used up',
      () => ({
        hedge: { ...hedge, budget: new RetryBudget({ maxTokens: 1, tokenRatio: 0.1 }) },
        after: () => undefined,
      }),
    ],
    ['there may be no further attempt', () => ({ maxAttempts: 1 })],
    ['it is too late for one', () => ({ retry: { maxElapsedMs: 3 } })],
  ])('asks nobody when %s', (_name, make) => {
    const { after, ...config } = make();
    if (config.hedge?.budget) config.hedge.budget.failed();
    const told = story({ hedge, ...config });
    const { time, executor, events } = told;
    const { source$, opened } = attempts(NEVER);
    const subscription = source$.pipe(executor.protect()).subscribe();
    after?.(executor);
    time.advance(50);
    expect(opened()).toBe(1);
    expect(events.filter(({ type }) => type === 'hedge')).toEqual([]);
    subscription.unsubscribe();
  });

  it('asks where there is just room enough', () => {
    const budget = new RetryBudget({ maxTokens: 1 });
    const told = story({
      hedge: { ...hedge, budget },
      backpressure: 2,
      rateLimiter: { requestsPerSecond: 1, burstSize: 2 },
      maxAttempts: 2,
      retry: { maxElapsedMs: 4 },
      circuitBreaker: {},
    });
    const { source$, opened } = attempts<string>(NEVER);
    const subscription = source$.pipe(told.executor.protect<string>()).subscribe();
    told.time.advance(50);
    expect([opened(), budget.tokens]).toEqual([2, 0]);
    subscription.unsubscribe();
    expectQuiet(told);
  });

  it('asks nobody beside a probe', () => {
    const time = new VirtualTime();
    const circuitBreaker = new CircuitBreaker({
      failureThreshold: 1,
      cooldownMs: 10,
      halfOpenMaxProbes: 2,
      clock: () => time.now(),
    });
    const executor = new ResilientExecutor({ hedge, circuitBreaker }, { scheduler: time });
    const { source$, opened } = attempts<string>(throwError(busy), NEVER);
    seenBy(source$.pipe(executor.protect<string>()));
    time.advance(20);
    const subscription = source$.pipe(executor.protect<string>()).subscribe();
    time.advance(50);
    expect([circuitBreaker.state, opened()]).toEqual(['half_open', 2]);
    subscription.unsubscribe();
  });

  it("looks at a preflight of one's own instead of the executor's", () => {
    const preflight = {
      circuitBreaker: new CircuitBreaker(),
      rateLimiter: new RateLimiter(),
      backpressure: new Backpressure(),
    };
    const told = story({ hedge: { ...hedge, preflight } });
    const { source$, opened } = attempts<string>(NEVER);
    const open = preflight.circuitBreaker.isolate();
    const said$ = source$.pipe(told.executor.protect<string>());
    let subscription = said$.subscribe();
    told.time.advance(50);
    expect(opened()).toBe(1);
    subscription.unsubscribe();
    open();
    subscription = said$.subscribe();
    told.time.advance(50);
    expect(opened()).toBe(3);
    subscription.unsubscribe();
    expectQuiet(told);
  });

  it('shares the budget of the retries', () => {
    const budget = new RetryBudget({ maxTokens: 10, tokenRatio: 1 });
    const told = story({ hedge, retry: { ...retry, budget } });
    const { time, executor, log } = told;
    const fails: readonly Moment<string>[] = [[7, { error: busy() }]];
    const { source$ } = attempts(timed(fails, time), timed(fails, time), of('c'));
    seenBy(source$.pipe(executor.protect<string>()));
    time.advance(12);
    expect(budget.tokens).toBe(8);
    time.advance(100);
    expect(log()).toEqual([
      'start 1',
      'hedge',
      'start 2',
      'end 1 failure',
      'end 2 failure',
      'retry.scheduled',
      'start 3',
      'end 3 success',
    ]);
    expect(budget.tokens).toBe(9);
    expectQuiet(told);
  });

  it('counts a round that failed as one, with the error of its earliest attempt', () => {
    const told = story({ hedge, retry: { ...retry, maxRetries: 1 } });
    const { time, executor, log } = told;
    const [first, second] = [busy(), invalid()];
    const { source$, opened } = attempts<string>(
      timed([[9, { error: first }]], time),
      throwError(() => second),
      NEVER,
      timed(slow('d'), time),
    );
    const seen = seenBy(source$.pipe(executor.protect<string>()));
    time.advance(100);
    expect(seen.values).toEqual(['d']);
    expect(opened()).toBe(4);
    expect(log().filter((what) => what === 'hedge' || what === 'retry.scheduled')).toEqual([
      'hedge',
      'retry.scheduled',
      'hedge',
    ]);
    expect(told.events.find(({ type }) => type === 'retry.scheduled')).toMatchObject({ error: first, delayMs: 5 });
    expectQuiet(told);
  });

  it('lets each attempt have the time to its first content', () => {
    const told = story({ hedge: { ...hedge, max: 3 }, timeout: { firstMs: 10 } });
    const { time, executor } = told;
    const { source$, opened } = attempts<string>(NEVER, NEVER, timed(slow('c', 9), time));
    const seen = seenBy(source$.pipe(executor.protect<string>()));
    time.advance(14);
    expect(opened()).toBe(3);
    time.advance(100);
    expect(seen.values).toEqual(['c']);
    expectQuiet(told);
  });

  it('ends all of them at the total deadline', () => {
    const told = story({ hedge: { ...hedge, max: 3 }, timeout: { totalMs: 10 }, backpressure: 5 });
    const { source$, opened, active } = attempts<string>(NEVER);
    const seen = seenBy(source$.pipe(told.executor.protect<string>()));
    told.time.advance(10);
    expect([opened(), active(), seen.ends]).toEqual([3, 0, ['error']]);
    expect(seen.error).toMatchObject({ phase: 'total' });
    expectQuiet(told);
  });

  it('asks targets without a slot of its own, and tells which', () => {
    const target = vi.fn(() => of('t'));
    const told = story({
      hedge: { ...hedge, targets: [{ name: 'claude', source: target }] },
      backpressure: 1,
      circuitBreaker: {},
    });
    const { time, executor, log, events } = told;
    const { source$, opened } = attempts<string>(NEVER);
    const seen = seenBy(source$.pipe(executor.protect<string>()));
    time.advance(3);
    expect(target).not.toHaveBeenCalled();
    time.advance(50);
    expect([seen.values, opened()]).toEqual([['t'], 1]);
    expect(events.find(({ type }) => type === 'hedge')).toMatchObject({ afterMs: 4, target: 'claude' });
    expect(log()).toEqual(['start 1', 'hedge', 'start 2', 'end 1 ignored', 'end 2 success']);
    expectQuiet(told);
  });

  it('passes over targets that do not want it, or have no room', () => {
    const when = vi.fn((_error: unknown) => false);
    const targets = [
      { name: 'unwilling', source: of('unwilling'), when },
      { name: 'full', source: of('full'), hasRoom: () => false },
      { name: 'free', source: of('free'), hasRoom: () => true },
    ];
    const told = story({ hedge: { ...hedge, targets } });
    const seen = seenBy(NEVER.pipe(told.executor.protect<string>()));
    told.time.advance(4);
    expect(seen.values).toEqual(['free']);
    expect(when.mock.calls[0]![0]).toBeInstanceOf(StreamTimeoutError);
    expect(told.of('hedge')).toMatchObject([{ target: 'free' }]);
    expectQuiet(told);
  });

  it('goes on to the next target at once where one is refused, and not back', () => {
    const refused = { name: 'refused', source: throwError(() => new CircuitOpenError()) };
    const told = story({
      hedge: { ...hedge, targets: [refused, { name: 'free', source: timed(slow('t'), new VirtualTime()) }] },
    });
    const { source$, opened, active } = attempts<string>(NEVER);
    const subscription = source$.pipe(told.executor.protect<string>()).subscribe();
    told.time.advance(4);
    expect(told.of('hedge').map(({ target }) => target)).toEqual(['refused', 'free']);
    expect([opened(), active()]).toEqual([1, 1]);
    subscription.unsubscribe();
    expectQuiet(told);
    // With nobody left to ask the source goes on alone.
    const alone = story({ hedge: { ...hedge, targets: [refused] } });
    const seen = seenBy(timed(slow('late', 50), alone.time).pipe(alone.executor.protect<string>()));
    alone.time.advance(100);
    expect([seen.values, alone.of('hedge').length]).toEqual([['late'], 1]);
    expectQuiet(alone);
  });

  it('asks the targets again in the next round', () => {
    const target = attempts<string>(throwError(invalid), of('t'));
    const told = story({ hedge: { ...hedge, targets: [{ name: 'x', source: target.source$ }] }, retry });
    const { source$ } = attempts<string>(timed([[9, { error: busy() }]], told.time), NEVER);
    const seen = seenBy(source$.pipe(told.executor.protect<string>()));
    told.time.advance(100);
    expect([seen.values, target.opened()]).toEqual([['t'], 2]);
    expectQuiet(told);
  });

  it('falls back when both have failed', () => {
    const told = story({ hedge, fallback: [of('f')] });
    const { time, executor, log } = told;
    const { source$ } = attempts<string>(timed([[6, { error: unauthorized() }]], time));
    const seen = seenBy(source$.pipe(executor.protect<string>()));
    time.advance(50);
    expect(seen.values).toEqual(['f']);
    // A 401 says nothing about the provider's health.
    expect(log().slice(2)).toEqual([
      'start 2',
      'end 1 ignored',
      'end 2 ignored',
      'fallback',
      'start 3',
      'end 3 success',
    ]);
    expectQuiet(told);
  });
});
