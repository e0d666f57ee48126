import { defer, of, throwError } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, CircuitOpenError, resilient, ResilientExecutor, StreamTimeoutError, WeirError } from 'rx-weir';
import { marbles } from '../support/marbles';
import { see, VirtualTime } from '../support/virtual';

const overloaded = new WeirError('overloaded', { code: 'E3002' });
const invalid = new WeirError('no', { code: 'E1001' });

describe('resilient', () => {
  it('passes a stream through as it is', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--a--b--|');
      const result = source.pipe(
        resilient({
          retry: {},
          circuitBreaker: {},
          backpressure: 4,
          rateLimiter: { requestsPerSecond: 5 },
          timeout: { firstMs: 50, idleMs: 50, totalMs: 50 },
        }),
      );
      expectObservable(result).toBe('                  --a--b--|');
      expectSubscriptions(source.subscriptions).toBe('^-------!');
    });
    expect(frame).toBe(8);
  });

  it('closes the failed attempt before the next opens, and gives the diagram of its documentation', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const failing = cold('--#', undefined, overloaded);
      const partial = cold('       --a--b-#', undefined, overloaded);
      const attempts = [failing, partial];
      const source = defer(() => attempts.shift()!);
      const result = source.pipe(resilient({ retry: { initialDelayMs: 2, jitter: 'none' } }));
      expectObservable(result).toBe('      ------a--b-#', undefined, overloaded);
      expectSubscriptions(failing.subscriptions).toBe('^-!');
      expectSubscriptions(partial.subscriptions).toBe('----^------!');
    });
  });

  it('shares the policies that it makes between its subscriptions, and with nobody else', () => {
    const time = new VirtualTime();
    const make = () => resilient<string>({ circuitBreaker: { failureThreshold: 1 } }, { scheduler: time });
    const [one, other] = [make(), make()];
    see(throwError(() => overloaded).pipe(one), time);
    expect(see(of('a').pipe(one), time).error).toBeInstanceOf(CircuitOpenError);
    expect(see(of('a').pipe(other), time).values).toEqual(['a']);
  });

  it('takes policies that are shared, or a whole executor', () => {
    const time = new VirtualTime();
    const circuitBreaker = new CircuitBreaker({ failureThreshold: 1, clock: () => time.now() });
    see(throwError(() => overloaded).pipe(resilient({ circuitBreaker }, { scheduler: time })), time);
    expect(circuitBreaker.state).toBe('open');
    const executor = new ResilientExecutor({ circuitBreaker }, { scheduler: time });
    expect(see(of('a').pipe(resilient<string>(executor)), time).error).toBeInstanceOf(CircuitOpenError);
    expect(executor.snapshot().streams).toMatchObject({ started: 1, rejected: 1 });
  });

  it('has first and idle timeouts per attempt, inside the retry', () => {
    marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-----------');
      const timeout = new StreamTimeoutError('first', 3);
      expectObservable(
        source.pipe(
          resilient({ retry: { maxRetries: 1, jitter: 'none', initialDelayMs: 2 }, timeout: { firstMs: 3 } }),
        ),
      ).toBe('--------#', undefined, timeout);
      expectSubscriptions(source.subscriptions).toBe(['^--!', '-----^--!']);
    });
  });

  it('cancels whatever it waits for when it is left', () => {
    const { frame } = marbles(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('--#', undefined, overloaded);
      const config = {
        retry: { initialDelayMs: 50_000, jitter: 'none' as const, maxDelayMs: 50_000 },
        timeout: { totalMs: 60_000 },
      };
      expectObservable(source.pipe(resilient(config)), '^----!').toBe('------');
      expectSubscriptions(source.subscriptions).toBe('^-!');
    });
    expect(frame).toBe(5);
  });

  it('lets an error that nobody can help come out as it is', () => {
    const time = new VirtualTime();
    const seen = see(
      throwError(() => invalid).pipe(resilient<string>({ retry: {}, fallback: [of('f')] }, { scheduler: time })),
      time,
    );
    expect(seen).toMatchObject({ values: [], end: 'error' });
    expect(seen.error).toBe(invalid);
  });

  it('refuses bad options at the call', () => {
    expect(() => resilient({ retry: { maxRetries: NaN } })).toThrow(/maxRetries.*NaN/);
    expect(() => resilient({ timeout: { idleMs: -5 } })).toThrow(/idleMs.*-5/);
    expect(() => resilient({ backpressure: 1.5 })).toThrow(/maxInflight.*1.5/);
    expect(() => resilient({}, { scheduler: 5 as never })).toThrow(/scheduler/);
  });
});
