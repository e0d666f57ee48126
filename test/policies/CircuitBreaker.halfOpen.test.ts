import { describe, expect, it } from 'vitest';
import { isRejected } from '../../src/errors/WeirError';
import { CircuitBreaker } from '../../src/policies/CircuitBreaker';
import { acquire, BOOM, fail, log, opened, refusal, route, stateAt } from './circuits';

describe('CircuitBreaker, half-open', () => {
  it('gives ten thousand callers at the end of the cooldown halfOpenMaxProbes probes (ai-lib-python 1)', () => {
    const breaker = opened({ halfOpenMaxProbes: 3 });
    const answers = Array.from({ length: 10_000 }, () => breaker.tryAcquire(1000));
    expect(answers.filter((answer) => !isRejected(answer))).toHaveLength(3);
  });

  it('refuses surplus calls with the time until the first probe times out', () => {
    const breaker = opened({ halfOpenMaxProbes: 2, probeTimeoutMs: 500 });
    acquire(breaker, 1000);
    acquire(breaker, 1100);
    expect(refusal(breaker, 1200)).toMatchObject({ retryAfterMs: 300, cause: BOOM });
    expect(breaker.nextChangeAt(1200)).toBe(1500);
  });

  it('refuses surplus calls with the cooldown while all probes have content', () => {
    for (const cooldownMs of [0, 700]) {
      const breaker = opened({ probeVerdict: 'complete', cooldownMs });
      acquire(breaker, 1000).content(1001);
      expect(refusal(breaker, 1002).retryAfterMs).toBe(cooldownMs || 1);
      expect(breaker.nextChangeAt(1002)).toBeUndefined();
    }
  });

  it("with 'first', closes at the probe's first content; its later failure is none of its business", () => {
    const breaker = opened();
    const probe = acquire(breaker, 1000);
    probe.content(1500);
    expect(breaker.snapshot(1500)).toMatchObject({ state: 'closed', failureCount: 0 });
    expect(breaker.lastError).toBeUndefined();
    probe.fail(BOOM, 1600);
    expect(breaker.snapshot(1600)).toMatchObject({ state: 'closed', failureCount: 0 });
  });

  it("with 'complete', decides at the end", () => {
    const good = opened({ probeVerdict: 'complete' });
    const probe = acquire(good, 1000);
    probe.content(1500);
    expect(stateAt(good, 1500)).toBe('half_open');
    probe.succeed(900_000); // content has come: it may run as long as it likes
    expect(stateAt(good, 900_000)).toBe('closed');

    const bad = opened({ probeVerdict: 'complete' });
    const cut = acquire(bad, 1000);
    cut.content(1500);
    cut.fail(BOOM, 2000);
    expect(bad.snapshot(2000)).toMatchObject({ state: 'open', openUntil: 3000 });
  });

  it('closes when a probe completes without content', () => {
    const breaker = opened();
    acquire(breaker, 1000).succeed(1500);
    expect(stateAt(breaker, 1500)).toBe('closed');
  });

  it('needs successThreshold successes, which free their places', () => {
    const breaker = opened({ successThreshold: 3 });
    for (let i = 1; i <= 2; i++) {
      acquire(breaker, 1000).content(1000);
      expect(breaker.snapshot(1000)).toMatchObject({ state: 'half_open', successCount: i });
    }
    acquire(breaker, 1000).content(1000);
    expect(breaker.snapshot(1000)).toMatchObject({ state: 'closed', successCount: 0 });
  });

  it('reopens at any failure, and the other probes decide nothing more', () => {
    const breaker = opened({ halfOpenMaxProbes: 2, successThreshold: 2 });
    const [one, two] = [acquire(breaker, 1000), acquire(breaker, 1000)];
    one.fail(BOOM, 1200);
    expect(breaker.snapshot(1200)).toMatchObject({ state: 'open', openUntil: 2200 });
    two.content(1300);
    two.succeed(1400);
    expect(breaker.snapshot(1400)).toMatchObject({ state: 'open', openUntil: 2200 });
    // Its place is not taken over into the next half-open (ai-lib-ts 2).
    acquire(breaker, 2200);
    acquire(breaker, 2200);
    refusal(breaker, 2200);
  });

  it('takes a cancelled probe back and decides nothing', () => {
    const breaker = opened();
    const probe = acquire(breaker, 1000);
    refusal(breaker, 1000);
    probe.ignore(1001);
    probe.ignore(1001);
    expect(stateAt(breaker, 1001)).toBe('half_open');
    acquire(breaker, 1001);
    refusal(breaker, 1001); // one place came back, not two
  });

  it('a probe that was given back takes no place any more, whatever its stream does', () => {
    const breaker = opened({ probeVerdict: 'complete' });
    const probe = acquire(breaker, 1000);
    probe.ignore(1001);
    probe.content(1002);
    acquire(breaker, 1003);
  });

  it('mints no probe when a stream from before the break is cancelled (resilience4j releasePermission)', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000 });
    const before = acquire(breaker, 0);
    fail(breaker, 1, 0);
    acquire(breaker, 1000);
    before.ignore(1000);
    refusal(breaker, 1000);
  });

  it('is not closed by a success from before the break (opossum, ai-lib-python 5)', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000 });
    const before = acquire(breaker, 0);
    fail(breaker, 1, 0);
    acquire(breaker, 1000);
    before.content(1000);
    before.succeed(1000);
    expect(breaker.snapshot(1000)).toMatchObject({ state: 'half_open', successCount: 0 });
  });

  it('a probe that never settles does not lock it (opossum, Polly v8)', () => {
    const breaker = opened({ probeTimeoutMs: 500, cooldownMultiplier: 2 });
    const hung = acquire(breaker, 1000);
    expect(breaker.snapshot(1499).state).toBe('half_open');
    // Reopened as of the very instant, whenever somebody looks.
    expect(breaker.snapshot(1500)).toMatchObject({ state: 'open', openUntil: 1500 + 2000 });
    expect(breaker.snapshot(3499)).toMatchObject({ state: 'open', openUntil: 3500 });
    expect(breaker.snapshot(3500).state).toBe('half_open');
    hung.content(3600);
    hung.succeed(3600);
    expect(breaker.snapshot(3600).state).toBe('half_open');
    acquire(breaker, 3600).content(3600);
    expect(breaker.snapshot(3600).state).toBe('closed');
  });

  it('counts a timeout that nobody saw happen, and the cooldown after it, in the right order', () => {
    const breaker = opened({ probeTimeoutMs: 500 });
    acquire(breaker, 1000);
    const events = log(breaker);
    acquire(breaker, 1_000_000);
    expect(route(events)).toEqual(['half_open > open', 'open > half_open']);
  });

  it('content in time keeps the timeout away, content at the timeout comes too late', () => {
    for (const [at, state] of [
      [1499, 'half_open'],
      [1500, 'open'],
    ] as const) {
      const breaker = opened({ probeTimeoutMs: 500, probeVerdict: 'complete' });
      acquire(breaker, 1000).content(at);
      expect(stateAt(breaker, 1600)).toBe(state);
    }
  });

  it('a hung probe from before the clock was put back does not lock it', () => {
    const breaker = opened({ probeTimeoutMs: 500 });
    const hung = acquire(breaker, 3_600_000);
    const probe = acquire(breaker, 5000);
    refusal(breaker, 5000);
    probe.content(5100);
    expect(stateAt(breaker, 5100)).toBe('closed');
    hung.fail(BOOM, 5200);
    expect(breaker.snapshot(5200)).toMatchObject({ state: 'closed', failureCount: 0 });
  });
});
