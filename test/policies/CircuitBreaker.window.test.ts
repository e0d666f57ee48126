import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, type CircuitBreakerConfig } from '../../src/policies/CircuitBreaker';
import { acquire, BOOM, log, stateAt } from './circuits';

interface Call {
  at?: number;
  failed?: boolean;
  /** Time to first content; none: it failed before. */
  firstMs?: number | undefined;
}
function run(breaker: CircuitBreaker, calls: readonly Call[]): void {
  for (const { at = 0, failed = false, firstMs } of calls) {
    const permit = acquire(breaker, at);
    if (firstMs !== undefined) permit.content(at + firstMs);
    if (failed) permit.fail(BOOM, at + (firstMs ?? 0));
    else permit.succeed(at + 1_000_000); // how long the whole stream takes is nobody's business
  }
}
const times = (n: number, call: Call): Call[] => Array.from({ length: n }, () => call);
const good: Call = {};
const bad: Call = { failed: true };
const count = (size: number, config: CircuitBreakerConfig) =>
  new CircuitBreaker({ window: { type: 'count', size }, ...config });

describe('CircuitBreaker with a count window', () => {
  it('opens when the share of failures reaches failureRate, not by consecutive failures', () => {
    const breaker = count(10, { failureRate: 0.5, failureThreshold: 1 });
    const events = log(breaker);
    run(breaker, [...times(6, good), ...times(4, bad)]);
    expect(breaker.snapshot(0)).toMatchObject({ state: 'closed', failureCount: 4 });
    run(breaker, [bad]);
    expect(breaker.snapshot(0)).toMatchObject({ state: 'open', failureCount: 5 });
    expect(events.at(-1)).toMatchObject({ reason: 'failureRate' });
  });

  it('opens at 50 % failures however they are mixed (ai-lib-python 4)', () => {
    const breaker = count(20, { failureRate: 0.5 });
    run(breaker, [good, bad, good, bad, good, bad, good, bad, good]);
    expect(stateAt(breaker, 0)).toBe('closed');
    run(breaker, [bad]);
    expect(stateAt(breaker, 0)).toBe('open');
  });

  it('waits for minimumCalls: by default ten, or as many as the window holds', () => {
    for (const [size, minimumCalls, expected] of [
      [100, undefined, 10],
      [4, undefined, 4],
      [100, 3, 3],
    ] as const) {
      const breaker = count(size, { failureRate: 0.1, ...(minimumCalls && { minimumCalls }) });
      run(breaker, times(expected - 1, bad));
      expect(stateAt(breaker, 0)).toBe('closed');
      run(breaker, [bad]);
      expect(stateAt(breaker, 0)).toBe('open');
    }
  });

  it('forgets what is no longer among the last calls', () => {
    const breaker = count(4, { failureRate: 0.75 });
    run(breaker, [bad, bad, good, good, good]);
    expect(breaker.snapshot(0).failureCount).toBe(1);
    run(breaker, [bad, good, bad, good, bad]);
    expect(stateAt(breaker, 0)).toBe('closed');
    run(breaker, [bad]);
    expect(breaker.snapshot(0).failureCount).toBe(3);
  });

  it('counts neither ignored calls nor refusals (opossum divides by calls that never ran)', () => {
    const breaker = count(4, { failureRate: 0.5 });
    run(breaker, [bad, good, good]);
    for (let i = 0; i < 50; i++) acquire(breaker, 0).ignore(0);
    run(breaker, [bad]);
    expect(stateAt(breaker, 0)).toBe('open');
  });

  it('a rate of 0 is any failure, a rate of 1 all of them', () => {
    const any = count(3, { failureRate: 0 });
    run(any, times(30, good));
    expect(stateAt(any, 0)).toBe('closed');
    run(any, [bad]);
    expect(stateAt(any, 0)).toBe('open');

    const all = count(3, { failureRate: 1 });
    run(all, [...times(3, good), bad, bad]);
    expect(stateAt(all, 0)).toBe('closed');
    run(all, [bad]);
    expect(stateAt(all, 0)).toBe('open');
  });

  it('starts with an empty window after it was open', () => {
    const breaker = count(2, { failureRate: 0.5, cooldownMs: 10 });
    run(breaker, [bad, bad]);
    acquire(breaker, 10).content(10);
    expect(breaker.snapshot(10).failureCount).toBe(0);
    run(breaker, [{ failed: true, at: 10 }]);
    expect(stateAt(breaker, 10)).toBe('closed');
  });
});

describe('CircuitBreaker with slowRate', () => {
  const config = { slowRate: 0.5, slowFirstContentMs: 100 };

  it('opens when first contents come late, not when answers are long', () => {
    const breaker = count(4, config);
    const events = log(breaker);
    run(breaker, [{ firstMs: 100 }, { firstMs: 100 }, { firstMs: 100 }, { firstMs: 100 }, { firstMs: 101 }]);
    expect(stateAt(breaker, 0)).toBe('closed');
    run(breaker, [{ firstMs: 101 }]);
    expect(stateAt(breaker, 1_000_000)).toBe('open');
    expect(events.at(-1)).toMatchObject({ reason: 'slowRate' });
  });

  it('counts the first content only', () => {
    const breaker = count(1, config);
    const permit = acquire(breaker, 0);
    permit.content(10);
    permit.content(500);
    permit.succeed(600);
    expect(stateAt(breaker, 600)).toBe('closed');
  });

  it('a failure without content after that time was slow too', () => {
    const breaker = count(2, config);
    const [one, two] = [acquire(breaker, 0), acquire(breaker, 0)];
    one.fail(BOOM, 50);
    expect(stateAt(breaker, 50)).toBe('closed');
    two.fail(BOOM, 500);
    expect(stateAt(breaker, 500)).toBe('open');
  });

  it('is watched together with failureRate', () => {
    const breaker = count(4, { ...config, failureRate: 0.5 });
    run(breaker, [{ firstMs: 500 }, { firstMs: 1 }, { firstMs: 1 }]);
    run(breaker, [{ firstMs: 1, failed: true }]);
    expect(stateAt(breaker, 0)).toBe('closed');
    run(breaker, [{ firstMs: 1 }, { firstMs: 1, failed: true }]);
    expect(breaker.snapshot(1)).toMatchObject({ state: 'open', failureCount: 2 });
  });
});

describe('CircuitBreaker with a time window', () => {
  const config = { window: { type: 'time', sizeMs: 1000 }, failureRate: 0.5, minimumCalls: 4 } as const;
  const end = (breaker: CircuitBreaker, failed: boolean, now: number): void => {
    const permit = acquire(breaker, now);
    if (failed) permit.fail(BOOM, now);
    else permit.succeed(now);
  };

  it('forgets what is older, also while nothing happens', () => {
    const breaker = new CircuitBreaker(config);
    for (let i = 0; i < 3; i++) end(breaker, true, 0);
    expect(breaker.snapshot(900).failureCount).toBe(3);
    expect(breaker.snapshot(1000).failureCount).toBe(0);
    end(breaker, true, 1000);
    expect(stateAt(breaker, 1000)).toBe('closed');
    for (let i = 0; i < 3; i++) end(breaker, true, 1500);
    expect(stateAt(breaker, 1500)).toBe('open');
  });

  it('counts the calls of the last sizeMs, to a tenth of it', () => {
    const call = fc.record({ wait: fc.integer({ min: 0, max: 400 }), failed: fc.boolean() });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), (calls) => {
        const breaker = new CircuitBreaker({ ...config, minimumCalls: 1_000_000 });
        const failures: number[] = [];
        let now = 0;
        for (const { wait, failed } of calls) {
          end(breaker, failed, (now += wait));
          if (failed) failures.push(now);
          const { failureCount } = breaker.snapshot(now);
          expect(failureCount).toBeLessThanOrEqual(failures.filter((at) => at > now - 1000).length);
          expect(failureCount).toBeGreaterThanOrEqual(failures.filter((at) => at >= now - 900).length);
        }
      }),
    );
  });

  it('needs memory for eleven buckets, however many calls there are and whatever the clock does', () => {
    const breaker = new CircuitBreaker({ ...config, minimumCalls: 1_000_000 });
    let now = 0;
    for (let i = 0; i < 20_000; i++) {
      now += i % 100 === 99 ? -4000 : 50;
      end(breaker, true, now);
      const json = breaker.toJSON(now) as { calls: unknown[] };
      expect(json.calls.length).toBeLessThanOrEqual(11);
    }
  });

  it('a clock that is put back keeps no failure for longer than the window', () => {
    const breaker = new CircuitBreaker({ ...config, minimumCalls: 100 });
    for (const at of [3_600_000, 3_600_500, 3_600_900]) end(breaker, true, at);
    end(breaker, false, 1000);
    expect(breaker.snapshot(1999).failureCount).toBe(3);
    expect(breaker.snapshot(2000)).toMatchObject({ state: 'closed', failureCount: 0 });
  });

  it('comes back from JSON', () => {
    const breaker = new CircuitBreaker(config);
    for (let i = 0; i < 3; i++) end(breaker, true, 550);
    const back = CircuitBreaker.from(JSON.parse(JSON.stringify(breaker.toJSON(600))), config);
    expect(back.snapshot(600)).toEqual(breaker.snapshot(600));
    end(back, true, 600);
    expect(stateAt(back, 600)).toBe('open');
  });
});
