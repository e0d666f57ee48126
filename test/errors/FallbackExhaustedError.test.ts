import { describe, expect, it } from 'vitest';
import { FallbackExhaustedError } from '../../src/errors/FallbackExhaustedError';
import { CircuitOpenError } from '../../src/errors/rejections';
import { isRejected, isWeirError } from '../../src/errors/WeirError';

describe('FallbackExhaustedError', () => {
  const first = { status: 429, headers: { 'retry-after': '9' } };
  const second = new CircuitOpenError(undefined, { retryAfterMs: 4000 });
  const last = Object.assign(new Error('overloaded'), { status: 529 });
  const errors = [
    { target: 'primary', error: first },
    { target: 'fallback 1', error: second },
    { target: 'haiku', error: last },
  ];

  it('has the code of the last error, the earliest wait, and every raw error with its target', () => {
    const error = new FallbackExhaustedError(errors, 0);
    expect(error).toMatchObject({
      name: 'FallbackExhaustedError',
      code: 'E3002',
      retryable: false,
      fallbackable: true,
      retryAfterMs: 4000,
    });
    expect(error.errors).toEqual(errors);
    error.errors.forEach((part, index) => expect(part.error).toBe(errors[index]?.error));
    expect(error.cause).toBe(last);
    expect(isWeirError(error)).toBe(true);
    expect(isRejected(error)).toBe(false);
    for (const text of ['primary (HTTP 429)', 'fallback 1 (the circuit is open)', 'haiku (overloaded)'])
      expect(error.message).toContain(text);
  });

  it('has no wait where no target asks for one, and stands for an empty list too', () => {
    expect(new FallbackExhaustedError([{ target: 'a', error: last }])).not.toHaveProperty('retryAfterMs');
    expect(new FallbackExhaustedError([])).toMatchObject({ code: 'E9999', retryable: false, errors: [] });
  });

  it('reads dates by the time it is given', () => {
    const error = { status: 503, headers: { 'retry-after': 'Thu, 21 Aug 2025 12:40:30 GMT' } };
    const now = Date.parse('2025-08-21T12:40:00Z');
    expect(new FallbackExhaustedError([{ target: 'a', error }], now).retryAfterMs).toBe(30_000);
  });

  it('keeps keys out of its parts', () => {
    const leaky = Object.assign(new Error('bad key sk-1234567890'), {
      status: 401,
      config: { headers: { Authorization: 'opaque' } },
    });
    const error = new FallbackExhaustedError([{ target: 'a', error: leaky }]);
    expect(error.code).toBe('E1002');
    expect(error.errors[0]?.error).toMatchObject({ name: 'Error', message: 'bad key [redacted]' });
    expect(error.errors[0]?.error).not.toHaveProperty('config');
    expect(error.cause).toBe(error.errors[0]?.error);
  });
});
