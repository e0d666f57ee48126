import fc from 'fast-check';
import { BehaviorSubject, first, map, take } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  Backpressure,
  CircuitBreaker,
  liveSignals,
  RateLimiter,
  ResilientExecutor,
  WeirError,
  type SignalsSnapshot,
} from 'rx-weir';
import { scriptedStream } from 'rx-weir/testing';
import { unhandled } from '../support/unhandled';
import { see, VirtualTime, watchersOf } from '../support/virtual';

interface Permit {
  succeed(): void;
  fail(error: unknown): void;
}

function setup(everyMs = 50) {
  const time = new VirtualTime();
  const clock = (): number => time.now();
  const circuitBreaker = new CircuitBreaker({ clock, failureThreshold: 1, cooldownMs: 1000, probeTimeoutMs: 300 });
  const rateLimiter = new RateLimiter({ clock, requestsPerSecond: 10 });
  const backpressure = new Backpressure({ maxInflight: 4 });
  const watchers = [watchersOf(circuitBreaker), watchersOf(rateLimiter), watchersOf(backpressure)];
  return {
    time,
    circuitBreaker,
    rateLimiter,
    backpressure,
    watchers: () => watchers.map((count) => count()),
    signals$: liveSignals({ circuitBreaker, rateLimiter, backpressure }, { everyMs, scheduler: time }),
    breakIt: () => (circuitBreaker.tryAcquire() as Permit).fail(new WeirError('down', { code: 'E3001' })),
    takeRequest: () => rateLimiter.take({ requests: 1, tokens: 0 }),
  };
}

const inUse = ({ inflight }: SignalsSnapshot): number => inflight?.inUse ?? NaN;

describe('signals$', () => {
  it('is a BehaviorSubject that emits the truth now synchronously on subscribe', () => {
    const { signals$, backpressure, time } = setup();
    expect(signals$).toBeInstanceOf(BehaviorSubject);
    backpressure.take();
    const seen = see(signals$, time);
    expect(seen.values).toHaveLength(1);
    expect(seen.values[0]).toBe(signals$.value);
    expect(seen.values[0]).toMatchObject({ currentInflight: 1 });
  });

  it('works behind operators, also ones that leave within the first emission', () => {
    const { signals$, backpressure, time, watchers } = setup();
    expect(see(signals$.pipe(first()), time)).toMatchObject({ end: 'complete' });
    expect(see(signals$.asObservable().pipe(take(1), map(inUse)), time).values).toEqual([0]);
    expect(watchers()).toEqual([0, 0, 0]);
    expect(time.timers).toBe(0);
    const two = see(signals$.pipe(map(inUse), take(2)), time);
    backpressure.take();
    expect(two).toMatchObject({ values: [0, 1], end: 'complete' });
    expect(watchers()).toEqual([0, 0, 0]);
    expect(time.timers).toBe(0);
  });

  it('emits the first change at once, and what follows within everyMs together', () => {
    const { signals$, backpressure, time } = setup(50);
    const seen = see(signals$.pipe(map(inUse)), time);
    time.advance(500);
    backpressure.take();
    time.advance(10);
    backpressure.take();
    time.advance(10);
    backpressure.take().release();
    time.advance(500);
    expect(seen.values).toEqual([0, 1, 2]);
    expect(seen.at).toEqual([0, 500, 550]);
    backpressure.take();
    expect(seen.at).toEqual([0, 500, 550, 1020]);
  });

  it('emits nothing for a change that was undone within everyMs', () => {
    const { signals$, backpressure, time } = setup();
    const seen = see(signals$.pipe(map(inUse)), time);
    const slot = backpressure.take();
    time.advance(10);
    slot.release();
    const again = backpressure.take();
    time.advance(500);
    expect(seen.values).toEqual([0, 1]);
    again.release();
    expect(seen.values).toEqual([0, 1, 0]);
  });

  it('emits a circuit transition at once, whatever was emitted just before', () => {
    const { signals$, backpressure, breakIt, circuitBreaker, time } = setup();
    const seen = see(signals$.pipe(map((s) => `${s.circuitState} ${inUse(s)}`)), time);
    backpressure.take();
    time.advance(5);
    backpressure.take();
    breakIt();
    time.advance(5);
    const release = circuitBreaker.isolate();
    time.advance(5);
    release();
    time.advance(500);
    expect(seen.values).toEqual(['closed 0', 'closed 1', 'open 2', 'isolated 2', 'open 2']);
    expect(seen.at).toEqual([0, 0, 5, 10, 15]);
  });

  it('shows by itself when the cooldown is over, and when a probe has taken too long', () => {
    const { signals$, breakIt, circuitBreaker, time } = setup();
    const seen = see(signals$.pipe(map((s) => s.circuitState)), time);
    breakIt();
    time.advance(1200);
    circuitBreaker.tryAcquire();
    time.advance(5000);
    const states = seen.values.filter((state, i) => state !== seen.values[i - 1]);
    const at = seen.at.filter((_, i) => seen.values[i] !== seen.values[i - 1]);
    expect(states).toEqual(['closed', 'open', 'half_open', 'open', 'half_open']);
    expect(at).toEqual([0, 0, 1000, 1500, 2500]);
  });

  it('shows by itself when throttling is over', () => {
    const { signals$, rateLimiter, time } = setup();
    const seen = see(signals$.pipe(map((s) => s.isHealthy)), time);
    rateLimiter.observe({ retryAfterMs: 700 });
    time.advance(5000);
    expect(seen.values).toEqual([true, false, true]);
    expect(seen.at).toEqual([0, 0, 700]);
  });

  it('does not emit when nothing but the time changed', () => {
    const { signals$, takeRequest, time } = setup();
    const seen = see(signals$, time);
    for (let i = 0; i < 5; i++) takeRequest();
    time.advance(60);
    const { length } = seen.values;
    const last = seen.values.at(-1)!;
    expect(last.rateRemaining).toBeCloseTo(5.5);
    time.advance(10_000);
    expect(seen.values).toHaveLength(length);
    expect(signals$.value.rateRemaining).toBe(10);
  });

  it('emits a new frozen object for each change, and no two that say the same', () => {
    const { signals$, backpressure, breakIt, takeRequest, time } = setup();
    const seen = see(signals$, time);
    backpressure.take();
    time.advance(100);
    takeRequest();
    time.advance(100);
    breakIt();
    time.advance(2000);
    expect(new Set(seen.values).size).toBe(seen.values.length);
    for (const value of seen.values) expect(value).toSatisfy(Object.isFrozen);
    const facts = seen.values.map((value) => JSON.stringify({ ...value, timestamp: 0 }));
    expect(facts.filter((fact, i) => fact === facts[i - 1])).toEqual([]);
  });

  it('gives a late subscriber the truth first, and then only what changes', () => {
    const { signals$, backpressure, time } = setup();
    const early = see(signals$, time);
    backpressure.take();
    time.advance(10);
    backpressure.take(); // to be emitted at 50
    time.advance(10);
    const late = see(signals$, time);
    time.advance(200);
    backpressure.take();
    expect(early.values.map(inUse)).toEqual([0, 1, 2, 3]);
    expect(late.values.map(inUse)).toEqual([2, 3]);
  });

  it('gives what comes later also to one who first saw the same again', () => {
    const { signals$, backpressure, time } = setup();
    see(signals$, time);
    const slot = backpressure.take();
    slot.release();
    const late = see(signals$, time);
    time.advance(100);
    const again = backpressure.take();
    time.advance(100);
    again.release();
    expect(late.values.map(inUse)).toEqual([0, 1, 0]);
  });

  it('shows the same order to all, also when one of them acts on what it sees', () => {
    const { signals$, backpressure, circuitBreaker, time } = setup();
    const say = (s: SignalsSnapshot): string => `${s.circuitState} ${inUse(s)}`;
    const before = see(signals$.pipe(map(say)), time);
    const acting = see(signals$.pipe(map(say)), time, (said) => {
      if (said === 'closed 1') circuitBreaker.isolate();
      if (said === 'isolated 1') {
        backpressure.take();
        circuitBreaker.reset();
        circuitBreaker.isolate();
      }
    });
    const after = see(signals$.pipe(map(say)), time);
    backpressure.take();
    time.advance(200);
    expect(acting.values).toEqual(['closed 0', 'closed 1', 'isolated 1', 'isolated 2']);
    expect(before.values).toEqual(acting.values);
    expect(after.values).toEqual(acting.values);
  });

  it('keeps the order for one who subscribes while something is emitted', () => {
    const { signals$, backpressure, circuitBreaker, time } = setup();
    const say = (s: SignalsSnapshot): string => `${s.circuitState} ${inUse(s)}`;
    const nested: { values: string[] }[] = [];
    see(signals$, time, (value) => {
      if (nested.length === 0 && inUse(value) === 1) {
        circuitBreaker.isolate();
        nested.push(see(signals$.pipe(map(say)), time));
      }
    });
    const after = see(signals$.pipe(map(say)), time);
    backpressure.take();
    time.advance(100);
    backpressure.take();
    expect(after.values).toEqual(['closed 0', 'closed 1', 'isolated 1', 'isolated 2']);
    expect(nested[0]?.values).toEqual(['isolated 1', 'isolated 2']);
  });

  it('shows the same order to all when one of them starts streams', () => {
    const time = new VirtualTime();
    const executor = new ResilientExecutor({ backpressure: 2 }, { scheduler: time, everyMs: 1 });
    const source = scriptedStream(['a', 'b'], { scheduler: time, paceMs: 7 });
    const say = ({ streams: { started, active, completed } }: SignalsSnapshot): string =>
      `${started} ${active} ${completed}`;
    let started = 0;
    const first = see(executor.signals$.pipe(map(say)), time);
    see(executor.signals$, time, () => {
      if (started++ < 5) source.pipe(executor.protect()).subscribe();
    });
    const last = see(executor.signals$.pipe(map(say)), time);
    time.advance(1000);
    expect(executor.snapshot().streams).toMatchObject({ started: 5, active: 0, completed: 5 });
    expect(last.values.at(-1)).toBe('5 0 5');
    expect(first.values.slice(-last.values.length + 1)).toEqual(last.values.slice(1));
    expect(source.maxConcurrent).toBe(2);
  });

  it('goes on as ever when a subscriber throws', () => {
    const { signals$, backpressure, time } = setup();
    const before = see(signals$.pipe(map(inUse)), time);
    signals$.subscribe(() => {
      throw new Error('mine');
    });
    const after = see(signals$.pipe(map(inUse)), time);
    const failing = see(
      signals$.pipe(
        map((): number => {
          throw new Error('in an operator');
        }),
      ),
      time,
    );
    backpressure.take();
    time.advance(100);
    expect(before.values).toEqual([0, 1]);
    expect(after.values).toEqual([0, 1]);
    expect(failing.end).toBe('error');
    return new Promise<void>((resolve) => setTimeout(resolve)).then(() => {
      expect(unhandled.splice(0)).toHaveLength(2); // its first value and the change: reported by RxJS as ever
    });
  });

  it('is read-only, and never errors', () => {
    const { signals$, backpressure, time } = setup();
    const seen = see(signals$, time);
    expect(() => signals$.next(signals$.value)).toThrow(TypeError);
    try {
      signals$.error(new Error('from outside'));
    } catch {
      // refusing is fine
    }
    backpressure.take();
    expect(seen).toMatchObject({ end: undefined });
    expect(seen.values.map(inUse)).toEqual([0, 1]);
    expect(inUse(signals$.value)).toBe(1);
    expect(see(signals$, time).values.map(inUse)).toEqual([1]);
  });

  it('watches nothing and has no timer while nobody subscribes', () => {
    const { signals$, breakIt, backpressure, time, watchers } = setup();
    breakIt();
    backpressure.take();
    expect(signals$.value.circuitState).toBe('open');
    expect(time.timers).toBe(0);
    expect(watchers()).toEqual([0, 0, 0]);

    const [a, b] = [see(signals$, time), see(signals$, time)];
    backpressure.take(); // begins to coalesce
    expect(watchers()).toEqual([1, 1, 1]);
    expect(time.timers).toBeGreaterThan(0);
    a.subscription.unsubscribe();
    expect(watchers()).toEqual([1, 1, 1]);
    b.subscription.unsubscribe();
    expect(watchers()).toEqual([0, 0, 0]);
    expect(time.timers).toBe(0);

    backpressure.take();
    const again = see(signals$, time);
    expect(again.values.map(inUse)).toEqual([3]);
    backpressure.take();
    expect(again.values.map(inUse)).toEqual([3, 4]);
    time.advance(1000);
    expect(again.values.at(-1)?.circuitState).toBe('half_open');
    again.subscription.unsubscribe();
    expect(time.timers).toBe(0);
  });

  it('ends its watch when the last one leaves within an emission', () => {
    const { signals$, backpressure, time, watchers } = setup();
    const seen = see(signals$, time, (value) => {
      if (inUse(value) === 1) seen.subscription.unsubscribe();
    });
    backpressure.take();
    backpressure.take();
    time.advance(1000);
    expect(seen.values.map(inUse)).toEqual([0, 1]);
    expect(watchers()).toEqual([0, 0, 0]);
    expect(time.timers).toBe(0);
  });

  it('refuses an everyMs that is no time', () => {
    for (const everyMs of [NaN, -1, 0, Infinity]) expect(() => liveSignals({}, { everyMs })).toThrow(/everyMs.*got/);
    expect(() => liveSignals({}, { everyMs: '5' as unknown as number })).toThrow(TypeError);
    expect(() => new ResilientExecutor({}, { everyMs: NaN })).toThrow(/everyMs/);
  });

  it('coalesces any history to everyMs, ends with the truth, and never repeats itself', () => {
    const action = fc.record({
      wait: fc.constantFrom(0, 0, 0, 10, 20, 40, 50, 60, 310),
      what: fc.constantFrom('take', 'release', 'rate', 'break', 'isolate', 'free', 'reset'),
    });
    fc.assert(
      fc.property(fc.array(action, { maxLength: 25 }), fc.constantFrom(10, 50), (actions, everyMs) => {
        const { signals$, backpressure, circuitBreaker, breakIt, takeRequest, time } = setup(everyMs);
        const slots: { release(): void }[] = [];
        const holds: (() => void)[] = [];
        const seen = see(signals$, time);
        const states: string[] = [signals$.value.circuitState];
        const look = (): void => {
          const { circuitState } = signals$.value;
          if (states.at(-1) !== circuitState) states.push(circuitState);
        };
        for (const { wait, what } of actions) {
          for (let i = 0; i < wait; i += 10) {
            time.advance(10);
            look();
          }
          if (what === 'take') slots.push(backpressure.take());
          else if (what === 'release') slots.pop()?.release();
          else if (what === 'rate') takeRequest();
          else if (what === 'break' && circuitBreaker.state === 'closed') breakIt();
          else if (what === 'isolate') holds.push(circuitBreaker.isolate());
          else if (what === 'free') holds.pop()?.();
          else if (what === 'reset') circuitBreaker.reset();
          look();
        }
        time.advance(everyMs);
        look();
        const { timestamp: _, rateRemaining: __, rate: ___, healthScore: ____, ...now } = signals$.value;
        expect(seen.values.at(-1)).toMatchObject(now);
        // Every circuit transition was seen, when it came.
        const told = seen.values.map((s) => s.circuitState);
        expect(told.filter((state, i) => state !== told[i - 1])).toEqual(states);
        // What is no transition of circuit or throttling keeps its distance.
        let last = -Infinity;
        seen.values.forEach((value, i) => {
          const previous = seen.values[i - 1];
          if (previous?.circuitState !== value.circuitState || previous.isHealthy !== value.isHealthy) return;
          expect(seen.at[i]! - last).toBeGreaterThanOrEqual(everyMs);
          last = seen.at[i]!;
        });
        const facts = seen.values.map((value) => JSON.stringify({ ...value, timestamp: 0 }));
        expect(facts.filter((fact, i) => fact === facts[i - 1])).toEqual([]);
        seen.subscription.unsubscribe();
        expect(time.timers).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});
