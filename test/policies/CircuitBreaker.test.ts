import { describe, expect, it } from 'vitest';
import { CircuitOpenError } from '../../src/errors/rejections';
import { CircuitBreaker, type CircuitPermit } from '../../src/policies/CircuitBreaker';
import { acquire, BOOM, fail, log, opened, refusal, route, stateAt } from './circuits';

describe('CircuitBreaker, closed', () => {
  it('has the documented defaults', () => {
    expect(new CircuitBreaker().config).toMatchObject({
      failureThreshold: 5,
      cooldownMs: 30_000,
      cooldownMultiplier: 1,
      successThreshold: 1,
      halfOpenMaxProbes: 1,
      probeVerdict: 'first',
      probeTimeoutMs: 60_000,
      countRateLimits: false,
    });
  });

  it('opens after failureThreshold consecutive failures', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 3 });
    fail(breaker, 2, 0);
    expect(breaker.snapshot(0)).toEqual({
      state: 'closed',
      failureCount: 2,
      failureThreshold: 3,
      successCount: 0,
      openUntil: null,
    });
    fail(breaker, 1, 7);
    expect(breaker.snapshot(7)).toEqual({
      state: 'open',
      failureCount: 3,
      failureThreshold: 3,
      successCount: 0,
      openUntil: 30_007,
    });
  });

  it('starts counting anew after a success', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 });
    fail(breaker, 1, 0);
    acquire(breaker, 0).succeed(0);
    fail(breaker, 1, 0);
    expect(stateAt(breaker, 0)).toBe('closed');
  });

  it('does not count what is ignored, neither way', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 });
    fail(breaker, 1, 0);
    acquire(breaker, 0).ignore(0);
    expect(breaker.snapshot(0).failureCount).toBe(1);
    fail(breaker, 1, 0);
    expect(stateAt(breaker, 0)).toBe('open');
  });

  it('gives one-shot permits: the first outcome decides', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2 });
    const permit = acquire(breaker, 0);
    permit.fail(BOOM, 0);
    permit.fail(BOOM, 0);
    permit.succeed(0);
    permit.ignore(0);
    permit.content(0);
    expect(breaker.snapshot(0).failureCount).toBe(1);
  });

  it('uses its clock where it is not told the time', () => {
    let now = 0;
    const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 10, clock: () => now });
    (breaker.tryAcquire() as CircuitPermit).fail(BOOM);
    expect(breaker.state).toBe('open');
    expect(breaker.snapshot().openUntil).toBe(10);
    expect(breaker.nextChangeAt()).toBe(10);
    expect(breaker.check()?.retryAfterMs).toBe(10);
    now = 10;
    expect(breaker.state).toBe('half_open');
    const probe = breaker.tryAcquire() as CircuitPermit;
    probe.content();
    expect(breaker.state).toBe('closed');
    const release = breaker.isolate();
    expect(breaker.state).toBe('isolated');
    release();
    breaker.reset();
    expect(breaker.state).toBe('closed');
  });
});

describe('CircuitBreaker, open', () => {
  it('refuses until the cooldown is over, saying for how long and why', () => {
    const breaker = opened();
    const error = refusal(breaker, 400);
    expect(error).toMatchObject({
      code: 'E3002',
      retryAfterMs: 600,
      retryable: false,
      fallbackable: true,
      cause: BOOM,
    });
    expect(breaker.lastError).toBe(BOOM);
    expect(stateAt(breaker, 999)).toBe('open');
    expect(stateAt(breaker, 1000)).toBe('half_open');
    expect(breaker.nextChangeAt(400)).toBe(1000);
  });

  it('becomes half-open by itself, without a call (ai-lib-python 6 and 9)', () => {
    const breaker = opened();
    expect(breaker.check(999)).toBeInstanceOf(CircuitOpenError);
    expect(breaker.check(1000)).toBeUndefined();
    expect(breaker.snapshot(1000)).toMatchObject({ state: 'half_open', openUntil: null });
  });

  it('is not opened again, or longer, by failures of streams that started before', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 2, cooldownMs: 1000 });
    const late = [0, 0, 0].map(() => acquire(breaker, 0));
    const events = log(breaker);
    fail(breaker, 2, 100);
    for (const permit of late) permit.fail(new Error('late'), 900);
    expect(breaker.snapshot(900).openUntil).toBe(1100);
    expect(route(events)).toEqual(['closed > open']);
    expect(breaker.lastError).toBe(BOOM);
  });

  it('multiplies the cooldown with each reopening, up to the maximum, and begins anew once closed', () => {
    const breaker = opened({ cooldownMs: 100, cooldownMultiplier: 3, maxCooldownMs: 500 });
    let now = 0;
    const lengths: number[] = [];
    for (let i = 0; i < 4; i++) {
      const until = breaker.snapshot(now).openUntil!;
      lengths.push(until - now);
      now = until;
      acquire(breaker, now).fail(BOOM, now);
    }
    expect(lengths).toEqual([100, 300, 500, 500]);
    now += 500;
    acquire(breaker, now).content(now);
    fail(breaker, 1, now);
    expect(breaker.snapshot(now).openUntil! - now).toBe(100);
  });

  it('never computes a cooldown that is not finite', () => {
    for (const cooldownMs of [0, 1]) {
      const json = { state: 'open', openedAt: 0, openUntil: 0, reopened: 5000, failures: 1 };
      const breaker = CircuitBreaker.from(json, { cooldownMs, cooldownMultiplier: 10 });
      acquire(breaker, 0).fail(BOOM, 0);
      const back = JSON.parse(JSON.stringify(breaker.toJSON(0))) as { openUntil: number };
      expect(back.openUntil).toBe(cooldownMs ? 2_147_483_647 : 0);
    }
  });

  it('is not held open for longer than a cooldown by a clock that is put back', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000 });
    fail(breaker, 1, 1e12);
    const hourAgo = 1e12 - 3_600_000;
    expect(breaker.check(hourAgo)?.retryAfterMs ?? 0).toBeLessThanOrEqual(1000);
    expect(breaker.check(hourAgo + 1000)).toBeUndefined();
    expect(stateAt(breaker, hourAgo + 1000)).toBe('half_open');
  });
});
