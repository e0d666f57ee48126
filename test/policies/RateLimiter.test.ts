import { describe, expect, it } from 'vitest';
import { RateLimitExceededError } from '../../src/errors/rejections';
import { RateLimiter, type RateLimiterConfig } from '../../src/policies/RateLimiter';
import type { Cost, Waiter, WaitLine } from '../../src/policies/waiting';

const ONE = { requests: 1, tokens: 0 };
const tokens = (n: number): Required<Cost> => ({ requests: 1, tokens: n });
/** Takes one request after the other for as long as there is room; returns how many. */
function drain(limiter: RateLimiter, now: number, cost: Required<Cost> = ONE): number {
  let taken = 0;
  for (; taken < 10_000 && !limiter.check(cost, now); taken++) limiter.take(cost, now);
  return taken;
}

describe('RateLimiter, requests', () => {
  it('lets a burst through, then the rate', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 10, burstSize: 3 });
    expect(drain(limiter, 0)).toBe(3);
    expect(limiter.waitMs(ONE, 0)).toBe(100);
    expect(limiter.check(ONE, 99)).toBeInstanceOf(RateLimitExceededError);
    expect(limiter.check(ONE, 99)).toMatchObject({ code: 'E2001', retryAfterMs: 1, retryable: false });
    expect(drain(limiter, 100)).toBe(1);
    expect(drain(limiter, 10_000)).toBe(3);
  });

  it('has a burst of one second by default, and of one request at least', () => {
    const burst = (config: RateLimiterConfig) => new RateLimiter(config).snapshot(0).capacity;
    expect(burst({ requestsPerSecond: 5 })).toBe(5);
    expect(burst({ requestsPerSecond: 2.5 })).toBe(3);
    expect(burst({ requestsPerMinute: 90 })).toBe(2);
    // ai-lib-python 17, ai-lib-ts 5: 30 per minute gave a bucket that never held a whole request
    expect(burst({ requestsPerMinute: 30 })).toBe(1);
    const slow = new RateLimiter({ requestsPerMinute: 30 });
    expect(drain(slow, 0)).toBe(1);
    expect(slow.waitMs(ONE, 0)).toBe(2000);
    expect(drain(slow, 2000)).toBe(1);
  });

  it('is unlimited without a rate, and with an infinite one', () => {
    for (const config of [{}, { requestsPerSecond: Infinity, tokensPerMinute: Infinity }]) {
      const limiter = new RateLimiter(config);
      expect(drain(limiter, 0, tokens(1e9))).toBe(10_000);
      expect(limiter.check(ONE, 0)).toBeUndefined(); // ai-lib-python 8: preflight failed for an unlimited limiter
      expect(limiter.snapshot(0)).toEqual({
        remaining: null,
        capacity: null,
        refillPerSecond: null,
        tokensRemaining: null,
        queued: 0,
        throttledUntil: null,
      });
    }
  });

  it('passes while there is room: a wait of 0 is no refusal (ai-lib-python 8)', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1 });
    expect(limiter.waitMs(ONE, 0)).toBe(0);
    expect(limiter.check(ONE, 0)).toBeUndefined();
    expect(limiter.lacks(ONE, 0)).toBe(false);
  });

  it('checks and reads without taking or changing anything', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, burstSize: 2 });
    let changes = 0;
    limiter.watch(() => changes++);
    const before = limiter.snapshot(0);
    for (const now of [0, 5_000_000, 1, 0]) {
      limiter.check(ONE, now);
      limiter.waitMs(ONE, now);
      limiter.backlogMs(ONE, ONE, now);
      limiter.lacks(ONE, now);
      limiter.isThrottled(now);
      limiter.snapshot(now);
    }
    expect(limiter.snapshot(0)).toEqual(before);
    expect(changes).toBe(0);
    limiter.take(ONE, 0);
    expect(changes).toBe(1);
  });

  it('is exact: what was told to wait may be taken then', () => {
    for (const rate of [0.3, 3, 7, 11, 1000 / 3]) {
      const limiter = new RateLimiter({ requestsPerSecond: rate, burstSize: 1 });
      let now = 1_700_000_000_123;
      for (let i = 0; i < 200; i++) {
        const wait = limiter.waitMs(ONE, now);
        now += Math.ceil(wait);
        expect(limiter.check(ONE, now)).toBeUndefined();
        limiter.take(ONE, now);
      }
    }
  });

  it('does not wait a millisecond longer for a rounding error', () => {
    for (let now = 0; now < 100; now++) {
      const limiter = new RateLimiter({ requestsPerSecond: 10, burstSize: 1 });
      limiter.take(ONE, 0);
      limiter.observe({}, now);
      expect(limiter.waitMs(ONE, now)).toBe(100 - now);
    }
  });

  it('never shows a remaining below zero, though rounding errors are forgiven', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 3, burstSize: 1 });
    limiter.take(ONE, 0);
    const now = limiter.waitMs(ONE, 0);
    limiter.take(ONE, now);
    expect(limiter.snapshot(now).remaining).toBe(0);
  });

  it('uses its clock where it is not told the time', () => {
    let now = 0;
    const limiter = new RateLimiter({ requestsPerSecond: 1, clock: () => now });
    limiter.take(ONE);
    expect([limiter.waitMs(ONE), limiter.isThrottled(), limiter.lacks(ONE)]).toEqual([1000, true, true]);
    expect(limiter.snapshot().throttledUntil).toBe(1000);
    now = 1000;
    expect(limiter.check(ONE)).toBeUndefined();
    limiter.observe({ retryAfterMs: 50 });
    expect(limiter.backlogMs(ONE, ONE)).toBe(1050);
    limiter.reset();
    expect(limiter.isThrottled()).toBe(false);
  });
});

describe('RateLimiter, tokens', () => {
  it('takes both dimensions or neither (ai-lib-python 12 and 18)', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 10, tokensPerMinute: 6000 });
    limiter.take(tokens(5950), 0);
    expect(limiter.snapshot(0)).toMatchObject({ remaining: 9, tokensRemaining: 50 });
    expect(limiter.check(tokens(100), 0)?.retryAfterMs).toBe(500);
    expect(limiter.snapshot(0)).toMatchObject({ remaining: 9, tokensRemaining: 50 });
    expect(limiter.check(tokens(100), 500)).toBeUndefined();
  });

  it('waits for whichever lacks longer', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, tokensPerMinute: 60_000 });
    limiter.take(tokens(60_000), 0);
    expect(limiter.waitMs(tokens(500), 0)).toBe(1000);
    expect(limiter.waitMs(tokens(3000), 0)).toBe(3000);
  });

  it('never lets a cost above the capacity through, nor makes it wait (bottleneck, Effect, ai-lib-python 15)', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 1, tokensPerMinute: 600, tokenBurst: 100 });
    expect(limiter.waitMs(tokens(101), 0)).toBe(Infinity);
    const error = limiter.check(tokens(101), 0);
    expect(error).toBeInstanceOf(RateLimitExceededError);
    expect(error?.message).toContain('tokenBurst');
    expect(error?.retryAfterMs).toBeUndefined(); // no time to wait will do
    expect(limiter.backlogMs(ONE, tokens(101), 0)).toBe(Infinity);
    expect(limiter.check(tokens(100), 0)).toBeUndefined();
    expect(limiter.waitMs({ requests: 2, tokens: 0 }, 0)).toBe(Infinity);
  });

  it('settles by refunding what was not used', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 1000 });
    const permit = limiter.take(tokens(800), 0);
    expect(limiter.snapshot(0).tokensRemaining).toBe(200);
    permit.settle(300, 0);
    expect(limiter.snapshot(0).tokensRemaining).toBe(700);
  });

  it('settles by debiting, also into debt, which later streams pay off, even such that cost nothing', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 60_000 });
    const permit = limiter.take(ONE, 0);
    expect(limiter.check(ONE, 0)).toBeUndefined();
    permit.settle(70_000, 0);
    expect(limiter.snapshot(0)).toMatchObject({ tokensRemaining: -10_000, throttledUntil: 10_001 });
    expect(limiter.waitMs(ONE, 0)).toBe(10_000);
    expect(limiter.check(ONE, 10_000)).toBeUndefined();
  });

  it('the last report wins', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 1000 });
    const permit = limiter.take(tokens(500), 0);
    for (const actual of [100, 900, 100, 400]) permit.settle(actual, 0);
    expect(limiter.snapshot(0).tokensRemaining).toBe(600);
  });

  it('ignores a report that is no amount', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 1000 });
    const permit = limiter.take(tokens(500), 0);
    for (const actual of [NaN, -1, Infinity, undefined]) permit.settle(actual as number, 0);
    expect(limiter.snapshot(0).tokensRemaining).toBe(500);
  });

  it('never refunds above the capacity', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 1000 });
    const permit = limiter.take(tokens(500), 0);
    permit.settle(0, 60_000);
    expect(limiter.snapshot(60_000).tokensRemaining).toBe(1000);
    expect(limiter.waitMs(tokens(1000), 60_000)).toBe(0);
  });
});

describe('RateLimiter, waiters', () => {
  const waiter = (order: number, cost: Required<Cost>, priority = 0): Waiter => ({ order, cost, priority });
  const line = (head: Waiter): WaitLine => ({ size: 1, head, ahead: () => head.cost });

  it('lets nobody overtake on what an earlier waiter lacks, and says how long that takes', () => {
    const limiter = new RateLimiter({ tokensPerMinute: 60_000 });
    limiter.take(tokens(59_000), 0);
    const big = waiter(1, tokens(5000));
    limiter.lines.add(line(big));
    expect(limiter.check(tokens(10), 0)?.retryAfterMs).toBe(4000);
    expect(limiter.check(tokens(10), 0, waiter(2, tokens(10)))?.retryAfterMs).toBe(4000);
    expect(limiter.check(tokens(10), 0, waiter(2, tokens(10), 1))).toBeUndefined();
    expect(limiter.check(tokens(10), 4000)).toBeUndefined();
    expect(limiter.snapshot(0).queued).toBe(1);
  });

  it('computes how long a whole queue takes', () => {
    const limiter = new RateLimiter({ requestsPerSecond: 10, burstSize: 2, tokensPerMinute: 60_000 });
    expect(limiter.backlogMs({ requests: 1, tokens: 0 }, ONE, 0)).toBe(0);
    expect(limiter.backlogMs({ requests: 21, tokens: 0 }, ONE, 0)).toBe(2000);
    expect(limiter.backlogMs({ requests: 0, tokens: 70_000 }, tokens(20_000), 0)).toBe(30_000);
    limiter.observe({ retryAfterMs: 5000 }, 0);
    // The bucket fills while it pauses, but holds two at most.
    expect(limiter.backlogMs({ requests: 21, tokens: 0 }, ONE, 0)).toBe(7000);
    expect(limiter.backlogMs({ requests: 0, tokens: 0 }, ONE, 0)).toBe(5000);
  });
});

describe('RateLimiter options', () => {
  it('has the documented defaults', () => {
    expect(new RateLimiter().config).toMatchObject({ maxQueue: Infinity, maxWaitMs: Infinity, adaptive: true });
    expect(new RateLimiter({ tokensPerMinute: 90_000 }).snapshot(0).tokensRemaining).toBe(90_000);
    expect(new RateLimiter({ requestsPerSecond: 7 }).snapshot(0).refillPerSecond).toBe(7);
    expect(new RateLimiter({ requestsPerMinute: 90 }).snapshot(0).refillPerSecond).toBe(1.5);
  });

  it.each<[unknown, string]>([
    [{ requestsPerSecond: 0 }, 'requestsPerSecond'],
    [{ requestsPerSecond: -1 }, 'requestsPerSecond'],
    [{ requestsPerSecond: NaN }, 'requestsPerSecond'],
    [{ requestsPerSecond: '5' }, 'requestsPerSecond'],
    [{ requestsPerMinute: 0 }, 'requestsPerMinute'],
    [{ requestsPerSecond: 1, requestsPerMinute: 60 }, 'requestsPerMinute'],
    [{ requestsPerSecond: 1, burstSize: 0.5 }, 'burstSize'],
    [{ requestsPerSecond: 1, burstSize: NaN }, 'burstSize'],
    [{ burstSize: 5 }, 'burstSize needs requestsPerSecond'],
    [{ tokensPerMinute: 0 }, 'tokensPerMinute'],
    [{ tokensPerMinute: NaN }, 'tokensPerMinute'],
    [{ tokensPerMinute: 100, tokenBurst: 0 }, 'tokenBurst'],
    [{ requestsPerSecond: 1, tokenBurst: 5 }, 'tokenBurst needs tokensPerMinute'],
    [{ maxQueue: -1 }, 'maxQueue'],
    [{ maxQueue: 1.5 }, 'maxQueue'],
    [{ maxWaitMs: NaN }, 'maxWaitMs'],
    [{ clock: 1 }, 'clock'],
  ])('throws for %j, naming the option', (config, name) => {
    expect(() => new RateLimiter(config as RateLimiterConfig)).toThrow(name);
  });

  it('completes and checks a cost', () => {
    const limiter = new RateLimiter();
    expect(limiter.cost()).toEqual({ requests: 1, tokens: 0 });
    expect(limiter.cost({ tokens: 5 })).toEqual({ requests: 1, tokens: 5 });
    expect(limiter.cost({ requests: 0 })).toEqual({ requests: 0, tokens: 0 });
    expect(() => limiter.cost({ tokens: NaN })).toThrow(RangeError);
    expect(() => limiter.cost({ tokens: -1 })).toThrow(RangeError);
    expect(() => limiter.cost({ requests: Infinity })).toThrow(RangeError);
    expect(() => limiter.cost({ tokens: '5' as unknown as number })).toThrow(TypeError);
  });
});
