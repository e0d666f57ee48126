import fc from 'fast-check';
import {
  concat,
  NEVER,
  Observable,
  of,
  Subject,
  take,
  throwError,
  VirtualTimeScheduler,
  type SchedulerAction,
  type SchedulerLike,
  type Subscription,
} from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { StreamTimeoutError, timeoutStream, type ChatEvent, type TimeoutConfig, type TimeoutPhase } from 'rx-weir';
import { attempts, busy, seenBy } from '../support/attempts';
import { marbles } from '../support/marbles';
import { unhandled } from '../support/unhandled';

/** What an error is like when the subscriber had got so many contents before. */
const timeout = (phase: TimeoutPhase, limitMs: number, emitted: number): StreamTimeoutError =>
  Object.assign(new StreamTimeoutError(phase, limitMs), { emitted });

const all = { firstMs: 5, idleMs: 8, totalMs: 60 } as const;

type Work<T> = (this: SchedulerAction<T>, state?: T) => void;

/** When a source that gives contents at these times is ended, and how. `undefined`: never. */
function timeoutOf(times: readonly number[], limits: TimeoutConfig) {
  const scheduler = new VirtualTimeScheduler();
  const source = new Observable<number>((subscriber) => {
    for (const at of times) subscriber.add(scheduler.schedule(() => subscriber.next(at), at));
  });
  const { source$, active } = attempts(source);
  const got: number[] = [];
  let end: { at: number; error: unknown } | undefined;
  source$.pipe(timeoutStream({ ...limits, scheduler })).subscribe({
    next: (value) => got.push(value),
    error: (error: unknown) => {
      expect(active(), 'closed before the error is told').toBe(0);
      end = { at: scheduler.now(), error };
    },
  });
  scheduler.flush();
  if (end) expect(scheduler.frame, 'nothing is left scheduled').toBe(end.at);
  return { got, at: end?.at, phase: (end?.error as StreamTimeoutError | undefined)?.phase };
}

describe('timeoutStream', () => {
  it.each([
    ['a-b---(c|)', '^-----!', 6],
    ['|', '(^!)', 0],
    ['---|', '^--!', 3],
    ['(abc|)', '(^!)', 0],
    ['----a---b---c---|', '^---------------!', 16],
  ])('lets %s through as it is', (stream, subscription, end) => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold(stream);
      expectObservable(source.pipe(timeoutStream(all))).toBe(stream);
      expectSubscriptions(source.subscriptions).toBe(subscription);
    });
    expect(frame, 'no timer is left').toBe(end);
  });

  it('lets an error through as it is', () => {
    for (const error of [busy(), new Error('raw'), 'text', undefined]) {
      marbles(({ cold, expectObservable }) => {
        expectObservable(cold('a-#', undefined, error).pipe(timeoutStream(all))).toBe('a-#', undefined, error);
      });
      expect(seenBy(throwError(() => error).pipe(timeoutStream(all))).error).toBe(error);
    }
  });

  it('has no limits unless told', () => {
    for (const limits of [{}, { firstMs: Infinity, idleMs: Infinity, totalMs: Infinity }]) {
      const { frame } = marbles(({ cold, expectObservable }) => {
        const source = cold(' 540m a 540m b|');
        expectObservable(source.pipe(timeoutStream(limits))).toBe('540m a 540m b|');
      });
      expect(frame).toBe(18 * 3_600_000 + 2);
    }
  });

  it('first: exactly, from the subscription to the first content', () => {
    const { frame } = marbles(({ hot, expectObservable, expectSubscriptions }) => {
      const source = hot('-----------a--|');
      const result = source.pipe(timeoutStream({ firstMs: 5 }));
      expectObservable(result).toBe('  -----#', undefined, new StreamTimeoutError('first', 5));
      expectObservable(result, '-^').toBe('------#', undefined, new StreamTimeoutError('first', 5));
      expectObservable(result, '-------^').toBe('-----------a--|');
      expectSubscriptions(source.subscriptions).toBe(['^----!', '-^----!', '-------^------!']);
    });
    expect(frame).toBe(14);
  });

  it('first: says nothing about the time behind the first content', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('                                          ----a 540m b|');
      expectObservable(source.pipe(timeoutStream({ firstMs: 5 }))).toBe('----a 540m b|');
    });
  });

  it('idle: says nothing about the time before the first content', () => {
    marbles(({ cold, expectObservable }) => {
      expectObservable(cold('540m a-b|').pipe(timeoutStream({ idleMs: 8 }))).toBe('540m a-b|');
    });
    expect(timeoutOf([], { idleMs: 8 }).at).toBeUndefined();
  });

  it('idle: the gap between contents, the last and the end included', () => {
    expect(timeoutOf([3], { idleMs: 8 })).toEqual({ got: [3], at: 11, phase: 'idle' });
    // Neither between two contents, nor after the last.
    const { got, at, phase } = timeoutOf([1, 8, 15, 22], { idleMs: 8 });
    expect([got, phase]).toEqual([[1, 8, 15, 22], 'idle']);
    expect(at).toBeGreaterThanOrEqual(30);
    expect(at).toBeLessThanOrEqual(32);
  });

  it('idle: never before idleMs, at the latest after 1.25 times of it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 100_000 }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 20 }),
        fc.integer({ min: 1, max: 1000 }),
        (idleMs, gaps, firstAt) => {
          let at = firstAt;
          const times = [at, ...gaps.map((gap) => (at += Math.floor(gap * (idleMs - 1))))];
          const result = timeoutOf(times, { idleMs });
          expect(result.got).toEqual(times);
          expect(result.phase).toBe('idle');
          expect(result.at! - at).toBeGreaterThanOrEqual(idleMs);
          expect(result.at! - at).toBeLessThanOrEqual(1.25 * idleMs);
        },
      ),
    );
  });

  it('idle: within the same limits beside a limit for the first content', () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 900, max: 100_000 })),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 200_000 }),
        (idleMs, gaps, firstAt) => {
          let at = firstAt;
          const times = [at, ...gaps.map((gap) => (at += Math.floor(gap * (idleMs - 1))))];
          const result = timeoutOf(times, { idleMs, firstMs: 200_001 });
          expect(result.got).toEqual(times);
          expect(result.phase).toBe('idle');
          expect(result.at! - at).toBeGreaterThanOrEqual(idleMs);
          // A timer has 1 ms at least.
          expect(result.at! - at).toBeLessThanOrEqual(idleMs + Math.max(1, idleMs / 4));
        },
      ),
    );
  });

  it('first: exactly, whatever the limit for the idle time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: 1, max: 100_000 }), (firstMs, idleMs) => {
        expect(timeoutOf([], { firstMs, idleMs })).toEqual({ got: [], at: firstMs, phase: 'first' });
      }),
    );
  });

  it('first: as long by a clock that stands still, goes back, is put on again and again, or is no number', () => {
    const elapsed = (clock: (virtual: number) => number): number | undefined => {
      const virtual = new VirtualTimeScheduler();
      const scheduler: SchedulerLike = {
        now: () => clock(virtual.now()),
        schedule: <T>(work: Work<T>, delay?: number) => virtual.schedule(work, delay),
      };
      let at: number | undefined;
      NEVER.pipe(timeoutStream({ firstMs: 20_000, idleMs: 8000, scheduler })).subscribe({
        error: () => (at = virtual.now()),
      });
      virtual.flush();
      return at;
    };
    const clocks = [(now: number) => now, () => 7, (now: number) => -now, (now: number) => now * 1000, () => NaN];
    expect(clocks.map(elapsed)).toEqual(clocks.map(() => 20_000));
  });

  it('leaves no timer behind that has fired', () => {
    const virtual = new VirtualTimeScheduler();
    const timers: Subscription[] = [];
    const scheduler: SchedulerLike = {
      now: () => virtual.now(),
      schedule: <T>(work: Work<T>, delay?: number) => {
        const timer = virtual.schedule(work, delay);
        timers.push(timer);
        return timer;
      },
    };
    const source = new Subject<number>();
    source.pipe(timeoutStream({ firstMs: 30_000, idleMs: 800, scheduler })).subscribe();
    for (let at = 300; at <= 9900; at += 300) virtual.schedule(() => source.next(at), at);
    virtual.schedule(() => source.complete(), 10_000);
    virtual.flush();
    expect(timers.length).toBeGreaterThan(1);
    expect(timers.filter(({ closed }) => !closed)).toEqual([]);
  });

  it('total: exactly, whatever happens', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('a--b--c--d--e--|');
      const operator = timeoutStream<string>({ totalMs: 10 });
      expectObservable(source.pipe(operator)).toBe('a--b--c--d#', undefined, timeout('total', 10, 4));
      expectObservable(NEVER.pipe(operator)).toBe('----------#', undefined, new StreamTimeoutError('total', 10));
      expectSubscriptions(source.subscriptions).toBe('^---------!');
    });
    expect(frame).toBe(10);
  });

  it('the shortest of them decides', () => {
    const limits = { firstMs: 5, idleMs: 8, totalMs: 20 };
    expect(timeoutOf([], limits)).toMatchObject({ at: 5, phase: 'first' });
    expect(timeoutOf([4], limits)).toMatchObject({ at: 12, phase: 'idle' });
    expect(timeoutOf([4, 8, 12, 16], limits)).toMatchObject({ at: 20, phase: 'total' });
    expect(timeoutOf([], { firstMs: 30, totalMs: 20 })).toMatchObject({ at: 20, phase: 'total' });
  });

  it('makes an error that may be retried and handed on, with the contents delivered', () => {
    const errorAt = (times: number[], limits: TimeoutConfig): unknown => {
      let seen: unknown;
      const scheduler = new VirtualTimeScheduler();
      const source = new Observable<number>((subscriber) => {
        for (const at of times) subscriber.add(scheduler.schedule(() => subscriber.next(at), at));
      });
      source.pipe(timeoutStream({ ...limits, scheduler })).subscribe({ error: (error: unknown) => (seen = error) });
      scheduler.flush();
      return seen;
    };
    const expected = (phase: TimeoutPhase) => ({ code: 'E3003', retryable: true, fallbackable: true, phase });
    expect(errorAt([], { firstMs: 5 })).toBeInstanceOf(StreamTimeoutError);
    expect(errorAt([], { firstMs: 5 })).toMatchObject(expected('first'));
    expect(errorAt([], { firstMs: 5 })).not.toHaveProperty('emitted');
    expect(errorAt([1, 2], { idleMs: 5 })).toMatchObject({ ...expected('idle'), emitted: 2 });
    expect(errorAt([1, 2, 3], { totalMs: 5 })).toMatchObject({ ...expected('total'), emitted: 3 });
  });

  it('takes no keep-alive, metadata or empty text as a sign of life, and delivers them at once', () => {
    const values: Record<string, ChatEvent> = {
      s: { type: 'start', provider: 'p', model: 'm' },
      e: { type: 'text', text: '' },
      a: { type: 'text', text: 'a' },
      u: { type: 'usage', inputTokens: 1, outputTokens: 1 },
    };
    marbles(({ cold, expectObservable }) => {
      const dead = cold('   s-e-u-e-u-e-u', values);
      const stalled = cold('-s-a-u-e-u--e-u-e', values);
      expectObservable(dead.pipe(timeoutStream(all))).toBe('s-e-u#', values, new StreamTimeoutError('first', 5));
      expectObservable(stalled.pipe(timeoutStream(all))).toBe('-s-a-u-e-u-#', values, timeout('idle', 8, 1));
    });
  });

  it('asks isContent where it is given, and makes its throw the error', () => {
    marbles(({ cold, expectObservable }) => {
      const source = cold('p-p-p-p-p-p');
      const result = source.pipe(timeoutStream({ firstMs: 5, isContent: (value) => value !== 'p' }));
      expectObservable(result).toBe('p-p-p#', undefined, new StreamTimeoutError('first', 5));
    });
    const thrown = new Error('mine');
    const { source$, active } = attempts(of('a'));
    const scheduler = new VirtualTimeScheduler();
    const isContent = (): never => {
      throw thrown;
    };
    const seen = seenBy(source$.pipe(timeoutStream({ ...all, scheduler, isContent })));
    expect(seen).toEqual({ values: [], ends: ['error'], error: thrown });
    expect([active(), scheduler.actions.length]).toEqual([0, 0]);
  });

  it('starts anew for each subscription, also at the same time', () => {
    marbles(({ cold, expectObservable }) => {
      const result = cold('---a---------|').pipe(timeoutStream(all));
      const error = timeout('idle', 8, 1);
      expectObservable(result).toBe('---a-------#', undefined, error);
      expectObservable(result, '-^').toBe('----a-------#', undefined, error);
      expectObservable(result, '20ms ^').toBe('23ms a-------#', undefined, error);
    });
  });
});

describe('timeoutStream: leaving and order', () => {
  it('leaves no timer behind, whenever it is left', () => {
    for (const left of ['--!', '------!', '----------!']) {
      const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
        const source = cold('---a---b');
        const seen = '---a---b---'.slice(0, left.length);
        expectObservable(source.pipe(timeoutStream(all)), left).toBe(seen);
        expectSubscriptions(source.subscriptions).toBe('^' + left.slice(1));
      });
      expect(frame).toBe(left.length - 1);
    }
  });

  it.each([
    ['next', (leave: () => void) => ({ next: leave, isContent: () => true })],
    ['isContent', (leave: () => void) => ({ next: () => undefined, isContent: () => (leave(), true) })],
  ])('leaves no timer behind from inside %s', (_where, callbacks) => {
    const scheduler = new VirtualTimeScheduler();
    const source = new Subject<string>();
    const { next, isContent } = callbacks(() => subscription.unsubscribe());
    const subscription = source.pipe(timeoutStream({ ...all, scheduler, isContent })).subscribe(next);
    source.next('a');
    expect(source.observed).toBe(false);
    expect(scheduler.actions).toEqual([]);
  });

  it('stops a synchronous source in the middle', () => {
    let given = 0;
    const firehose = new Observable<number>((subscriber) => {
      while (!subscriber.closed && given < 1_000_000) subscriber.next(given++);
    });
    const scheduler = new VirtualTimeScheduler();
    expect(seenBy(firehose.pipe(timeoutStream({ ...all, scheduler }), take(3)))).toEqual({
      values: [0, 1, 2],
      ends: ['complete'],
    });
    expect([given, scheduler.actions.length]).toEqual([3, 0]);
  });

  it('leaves no timer behind a synchronous end', () => {
    const scheduler = new VirtualTimeScheduler();
    for (const source of [of('a'), of<string>(), throwError(() => busy()), concat(of('a'), throwError(busy))]) {
      seenBy(source.pipe(timeoutStream({ ...all, scheduler })));
      expect(scheduler.actions).toEqual([]);
    }
    seenBy(concat(of('a', 'b'), NEVER).pipe(timeoutStream({ ...all, scheduler }), take(2)));
    expect(scheduler.actions).toEqual([]);
  });

  it('closes the source, and stops its timers, before the end is told', () => {
    const scheduler = new VirtualTimeScheduler();
    for (const source of [of('a'), throwError(busy), NEVER]) {
      const { source$, log } = attempts<string>(source);
      const note = (): void => void log.push(`end with ${scheduler.actions.length} timers`);
      source$.pipe(timeoutStream({ ...all, scheduler })).subscribe({ error: note, complete: note });
      scheduler.flush();
      expect(log).toEqual(['open 1', 'close 1', 'end with 0 timers']);
    }
  });

  it('can be subscribed again from complete and from error', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, log } = attempts<string>(of('a'), NEVER, of('c'));
    const result = source$.pipe(timeoutStream({ ...all, scheduler }));
    const got: string[] = [];
    const next = (value: string): void => void got.push(value);
    result.subscribe({ next, complete: () => result.subscribe({ next, error: () => result.subscribe(next) }) });
    scheduler.flush();
    expect(got).toEqual(['a', 'c']);
    expect(log).toEqual([1, 2, 3].flatMap((n) => [`open ${n}`, `close ${n}`]));
  });

  it("leaves a throw in the consumer's next to the consumer", async () => {
    const thrown = new Error('in next');
    const scheduler = new VirtualTimeScheduler();
    let completed = false;
    of('a')
      .pipe(timeoutStream({ ...all, scheduler }))
      .subscribe({
        next: () => {
          throw thrown;
        },
        complete: () => (completed = true),
      });
    expect(completed).toBe(true);
    await vi.waitFor(() => expect(unhandled).toEqual([thrown]));
    unhandled.length = 0;
  });
});

describe('timeoutStream with the timers of the host', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('touches no timer per value', () => {
    vi.useFakeTimers({ now: 0 });
    const set = vi.spyOn(globalThis, 'setInterval');
    const source = new Subject<number>();
    const subscription = source.pipe(timeoutStream({ firstMs: 1000, idleMs: 1000, totalMs: 60_000 })).subscribe();
    source.next(0);
    const before = set.mock.calls.length;
    for (let i = 0; i < 1000; i++) source.next(i);
    expect(set.mock.calls.length).toBe(before);
    expect(vi.getTimerCount()).toBe(2);
    subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
    set.mockRestore();
  });

  it.each<[string, TimeoutConfig]>([
    ['first', { firstMs: 5 }],
    ['idle', { idleMs: 8 }],
    ['total', { totalMs: 5 }],
  ])('fires %s by a scheduler that passes no state on', (phase, limits) => {
    const time = new VirtualTimeScheduler();
    const scheduler: SchedulerLike = {
      now: () => time.now(),
      schedule: <T>(work: Work<T>, delay?: number) => time.schedule(work, delay),
    };
    const source = new Subject<string>();
    const seen = seenBy(source.pipe(timeoutStream(limits, { scheduler })));
    if (phase === 'idle') source.next('a');
    time.flush();
    expect(seen.error).toMatchObject({ name: 'StreamTimeoutError', phase });
  });

  // Fake timers do as Node does: above 2^31 - 1 ms they fire after 1 ms.
  it.each(['firstMs', 'idleMs', 'totalMs'])('does not fire at once for a %s that no timer can hold', async (name) => {
    vi.useFakeTimers({ now: 0 });
    for (const limit of [2 ** 31, 2 ** 35, Number.MAX_VALUE]) {
      const source = new Subject<string>();
      const result = source.pipe(timeoutStream<string>({ [name]: limit }));
      const seen = seenBy(result);
      if (name === 'idleMs') source.next('a');
      await vi.advanceTimersByTimeAsync(60_000);
      expect(seen.ends).toEqual([]);
      source.complete();
      expect(vi.getTimerCount()).toBe(0);
    }
  });
});

describe('timeoutStream: options', () => {
  it.each(
    ['firstMs', 'idleMs', 'totalMs'].flatMap((name) =>
      ([NaN, -1, 0, '5', null, new Date(0)] as const).map((value) => [name, value] as const),
    ),
  )('refuses %s: %s at the call, naming both', (name, value) => {
    const call = (): unknown => timeoutStream({ [name]: value });
    expect(call).toThrow(typeof value === 'number' ? RangeError : TypeError);
    expect(call).toThrow(name);
    if (typeof value !== 'object') expect(call).toThrow(String(value));
  });

  it('refuses runtime options that are none, and takes them in the config or behind it, the latter first', () => {
    expect(() => timeoutStream({ isContent: 1 } as never)).toThrow(/isContent.*1/);
    expect(() => timeoutStream({}, { scheduler: 'async' } as never)).toThrow(/scheduler.*'async'/);
    const [mine, other] = [new VirtualTimeScheduler(), new VirtualTimeScheduler()];
    seenBy(NEVER.pipe(timeoutStream({ totalMs: 5, scheduler: other }, { scheduler: mine })));
    expect([mine.actions.length, other.actions.length]).toEqual([1, 0]);
  });
});
