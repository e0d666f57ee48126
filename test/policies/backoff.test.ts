import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backoffDelay, resolveRetry, type BackoffConfig, type RetryConfig } from '../../src/policies/backoff';
import { RetryBudget } from '../../src/policies/RetryBudget';

const attempts = (config: BackoffConfig | number, n: number, random?: () => number): number[] =>
  Array.from({ length: n }, (_, i) => backoffDelay(config)(i + 1, { random }));

/** mulberry32 */
function seeded(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

describe('backoffDelay', () => {
  it('is min(initial * multiplier^n, max)', () => {
    expect(attempts({ initialDelayMs: 100, jitter: 'none', maxDelayMs: 1000 }, 5)).toEqual([100, 200, 400, 800, 1000]);
    expect(attempts({ initialDelayMs: 100, backoffMultiplier: 1, jitter: 'none' }, 3)).toEqual([100, 100, 100]);
  });

  it('takes a number for initialDelayMs', () => {
    expect(attempts(100, 2, () => 1)).toEqual([100, 200]);
  });

  it("'full' is U(0, d), the default", () => {
    for (const config of [{ initialDelayMs: 100 }, { initialDelayMs: 100, jitter: 'full' }] as const) {
      expect(attempts(config, 2, () => 0)).toEqual([0, 0]);
      expect(attempts(config, 2, () => 0.25)).toEqual([25, 50]);
    }
  });

  it("'equal' is d/2 + U(0, d/2)", () => {
    const config = { initialDelayMs: 100, jitter: 'equal' } as const;
    expect(attempts(config, 2, () => 0)).toEqual([50, 100]);
    expect(attempts(config, 2, () => 0.5)).toEqual([75, 150]);
  });

  it("'decorrelated' is min(max, U(initial, 3 * previous))", () => {
    const delay = backoffDelay({ initialDelayMs: 100, maxDelayMs: 1000, jitter: 'decorrelated' });
    expect(delay(1, { random: () => 0 })).toBe(100);
    expect(delay(1, { random: () => 0.5 })).toBe(200); // the first follows `initialDelayMs`
    expect(delay(7, { previousMs: 200, random: () => 0.5 })).toBe(350);
    expect(delay(7, { previousMs: 200, random: () => 0 })).toBe(100);
    expect(delay(7, { previousMs: 900, random: () => 0.99 })).toBe(1000);
  });

  it('gives the longest delay without chance', () => {
    expect(attempts({ initialDelayMs: 100 }, 3)).toEqual([100, 200, 400]);
  });

  const config: fc.Arbitrary<BackoffConfig> = fc.record({
    initialDelayMs: fc.oneof(fc.constantFrom(0, 1, 1e300), fc.double({ min: 0, max: 1e6, noNaN: true })),
    maxDelayMs: fc.oneof(fc.constantFrom(0, Infinity, 1e300), fc.double({ min: 0, max: 1e6, noNaN: true })),
    backoffMultiplier: fc.oneof(fc.constantFrom(1, 2, 1e300), fc.double({ min: 1, max: 10, noNaN: true })),
    jitter: fc.constantFrom('full', 'equal', 'decorrelated', 'none'),
  });

  it('stays within [0, min(max, 2^31 - 1)] and finite to attempt 5000 (cockatiel#86, Polly#2163, ai-lib-ts 10)', () => {
    fc.assert(
      fc.property(
        config,
        fc.integer(),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }),
        (options, seed, list) => {
          const random = seeded(seed);
          const delay = backoffDelay(options);
          const cap = Math.min(options.maxDelayMs!, 2_147_483_647);
          let previousMs: number | undefined;
          for (const attempt of list) {
            const ms = delay(attempt, { previousMs, random });
            expect(ms).toBeGreaterThanOrEqual(0);
            expect(ms).toBeLessThanOrEqual(cap);
            previousMs = ms;
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('0 * 2^1024 is 0', () => {
    for (const jitter of ['full', 'equal', 'decorrelated', 'none'] as const) {
      for (const attempt of [1, 1025, 5000]) {
        expect(backoffDelay({ initialDelayMs: 0, jitter })(attempt, { random: () => 0.5 })).toBe(0);
      }
    }
  });

  it('holds its bounds whatever `random` gives', () => {
    for (const value of [NaN, -5, 7, Infinity]) {
      const ms = backoffDelay({ initialDelayMs: 100, maxDelayMs: 500 })(1, { random: () => value });
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(500);
    }
  });

  it('is reproducible with a seeded random', () => {
    fc.assert(
      fc.property(config, fc.integer(), (options, seed) => {
        expect(attempts(options, 20, seeded(seed))).toEqual(attempts(options, 20, seeded(seed)));
      }),
    );
  });

  it('full jitter has its mean at d/2, equal at 3d/4', () => {
    for (const [jitter, mean] of [
      ['full', 50],
      ['equal', 75],
    ] as const) {
      const random = seeded(42);
      const delay = backoffDelay({ initialDelayMs: 100, jitter });
      const sum = Array.from({ length: 10_000 }, () => delay(1, { random })).reduce((a, b) => a + b);
      expect(Math.abs(sum / 10_000 - mean)).toBeLessThan(1);
    }
  });
});

describe('resolveRetry', () => {
  it('has the documented defaults', () => {
    expect(resolveRetry()).toEqual({
      maxRetries: 3,
      initialDelayMs: 1000,
      maxDelayMs: 30_000,
      backoffMultiplier: 2,
      jitter: 'full',
      retryOn: undefined,
      respectRetryAfter: true,
      maxRetryAfterMs: 60_000,
      maxElapsedMs: Infinity,
      budget: undefined,
      onPartial: 'fail',
      onRetry: undefined,
    });
  });

  it('keeps what is given; a number is initialDelayMs', () => {
    const config = {
      maxRetries: Infinity,
      retryOn: () => true,
      onRetry: () => undefined,
      budget: new RetryBudget(),
      respectRetryAfter: false,
      maxElapsedMs: 5,
      onPartial: 'rewind',
    } as const;
    expect(resolveRetry(config)).toMatchObject(config);
    expect(resolveRetry(250).initialDelayMs).toBe(250);
  });

  it.each<[unknown, string]>([
    [-1, 'initialDelayMs'],
    [NaN, 'initialDelayMs'],
    [{ initialDelayMs: Infinity }, 'initialDelayMs'],
    [{ maxRetries: 1.5 }, 'maxRetries'],
    [{ maxRetries: -1 }, 'maxRetries'],
    [{ maxRetries: '3' }, 'maxRetries'],
    [{ maxDelayMs: NaN }, 'maxDelayMs'],
    [{ backoffMultiplier: 0.9 }, 'backoffMultiplier'],
    [{ backoffMultiplier: Infinity }, 'backoffMultiplier'],
    [{ jitter: 'some' }, 'jitter'],
    [{ jitter: true }, 'jitter'],
    [{ maxRetryAfterMs: -1 }, 'maxRetryAfterMs'],
    [{ maxElapsedMs: NaN }, 'maxElapsedMs'],
    [{ retryOn: 5 }, 'retryOn'],
    [{ onRetry: 'log' }, 'onRetry'],
    [{ budget: { maxTokens: 5 } }, 'budget'],
    [{ onPartial: 'continue' }, 'onPartial'],
    [{ onPartial: null }, 'onPartial'],
  ])('throws for %j, naming the option', (config, name) => {
    expect(() => resolveRetry(config as RetryConfig)).toThrow(name);
  });

  it('takes every way of onPartial', () => {
    const onPartial = (): never[] => [];
    expect(resolveRetry({ onPartial }).onPartial).toBe(onPartial);
    expect(resolveRetry({ onPartial: 'skip' }).onPartial).toBe('skip');
  });
});
