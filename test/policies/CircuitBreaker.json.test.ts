import { describe, expect, it } from 'vitest';
import { CircuitBreaker, type CircuitBreakerConfig } from '../../src/policies/CircuitBreaker';
import { acquire, BOOM, fail, opened, refusal, stateAt } from './circuits';

describe('CircuitBreaker as JSON', () => {
  const copy = (breaker: CircuitBreaker, config?: CircuitBreakerConfig): CircuitBreaker =>
    CircuitBreaker.from(JSON.parse(JSON.stringify(breaker)), config);

  it('comes back closed with its count', () => {
    const config = { failureThreshold: 3 };
    const breaker = new CircuitBreaker(config);
    fail(breaker, 2, 0);
    const back = copy(breaker, config);
    expect(back.snapshot(0)).toEqual(breaker.snapshot(0));
    fail(back, 1, 0);
    expect(stateAt(back, 0)).toBe('open');
  });

  it('comes back open until the same instant, with the same next cooldown', () => {
    const config = { failureThreshold: 1, cooldownMs: 1000, cooldownMultiplier: 2, clock: () => 1500 };
    const breaker = opened(config);
    acquire(breaker, 1000).fail(BOOM, 1000);
    const back = copy(breaker, config);
    expect(back.snapshot(1500)).toEqual(breaker.snapshot(1500));
    acquire(back, 3000).fail(BOOM, 3000);
    expect(back.snapshot(3000).openUntil).toBe(3000 + 4000);
  });

  it('half-open comes back as open with an immediate probe, its running probes forgotten', () => {
    const breaker = opened({ clock: () => 1200 });
    acquire(breaker, 1000);
    const json = JSON.parse(JSON.stringify(breaker)) as { state: string };
    expect(json.state).toBe('open');
    const back = CircuitBreaker.from(json, { cooldownMs: 1000 });
    for (const now of [0, 1200, 1e12]) {
      expect(stateAt(back, now)).toBe('half_open');
      expect(back.check(now)).toBeUndefined();
    }
    acquire(back, 1200);
    refusal(back, 1200);
  });

  it('does not change, or share anything with, the breaker it was taken from', () => {
    const config = { window: { type: 'count', size: 5 }, failureRate: 1 } as const;
    const breaker = new CircuitBreaker(config);
    fail(breaker, 1, 0);
    const json = breaker.toJSON(0);
    const back = CircuitBreaker.from(json, config);
    fail(breaker, 1, 0);
    fail(back, 2, 0);
    expect([json, breaker.snapshot(0).failureCount, back.snapshot(0).failureCount]).toEqual([
      { state: 'closed', failures: 1, calls: [[0, 1, 1, 0]] },
      2,
      3,
    ]);
  });

  it('ignores a now that is no number, as JSON.stringify gives a key', () => {
    const breaker = opened({ clock: () => 500 });
    expect((JSON.parse(JSON.stringify({ breaker })) as { breaker: unknown }).breaker).toEqual(breaker.toJSON(500));
  });

  it.each([
    [undefined, 'state'],
    [null, 'state'],
    [5, 'state'],
    [{ state: 'half_open' }, 'state'],
    [{ state: 'closed' }, 'failures'],
    [{ state: 'closed', failures: -1, calls: [] }, 'failures'],
    [{ state: 'closed', failures: 0.5, calls: [] }, 'failures'],
    [{ state: 'closed', failures: 0 }, 'calls'],
    [{ state: 'closed', failures: 0, calls: [null] }, 'calls[0][0]'],
    [{ state: 'closed', failures: 0, calls: ['1111'] }, 'calls[0][0]'],
    [{ state: 'closed', failures: 0, calls: [[0, 1, 2, 0]] }, 'calls[0][2]'],
    [{ state: 'closed', failures: 0, calls: [[0, 1, 0]] }, 'calls[0][3]'],
    [{ state: 'open', failures: 0, reopened: 0, openUntil: 5 }, 'openedAt'],
    [{ state: 'open', failures: 0, reopened: 0, openedAt: 6, openUntil: 5 }, 'openUntil'],
    [{ state: 'open', failures: 0, reopened: 0, openedAt: 0, openUntil: 1e300 }, 'openUntil'],
    [{ state: 'open', failures: 0, reopened: NaN, openedAt: 0, openUntil: 5 }, 'reopened'],
  ])('throws for nonsense, naming the field: %j', (json, field) => {
    let error: unknown;
    try {
      CircuitBreaker.from(json);
    } catch (e) {
      error = e;
    }
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true);
    expect((error as Error).message).toContain(field);
  });
});
