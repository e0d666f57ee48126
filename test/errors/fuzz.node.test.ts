import { inspect } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { classifyError } from '../../src/errors/classifyError';
import { ERROR_CODES } from '../../src/errors/codes';
import { FallbackExhaustedError } from '../../src/errors/FallbackExhaustedError';
import { errorOfFrame, errorOfResponse } from '../../src/errors/providerError';
import { redact } from '../../src/errors/redact';
import { isWeirError, type WeirError } from '../../src/errors/WeirError';

// For a busy machine: nothing here waits for anything.
vi.setConfig({ testTimeout: 60_000 });

const NOW = Date.parse('2025-08-21T12:40:00Z');
const anything = fc.anything({
  maxDepth: 4,
  withBigInt: true,
  withBoxedValues: true,
  withDate: true,
  withMap: true,
  withNullPrototype: true,
  withObjectString: true,
  withSet: true,
  withSparseArray: true,
  withTypedArray: true,
  withUnicodeString: true,
});

// Words that mean something to the reader, so that the values get past its first question.
const word = fc.constantFrom(
  'rate_limit_exceeded',
  'insufficient_quota',
  'overloaded_error',
  'RESOURCE_EXHAUSTED',
  'ECONNRESET',
  'AbortError',
  'TypeError',
  'invalid_request_error',
  '34.4s',
  '-1',
  '1e999',
  '9'.repeat(400),
  'Thu, 21 Aug 2025 12:40:30 GMT',
);
const leaf = fc.oneof(word, fc.integer({ min: 395, max: 605 }), fc.double(), fc.string(), anything);
const key = fc.constantFrom(
  ...[
    'status',
    'statusCode',
    'code',
    'type',
    'name',
    'message',
    'error',
    'response',
    'data',
    'body',
    'responseBody',
    'details',
  ],
  ...[
    'metadata',
    'violations',
    'headers',
    'responseHeaders',
    'cause',
    'lastError',
    'retryDelay',
    'quotaId',
    'requestID',
    'isRetryable',
  ],
  ...[
    'retry-after',
    'retry-after-ms',
    'x-ratelimit-reset',
    'x-ratelimit-reset-tokens',
    'x-should-retry',
    'x-request-id',
  ],
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 5 },
    leaf,
    fc.dictionary(key, tie('tree'), { maxKeys: 6 }),
    fc.array(tie('tree'), { maxLength: 4 }),
  ),
}));
const raised = fc.tuple(fc.string(), fc.dictionary(key, tree)).map(([message, fields]) => {
  const error = new Error(message);
  for (const [name, value] of Object.entries(fields)) Object.defineProperty(error, name, { value });
  return error;
});
// A proxy with any of the traps broken.
const trapped = fc
  .tuple(tree, fc.subarray(['get', 'has', 'ownKeys', 'getPrototypeOf', 'getOwnPropertyDescriptor'] as const))
  .map(([target, traps]) => {
    const no = (): never => {
      throw new Error('no');
    };
    const holder = typeof target === 'object' && target !== null ? target : { target };
    // Made late: fast-check looks into the values that it makes.
    return () => new Proxy(holder, Object.fromEntries(traps.map((trap) => [trap, no])));
  });
const values: fc.Arbitrary<() => unknown> = fc.oneof(
  fc.oneof(anything, tree, raised).map((value) => () => value),
  trapped,
  trapped.map((make) => () => ({ status: 503, cause: make(), error: make(), headers: make() })),
);

function check(error: WeirError): void {
  expect(isWeirError(error)).toBe(true);
  expect(error).toMatchObject({ kind: ERROR_CODES[error.code].kind });
  expect([typeof error.retryable, typeof error.fallbackable]).toEqual(['boolean', 'boolean']);
  expect(error.message.length).toBeGreaterThan(0);
  expect(error.message.length).toBeLessThanOrEqual(500);
  const { retryAfterMs, httpStatus, requestId } = error;
  if ('retryAfterMs' in error) expect(retryAfterMs).toSatisfy((ms: number) => ms >= 0 && ms < Infinity);
  if ('httpStatus' in error)
    expect(httpStatus).toSatisfy((status: number) => Number.isInteger(status) && status >= 400 && status < 600);
  if ('requestId' in error) expect(requestId).toMatch(/./);
}

describe('any value', () => {
  it('is classified without a throw, with nothing absurd, and only once', () => {
    fc.assert(
      fc.property(values, (make) => {
        const raw = make();
        const error = classifyError(raw, { now: NOW });
        check(error);
        expect(classifyError(error)).toBe(error);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives the same for the same', () => {
    fc.assert(
      fc.property(fc.oneof(tree, raised), (raw) => {
        const [first, second] = [classifyError(raw, { now: NOW }), classifyError(raw, { now: NOW })];
        expect(second.message).toBe(first.message);
        expect({ ...second }).toEqual({ ...first });
      }),
      { numRuns: 300 },
    );
  });

  it('can be a frame, a response, or a failed target', () => {
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 400, max: 599 }),
        fc.oneof(fc.string(), fc.json()),
        (make, status, body) => {
          const raw = make();
          check(errorOfFrame(raw, { now: NOW }));
          check(errorOfResponse(status, raw as Headers, body, { now: NOW }));
          const exhausted = new FallbackExhaustedError([{ target: 'a', error: raw }], NOW);
          expect(exhausted.errors).toHaveLength(1);
          expect(exhausted).toMatchObject({
            code: classifyError(raw, { now: NOW }).code,
            retryable: false,
            fallbackable: true,
          });
        },
      ),
      { numRuns: 400 },
    );
  });
});

/** All strings that can be reached from a value, as a curious logger would. */
function reachable(root: unknown): string {
  const seen = new Set<unknown>([root]);
  let text = '';
  for (const value of seen) {
    text += `${typeof value === 'symbol' ? String(value.description) : typeof value === 'object' || typeof value === 'function' ? '' : String(value)}\n`;
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue;
    for (const name of Reflect.ownKeys(value)) {
      seen.add(name);
      try {
        seen.add((value as Record<PropertyKey, unknown>)[name]);
      } catch {
        // not to be reached then
      }
    }
    if (value instanceof Map || value instanceof Set || value instanceof Headers)
      for (const entry of value.entries()) seen.add(entry);
    if (value instanceof Request) seen.add(value.headers).add(value.url);
  }
  return text;
}

describe('a secret', () => {
  const SECRET = 'Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7Zq7';
  const shaped = fc.constantFrom(
    `sk-${SECRET}`,
    `sk-ant-api03-${SECRET}`,
    `gsk_${SECRET}`,
    `xai-${SECRET}`,
    `AIza${SECRET}`,
    `Bearer ${SECRET}`,
    `authorization: ${SECRET}`,
    `{"x-api-key":"${SECRET}"}`,
  );
  const around = fc.constantFrom('', ' ', '"', "'", '\n', '(', ': ', 'key ', ', ', '. ', '/', '=');
  const text = fc
    .tuple(fc.string(), around, shaped, around, fc.string())
    .map(([head, left, key, right, tail]) => head.replace(/[A-Za-z\d\\]$/, '') + left + key + right + tail);
  const header = fc.constantFrom(
    'authorization',
    'Authorization',
    'x-api-key',
    'X-Goog-Api-Key',
    'api-key',
    'apiKey',
    'Proxy-Authorization',
  );
  const holders = fc.oneof(
    text,
    fc.tuple(header, fc.constant(SECRET)).map(([name, value]) => ({ [name]: value })),
    fc.tuple(header, fc.constant(SECRET)).map(([name, value]) => new Map([[name, value]])),
    fc.constant(new Headers({ authorization: SECRET })),
    fc.constant(new Request('http://localhost/', { headers: { 'x-api-key': SECRET } })),
  );
  // Wraps a value in what errors are made of, a few levels deep.
  const wrap = (value: unknown, layers: number[]): unknown =>
    layers.reduce<unknown>((inner, layer) => {
      const list: unknown[] = [
        { error: inner },
        { config: { headers: inner } },
        { status: 401, body: inner, message: inner },
        new Error('outer', { cause: inner }),
        Object.assign(new Error(typeof inner === 'string' ? inner : 'outer'), { request: inner, status: 429 }),
        [1, inner],
        new Map([['k', inner]]),
        new Set([inner]),
        { headers: { 'x-request-id': inner }, requestID: inner, name: inner },
        Object.assign(Object.create(null) as object, { [Symbol('state')]: inner }),
        { responseBody: typeof inner === 'string' ? JSON.stringify({ error: { message: inner } }) : inner },
      ];
      return list[layer];
    }, value);

  const hidden = (error: WeirError): void => {
    for (const shown of [
      error.message,
      String(error.stack),
      JSON.stringify(error),
      inspect(error, { depth: Infinity, showHidden: true }),
      reachable(error),
    ]) {
      expect(shown).not.toContain(SECRET);
    }
  };

  it('is never to be found in a classified error, wherever it was', () => {
    fc.assert(
      fc.property(holders, fc.array(fc.nat({ max: 10 }), { maxLength: 5 }), (holder, layers) => {
        const raw = wrap(holder, layers);
        hidden(classifyError(raw, { now: NOW }));
        hidden(new FallbackExhaustedError([{ target: 'a', error: raw }], NOW));
        hidden(errorOfFrame(raw, { now: NOW }));
      }),
      { numRuns: 600 },
    );
  });

  it('that is known is not even shown where it has no shape', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.integer({ min: 400, max: 599 }), (head, tail, status) => {
        const body = head + SECRET + tail;
        const options = { now: NOW, secrets: [SECRET] };
        hidden(errorOfResponse(status, { 'x-request-id': body }, body, options));
        hidden(errorOfResponse(status, {}, JSON.stringify({ error: { message: body, code: body } }), options));
        hidden(errorOfFrame({ error: { message: body } }, options));
        hidden(classifyError(Object.assign(new Error(body), { deep: { down: [body] } }), options));
      }),
    );
  });

  it('is taken out of any text, which is else left as it was', () => {
    fc.assert(
      fc.property(text, (given) => {
        expect(redact(given)).not.toContain(SECRET);
        expect(redact(redact(given))).toBe(redact(given));
      }),
    );
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom(
            'the',
            'rate',
            'limit',
            'of',
            'gpt-4o-mini',
            'risk-free',
            'token',
            'org-1a2b3c',
            'key',
            'is',
            '429',
          ),
        ),
        (words) => {
          expect(redact(words.join(' '))).toBe(words.join(' '));
        },
      ),
    );
  });
});
