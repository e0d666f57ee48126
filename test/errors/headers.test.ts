import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseRateLimit, parseRetryAfter, type HeadersLike } from '../../src/errors/headers';

const NOW = Date.parse('2025-08-21T12:40:00Z');
const retryAfter = (headers: Record<string, string>, status?: number) => parseRetryAfter(headers, NOW, status);

describe('parseRetryAfter', () => {
  it.each([
    ['retry-after-ms', '1500', 1500],
    ['retry-after-ms', '0', 0],
    ['retry-after-ms', '12.25', 13],
    ['retry-after', '20', 20_000],
    ['retry-after', ' 20 ', 20_000],
    ['retry-after', '0', 0],
    ['retry-after', '1.5', 1500],
    ['retry-after', '1.1', 1100],
    ['retry-after', '3600', 3_600_000],
    ['retry-after', 'Thu, 21 Aug 2025 12:40:30 GMT', 30_000],
    ['retry-after', 'Thursday, 21-Aug-25 12:40:30 GMT', 30_000],
    ['retry-after', 'Thu Aug 21 12:40:30 2025', 30_000],
    ['retry-after', '2025-08-21T12:40:30Z', 30_000],
    ['x-ratelimit-reset-requests', '1s', 1000],
    ['x-ratelimit-reset-requests', '6m0s', 360_000],
    ['x-ratelimit-reset-tokens', '17ms', 17],
    ['x-ratelimit-reset-tokens', '1h2m3s', 3_723_000],
    ['x-ratelimit-reset-tokens', '7.66s', 7660],
    ['x-ratelimit-reset-tokens', '2m59.56s', 179_560],
    ['x-ratelimit-reset-tokens', '0s', 0],
    ['x-ratelimit-reset-tokens', '120µs', 1],
    ['x-ratelimit-reset-tokens', '4', 4000],
    ['x-ratelimit-reset-tokens_usage_based', '3s', 3000],
    ['anthropic-ratelimit-requests-reset', '2025-08-21T12:40:59Z', 59_000],
    ['anthropic-ratelimit-output-tokens-reset', '2025-08-21T14:40:59+02:00', 59_000],
    ['anthropic-ratelimit-unified-reset', String(NOW / 1000 + 90), 90_000],
    ['x-ratelimit-reset', String(NOW + 12_345), 12_345],
    ['x-ratelimit-reset', String(NOW / 1000 + 5), 5000],
    ['ratelimit-reset', '7', 7000],
  ])('%s: %s', (name, value, expected) => {
    expect(retryAfter({ [name]: value })).toBe(expected);
  });

  it.each([
    '',
    '-1',
    '-0.5',
    'soon',
    'NaN',
    'Infinity',
    '-Infinity',
    '1e3',
    '0x10',
    '1,5',
    '5, 5',
    '5 seconds',
    'null',
    '-5s',
    '5x',
    's',
    'Thu, 21 Aug 2025 12:39:00 GMT',
    'Thu, 99 Foo 2025 12:40:30 GMT',
    '2025-13-41T12:40:30Z',
    'abc 1',
    '2 apples',
    '[object Object]',
  ])('nothing from %j, in any header', (value) => {
    for (const name of ['retry-after-ms', 'retry-after', 'x-ratelimit-reset-requests', 'x-ratelimit-reset']) {
      expect(retryAfter({ [name]: value })).toBeUndefined();
    }
    for (const name of ['requests', 'tokens', 'unified']) {
      expect(retryAfter({ [`anthropic-ratelimit-${name}-reset`]: value })).toBeUndefined();
    }
  });

  it('keeps a wait that is far too long, for the policy to refuse', () => {
    expect(retryAfter({ 'retry-after': '999999999' })).toBe(999_999_999_000);
    expect(retryAfter({ 'retry-after-ms': '99999999999999' })).toBe(99_999_999_999_999);
    // More digits than a number holds: taken for no wait at all, the server would be asked again at once.
    for (const [name, value] of [
      ['retry-after', '9'.repeat(400)],
      ['retry-after-ms', '9'.repeat(400)],
      ['x-ratelimit-reset-requests', `${'9'.repeat(400)}s`],
      ['x-ratelimit-reset', '9'.repeat(400)],
    ] as const) {
      const wait = retryAfter({ [name]: value });
      expect(wait).toBeGreaterThan(1e15);
      expect(wait).toBeLessThan(Infinity);
    }
  });

  const at = (ms: number): string => new Date(NOW + ms).toISOString();
  const all = {
    'retry-after-ms': '1000',
    'retry-after': '2',
    'x-ratelimit-reset-requests': '3s',
    'anthropic-ratelimit-tokens-reset': at(4000),
    'x-ratelimit-reset': String(NOW + 5000),
  };

  it('takes the most exact header that is readable', () => {
    const headers: Record<string, string> = { ...all };
    for (const [index, name] of Object.keys(all).entries()) {
      expect(retryAfter(headers)).toBe(1000 * (index + 1));
      headers[name] = '-1';
    }
    expect(retryAfter(headers)).toBeUndefined();
  });

  it('reads resets with status 429 only', () => {
    for (const status of [200, 400, 500, 503, 529]) {
      expect(retryAfter(all, status)).toBe(1000);
      expect(retryAfter({ 'retry-after': '2' }, status)).toBe(2000);
      expect(retryAfter({ 'x-ratelimit-reset-requests': '3s', 'x-ratelimit-reset': '5' }, status)).toBeUndefined();
    }
  });

  it('reads a reset only where nothing remains, or nothing is said about it', () => {
    const openai = { 'x-ratelimit-reset-requests': '1s', 'x-ratelimit-reset-tokens': '6m0s' };
    expect(retryAfter(openai)).toBe(360_000);
    expect(retryAfter({ ...openai, 'x-ratelimit-remaining-tokens': '12' })).toBe(1000);
    expect(retryAfter({ ...openai, 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-remaining-requests': '3' })).toBe(
      360_000,
    );
    expect(
      retryAfter({ ...openai, 'x-ratelimit-remaining-tokens': '12', 'x-ratelimit-remaining-requests': '3' }),
    ).toBeUndefined();

    const anthropic = { 'anthropic-ratelimit-requests-reset': at(9000), 'anthropic-ratelimit-tokens-reset': at(1500) };
    expect(retryAfter(anthropic)).toBe(9000);
    expect(retryAfter({ ...anthropic, 'anthropic-ratelimit-requests-remaining': '49' })).toBe(1500);

    const account = { 'anthropic-ratelimit-unified-5h-reset': '99', 'anthropic-ratelimit-unified-reset': '99' };
    expect(retryAfter({ ...anthropic, ...account })).toBe(9000);

    const unified = { 'anthropic-ratelimit-unified-reset': String(NOW / 1000 + 3600) };
    expect(retryAfter({ ...unified, 'anthropic-ratelimit-unified-status': 'rejected' })).toBe(3_600_000);
    expect(retryAfter({ ...unified, 'anthropic-ratelimit-unified-status': 'allowed_warning' })).toBeUndefined();
  });
});

describe('header containers', () => {
  const pairs: [string, string][] = [
    ['Retry-After', '3'],
    ['X-RateLimit-Remaining-Requests', '7'],
  ];
  it.each<[string, HeadersLike]>([
    ['Headers', new Headers(pairs)],
    ['Map', new Map(pairs)],
    ['pairs', pairs],
    [
      'generator',
      (function* () {
        yield* pairs;
      })(),
    ],
    ['plain object', Object.fromEntries(pairs)],
    [
      'plain object with arrays',
      { 'RETRY-AFTER': ['3', '4'], 'X-RATELIMIT-REMAINING-REQUESTS': ['7'], other: undefined },
    ],
    [
      'object without prototype',
      Object.assign(Object.create(null) as Record<string, string>, Object.fromEntries(pairs)),
    ],
  ])('%s', (_, headers) => {
    const info = parseRateLimit(headers, NOW);
    expect(info).toEqual({ remainingRequests: 7, retryAfterMs: 3000 });
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['number', 5],
    ['string', 'retry-after: 3'],
    ['symbol', Symbol('x')],
    ['function', () => 3],
    ['array of strings', ['retry-after', '3']],
    ['values that are no text', { 'retry-after': { valueOf: () => 3 }, 'retry-after-ms': Symbol('3') }],
    [
      'a getter that throws',
      {
        get 'retry-after'() {
          throw new Error('no');
        },
      },
    ],
    [
      'a proxy that throws',
      new Proxy(
        {},
        {
          get() {
            throw new Error('no');
          },
          ownKeys() {
            throw new Error('no');
          },
        },
      ),
    ],
  ])('%s: nothing, and no throw', (_, headers) => {
    expect(parseRetryAfter(headers as HeadersLike, NOW)).toBeUndefined();
    expect(parseRateLimit(headers as HeadersLike, NOW)).toEqual({});
  });

  it('stops reading an endless iterable', () => {
    const endless = (function* (): Generator<[string, string]> {
      for (;;) yield ['retry-after', '3'];
    })();
    expect(parseRetryAfter(endless, NOW)).toBe(3000);
  });
});

describe('parseRateLimit', () => {
  it('reads OpenAI', () => {
    expect(
      parseRateLimit(
        {
          'x-ratelimit-limit-requests': '60',
          'x-ratelimit-limit-tokens': '150000',
          'x-ratelimit-remaining-requests': '0',
          'x-ratelimit-remaining-tokens': '149984',
          'x-ratelimit-reset-requests': '1s',
          'x-ratelimit-reset-tokens': '6m0s',
        },
        NOW,
      ),
    ).toEqual({
      limitRequests: 60,
      limitTokens: 150_000,
      remainingRequests: 0,
      remainingTokens: 149_984,
      resetMs: 1000,
    });
  });

  it('says nothing about a reset while something remains', () => {
    const info = parseRateLimit({ 'x-ratelimit-remaining-requests': '1', 'x-ratelimit-reset-requests': '1s' }, NOW);
    expect(info).toEqual({ remainingRequests: 1 });
  });

  it('reads Anthropic', () => {
    const headers = {
      'anthropic-ratelimit-requests-limit': '50',
      'anthropic-ratelimit-requests-remaining': '49',
      'anthropic-ratelimit-requests-reset': '2025-08-21T12:40:02Z',
      'anthropic-ratelimit-input-tokens-limit': '30000',
      'anthropic-ratelimit-input-tokens-remaining': '0',
      'anthropic-ratelimit-input-tokens-reset': '2025-08-21T12:40:59Z',
      'retry-after': '59',
    };
    const input = {
      limitRequests: 50,
      remainingRequests: 49,
      limitTokens: 30_000,
      remainingTokens: 0,
      resetMs: 59_000,
      retryAfterMs: 59_000,
    };
    expect(parseRateLimit(headers, NOW)).toEqual(input);
    const total = { 'anthropic-ratelimit-tokens-limit': '80000', 'anthropic-ratelimit-tokens-remaining': '79000' };
    expect(parseRateLimit({ ...headers, ...total }, NOW)).toEqual({
      ...input,
      limitTokens: 80_000,
      remainingTokens: 79_000,
    });
  });

  it('reads the plain headers of OpenRouter as requests', () => {
    const headers = {
      'X-RateLimit-Limit': '20',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(NOW + 1000),
    };
    expect(parseRateLimit(headers, NOW)).toEqual({ limitRequests: 20, remainingRequests: 0, resetMs: 1000 });
  });

  it('ignores what is no count', () => {
    for (const value of ['-1', 'NaN', 'Infinity', 'many', '', '9'.repeat(400)]) {
      expect(parseRateLimit({ 'x-ratelimit-limit-tokens': value, 'x-ratelimit-remaining-tokens': value }, NOW)).toEqual(
        {},
      );
    }
  });
});

describe('whatever the headers', () => {
  const names = fc.constantFrom(
    'retry-after',
    'Retry-After-Ms',
    'x-ratelimit-reset',
    'x-ratelimit-reset-tokens',
    'x-ratelimit-remaining-tokens',
    'x-ratelimit-limit-requests',
    'anthropic-ratelimit-tokens-reset',
    'anthropic-ratelimit-unified-reset',
    'x-should-retry',
  );
  const digits = fc.stringMatching(/^-?\d{1,320}(\.\d{1,5})?$/);
  const durations = fc.stringMatching(/^(\d{1,20}(\.\d{1,5})?(h|m|s|ms|us|ns|d)){1,5}$/);
  const dates = fc.date().map((date) => (Number.isNaN(+date) ? 'Invalid Date' : date.toUTCString()));
  const values = fc.oneof(
    digits,
    durations,
    dates,
    fc.double().map(String),
    fc.bigInt().map(String),
    fc.string(),
    fc.array(digits),
    fc.anything(),
  );
  const headers = fc.oneof(
    fc.dictionary(names, values),
    fc.array(fc.tuple(names, values)),
    fc.array(fc.tuple(names, values)).map((pairs) => new Map(pairs)),
    fc.anything({ withMap: true, withSet: true, withNullPrototype: true, withBoxedValues: true, withTypedArray: true }),
  );
  const sane = (value: unknown): boolean =>
    value === undefined || (typeof value === 'number' && value >= 0 && value < Infinity && !Object.is(value, -0));

  it('nothing throws, and a wait is undefined or finite and from 0', () => {
    fc.assert(
      fc.property(
        headers,
        fc.oneof(fc.constant(NOW), fc.constant(0), fc.double()),
        fc.constantFrom(200, 429, 503),
        (given, now, status) => {
          expect(parseRetryAfter(given as HeadersLike, now, status)).toSatisfy(sane);
          for (const value of Object.values(parseRateLimit(given as HeadersLike, now))) {
            expect(value).toBeDefined();
            expect(value).toSatisfy(sane);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});
