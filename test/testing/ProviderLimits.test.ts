import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProviderLimits } from '../../src/testing/ProviderLimits';

describe('ProviderLimits', () => {
  it('refills evenly up to the burst, and what it refuses takes nothing', () => {
    const limits = new ProviderLimits({ requestsPerMinute: 60, requestBurst: 2 }, 0);
    const admit = (now: number) => limits.admit(0, 0, now);
    expect(admit(0)).toEqual({ requests: { limit: 60, remaining: 1, resetMs: 1000 } });
    expect(admit(0).refusedBy).toBeUndefined();
    expect(admit(250)).toMatchObject({ refusedBy: 'requests', retryAfterMs: 750, requests: { remaining: 0 } });
    expect(admit(250)).toMatchObject({ retryAfterMs: 750 });
    expect(admit(1000).refusedBy).toBeUndefined();
    expect(admit(100_000)).toMatchObject({ requests: { remaining: 1 } });
  });

  it('takes requests and tokens together or not at all', () => {
    const limits = new ProviderLimits({ requestsPerMinute: 60, tokensPerMinute: 600 }, 0);
    expect(limits.admit(500, 0, 0)).toMatchObject({ requests: { remaining: 59 }, tokens: { remaining: 100 } });
    expect(limits.admit(200, 0, 0)).toMatchObject({
      refusedBy: 'tokens',
      retryAfterMs: 10_000,
      requests: { remaining: 59 },
    });
  });

  it('a request above the whole bucket passes when the bucket is full', () => {
    const limits = new ProviderLimits({ tokensPerMinute: 600 }, 0);
    expect(limits.admit(9000, 0, 0)).toEqual({ tokens: { limit: 600, remaining: 0, resetMs: 60_000 } });
  });

  it('concurrency refuses without a time, rates before it with one', () => {
    const limits = new ProviderLimits({ concurrency: 1, requestsPerMinute: 60, requestBurst: 1 }, 0);
    expect(limits.admit(0, 1, 0)).toMatchObject({ refusedBy: 'concurrency', requests: { remaining: 1 } });
    expect(limits.admit(0, 0, 0).refusedBy).toBeUndefined();
    expect(limits.admit(0, 1, 0)).toMatchObject({ refusedBy: 'requests', retryAfterMs: 1000 });
  });

  it('who waits as long as told is admitted; nobody gets more than burst and rate allow', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1000 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(fc.integer({ min: 0, max: 5000 }), { maxLength: 60 }),
        (requestsPerMinute, requestBurst, gaps) => {
          const limits = new ProviderLimits({ requestsPerMinute, requestBurst }, 0);
          let now = 0;
          let admitted = 0;
          for (const gap of gaps) {
            now += gap;
            const { refusedBy, retryAfterMs = 0 } = limits.admit(0, 0, now);
            if (refusedBy !== undefined) {
              now += retryAfterMs;
              expect(limits.admit(0, 0, now).refusedBy).toBeUndefined();
            }
            admitted++;
            expect(admitted).toBeLessThanOrEqual(requestBurst + (now * requestsPerMinute) / 60_000 + 1e-6);
          }
        },
      ),
    );
  });
});
