import { defer, of, throwError, VirtualTimeScheduler } from 'rxjs';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { backoffDelay, ProviderError, retryBackoff, RetryBudget, type RetryConfig, type RetryInfo } from 'rx-weir';
import { attempts, busy, invalid, seenBy, unauthorized } from '../support/attempts';

interface Chance {
  error?: () => unknown;
  random?: () => number;
}

/** The waits between the attempts of a stream that always fails. */
function waits(config: RetryConfig, { error = busy, random = () => 1 }: Chance = {}): number[] {
  const scheduler = new VirtualTimeScheduler();
  const opened: number[] = [];
  const source = defer(() => {
    opened.push(scheduler.now());
    return throwError(error);
  });
  const announced: number[] = [];
  const onRetry = (_error: unknown, { delayMs }: RetryInfo): void => void announced.push(delayMs);
  const seen = seenBy(source.pipe(retryBackoff({ ...config, onRetry }, { scheduler, random })));
  scheduler.flush();
  expect(seen.ends).toEqual(['error']);
  const real = opened.slice(1).map((at, i) => at - opened[i]!);
  expect(real.map((ms) => +ms.toFixed(6))).toEqual(announced.map((ms) => +ms.toFixed(6)));
  return announced;
}

const sequence = (...numbers: number[]): (() => number) => {
  let i = 0;
  return () => numbers[i++ % numbers.length]!;
};

describe('retryBackoff: delays', () => {
  it.each<[string, RetryConfig, number[]]>([
    ['the defaults at their longest', {}, [1000, 2000, 4000]],
    ['up to maxDelayMs', { maxRetries: 7 }, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]],
    [
      'its own schedule',
      { initialDelayMs: 10, backoffMultiplier: 3, maxDelayMs: 100, maxRetries: 4 },
      [10, 30, 90, 100],
    ],
    ['constant', { initialDelayMs: 7, backoffMultiplier: 1 }, [7, 7, 7]],
    ['none', { initialDelayMs: 0 }, [0, 0, 0]],
    ['an initial delay above the limit', { initialDelayMs: 50, maxDelayMs: 20 }, [20, 20, 20]],
  ])('waits as the table says: %s', (_name, config, expected) => {
    expect(waits(config)).toEqual(expected);
    expect(waits({ ...config, jitter: 'none' })).toEqual(expected);
  });

  it('spreads them by chance: full from 0, equal from the half', () => {
    const random = () => sequence(0, 0.5, 0.75);
    expect(waits({}, { random: random() })).toEqual([0, 1000, 3000]);
    expect(waits({ jitter: 'equal' }, { random: random() })).toEqual([500, 1500, 3500]);
    expect(waits({ jitter: 'none' }, { random: random() })).toEqual([1000, 2000, 4000]);
  });

  it('decorrelated: from the initial delay to three times the one before', () => {
    const config = { initialDelayMs: 100, maxDelayMs: 1000, jitter: 'decorrelated', maxRetries: 4 } as const;
    expect(waits(config, { random: sequence(0.5, 0, 1, 1) })).toEqual([200, 100, 300, 900]);
    expect(waits(config)).toEqual([300, 900, 1000, 1000]);
  });

  it('keeps the decorrelated state per stream', () => {
    const scheduler = new VirtualTimeScheduler();
    const delays: number[] = [];
    const operator = retryBackoff({
      initialDelayMs: 100,
      jitter: 'decorrelated',
      maxRetries: 2,
      onRetry: (_error, { delayMs }) => void delays.push(delayMs),
      random: () => 1,
      scheduler,
    });
    for (const _ of [1, 2]) seenBy(throwError(() => busy()).pipe(operator));
    scheduler.flush();
    expect(delays).toEqual([300, 300, 900, 900]);
  });

  it('is the exported schedule', () => {
    fc.assert(
      fc.property(
        fc.record({
          initialDelayMs: fc.double({ min: 0, max: 1e12, noNaN: true }),
          maxDelayMs: fc.oneof(fc.double({ min: 0, max: 1e12, noNaN: true }), fc.constant(Infinity)),
          backoffMultiplier: fc.double({ min: 1, max: 1e300, noNaN: true }),
          jitter: fc.constantFrom('full', 'equal', 'none', 'decorrelated'),
        }),
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 5, maxLength: 5 }),
        (config, chance) => {
          const delayOf = backoffDelay(config);
          const random = sequence(...chance);
          let previousMs: number | undefined;
          const expected = [1, 2, 3, 4, 5].map((n) => (previousMs = delayOf(n, { previousMs, random })));
          const cap = Math.min(config.maxDelayMs, 2 ** 31 - 1);
          for (const ms of expected) expect(ms >= 0 && ms <= cap).toBe(true);
          // Only what is announced: adding such delays up loses the digits that tell them apart.
          const announced: number[] = [];
          const scheduler = new VirtualTimeScheduler();
          const onRetry = (_error: unknown, { delayMs }: RetryInfo): void => void announced.push(delayMs);
          const operator = retryBackoff({ ...config, maxRetries: 5, onRetry, scheduler, random: sequence(...chance) });
          seenBy(throwError(() => busy()).pipe(operator));
          scheduler.flush();
          expect(announced).toEqual(expected);
        },
      ),
    );
  });
});

describe('retryBackoff: Retry-After', () => {
  const asks = (retryAfterMs: number) => ({ error: () => busy(retryAfterMs) });

  it('is a floor under the delay, above maxDelayMs too', () => {
    expect(waits({ jitter: 'none' }, asks(3000))).toEqual([3000, 3000, 4000]);
    expect(waits({ jitter: 'none', maxDelayMs: 100 }, asks(250))).toEqual([250, 250, 250]);
    expect(waits({}, { ...asks(1500), random: () => 0 })).toEqual([1500, 1500, 1500]);
    expect(waits({ jitter: 'none' }, asks(0))).toEqual([1000, 2000, 4000]);
  });

  it('is read from raw errors', () => {
    const raw = (value: string) => ({
      error: () => Object.assign(new Error('x'), { status: 429, headers: new Headers({ 'retry-after': value }) }),
    });
    expect(waits({ jitter: 'none' }, raw('20'))).toEqual([20_000, 20_000, 20_000]);
    // A date: virtual time starts at 0, the epoch. It stands for the first and the second attempt, then it has gone by.
    expect(waits({ jitter: 'none', initialDelayMs: 10 }, raw(new Date(30_000).toUTCString()))).toEqual([
      30_000, 20, 40,
    ]);
  });

  it('is not asked about with respectRetryAfter false', () => {
    expect(waits({ jitter: 'none', respectRetryAfter: false }, asks(3_600_000))).toEqual([1000, 2000, 4000]);
  });

  it('fails at once where it is above maxRetryAfterMs, and is never clamped', () => {
    expect(waits({ jitter: 'none' }, asks(60_000))).toEqual([60_000, 60_000, 60_000]);
    expect(waits({}, asks(60_001))).toEqual([]);
    expect(waits({ maxRetryAfterMs: 500 }, asks(501))).toEqual([]);
    expect(waits({ maxRetryAfterMs: Infinity }, asks(3_600_000))).toEqual([3_600_000, 3_600_000, 3_600_000]);
  });

  it('fails at once where it is beyond maxElapsedMs', () => {
    expect(waits({ maxElapsedMs: 2999, jitter: 'none' }, asks(3000))).toEqual([]);
    expect(waits({ maxElapsedMs: 3000, jitter: 'none' }, asks(3000))).toEqual([3000]);
  });

  it.each([NaN, -1, -Infinity])('ignores %o', (retryAfterMs) => {
    expect(waits({ jitter: 'none' }, asks(retryAfterMs))).toEqual([1000, 2000, 4000]);
  });

  it.each([Infinity, 1e300, 2 ** 31])('fails at once at %o, whatever maxRetryAfterMs is', (retryAfterMs) => {
    expect(waits({ maxRetryAfterMs: Infinity }, asks(retryAfterMs))).toEqual([]);
  });

  it('never retries sooner than asked, later than the limit, or without end', () => {
    fc.assert(
      fc.property(fc.double(), fc.nat(100_000), fc.double({ min: 0, max: 1, noNaN: true }), (asked, limit, chance) => {
        const delays = waits({ maxRetryAfterMs: limit }, { ...asks(asked), random: () => chance });
        if (asked > limit) expect(delays).toEqual([]);
        else expect(delays).toHaveLength(3);
        for (const ms of delays) {
          expect(ms).toBeGreaterThanOrEqual(asked > 0 ? asked : 0);
          expect(ms).toBeLessThanOrEqual(Math.max(30_000, limit));
        }
      }),
    );
  });
});

describe('retryBackoff: maxElapsedMs', () => {
  it('starts no attempt later than that', () => {
    expect(waits({ jitter: 'none', maxElapsedMs: 3000 })).toEqual([1000, 2000]);
    expect(waits({ jitter: 'none', maxElapsedMs: 2999 })).toEqual([1000]);
    expect(waits({ jitter: 'none', maxElapsedMs: 0 })).toEqual([]);
    expect(waits({ jitter: 'none', maxElapsedMs: 0, initialDelayMs: 0 })).toEqual([0, 0, 0]);
  });

  it('counts from the subscription, for each stream', () => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, opened } = attempts(throwError(() => busy()));
    const result = source$.pipe(retryBackoff({ jitter: 'none', maxElapsedMs: 1000, scheduler }));
    seenBy(result);
    scheduler.schedule(() => void seenBy(result), 5000);
    scheduler.flush();
    expect(opened()).toBe(4);
  });
});

describe('retryBackoff: budget', () => {
  const run = (config: RetryConfig, ...streams: Parameters<typeof attempts>): { opened: number; ends: string[] } => {
    const scheduler = new VirtualTimeScheduler();
    const { source$, opened } = attempts(...streams);
    const { ends } = seenBy(source$.pipe(retryBackoff(config, { scheduler })));
    scheduler.flush();
    return { opened: opened(), ends };
  };
  const failing = throwError(() => busy());

  it('takes 1 for each retryable failure, and stops all retries at half of maxTokens', () => {
    const budget = new RetryBudget({ maxTokens: 10 });
    expect(run({ budget }, failing)).toEqual({ opened: 4, ends: ['error'] });
    expect(budget.tokens).toBe(6);
    // The next failure takes it to 5, which is no more than the half.
    expect(run({ budget }, failing)).toEqual({ opened: 1, ends: ['error'] });
    expect(budget.tokens).toBe(5);
  });

  it('gives tokenRatio back for a success, and nothing for anything else', () => {
    const budget = new RetryBudget({ maxTokens: 10, tokenRatio: 0.5 });
    run({ budget, maxRetries: 1 }, failing);
    expect(budget.tokens).toBe(8);
    run({ budget }, of('a'));
    expect(budget.tokens).toBe(8.5);
    run({ budget }, throwError(invalid));
    run({ budget }, throwError(unauthorized));
    expect(budget.tokens).toBe(8.5);
    const subscription = attempts<string>(new Promise<string>(() => undefined)).source$.pipe(retryBackoff({ budget }));
    subscription.subscribe().unsubscribe();
    expect(budget.tokens).toBe(8.5);
    run({ budget, maxRetries: 0 }, failing);
    expect(budget.tokens).toBe(7.5);
  });

  it('is asked before a retry is announced', () => {
    const budget = new RetryBudget({ maxTokens: 1 });
    const onRetry = vi.fn();
    run({ budget, onRetry }, failing);
    expect(onRetry).not.toHaveBeenCalled();
  });
});

describe('retryBackoff with the timers of the host', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  // Fake timers do as Node does: above 2^31 - 1 ms they fire after 1 ms.
  it.each<[string, RetryConfig, number | undefined]>([
    ['a multiplier that overflows', { backoffMultiplier: 1e300, maxDelayMs: Infinity, jitter: 'none' }, undefined],
    ['0 * 2^1024', { initialDelayMs: 0, backoffMultiplier: 1e300, maxDelayMs: Infinity, maxRetries: 5 }, undefined],
    ['a huge first delay', { initialDelayMs: 1e300, maxDelayMs: Infinity, jitter: 'none' }, undefined],
    ['decorrelated', { initialDelayMs: 1e300, maxDelayMs: Infinity, jitter: 'decorrelated' }, undefined],
    ['a Retry-After of 2^31', { maxRetryAfterMs: Infinity }, 2 ** 31],
  ])('makes no storm of %s', async (name, config, retryAfterMs) => {
    vi.useFakeTimers({ now: 0 });
    const { source$, opened } = attempts(throwError(() => busy(retryAfterMs)));
    const seen = seenBy(source$.pipe(retryBackoff({ maxRetries: Infinity, random: () => 1, ...config })));
    await vi.advanceTimersByTimeAsync(60_000);
    if (name === '0 * 2^1024') expect(opened()).toBe(6);
    else expect(opened()).toBeLessThanOrEqual(2);
    if (retryAfterMs) expect(seen.error).toMatchObject({ retryAfterMs });
    expect(vi.getTimerCount()).toBe(seen.ends.length === 0 ? 1 : 0);
  });

  it('leaves none behind, whichever way the stream ends', async () => {
    vi.useFakeTimers({ now: 0 });
    const { source$ } = attempts(throwError(() => busy()));
    const result = source$.pipe(retryBackoff({ initialDelayMs: 1000, jitter: 'none', maxRetries: 1 }));
    const subscription = result.subscribe({ error: () => undefined });
    expect(vi.getTimerCount()).toBe(1);
    subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
    const seen = seenBy(result);
    await vi.advanceTimersByTimeAsync(1000);
    expect(seen.error).toBeInstanceOf(ProviderError);
    expect(vi.getTimerCount()).toBe(0);
  });
});
