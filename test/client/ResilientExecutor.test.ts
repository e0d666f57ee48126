import { NEVER, of, Subject, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import {
  Backpressure,
  CircuitBreaker,
  CircuitOpenError,
  FallbackChain,
  FallbackExhaustedError,
  RateLimiter,
  resilient,
  ResilientExecutor,
  RetryBudget,
  StreamTimeoutError,
  WeirError,
} from 'rx-weir';
import { scriptedStream } from 'rx-weir/testing';
import { see, VirtualTime } from '../support/virtual';

type Config = NonNullable<ConstructorParameters<typeof ResilientExecutor>[0]>;

const overloaded = new WeirError('overloaded', { code: 'E3002' });

function setup(config: Config = {}) {
  const time = new VirtualTime();
  return { time, executor: new ResilientExecutor(config, { scheduler: time, random: () => 0.5 }) };
}

describe('ResilientExecutor', () => {
  it('without any part lets streams through as they are', () => {
    const { time, executor } = setup();
    expect(see(of(1, 2).pipe(executor.protect<number>()), time)).toMatchObject({ values: [1, 2], end: 'complete' });
    const error = { any: 'thing' };
    expect(see(throwError(() => error).pipe(executor.protect()), time).error).toBe(error);
    const left = see(NEVER.pipe(executor.protect()), time);
    left.subscription.unsubscribe();
    expect(time.timers).toBe(0);
  });

  it('takes retry alone', () => {
    const { time, executor } = setup({ retry: 100 });
    const source = scriptedStream.attempts<string>([{ error: overloaded }], ['a'], { scheduler: time });
    const seen = see(source.pipe(executor.protect()), time);
    time.flush();
    expect(seen).toMatchObject({ values: ['a'], at: [50], end: 'complete' });
  });

  it('takes a rate limiter alone', () => {
    const { time, executor } = setup({ rateLimiter: { requestsPerSecond: 1 } });
    const seen = [1, 2].map((n) => see(of(n).pipe(executor.protect<number>()), time));
    time.flush();
    expect(seen.map(({ at }) => at)).toEqual([[0], [1000]]);
  });

  it('takes a breaker alone', () => {
    const { time, executor } = setup({ circuitBreaker: { failureThreshold: 1, cooldownMs: 100 } });
    see(throwError(() => overloaded).pipe(executor.protect()), time);
    const { error } = see(of('a').pipe(executor.protect()), time);
    expect(error).toBeInstanceOf(CircuitOpenError);
    expect(error).toMatchObject({ retryAfterMs: 100, cause: overloaded });
    time.advance(100);
    expect(see(of('a').pipe(executor.protect()), time).values).toEqual(['a']);
    expect(executor.snapshot().circuitState).toBe('closed');
  });

  it('takes slots alone', () => {
    const { time, executor } = setup({ backpressure: 1 });
    const source = scriptedStream(['a'], { scheduler: time, paceMs: 10 });
    const seen = [1, 2, 3].map(() => see(source.pipe(executor.protect()), time));
    time.flush();
    expect(seen.map(({ at }) => at)).toEqual([[10], [20], [30]]);
    expect(source.maxConcurrent).toBe(1);
  });

  it('takes timeouts alone, firstMs and idleMs per attempt, totalMs over everything', () => {
    const phases = [{ firstMs: 10 }, { idleMs: 8 }, { totalMs: 20 }].map((timeout) => {
      const { time, executor } = setup({ timeout });
      const source = scriptedStream<string>([{ value: 'a', after: 10.5 }, { stall: true }], { scheduler: time });
      const seen = see(source.pipe(executor.protect()), time);
      time.flush();
      expect(seen.error).toBeInstanceOf(StreamTimeoutError);
      return (seen.error as StreamTimeoutError).phase;
    });
    expect(phases).toEqual(['first', 'idle', 'total']);
  });

  it('takes fallbacks alone, as a list or as a chain', () => {
    for (const fallback of [[of('b')], new FallbackChain<unknown>([{ name: 'x', source: of('b') }])]) {
      const { time, executor } = setup({ fallback });
      expect(see(throwError(() => overloaded).pipe(executor.protect<string>()), time).values).toEqual(['b']);
    }
  });

  it('has the total deadline over retries and fallbacks, and nothing is held while backing off', () => {
    const { time, executor } = setup({
      retry: { jitter: 'none', initialDelayMs: 100 },
      timeout: { totalMs: 150 },
      backpressure: 1,
    });
    const source = scriptedStream.attempts<string>([{ error: overloaded }], [{ stall: true }], { scheduler: time });
    const seen = see(source.pipe(executor.protect()), time);
    time.advance(50);
    expect(executor.snapshot()).toMatchObject({ currentInflight: 0, inflight: { inUse: 0 } });
    time.flush();
    expect(time.elapsed).toBe(150);
    expect(seen.error).toMatchObject({ phase: 'total' });
    expect(source.subscriptions.map(({ end }) => end)).toEqual(['error', 'unsubscribed']);
  });

  it('retries before it falls back, and an open circuit goes to the fallback at once', () => {
    const { time, executor } = setup({
      retry: { maxRetries: 2, jitter: 'none', initialDelayMs: 10 },
      circuitBreaker: { failureThreshold: 3 },
      fallback: [of('b')],
    });
    const source = scriptedStream<string>([{ error: overloaded }], { scheduler: time });
    const first = see(source.pipe(executor.protect()), time);
    time.flush();
    expect(first).toMatchObject({ values: ['b'], at: [30], end: 'complete' });
    expect(source.subscriptions).toHaveLength(3);
    const second = see(source.pipe(executor.protect()), time);
    expect(second).toMatchObject({ values: ['b'], at: [30], end: 'complete' });
    expect(source.subscriptions).toHaveLength(3);
  });

  it('protect() shares its policies between all streams and types', () => {
    const { time, executor } = setup({ circuitBreaker: { failureThreshold: 2 } });
    see(throwError(() => overloaded).pipe(executor.protect<number>()), time);
    see(throwError(() => overloaded).pipe(executor.protect<string>()), time);
    expect(see(of(true).pipe(executor.protect<boolean>()), time).error).toBeInstanceOf(CircuitOpenError);
    expect(see(of(true).pipe(resilient<boolean>(executor)), time).error).toBeInstanceOf(CircuitOpenError);
  });

  it('shares policies that are given as instances with whoever else has them', () => {
    const time = new VirtualTime();
    const clock = (): number => time.now();
    const parts = {
      circuitBreaker: new CircuitBreaker({ clock, failureThreshold: 1 }),
      rateLimiter: new RateLimiter({ clock, requestsPerSecond: 5 }),
      backpressure: new Backpressure({ maxInflight: 5 }),
    };
    const [a, b] = [
      new ResilientExecutor(parts, { scheduler: time }),
      new ResilientExecutor(parts, { scheduler: time }),
    ];
    see(NEVER.pipe(a.protect()), time);
    expect(b.snapshot()).toMatchObject({ currentInflight: 0, inflight: { inUse: 1 }, rateRemaining: 4 });
    see(throwError(() => overloaded).pipe(a.protect()), time);
    expect(b.snapshot().circuitState).toBe('open');
    expect(b.preflight.check().failures.map(({ component }) => component)).toEqual(['circuitBreaker']);
  });

  it('takes for each stream what it costs, its priority, and where to go', () => {
    const { time, executor } = setup({ rateLimiter: { tokensPerMinute: 600 }, backpressure: 1 });
    const source = scriptedStream(['a'], { scheduler: time, paceMs: 10 });
    const served: string[] = [];
    const start = (name: string, priority: number): void => {
      source
        .pipe(executor.protect<string>({ cost: { tokens: 100 }, priority }))
        .subscribe({ complete: () => served.push(name) });
    };
    start('first', 0);
    expect(executor.snapshot().rate?.tokensRemaining).toBe(500);
    start('low', -1);
    start('high', 5);
    time.flush();
    expect(served).toEqual(['first', 'high', 'low']);
    const seen = see(throwError(() => overloaded).pipe(executor.protect<string>({ fallback: [of('c')] })), time);
    expect(seen.values).toEqual(['c']);
    expect(see(throwError(() => overloaded).pipe(executor.protect<string>()), time).error).toBe(overloaded);
  });

  it('makes the cost anew for each attempt, and settles it by what the stream says it used', () => {
    const { time, executor } = setup({
      rateLimiter: { tokensPerMinute: 600 },
      retry: { jitter: 'none', initialDelayMs: 1 },
    });
    let estimate = 100;
    const source = scriptedStream.attempts<string>([{ error: overloaded }], ['used 30'], { scheduler: time });
    const protect = executor.protect<string>({
      cost: () => ({ tokens: (estimate += 100) }),
      usage: (value) => Number(/\d+/.exec(value)?.[0]),
    });
    see(source.pipe(protect), time);
    time.flush();
    expect(estimate).toBe(300);
    expect(executor.snapshot().rate?.tokensRemaining).toBe(570);
  });

  it('refuses bad options per stream when the stream is made, naming them', () => {
    const { executor } = setup({ rateLimiter: { requestsPerSecond: 1 } });
    expect(() => executor.protect({ priority: NaN })).toThrow(/priority/);
    expect(() => executor.protect({ usage: 5 as unknown as () => number })).toThrow(/usage/);
    expect(() => executor.protect({ fallback: ['text'] })).toThrow(TypeError);
  });

  it("gives the caller a cost that cannot be made as the stream's error, and leaks nothing", () => {
    const { time, executor } = setup({ rateLimiter: { requestsPerSecond: 1 }, backpressure: 1 });
    const mine = new Error('mine');
    const cost = (): never => {
      throw mine;
    };
    expect(see(of('a').pipe(executor.protect<string>({ cost })), time).error).toBe(mine);
    expect(executor.snapshot()).toMatchObject({
      rateRemaining: 1,
      inflight: { inUse: 0 },
      streams: { active: 0, failed: 1 },
    });
  });

  it('takes nothing for a stream that is left while it waits, and lets nobody wait longer for it', () => {
    const { time, executor } = setup({ rateLimiter: { tokensPerMinute: 600, tokenBurst: 10 }, backpressure: 5 });
    const cost = { tokens: 10 };
    see(of('a').pipe(executor.protect<string>({ cost, usage: () => 10 })), time);
    const left = see(of('b').pipe(executor.protect<string>({ cost })), time);
    const patient = see(of('c').pipe(executor.protect<string>({ cost })), time);
    time.advance(400);
    expect(executor.snapshot()).toMatchObject({
      inflight: { inUse: 0, queued: 2 },
      rate: { queued: 2, tokensRemaining: 4 },
    });
    left.subscription.unsubscribe();
    expect(executor.snapshot()).toMatchObject({ inflight: { queued: 1 }, rate: { queued: 1, tokensRemaining: 4 } });
    time.flush();
    expect(patient.at).toEqual([1000]);
    const last = see(of('d').pipe(executor.protect<string>({ cost })), time);
    last.subscription.unsubscribe();
    expect(executor.snapshot()).toMatchObject({ rate: { queued: 0 }, streams: { cancelled: 2 } });
    expect(time.timers).toBe(0);
  });

  it('lets the next stream probe when a probe was left before its first content', () => {
    const { time, executor } = setup({ circuitBreaker: { failureThreshold: 1, cooldownMs: 100 }, backpressure: 5 });
    see(throwError(() => overloaded).pipe(executor.protect()), time);
    time.advance(100);
    const probe = see(NEVER.pipe(executor.protect()), time);
    expect(see(of('b').pipe(executor.protect<string>()), time).error).toBeInstanceOf(CircuitOpenError);
    probe.subscription.unsubscribe();
    expect(executor.snapshot().circuitState).toBe('half_open');
    expect(see(of('c').pipe(executor.protect<string>()), time).values).toEqual(['c']);
    expect(executor.snapshot().circuitState).toBe('closed');
  });

  it('has no probe wait in a queue, and refuses those queued as soon as the circuit opens', () => {
    const time = new VirtualTime();
    const circuitBreaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 100, clock: () => time.now() });
    const executor = new ResilientExecutor({ circuitBreaker, backpressure: 1 }, { scheduler: time });
    const source = new Subject<string>();
    const running = see(source.pipe(executor.protect<string>()), time);
    const queued = see(of('a').pipe(executor.protect<string>()), time);
    const elsewhere = circuitBreaker.tryAcquire() as { fail(error: unknown): void };
    elsewhere.fail(overloaded);
    expect(queued.error).toBeInstanceOf(CircuitOpenError);
    expect((queued.error as CircuitOpenError).cause).toBe(overloaded);
    expect(executor.snapshot().inflight?.queued).toBe(0);

    time.advance(100);
    const next = see(of('b').pipe(executor.protect<string>()), time);
    expect(executor.snapshot()).toMatchObject({ circuitState: 'half_open', inflight: { queued: 1 } });
    expect(circuitBreaker.check()).toBeUndefined();
    running.subscription.unsubscribe();
    expect(next.values).toEqual(['b']);
    expect(executor.snapshot()).toMatchObject({ circuitState: 'closed', inflight: { inUse: 0, queued: 0 } });
  });

  it('reset closes the circuit and fills the bucket; isolations and running streams stay', () => {
    const { time, executor } = setup({
      circuitBreaker: { failureThreshold: 1 },
      rateLimiter: { requestsPerSecond: 2 },
      backpressure: 3,
    });
    const running = see(NEVER.pipe(executor.protect()), time);
    see(throwError(() => overloaded).pipe(executor.protect()), time);
    expect(executor.snapshot()).toMatchObject({ circuitState: 'open', rateRemaining: 0 });
    executor.reset();
    expect(executor.snapshot()).toMatchObject({
      circuitState: 'closed',
      rateRemaining: 2,
      currentInflight: 1,
      inflight: { inUse: 1 },
    });
    executor.preflight.circuitBreaker!.isolate();
    executor.reset();
    expect(executor.snapshot().circuitState).toBe('isolated');
    running.subscription.unsubscribe();
    expect(executor.snapshot()).toMatchObject({ currentInflight: 0, inflight: { inUse: 0 } });
  });

  it('has presets', () => {
    const time = new VirtualTime();
    const production = ResilientExecutor.production({ scheduler: time, model: 'p/m' });
    expect(production.snapshot()).toMatchObject({
      model: 'p/m',
      circuitState: 'closed',
      rate: { refillPerSecond: 10 },
      inflight: { max: 10 },
      circuit: { failureThreshold: 5 },
    });
    const minimal = ResilientExecutor.minimal({ scheduler: time });
    expect(minimal.snapshot()).toMatchObject({ circuitState: 'disabled', rate: null, inflight: null });
    for (const executor of [production, minimal]) {
      const source = scriptedStream.attempts<string>([{ error: overloaded }], ['a'], { scheduler: time });
      const seen = see(source.pipe(executor.protect()), time);
      time.flush();
      expect(seen.values).toEqual(['a']);
    }
  });

  it('has one onPartial for retry and fallback', () => {
    const script = scriptedStream<string>(['a', { error: overloaded }]);
    const time = new VirtualTime();
    const run = (onPartial: 'fail' | 'rewind') => {
      const config: Config = {
        retry: { maxRetries: 1, initialDelayMs: 0 },
        fallback: [of('f')],
        onPartial,
        rewindValue: () => '<',
      };
      const executor = new ResilientExecutor(config, { scheduler: time });
      const seen = see(script.pipe(executor.protect<string>()), time);
      time.flush();
      return seen;
    };
    expect(run('fail')).toMatchObject({ values: ['a'], error: overloaded });
    expect(run('rewind')).toMatchObject({ values: ['a', '<', 'a', '<', 'f'], end: 'complete' });
  });

  it('tells with what a stream and all its targets failed', () => {
    const { time, executor } = setup({
      fallback: [{ name: 'x', source: throwError(() => new WeirError('no', { code: 'E3001' })) }],
    });
    const { error } = see(throwError(() => overloaded).pipe(executor.protect()), time);
    expect(error).toBeInstanceOf(FallbackExhaustedError);
    expect((error as FallbackExhaustedError).errors.map(({ target }) => target)).toEqual(['primary', 'x']);
  });

  it('stops retrying by a budget that many executors share', () => {
    const time = new VirtualTime();
    const budget = new RetryBudget({ maxTokens: 2 });
    const executors = [1, 2].map(
      () => new ResilientExecutor({ retry: { budget, initialDelayMs: 1 } }, { scheduler: time }),
    );
    const source = scriptedStream<string>([{ error: overloaded }], { scheduler: time });
    for (const executor of executors) see(source.pipe(executor.protect()), time);
    time.flush();
    expect(source.subscriptions).toHaveLength(2);
  });

  it('refuses bad options at construction, naming option and value', () => {
    const bad: [unknown, RegExp][] = [
      [null, /null/],
      ['production', /production/],
      [new ResilientExecutor(), /object/],
      [{ retry: { maxRetries: -1 } }, /maxRetries.*-1/],
      [{ retry: NaN }, /initialDelayMs.*NaN/],
      [{ circuitBreaker: { failureThreshold: 0 } }, /failureThreshold.*0/],
      [{ rateLimiter: { requestsPerSecond: 'x' } }, /requestsPerSecond.*x/],
      [{ rateLimiter: { requestsPerSecond: 1, requestsPerMinute: 1 } }, /requestsPerSecond.*requestsPerMinute/],
      [{ backpressure: 0 }, /maxInflight.*0/],
      [{ backpressure: 'x' }, /backpressure.*x/],
      [{ timeout: { firstMs: NaN } }, /firstMs.*NaN/],
      [{ timeout: { totalMs: -1 } }, /totalMs.*-1/],
      [{ fallback: ['x'] }, /x/],
      [{ onPartial: 'retry' }, /onPartial.*retry/],
      [{ rateLimiter: {}, cost: { tokens: -1 } }, /tokens.*-1/],
      [{ priority: NaN }, /priority.*NaN/],
      [{ shouldFallback: 1 }, /shouldFallback.*1/],
      [{ isContent: 1 }, /isContent.*1/],
      [{ scheduler: {} }, /scheduler/],
    ];
    for (const [config, message] of bad) {
      const make = (): unknown => new ResilientExecutor(config as Config);
      expect(make, JSON.stringify(config)).toThrow(message);
      expect(make).toThrow(/^((?!of undefined).)*$/); // a message of ours, not of the engine
    }
  });
});
