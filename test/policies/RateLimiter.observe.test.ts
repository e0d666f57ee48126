import { describe, expect, it } from 'vitest';
import type { RateLimitInfo } from '../../src/errors/headers';
import { RateLimiter } from '../../src/policies/RateLimiter';
import type { Cost } from '../../src/policies/waiting';

const ONE = { requests: 1, tokens: 0 };
const tokens = (n: number): Required<Cost> => ({ requests: 1, tokens: n });
/** Takes one request after the other for as long as there is room; returns how many. */
function drain(limiter: RateLimiter, now: number, cost: Required<Cost> = ONE): number {
  let taken = 0;
  for (; taken < 10_000 && !limiter.check(cost, now); taken++) limiter.take(cost, now);
  return taken;
}

describe('RateLimiter.observe', () => {
  const limiter = () => new RateLimiter({ requestsPerSecond: 10, tokensPerMinute: 6000 });

  it('lowers the balances to what the provider says', () => {
    const one = limiter();
    one.observe({ remainingRequests: 4, remainingTokens: 1000 }, 0);
    expect(one.snapshot(0)).toMatchObject({ remaining: 4, tokensRemaining: 1000, throttledUntil: null });
  });

  it('never raises them (ai-lib-python 16)', () => {
    const one = limiter();
    one.take(tokens(5000), 0);
    one.observe({ remainingRequests: 1000, remainingTokens: 1e9, limitRequests: 1000, limitTokens: 1e9 }, 0);
    expect(one.snapshot(0)).toMatchObject({ remaining: 9, tokensRemaining: 1000, capacity: 10 });
  });

  it('does not forgive a debt', () => {
    const one = limiter();
    one.take(ONE, 0).settle(7000, 0);
    one.observe({ remainingTokens: 0 }, 0);
    expect(one.snapshot(0).tokensRemaining).toBe(-1000);
  });

  it('pauses for retryAfterMs, whatever the balance', () => {
    const one = limiter();
    one.observe({ retryAfterMs: 5000 }, 100);
    expect(one.waitMs(ONE, 100)).toBe(5000);
    expect(one.snapshot(100)).toMatchObject({ remaining: 10, throttledUntil: 5100 });
    expect(one.isThrottled(5099)).toBe(true);
    expect(one.isThrottled(5100)).toBe(false);
    one.observe({ retryAfterMs: 10 }, 200);
    expect(one.waitMs(ONE, 200)).toBe(4900); // a pause is never shortened
  });

  it.each<[RateLimitInfo, number]>([
    [{ resetMs: 900, remainingRequests: 0 }, 900],
    [{ resetMs: 900, remainingTokens: 0, remainingRequests: 50 }, 900],
    [{ resetMs: 900 }, 900],
    [{ resetMs: 900, retryAfterMs: 2000 }, 2000],
    [{ resetMs: 900, remainingRequests: 3 }, 0], // OpenAI sends the reset on every response
    [{ resetMs: 900, remainingRequests: 3, remainingTokens: 7 }, 0],
    [{ resetMs: 900, remainingRequests: NaN, remainingTokens: -1 }, 900],
    [{ retryAfterMs: NaN, resetMs: -5 }, 0],
    [{ retryAfterMs: -1 }, 0],
    [{ remainingRequests: NaN, remainingTokens: -3 }, 0],
    [{}, 0],
  ])('%j pauses %d ms', (info, wait) => {
    const one = limiter();
    one.observe(info, 0);
    expect(one.waitMs(ONE, 0)).toBe(wait);
  });

  it('ignores a remaining that is NaN or negative', () => {
    const one = limiter();
    one.observe({ remainingRequests: NaN, remainingTokens: -3 }, 0);
    expect(one.snapshot(0)).toMatchObject({ remaining: 10, tokensRemaining: 6000 });
  });

  it('holds a pause also where nothing is limited (ai-lib-python 16: remaining 0 never waited)', () => {
    const unlimited = new RateLimiter();
    unlimited.observe({ remainingRequests: 0, remainingTokens: 0, resetMs: 700 }, 0);
    expect(unlimited.waitMs(ONE, 0)).toBe(700);
    expect(unlimited.check(ONE, 0)?.retryAfterMs).toBe(700);
    expect(unlimited.snapshot(0)).toMatchObject({ remaining: null, tokensRemaining: null, throttledUntil: 700 });
    expect(unlimited.check(ONE, 700)).toBeUndefined();
  });

  it('keeps an absurd pause, refusing with it, and stays JSON', () => {
    for (const retryAfterMs of [1e12, 1e300, Infinity]) {
      const one = limiter();
      one.observe({ retryAfterMs }, 0);
      expect(one.check(ONE, 0)?.retryAfterMs).toBeGreaterThanOrEqual(1e12);
      const { throttledUntil } = JSON.parse(JSON.stringify(one.snapshot(0))) as { throttledUntil: number };
      expect(throttledUntil).toBeGreaterThanOrEqual(1e12);
      one.reset(0);
      expect(one.snapshot(0)).toEqual(limiter().snapshot(0));
    }
  });

  it('is ignored with adaptive: false', () => {
    const one = new RateLimiter({ requestsPerSecond: 10, adaptive: false });
    one.observe({ remainingRequests: 0, resetMs: 900, retryAfterMs: 900 }, 0);
    expect(drain(one, 0)).toBe(10);
  });
});

describe('RateLimiter on a clock that jumps', () => {
  it('does not flood when it jumps ahead', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 10, burstSize: 3 });
    drain(limiter, 0);
    expect(drain(limiter, 1e12)).toBe(3);
  });

  it('neither floods nor stalls when it is put back', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, burstSize: 3 });
    drain(limiter, 1e9);
    const back = 1e9 - 3_600_000;
    expect(limiter.waitMs(ONE, back)).toBe(1000);
    expect(drain(limiter, back)).toBe(0);
    expect(limiter.waitMs(ONE, back + 400)).toBe(600); // nobody took anything: looking must be enough
    expect(drain(limiter, back + 1000)).toBe(1);
    expect(drain(limiter, back + 2000)).toBe(1);
  });

  it('does not flood when it is put back and forth between two looks', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, burstSize: 3 });
    drain(limiter, 10_000);
    for (let i = 0; i < 100; i++) {
      limiter.waitMs(ONE, 0);
      limiter.waitMs(ONE, 10_000);
    }
    expect(drain(limiter, 10_000)).toBe(0);
  });

  it('shifts the pause along', () => {
    const limiter = new RateLimiter();
    limiter.observe({ retryAfterMs: 5000 }, 1e9);
    expect(limiter.waitMs(ONE, 1000)).toBe(5000);
    expect(limiter.snapshot(2000).throttledUntil).toBe(6000);
    expect(limiter.check(ONE, 6000)).toBeUndefined();
  });

  it('counts anew each time it is put back', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1 });
    limiter.take(ONE, 10_000);
    limiter.waitMs(ONE, 0);
    limiter.waitMs(ONE, 10_000);
    expect(limiter.waitMs(ONE, 5000)).toBe(1000);
    limiter.take(ONE, 6000);
    expect(limiter.waitMs(ONE, 5500)).toBe(1000);
  });

  it('takes a reading that is a little old for what it is', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 10, burstSize: 2 });
    const half = { requests: 0.5, tokens: 0 };
    let taken = 0;
    for (let now = 0; now < 10_000; now += 2) {
      for (const at of [now, now - 50]) {
        if (limiter.check(half, at)) continue;
        limiter.take(half, at);
        taken += 0.5;
      }
      limiter.observe({}, now - 50);
    }
    expect(taken).toBeLessThanOrEqual(102);
    limiter.take(half, 20_000);
    expect(limiter.snapshot(19_950).remaining).toBe(1.5);
  });
});
