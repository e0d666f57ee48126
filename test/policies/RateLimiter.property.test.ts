import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RateLimiter } from '../../src/policies/RateLimiter';
import type { Cost } from '../../src/policies/waiting';

const config = fc.record({
  requestsPerSecond: fc.double({ min: 0.1, max: 200, noNaN: true }),
  burstSize: fc.double({ min: 1, max: 50, noNaN: true }),
  tokensPerMinute: fc.double({ min: 60, max: 1e6, noNaN: true }),
  tokenBurst: fc.double({ min: 1, max: 1e5, noNaN: true }),
});
const amount = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.double({ min: 0, max: 60, noNaN: true }));
const op = fc.record({
  type: fc.constantFrom('take', 'take', 'take', 'settle', 'wait', 'wait', 'observe', 'cancel'),
  ms: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 5000 })),
  requests: amount,
  tokens: fc.oneof(amount, fc.integer({ min: 0, max: 100_000 })),
  which: fc.nat(10),
});

describe('RateLimiter, the law of the bucket', () => {
  it('grants at most capacity + rate * time in any window, and is never NaN', () => {
    fc.assert(
      fc.property(config, fc.array(op, { maxLength: 150 }), (options, ops) => {
        const limiter = new RateLimiter(options);
        const granted: (Required<Cost> & { at: number })[] = [];
        let now = 0;
        for (const { type, ms, requests, tokens } of ops) {
          const cost = { requests, tokens };
          if (type === 'wait') now += ms;
          else if (type === 'observe') limiter.observe({ remainingTokens: tokens, retryAfterMs: ms % 100 }, now);
          else if (!limiter.check(cost, now)) {
            limiter.take(cost, now);
            granted.push({ ...cost, at: now });
          }
          const { remaining, tokensRemaining } = limiter.snapshot(now);
          expect(remaining).toBeGreaterThanOrEqual(0);
          expect(remaining).toBeLessThanOrEqual(options.burstSize);
          expect(tokensRemaining).toBeGreaterThanOrEqual(-1e-3);
          expect(tokensRemaining).toBeLessThanOrEqual(options.tokenBurst);
        }
        const laws = [
          ['requests', options.burstSize, options.requestsPerSecond / 1000],
          ['tokens', options.tokenBurst, options.tokensPerMinute / 60_000],
        ] as const;
        for (const [dimension, capacity, perMs] of laws) {
          for (let from = 0; from < granted.length; from++) {
            let sum = 0;
            for (let to = from; to < granted.length; to++) {
              sum += granted[to]![dimension];
              const bound = capacity + perMs * (granted[to]!.at - granted[from]!.at);
              expect(sum).toBeLessThanOrEqual(bound * (1 + 1e-6) + 1e-6);
            }
          }
        }
      }),
      { numRuns: 400 },
    );
  });

  it('conserves: available + used - refunded - refilled stays the same', () => {
    fc.assert(
      fc.property(fc.array(op, { maxLength: 150 }), (ops) => {
        const rate = { capacity: 10_000, perMs: 1 };
        const limiter = new RateLimiter({ tokensPerMinute: 60_000, tokenBurst: rate.capacity });
        const permits: { settle(tokens: number, now: number): void; charged: number }[] = [];
        let expected = rate.capacity;
        let now = 0;
        for (const { type, ms, tokens, which } of ops) {
          const permit = permits[which];
          if (type === 'wait') {
            now += ms;
            expected = Math.min(rate.capacity, expected + ms * rate.perMs);
          } else if (type === 'take') {
            const cost = { requests: 1, tokens: Math.min(tokens, rate.capacity) };
            if (limiter.check(cost, now)) continue;
            const { settle } = limiter.take(cost, now);
            permits.push({ settle, charged: cost.tokens });
            expected -= cost.tokens;
          } else if (permit && (type === 'settle' || type === 'cancel')) {
            const actual = type === 'settle' ? tokens : 0;
            permit.settle(actual, now);
            expected = Math.min(rate.capacity, expected + permit.charged - actual);
            permit.charged = actual;
          }
          expect(limiter.snapshot(now).tokensRemaining).toBeCloseTo(expected, 4);
        }
      }),
      { numRuns: 400 },
    );
  });

  it('whoever waits as long as told is served then, on any clock, also one that is put back on the way', () => {
    fc.assert(
      fc.property(config, fc.array(op, { maxLength: 60 }), (options, ops) => {
        const limiter = new RateLimiter(options);
        let now = 1e9;
        for (const { ms, requests, tokens, which } of ops) {
          const cost = {
            requests: Math.min(requests, options.burstSize),
            tokens: Math.min(tokens, options.tokenBurst),
          };
          if (which === 0) now -= 1000 * ms;
          for (let looks = 0; limiter.check(cost, now); looks++) {
            expect(looks).toBeLessThan(3);
            const wait = limiter.waitMs(cost, now);
            expect(wait).toBeGreaterThan(0);
            now += Math.ceil(wait);
          }
          limiter.take(cost, now);
        }
      }),
      { numRuns: 400 },
    );
  });
});
