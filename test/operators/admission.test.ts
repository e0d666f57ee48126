import { Observable, of, Subject, takeUntil, throwError, type MonoTypeOperatorFunction } from 'rxjs';
import {
  Backpressure,
  CircuitBreaker,
  CircuitOpenError,
  ConcurrencyLimitError,
  limitConcurrency,
  ProviderError,
  RateLimiter,
  RateLimitExceededError,
  resilient,
  ResilientExecutor,
  throttleTokens,
  type BackpressureConfig,
  type CircuitBreakerConfig,
  type Cost,
  type RateLimiterConfig,
  type WeirEvent,
} from 'rx-weir';
import { describe, expect, it } from 'vitest';
import { Time } from '../support/time';
import { listen, Upstream, type Heard } from '../support/upstream';

const BROKEN = new ProviderError('down', { httpStatus: 500 });

interface Configs {
  rate?: RateLimiterConfig;
  slots?: BackpressureConfig;
  circuit?: CircuitBreakerConfig;
}

function setup({ rate = {}, slots = {}, circuit = {} }: Configs = {}) {
  const time = new Time();
  const clock = () => time.now();
  const rateLimiter = new RateLimiter({ clock, ...rate });
  const backpressure = new Backpressure({ maxInflight: 1, ...slots });
  const circuitBreaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000, clock, ...circuit });
  const up = new Upstream();
  const starts: [string, number][] = [];
  const named = (name: string, guard: MonoTypeOperatorFunction<string>) =>
    new Observable<string>((subscriber) => {
      starts.push([name, time.now()]);
      return up.stream.subscribe(subscriber);
    }).pipe(guard);
  const runtime = { scheduler: time };
  /** Waits for a slot and the bucket. */
  const joint = (name: string, cost: Cost = {}, priority = 0) =>
    named(name, resilient({ rateLimiter, backpressure, circuitBreaker, cost, priority }, runtime));
  const rated = (name: string, cost: Cost = {}) => named(name, throttleTokens(rateLimiter, { ...runtime, cost }));
  const slotted = (name: string) => named(name, limitConcurrency(backpressure, runtime));
  return { time, clock, rateLimiter, backpressure, circuitBreaker, up, starts, joint, rated, slotted, runtime };
}

describe('waiting for one resource does not hold the other', () => {
  it('a slot, while the bucket is empty', () => {
    const { joint, slotted, rateLimiter, backpressure, starts, up, time } = setup({ rate: { requestsPerSecond: 1 } });
    rateLimiter.take({ requests: 1, tokens: 0 });
    listen(joint('joint'));
    expect(backpressure.inUse).toBe(0);
    // The slot is free for who needs nothing else.
    listen(slotted('slot only'));
    up.last.complete();
    time.advance(1000);
    expect(starts).toEqual([
      ['slot only', 0],
      ['joint', 1000],
    ]);
  });

  it('the bucket, while no slot is free', () => {
    const { joint, rated, rateLimiter, backpressure, starts, time } = setup({ rate: { requestsPerSecond: 1 } });
    const slot = backpressure.take();
    listen(joint('joint'));
    expect(rateLimiter.snapshot().remaining).toBe(1);
    listen(rated('rate only'));
    slot.release();
    time.advance(1000);
    expect(starts).toEqual([
      ['rate only', 0],
      ['joint', 1000],
    ]);
  });

  it('and both are taken at that instant', () => {
    const { joint, rateLimiter, backpressure, time } = setup({ rate: { tokensPerMinute: 60_000, tokenBurst: 100 } });
    rateLimiter.take({ requests: 1, tokens: 100 });
    listen(joint('a', { tokens: 60 }));
    time.advance(59);
    expect([backpressure.inUse, rateLimiter.snapshot().tokensRemaining]).toEqual([0, 59]);
    time.advance(1);
    expect([backpressure.inUse, rateLimiter.snapshot().tokensRemaining]).toEqual([1, 0]);
  });

  it('nor does time in the queue eat the timeout of the first content', () => {
    const { rateLimiter, backpressure, up, time, runtime } = setup();
    const slot = backpressure.take();
    const guard = resilient<string>({ rateLimiter, backpressure, timeout: { firstMs: 100 } }, runtime);
    const heard = listen(up.stream.pipe(guard));
    time.advance(10_000);
    slot.release();
    time.advance(99);
    expect(heard.end).toBeUndefined();
    time.advance(1);
    expect(heard.error).toMatchObject({ code: 'E3003', phase: 'first' });
  });

  it('but the total deadline runs in the queue', () => {
    const { backpressure, up, time, runtime } = setup();
    backpressure.take();
    const heard = listen(up.stream.pipe(resilient<string>({ backpressure, timeout: { totalMs: 100 } }, runtime)));
    time.advance(100);
    expect(heard.error).toMatchObject({ phase: 'total' });
    expect(backpressure.queued).toBe(0);
    expect(time.timers).toBe(0);
  });
});

describe('nobody overtakes on a resource that the earlier one lacks', () => {
  it('whichever operator asks for it', () => {
    const { joint, rated, slotted, rateLimiter, backpressure, starts, time } = setup({
      rate: { requestsPerSecond: 1 },
      slots: { maxInflight: 1 },
    });
    rateLimiter.take({ requests: 1, tokens: 0 });
    const slot = backpressure.take();
    listen(joint('first')); // lacks both
    listen(rated('rate')); // lacks the bucket, as does the first
    listen(slotted('slot'));
    time.advance(1000);
    // The bucket is full: now the first lacks only the slot, and the second needs none.
    expect(starts).toEqual([['rate', 1000]]);
    slot.release();
    // The first lacks the bucket again, the slot goes to who needs no more.
    expect(starts[1]).toEqual(['slot', 1000]);
    expect(rateLimiter.queued).toBe(1);
  });

  it('in order of arrival over several operators, priorities first', () => {
    const { joint, slotted, up, starts } = setup();
    listen(slotted('running'));
    listen(slotted('a'));
    listen(joint('b'));
    listen(slotted('c'));
    listen(joint('d', {}, 1));
    listen(joint('e'));
    for (let i = 0; i < 6; i++) up.last.complete();
    expect(starts.map(([name]) => name)).toEqual(['running', 'd', 'a', 'b', 'c', 'e']);
  });

  it('though a small cost would fit', () => {
    const { joint, rated, rateLimiter, starts, time } = setup({
      rate: { tokensPerMinute: 60_000, tokenBurst: 100 },
      slots: { maxInflight: 5 },
    });
    rateLimiter.take({ requests: 1, tokens: 50 });
    listen(joint('big', { tokens: 100 }));
    listen(rated('small', { tokens: 1 }));
    listen(joint('small too', { tokens: 1 }));
    time.advance(1000);
    expect(starts).toEqual([
      ['big', 50],
      ['small', 51],
      ['small too', 52],
    ]);
    expect(time.timers).toBe(0);
  });

  it('but does not keep a cheap one waiting longer than maxWaitMs either', () => {
    const { joint, rated, rateLimiter, time, starts } = setup({
      rate: { tokensPerMinute: 60_000, tokenBurst: 100, maxWaitMs: 200 },
      slots: { maxInflight: 1000 },
    });
    rateLimiter.take({ requests: 1, tokens: 100 });
    const ends: number[] = [];
    listen(rated('small', { tokens: 5 }), () => ends.push(time.now()));
    time.advance(1);
    // Two kinds with a higher priority: a big one, and those who keep coming, so that the bucket never holds the big one's cost.
    listen(joint('big', { tokens: 100 }, 1));
    for (let at = 9; at < 1000; at += 10) time.schedule(() => listen(joint('urgent', { tokens: 9 }, 9)), at);
    time.advance(2000);
    // The big one is refused as soon as its wait is known to be too long, and no longer stands before the small one.
    expect(ends).toEqual([]);
    const small = starts.find(([name]) => name === 'small');
    expect(small?.[1]).toBeLessThan(200);
  });
});

describe('the breaker', () => {
  it('is asked before the queue', () => {
    const { joint, circuitBreaker, backpressure } = setup();
    backpressure.take();
    circuitBreaker.isolate();
    expect(listen(joint('a')).error).toBeInstanceOf(CircuitOpenError);
    expect(backpressure.queued).toBe(0);
  });

  it('refuses those queued as soon as it opens, with the last real error as the cause', () => {
    const { joint, up, backpressure, rateLimiter, time } = setup({ rate: { requestsPerSecond: 10 } });
    listen(joint('a'));
    const queued = Array.from({ length: 20 }, () => listen(joint('queued')));
    up.last.error(BROKEN);
    for (const { error } of queued) {
      expect(error).toBeInstanceOf(CircuitOpenError);
      expect(error).toMatchObject({ cause: BROKEN, retryAfterMs: 1000 });
    }
    expect(up.opened).toBe(1);
    expect(backpressure).toMatchObject({ inUse: 0, queued: 0 });
    expect(rateLimiter.snapshot()).toMatchObject({ remaining: 9, queued: 0 });
    expect(time.timers).toBe(0);
  });

  it('refuses those too who wait for the tokens that the failed stream gives back', () => {
    const { joint, up, rateLimiter } = setup({ rate: { tokensPerMinute: 1000 }, slots: { maxInflight: 9 } });
    listen(joint('a', { tokens: 1000 }));
    const queued = listen(joint('queued', { tokens: 500 }));
    up.last.error(BROKEN);
    expect(queued.error).toMatchObject({ name: 'CircuitOpenError', cause: BROKEN });
    expect(up.opened).toBe(1);
    expect(rateLimiter.snapshot().tokensRemaining).toBe(1000);
  });

  it('refuses them before the error of the stream that opened it is forwarded', () => {
    const { joint, up } = setup();
    const order: string[] = [];
    listen(joint('a'), () => order.push('a'));
    listen(joint('b'), () => order.push('b'));
    up.last.error(BROKEN);
    expect(order).toEqual(['b', 'a']);
  });

  it('refuses them when it is isolated', () => {
    const { joint, circuitBreaker, up } = setup();
    listen(joint('a'));
    const queued = listen(joint('queued'));
    const release = circuitBreaker.isolate();
    expect(queued.error).toBeInstanceOf(CircuitOpenError);
    release();
    up.last.complete();
    expect(up.opened).toBe(1);
  });

  it('does not care for those who wait elsewhere', () => {
    const { joint, slotted, up, starts } = setup();
    listen(joint('a'));
    listen(slotted('unguarded'));
    up.last.error(BROKEN);
    expect(starts.map(([name]) => name)).toEqual(['a', 'unguarded']);
  });

  it('stops refusing when one of those refused closes it', () => {
    const { joint, circuitBreaker, up } = setup();
    listen(joint('a'));
    listen(joint('b'), () => circuitBreaker.reset());
    const c = listen(joint('c'));
    up.last.error(BROKEN);
    expect(c.end).toBeUndefined();
    up.last.next('a');
    expect(c.values).toEqual(['a']);
  });

  it('gives its permit at admission: no probe waits in a queue', () => {
    const { joint, circuitBreaker, backpressure, time, up, rateLimiter, runtime } = setup();
    listen(throwError(() => BROKEN).pipe(resilient({ circuitBreaker }, runtime)));
    time.advance(1000);
    const slot = backpressure.take();
    const queued = listen(joint('queued'));
    // Its probe timeout has not begun, and another may be the probe meanwhile.
    time.advance(1_000_000);
    expect(circuitBreaker.state).toBe('half_open');
    const direct = listen(up.stream.pipe(resilient<string>({ circuitBreaker, rateLimiter }, runtime)));
    up.last.next('a');
    expect(direct.values).toEqual(['a']);
    expect(circuitBreaker.state).toBe('closed');
    slot.release();
    up.last.next('b');
    expect(queued.values).toEqual(['b']);
  });

  it('refuses at admission who waited while another became the probe, and nothing is held', () => {
    const { joint, circuitBreaker, backpressure, time, up, rateLimiter, runtime } = setup({
      rate: { requestsPerSecond: 5 },
    });
    listen(throwError(() => BROKEN).pipe(resilient({ circuitBreaker }, runtime)));
    time.advance(1000);
    const slot = backpressure.take();
    const queued = listen(joint('queued'));
    listen(up.stream.pipe(resilient<string>({ circuitBreaker }, runtime))); // the only probe
    slot.release();
    expect(queued.error).toBeInstanceOf(CircuitOpenError);
    expect(backpressure.inUse).toBe(0);
    expect(rateLimiter.snapshot().remaining).toBe(5);
  });

  it('lets halfOpenMaxProbes of ten thousand queued through', () => {
    const { joint, time, up, backpressure, circuitBreaker } = setup({
      circuit: { halfOpenMaxProbes: 2 },
      slots: { maxInflight: 5 },
    });
    listen(joint('a'));
    up.last.error(BROKEN);
    time.advance(1000);
    const slots = Array.from({ length: 5 }, () => backpressure.take());
    const queued = Array.from({ length: 10_000 }, () => listen(joint('queued')));
    for (const slot of slots) slot.release();
    expect(up.open).toBe(2);
    expect(queued.filter(({ error }) => error instanceof CircuitOpenError)).toHaveLength(9998);
    expect(circuitBreaker.state).toBe('half_open');
    expect(backpressure).toMatchObject({ inUse: 2, queued: 0 });
  }, 60_000);

  it('does not count what the queue refuses', () => {
    const { joint, circuitBreaker, up, time } = setup({
      slots: { maxQueue: 1, maxWaitMs: 100 },
      circuit: { failureThreshold: 1, isFailure: () => true },
    });
    listen(joint('a'));
    const waiting = listen(joint('waits too long'));
    expect(listen(joint('too many')).error).toBeInstanceOf(ConcurrencyLimitError);
    time.advance(100);
    expect(waiting.error).toBeInstanceOf(ConcurrencyLimitError);
    expect(circuitBreaker.snapshot()).toMatchObject({ state: 'closed', failureCount: 0 });
    expect(up.opened).toBe(1);
  });
});

describe('a 429 with Retry-After', () => {
  it('pauses everybody, and nobody slips in with what is given back', () => {
    const { joint, up, starts, time } = setup({
      rate: { tokensPerMinute: 60_000, tokenBurst: 1000 },
      slots: { maxInflight: 1 },
    });
    listen(joint('a', { tokens: 1000 }));
    listen(joint('b', { tokens: 1000 }));
    up.last.error(new ProviderError('429', { httpStatus: 429, retryAfterMs: 4000 }));
    expect(starts).toHaveLength(1);
    time.advance(4000);
    expect(starts[1]).toEqual(['b', 4000]);
  });

  it('pauses its own retry too, by the longer of bucket and backoff', () => {
    const { rateLimiter, up, time, runtime } = setup({ rate: { requestsPerSecond: 1000 } });
    const retry = { initialDelayMs: 10, jitter: 'none' as const };
    listen(up.stream.pipe(resilient<string>({ rateLimiter, retry }, runtime)));
    up.last.error(new ProviderError('429', { httpStatus: 429, retryAfterMs: 4000 }));
    time.advance(3999);
    expect(up.opened).toBe(1);
    time.advance(1);
    expect(up.opened).toBe(2);
  });
});

describe('a debt', () => {
  it('is made before the slot is given on', () => {
    const { joint, up, starts, time, rateLimiter, backpressure, runtime } = setup({
      rate: { tokensPerMinute: 60_000, tokenBurst: 1000 },
    });
    const usage = () => 3000;
    listen(up.stream.pipe(resilient<string>({ rateLimiter, backpressure, usage }, runtime)));
    listen(joint('next', { tokens: 100 }));
    up.last.next('a');
    up.last.complete();
    time.advance(5000);
    expect(starts).toEqual([['next', 2100]]);
  });
});

describe('from inside callbacks', () => {
  it('a stream that is made to leave while it joins the queue is forgotten', () => {
    const { joint, rateLimiter, up, time, runtime } = setup({ rate: { requestsPerSecond: 1 } });
    const stop = new Subject<void>();
    // At 1000 it is the turn of one who makes the newcomer leave, but the newcomer comes before its timer rings.
    time.schedule(() => listen(joint('newcomer').pipe(takeUntil(stop))), 1000);
    rateLimiter.take({ requests: 1, tokens: 0 });
    const rude = new Observable<string>((subscriber) => {
      stop.next();
      subscriber.complete();
    });
    listen(rude.pipe(throttleTokens(rateLimiter, runtime)));
    time.advance(1000);
    expect(rateLimiter.snapshot()).toMatchObject({ remaining: 0, queued: 0 });
    time.advance(1000);
    expect(rateLimiter.snapshot().remaining).toBe(1);
    expect(up.opened).toBe(0);
    expect(time.timers).toBe(0);
  });

  it('whoever acts on a transition cannot take the slot that another is just taking', () => {
    const { joint, time, up, circuitBreaker, backpressure } = setup({ circuit: { halfOpenMaxProbes: 2 } });
    listen(joint('a'));
    up.last.error(BROKEN);
    time.advance(1000);
    const second: Heard<string>[] = [];
    circuitBreaker.watch((transition) => {
      if (transition?.to === 'half_open') second.push(listen(joint('second')));
    });
    listen(joint('first'));
    expect(second).toHaveLength(1);
    expect(up).toMatchObject({ open: 1, most: 1 });
    expect(backpressure).toMatchObject({ inUse: 1, queued: 1 });
    up.last.complete();
    up.calls.at(-1)!.next('its turn');
    expect(second[0]!.values).toEqual(['its turn']);
  });

  it('nor has it to wait longer than for that', () => {
    const { joint, up, backpressure } = setup({ slots: { maxInflight: 2 } });
    const stop = backpressure.watch(() => {
      stop();
      listen(joint('second'));
    });
    listen(joint('first'));
    expect(up.open).toBe(2);
  });

  it('nor the last tokens', () => {
    const { joint, rated, backpressure, rateLimiter } = setup({ rate: { requestsPerSecond: 1 } });
    const stop = backpressure.watch(() => {
      stop();
      listen(rated('quick'));
    });
    listen(joint('first'));
    expect(rateLimiter.snapshot()).toMatchObject({ remaining: 0, queued: 1, throttledUntil: 1000 });
  });

  it('a hundred thousand synchronous streams leave the stack flat', () => {
    const { time, rateLimiter, backpressure, circuitBreaker, runtime } = setup({ slots: { maxInflight: 3 } });
    const guard = resilient<number>({ rateLimiter, backpressure, circuitBreaker }, runtime);
    const slots = [1, 2, 3].map(() => backpressure.take());
    let done = 0;
    for (let i = 0; i < 100_000; i++)
      of(i)
        .pipe(guard)
        .subscribe({ complete: () => done++ });
    expect(backpressure.queued).toBe(100_000);
    slots[0]!.release();
    expect(done).toBe(100_000);
    expect(backpressure).toMatchObject({ inUse: 2, queued: 0 });
    expect(time.delays).toEqual([]);
  }, 60_000);
});

describe('ResilientExecutor', () => {
  it('shares policies with others, and tells how long each waited', () => {
    const time = new Time();
    const backpressure = new Backpressure({ maxInflight: 1 });
    const one = new ResilientExecutor({ backpressure }, { scheduler: time });
    const two = new ResilientExecutor({ backpressure, rateLimiter: { requestsPerSecond: 1 } }, { scheduler: time });
    const events: WeirEvent[] = [];
    two.events$.subscribe((event) => events.push(event));
    const up = new Upstream();
    listen(up.stream.pipe(one.protect()));
    listen(up.stream.pipe(two.protect()));
    listen(up.stream.pipe(one.protect()));
    expect(one.snapshot().inflight).toMatchObject({ inUse: 1, queued: 2 });
    time.advance(70);
    for (let i = 0; i < 3; i++) up.last.complete();
    expect(up).toMatchObject({ opened: 3, most: 1, open: 0 });
    expect(events).toContainEqual(expect.objectContaining({ type: 'wait.end', waitedMs: 70 }));
    expect(two.snapshot()).toMatchObject({ currentInflight: 0, inflight: { inUse: 0, queued: 0 } });
  });

  it('holds nothing while it backs off', () => {
    const time = new Time();
    const executor = new ResilientExecutor(
      { backpressure: 1, retry: { initialDelayMs: 500, jitter: 'none' } },
      { scheduler: time },
    );
    const up = new Upstream();
    listen(up.stream.pipe(executor.protect()));
    up.last.error(BROKEN);
    const other = listen(up.stream.pipe(executor.protect()));
    up.last.next('other');
    expect(other.values).toEqual(['other']);
    time.advance(500);
    expect(up.opened).toBe(2); // the retry waits for the slot, as everybody does
    up.last.complete();
    expect(up).toMatchObject({ opened: 3, most: 1 });
  });

  it('takes costs and priorities per stream', () => {
    const time = new Time();
    const executor = new ResilientExecutor(
      { backpressure: 1, rateLimiter: { tokensPerMinute: 1000 } },
      { scheduler: time },
    );
    const up = new Upstream();
    const order: string[] = [];
    const stream = (name: string, priority: number, tokens: number) =>
      listen(
        new Observable<string>((subscriber) => {
          order.push(name);
          return up.stream.subscribe(subscriber);
        }).pipe(executor.protect<string>({ priority, cost: { tokens } })),
      );
    stream('a', 0, 100);
    stream('b', 0, 100);
    stream('c', 7, 100);
    expect(executor.snapshot().rate).toMatchObject({ tokensRemaining: 900 });
    for (let i = 0; i < 3; i++) up.last.complete();
    expect(order).toEqual(['a', 'c', 'b']);
    expect(() => executor.protect({ priority: NaN })).toThrow(/priority.*NaN/);
  });
});

it('the refusals name what refused', () => {
  const { joint, up } = setup({
    rate: { requestsPerSecond: 1, maxWaitMs: 0 },
    slots: { maxInflight: 1, maxWaitMs: 0 },
  });
  listen(joint('a'));
  expect(listen(joint('b')).error).toBeInstanceOf(RateLimitExceededError);
  up.last.complete();
  expect(listen(joint('c')).error).toMatchObject({ retryAfterMs: 1000 });
});
