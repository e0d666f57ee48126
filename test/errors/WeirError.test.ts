import { describe, expect, it } from 'vitest';
import { ERROR_CODES, type ErrorCode } from '../../src/errors/codes';
import {
  CircuitOpenError,
  ConcurrencyLimitError,
  PreflightError,
  RateLimitExceededError,
} from '../../src/errors/rejections';
import {
  DivergedStreamError,
  EmptyStreamError,
  IncompleteStreamError,
  MalformedStreamError,
  StreamTimeoutError,
} from '../../src/errors/streamErrors';
import { isRejected, isWeirError, ProviderError, RejectedError, WeirError } from '../../src/errors/WeirError';

describe('the standard codes', () => {
  // code, kind, retryable, fallbackable, counted
  const table: [ErrorCode, string, boolean, boolean, boolean][] = [
    ['E1001', 'invalid_request', false, false, false],
    ['E1002', 'authentication', false, true, false],
    ['E1003', 'permission_denied', false, false, false],
    ['E1004', 'not_found', false, false, false],
    ['E1005', 'request_too_large', false, false, false],
    ['E2001', 'rate_limited', true, true, false],
    ['E2002', 'quota_exhausted', false, true, true],
    ['E3001', 'server_error', true, true, true],
    ['E3002', 'overloaded', true, true, true],
    ['E3003', 'timeout', true, true, true],
    ['E4001', 'conflict', true, false, false],
    ['E4002', 'cancelled', false, false, false],
    ['E9999', 'unknown', false, false, true],
  ];
  it('are these 13', () => {
    expect(Object.keys(ERROR_CODES).sort()).toEqual(table.map(([code]) => code));
  });
  it.each(table)('%s %s', (code, kind, retryable, fallbackable, counted) => {
    expect(ERROR_CODES[code]).toEqual({ kind, retryable, fallbackable, counted });
    const error = new WeirError('x', { code });
    expect({ ...error }).toEqual({ name: 'WeirError', code, kind, retryable, fallbackable });
  });
});

describe('WeirError', () => {
  it('takes its code from the status, and only holds what it was told', () => {
    expect({ ...new ProviderError('x', { httpStatus: 503, model: undefined, retryAfterMs: 0 }) }).toEqual({
      name: 'ProviderError',
      code: 'E3002',
      kind: 'overloaded',
      retryable: true,
      fallbackable: true,
      httpStatus: 503,
      retryAfterMs: 0,
    });
    expect(new WeirError('x')).not.toHaveProperty('cause');
    expect(new WeirError('x', { cause: 5 }).cause).toBe(5);
    expect(new WeirError('x', { code: 'E3001', retryable: false, fallbackable: false })).toMatchObject({
      retryable: false,
      fallbackable: false,
    });
  });

  it('is recognised across copies of the package, a refusal as such', () => {
    const rejected = [
      new RejectedError('x', 'backpressure'),
      new CircuitOpenError(),
      new RateLimitExceededError(),
      new ConcurrencyLimitError(),
      new PreflightError([{ component: 'backpressure', retryAfterMs: undefined, reason: 'no slot' }]),
    ];
    for (const error of rejected) {
      expect(isWeirError(error) && isRejected(error)).toBe(true);
      expect(error).toMatchObject({ retryable: false, fallbackable: true });
    }
    expect(isRejected(new ProviderError('x'))).toBe(false);
    const copy = new Error('x');
    Object.defineProperty(copy, Symbol.for('rx-weir.error'), { value: true });
    expect(isWeirError(copy)).toBe(true);
    const lies = new Proxy({}, { get: () => true });
    const throws = new Proxy(
      {},
      {
        get() {
          throw new Error('no');
        },
        has() {
          throw new Error('no');
        },
      },
    );
    for (const other of [undefined, null, 'x', 5, {}, new Error('x'), lies, throws])
      expect(isWeirError(other) || isRejected(other)).toBe(false);
  });

  it.each<[WeirError, string]>([
    [new CircuitOpenError(), 'E3002'],
    [new RateLimitExceededError(), 'E2001'],
    [new ConcurrencyLimitError(), 'E3002'],
    [new PreflightError([{ component: 'rateLimiter', retryAfterMs: 5, reason: 'x' }]), 'E2001'],
    [new PreflightError([{ component: 'circuitBreaker', retryAfterMs: 5, reason: 'x' }]), 'E3002'],
    [new IncompleteStreamError(), 'E3001'],
    [new EmptyStreamError(), 'E3001'],
    [new MalformedStreamError('x'), 'E3001'],
    [new DivergedStreamError(), 'E9999'],
    [new StreamTimeoutError('first', 5), 'E3003'],
  ])('%s is %s', (error, code) => {
    expect(error.code).toBe(code);
    expect(error.name).toBe(error.constructor.name);
  });
});
