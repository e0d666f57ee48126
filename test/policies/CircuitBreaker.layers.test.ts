import { describe, expect, it } from 'vitest';
import type { ErrorCode } from '../../src/errors/codes';
import { CircuitOpenError, ConcurrencyLimitError, RateLimitExceededError } from '../../src/errors/rejections';
import { WeirError } from '../../src/errors/WeirError';
import { CircuitBreaker } from '../../src/policies/CircuitBreaker';
import { acquire, BOOM, fail, log, opened, refusal, route, stateAt } from './circuits';

describe('CircuitBreaker, isolation and reset', () => {
  it('is isolated until everybody has released it, once each', () => {
    const breaker = new CircuitBreaker();
    const [one, two] = [breaker.isolate(0), breaker.isolate(0)];
    one(0);
    one(0);
    expect(stateAt(breaker, 0)).toBe('isolated');
    expect(refusal(breaker, 0).retryAfterMs).toBeUndefined();
    expect(breaker.nextChangeAt(0)).toBeUndefined();
    two(0);
    expect(stateAt(breaker, 0)).toBe('closed');
    acquire(breaker, 0);
  });

  it('is a layer: what the circuit is beneath goes on, untold', () => {
    const breaker = opened();
    const events = log(breaker);
    const release = breaker.isolate(100);
    expect(breaker.snapshot(1000)).toMatchObject({ state: 'isolated' });
    release(1000);
    expect(stateAt(breaker, 1000)).toBe('half_open');
    const probe = acquire(breaker, 1000);
    const again = breaker.isolate(1000);
    probe.content(1001);
    again(1002);
    expect(route(events)).toEqual([
      'open > isolated',
      'isolated > half_open',
      'half_open > isolated',
      'isolated > closed',
    ]);
  });

  it('reset closes, forgets, and makes the results of running streams stale', () => {
    const breaker = opened({ failureThreshold: 1 });
    const probe = acquire(breaker, 1000);
    breaker.reset(1100);
    expect(breaker.snapshot(1100)).toMatchObject({ state: 'closed', failureCount: 0 });
    expect(breaker.lastError).toBeUndefined();
    probe.fail(BOOM, 1200);
    expect(breaker.snapshot(1200)).toMatchObject({ state: 'closed', failureCount: 0 });

    const running = acquire(breaker, 1200);
    breaker.reset(1300); // closed as it was: still a new epoch
    running.fail(BOOM, 1400);
    expect(stateAt(breaker, 1400)).toBe('closed');
  });

  it('reset gives back the place of a probe that leaked (ai-lib-ts 2)', () => {
    const breaker = opened({ failureThreshold: 1 });
    acquire(breaker, 1000);
    breaker.reset(1001);
    fail(breaker, 1, 1001);
    acquire(breaker, 2001);
  });

  it('reset does not release the isolation of others', () => {
    const breaker = opened();
    const release = breaker.isolate(0);
    breaker.reset(10);
    expect(stateAt(breaker, 10)).toBe('isolated');
    release(20);
    expect(stateAt(breaker, 20)).toBe('closed');
  });
});

describe('CircuitBreaker, telling', () => {
  it('tells each transition once, in order, with a reason, when it is done', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000 });
    const seen: unknown[] = [];
    breaker.watch((event) => event && seen.push([event, breaker.snapshot(2000).state]));
    fail(breaker, 1, 1500);
    acquire(breaker, 2500).content(2600);
    expect(seen).toEqual([
      [{ from: 'closed', to: 'open', reason: 'failureThreshold' }, 'open'],
      [{ from: 'open', to: 'half_open', reason: 'cooldown over' }, 'half_open'],
      [{ from: 'half_open', to: 'closed', reason: 'probe succeeded' }, 'closed'],
    ]);
  });

  it('tells undefined when only a count changed, and nothing when it was only read', () => {
    const breaker = opened({ failureThreshold: 2 });
    const events = log(breaker);
    breaker.check(0);
    breaker.snapshot(5000);
    breaker.toJSON(5000);
    breaker.nextChangeAt(5000);
    expect(events).toEqual([]);
    acquire(breaker, 0).succeed(0);
    expect(events).toEqual([undefined]);
  });

  it('may be acted on by a listener', () => {
    const breaker = new CircuitBreaker({ failureThreshold: 1 });
    breaker.watch((event) => event?.to === 'open' && breaker.reset(0));
    fail(breaker, 1, 0);
    expect(stateAt(breaker, 0)).toBe('closed');
    acquire(breaker, 0);
  });
});

describe('CircuitBreaker.counts', () => {
  const ctx = (code: ErrorCode) => ({ error: new WeirError('x', { code }) });

  it('follows the table of standard codes (ai-lib-python 3, ai-lib-ts 3: a 400 opens nothing)', () => {
    const breaker = new CircuitBreaker();
    const counted = (
      [
        'E1001',
        'E1002',
        'E1003',
        'E1004',
        'E1005',
        'E2001',
        'E2002',
        'E3001',
        'E3002',
        'E3003',
        'E4001',
        'E4002',
        'E9999',
      ] as const
    ).filter((code) => breaker.counts(BOOM, ctx(code)));
    expect(counted).toEqual(['E2002', 'E3001', 'E3002', 'E3003', 'E9999']);
    expect(new CircuitBreaker({ countRateLimits: true }).counts(BOOM, ctx('E2001'))).toBe(true);
  });

  it('asks isFailure with the raw error first', () => {
    const seen: unknown[] = [];
    const breaker = new CircuitBreaker({ isFailure: (...args) => seen.push(args) > 1 });
    const context = ctx('E3001');
    expect(breaker.counts(BOOM, context)).toBe(false);
    expect(breaker.counts(BOOM, context)).toBe(true);
    expect(seen).toEqual([
      [BOOM, context],
      [BOOM, context],
    ]);
  });

  it("lets the user's throw through", () => {
    const breaker = new CircuitBreaker({
      isFailure: () => {
        throw BOOM;
      },
    });
    expect(() => breaker.counts(1, ctx('E3001'))).toThrow(BOOM);
  });

  it("never counts the library's own refusals, whatever isFailure says (ai-lib-ts 18)", () => {
    const breaker = new CircuitBreaker({ countRateLimits: true, isFailure: () => true });
    for (const error of [new CircuitOpenError(), new RateLimitExceededError(), new ConcurrencyLimitError()]) {
      expect(breaker.counts(error, { error })).toBe(false);
      expect(breaker.counts(new Error('wraps one'), { error })).toBe(false);
    }
  });
});
