import { describe, expect, it } from 'vitest';
import {
  Backpressure,
  CircuitBreaker,
  liveSignals,
  RateLimiter,
  ResilientExecutor,
  WeirError,
  type SignalSources,
  type SignalsSnapshot,
} from 'rx-weir';
import { START, VirtualTime } from '../support/virtual';

const failure = new WeirError('down', { code: 'E3001' });

function setup(): {
  time: VirtualTime;
  clock: () => number;
  breaker: (state: SignalsSnapshot['circuitState']) => CircuitBreaker;
  limiter: (left: number) => RateLimiter;
  slots: (inUse: number) => Backpressure;
  valueOf: (sources: SignalSources) => SignalsSnapshot;
} {
  const time = new VirtualTime();
  const clock = (): number => time.now();
  return {
    time,
    clock,
    breaker: (state) => {
      // With a cooldown of 0 an open circuit is half-open at once.
      const breaker = new CircuitBreaker({ clock, failureThreshold: 1, cooldownMs: state === 'half_open' ? 0 : 1000 });
      if (state === 'isolated') breaker.isolate();
      else if (state !== 'closed') (breaker.tryAcquire() as { fail(error: unknown): void }).fail(failure);
      expect(breaker.state).toBe(state);
      return breaker;
    },
    limiter: (left) => {
      const limiter = new RateLimiter({ clock, requestsPerSecond: 10 });
      limiter.take({ requests: 10 - left, tokens: 0 });
      return limiter;
    },
    slots: (inUse) => {
      const slots = new Backpressure({ maxInflight: 4 });
      for (let i = 0; i < inUse; i++) slots.take();
      return slots;
    },
    valueOf: (sources) => liveSignals(sources, { scheduler: time }).value,
  };
}

describe('a snapshot', () => {
  it('of nothing is healthy', () => {
    const { valueOf } = setup();
    expect(valueOf({})).toEqual({
      timestamp: START,
      circuitState: 'disabled',
      currentInflight: 0,
      rateRemaining: null,
      circuit: null,
      inflight: null,
      rate: null,
      streams: {
        started: 0,
        active: 0,
        completed: 0,
        failed: 0,
        cancelled: 0,
        rejected: 0,
        retries: 0,
        fallbacks: 0,
        tokens: 0,
        tokensPerSecond: 0,
        firstContentMs: null,
      },
      isHealthy: true,
      healthScore: 1,
    });
  });

  it('shows each policy, with absolute times', () => {
    const { valueOf, breaker, limiter, slots } = setup();
    const rateLimiter = limiter(0.5);
    const value = valueOf({
      circuitBreaker: breaker('open'),
      rateLimiter,
      backpressure: slots(3),
      provider: 'openai',
      model: 'openai/gpt',
    });
    expect(value).toMatchObject({
      provider: 'openai',
      model: 'openai/gpt',
      circuitState: 'open',
      currentInflight: 3,
      rateRemaining: 0.5,
      circuit: { failureCount: 1, failureThreshold: 1, successCount: 0, openUntil: START + 1000 },
      inflight: { max: 4, inUse: 3, available: 1, queued: 0, utilization: 0.75 },
      rate: {
        remaining: 0.5,
        capacity: 10,
        refillPerSecond: 10,
        tokensRemaining: null,
        queued: 0,
        throttledUntil: START + 50,
      },
    });
  });

  it('has null where a dimension has no limit', () => {
    const { valueOf, clock } = setup();
    const tokensOnly = new RateLimiter({ clock, tokensPerMinute: 6000 });
    expect(valueOf({ rateLimiter: tokensOnly })).toMatchObject({
      rateRemaining: null,
      rate: { remaining: null, capacity: null, refillPerSecond: null, tokensRemaining: 6000, throttledUntil: null },
    });
    expect(valueOf({ backpressure: new Backpressure({ maxInflight: Infinity }) })).toMatchObject({
      inflight: null,
      healthScore: 1,
    });
  });

  const table: [
    name: string,
    parts: (s: ReturnType<typeof setup>) => SignalSources,
    score: number,
    healthy: boolean,
  ][] = [
    ['closed', ({ breaker }) => ({ circuitBreaker: breaker('closed') }), 1, true],
    ['half-open', ({ breaker }) => ({ circuitBreaker: breaker('half_open') }), 0.5, true],
    ['open', ({ breaker }) => ({ circuitBreaker: breaker('open') }), 0, false],
    ['isolated', ({ breaker }) => ({ circuitBreaker: breaker('isolated') }), 0, false],
    ['a full bucket', ({ limiter }) => ({ rateLimiter: limiter(10) }), 1, true],
    ['4 of 10 requests left', ({ limiter }) => ({ rateLimiter: limiter(4) }), 0.4, true],
    ['an empty bucket', ({ limiter }) => ({ rateLimiter: limiter(0) }), 0, false],
    [
      'a full bucket that the server paused',
      ({ limiter }) => {
        const rateLimiter = limiter(10);
        rateLimiter.observe({ retryAfterMs: 500 });
        return { rateLimiter };
      },
      0,
      false,
    ],
    [
      'a debt of tokens',
      ({ clock }) => {
        const rateLimiter = new RateLimiter({ clock, requestsPerSecond: 10, tokensPerMinute: 60 });
        rateLimiter.take({ requests: 0, tokens: 1 }).settle(90);
        return { rateLimiter };
      },
      0,
      false,
    ],
    ['1 of 4 slots in use', ({ slots }) => ({ backpressure: slots(1) }), 0.75, true],
    ['no slot free', ({ slots }) => ({ backpressure: slots(4) }), 0, false],
    [
      'closed, 4 of 10 requests and 2 of 4 slots left',
      ({ breaker, limiter, slots }) => ({
        circuitBreaker: breaker('closed'),
        rateLimiter: limiter(4),
        backpressure: slots(2),
      }),
      (1 + 0.4 + 0.5) / 3,
      true,
    ],
    [
      'half-open, throttled, half of the slots left',
      ({ breaker, limiter, slots }) => ({
        circuitBreaker: breaker('half_open'),
        rateLimiter: limiter(0),
        backpressure: slots(2),
      }),
      (0.5 + 0 + 0.5) / 3,
      false,
    ],
  ];
  it.each(table)('is as healthy as it is: %s', (_, parts, score, healthy) => {
    const s = setup();
    const value = s.valueOf(parts(s));
    expect(value.healthScore).toBeCloseTo(score, 10);
    expect(value.isHealthy).toBe(healthy);
    expect(JSON.parse(JSON.stringify(value))).toEqual(value);
  });

  it('survives JSON when it is paused for longer than any number of JSON', () => {
    const { valueOf, limiter } = setup();
    const rateLimiter = limiter(10);
    rateLimiter.observe({ retryAfterMs: Number.MAX_VALUE });
    const value = valueOf({ rateLimiter });
    expect(value.isHealthy).toBe(false);
    expect(JSON.parse(JSON.stringify(value))).toEqual(value);
  });

  it('is frozen, all of it', () => {
    const { valueOf, breaker, limiter, slots } = setup();
    const value = valueOf({ circuitBreaker: breaker('closed'), rateLimiter: limiter(1), backpressure: slots(1) });
    for (const part of [value, value.circuit, value.rate, value.inflight, value.streams])
      expect(part).toSatisfy(Object.isFrozen);
  });

  it('is the same object while nothing changed, and another one after a change', () => {
    const { breaker, slots, time } = setup();
    const backpressure = slots(0);
    const signals$ = liveSignals({ backpressure, circuitBreaker: breaker('closed') }, { scheduler: time });
    const before = signals$.value;
    time.advance(10_000);
    expect(signals$.value).toBe(before);
    const slot = backpressure.take();
    const during = signals$.value;
    expect(during).not.toBe(before);
    expect(during.currentInflight).toBe(1);
    expect(before.currentInflight).toBe(0);
    slot.release();
    expect(signals$.value).not.toBe(during);
    expect(signals$.value.currentInflight).toBe(0);
  });

  it('is the truth now, without a call and without a subscriber', () => {
    const { breaker, limiter, time } = setup();
    const signals$ = liveSignals({ circuitBreaker: breaker('open'), rateLimiter: limiter(0) }, { scheduler: time });
    expect(signals$.getValue()).toMatchObject({ circuitState: 'open', rateRemaining: 0, isHealthy: false });
    time.advance(500);
    expect(signals$.value).toMatchObject({
      timestamp: START + 500,
      circuitState: 'open',
      rateRemaining: 5,
      isHealthy: false,
    });
    time.advance(499);
    expect(signals$.value.circuitState).toBe('open');
    time.advance(1);
    expect(signals$.value).toMatchObject({
      circuitState: 'half_open',
      rateRemaining: 10,
      isHealthy: true,
      circuit: { openUntil: null },
    });
    expect(time.timers).toBe(0);
  });

  it('of an executor is what its signals$ say', () => {
    const { time } = setup();
    const executor = new ResilientExecutor(
      { circuitBreaker: {}, backpressure: 3 },
      { scheduler: time, provider: 'p', model: 'p/m' },
    );
    expect(executor.snapshot()).toBe(executor.signals$.value);
    expect(executor.snapshot()).toMatchObject({
      provider: 'p',
      model: 'p/m',
      circuitState: 'closed',
      inflight: { max: 3 },
    });
  });
});
