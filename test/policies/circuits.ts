import { expect } from 'vitest';
import { CircuitOpenError } from '../../src/errors/rejections';
import { isRejected } from '../../src/errors/WeirError';
import {
  CircuitBreaker,
  type CircuitBreakerConfig,
  type CircuitPermit,
  type CircuitState,
  type CircuitTransition,
} from '../../src/policies/CircuitBreaker';

export const BOOM = new Error('boom');

export function acquire(breaker: CircuitBreaker, now: number): CircuitPermit {
  const permit = breaker.tryAcquire(now);
  if (isRejected(permit)) throw permit;
  return permit;
}

export function refusal(breaker: CircuitBreaker, now: number): CircuitOpenError {
  const error = breaker.tryAcquire(now);
  expect(error).toBeInstanceOf(CircuitOpenError);
  return error as CircuitOpenError;
}

export function fail(breaker: CircuitBreaker, times: number, now: number): void {
  for (let i = 0; i < times; i++) acquire(breaker, now).fail(BOOM, now);
}

export const stateAt = (breaker: CircuitBreaker, now: number): CircuitState => breaker.snapshot(now).state;

/** Opened at 0; lets probes through from 1000 on. */
export function opened(config: CircuitBreakerConfig = {}): CircuitBreaker {
  const breaker = new CircuitBreaker({ failureThreshold: 1, cooldownMs: 1000, ...config });
  fail(breaker, 1, 0);
  return breaker;
}

/** All that a breaker tells from now on. */
export function log(breaker: CircuitBreaker): (CircuitTransition | undefined)[] {
  const events: (CircuitTransition | undefined)[] = [];
  breaker.watch((event) => events.push(event));
  return events;
}

export const route = (events: readonly (CircuitTransition | undefined)[]): string[] =>
  events.flatMap((event) => (event ? [`${event.from} > ${event.to}`] : []));
