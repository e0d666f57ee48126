import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { EmptyError, firstValueFrom, NEVER, TimeoutError, timeout } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { classifyError } from '../../src/errors/classifyError';
import { FallbackExhaustedError } from '../../src/errors/FallbackExhaustedError';
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
import { ProviderError, WeirError } from '../../src/errors/WeirError';

const NOW = Date.parse('2025-08-21T12:40:00Z');
const code = (error: unknown): string => classifyError(error, { now: NOW }).code;
const caught = async (work: () => unknown): Promise<unknown> => {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};
const system = (name: string, extra: object = {}): Error =>
  Object.assign(new Error(`connect ${name}`), { code: name, ...extra });
const fetchFailed = (cause: unknown): Error => new TypeError('fetch failed', { cause });

describe('our own errors', () => {
  const own = [
    new WeirError('x'),
    new ProviderError('x', { httpStatus: 503 }),
    new IncompleteStreamError(),
    new EmptyStreamError(),
    new MalformedStreamError('x'),
    new DivergedStreamError(),
    new StreamTimeoutError('idle', 5),
    new CircuitOpenError(),
    new RateLimitExceededError(),
    new ConcurrencyLimitError(),
    new PreflightError([{ component: 'rateLimiter', retryAfterMs: 5, reason: 'x' }]),
    new FallbackExhaustedError([]),
  ];
  it.each(own.map((error) => [error.name, error] as const))('%s comes back as it is', (_, error) => {
    expect(classifyError(error)).toBe(error);
  });

  it('so does one of another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { code: 'E3002' });
    Object.defineProperty(foreign, Symbol.for('rx-weir.error'), { value: true });
    expect(classifyError(foreign)).toBe(foreign);
  });

  it('a wrapper around one is of its code, and a refusal stays one that is not retried', () => {
    expect(code(new Error('x', { cause: new StreamTimeoutError('idle', 5) }))).toBe('E3003');
    expect(classifyError(new Error('x', { cause: new CircuitOpenError() }))).toMatchObject({
      code: 'E3002',
      retryable: false,
    });
  });
});

describe('by status', () => {
  const table: [number, string, boolean, boolean][] = [
    [400, 'E1001', false, false],
    [401, 'E1002', false, true],
    [402, 'E2002', false, true],
    [403, 'E1003', false, false],
    [404, 'E1004', false, false],
    [408, 'E3003', true, true],
    [409, 'E4001', true, false],
    [413, 'E1005', false, false],
    [422, 'E1001', false, false],
    [429, 'E2001', true, true],
    [451, 'E1001', false, false],
    [499, 'E4002', false, false],
    [500, 'E3001', true, true],
    [502, 'E3001', true, true],
    [503, 'E3002', true, true],
    [504, 'E3003', true, true],
    [529, 'E3002', true, true],
    [599, 'E3001', true, true],
  ];
  it.each(table)('%i is %s', (status, expected, retryable, fallbackable) => {
    const shapes: unknown[] = [
      { status },
      { statusCode: status },
      { code: status },
      { status: String(status) },
      { response: { status } },
      { error: { code: status } },
      Object.assign(new Error('x'), { status }),
      new Error('x', { cause: { status } }),
      new Response('', { status }),
      Object.assign(Object.create(null) as object, { status }),
      new OpenAI.APIError(status, { message: 'x' }, undefined, new Headers()),
      OpenAI.APIError.generate(status, { error: { message: 'x' } }, undefined, new Headers()),
      Anthropic.APIError.generate(status, { type: 'error', error: { message: 'x' } }, undefined, new Headers()),
    ];
    for (const raw of shapes) {
      const error = classifyError(raw, { provider: 'acme', model: 'm-1' });
      expect(error).toMatchObject({
        code: expected,
        retryable,
        fallbackable,
        httpStatus: status,
        provider: 'acme',
        model: 'm-1',
      });
      expect(error.cause).toBe(raw);
    }
  });

  it.each([
    0,
    99,
    200,
    204,
    301,
    399,
    600,
    1000,
    -429,
    429.5,
    NaN,
    Infinity,
    '429 ',
    '0x1ad',
    null,
    true,
    [429],
    { valueOf: () => 429 },
  ])('no status: %j', (status) => {
    expect(classifyError({ status })).toMatchObject({
      code: 'E9999',
      kind: 'unknown',
      retryable: false,
      fallbackable: false,
    });
    expect(classifyError({ status })).not.toHaveProperty('httpStatus');
  });
});

describe('the openai SDK', () => {
  const headers = new Headers({
    'x-request-id': 'req_1',
    'retry-after': '7',
    'x-ratelimit-reset-tokens': '6m0s',
    'x-ratelimit-remaining-tokens': '0',
  });
  const of = (status: number, body: object) => OpenAI.APIError.generate(status, { error: body }, undefined, headers);

  it('HTTP errors', () => {
    const rate = of(429, { message: 'Rate limit reached', type: 'tokens', param: null, code: 'rate_limit_exceeded' });
    expect(classifyError(rate)).toMatchObject({
      code: 'E2001',
      requestId: 'req_1',
      retryAfterMs: 7000,
      message: 'Rate limit reached',
    });
    expect(code(of(429, { message: 'x', type: 'insufficient_quota', code: 'insufficient_quota' }))).toBe('E2002');
    expect(code(of(400, { message: 'x', type: 'invalid_request_error', code: 'context_length_exceeded' }))).toBe(
      'E1005',
    );
    expect(code(of(401, { message: 'x', type: 'invalid_request_error', code: 'invalid_api_key' }))).toBe('E1002');
    expect(code(OpenAI.APIError.generate(502, undefined, '<html>', new Headers()))).toBe('E3001');
  });

  it('resets count on a 429, not on another status and not for an error frame after a 200', () => {
    const resets = new Headers({ 'x-ratelimit-reset-tokens': '2s' });
    const waits = [429, 503, undefined].map(
      (status) => classifyError(new OpenAI.APIError(status, { code: 'x' }, undefined, resets)).retryAfterMs,
    );
    expect(waits).toEqual([2000, undefined, undefined]);
  });

  it.each<[object, string]>([
    [{ message: 'x', type: 'server_error', code: null }, 'E3001'],
    [{ message: 'x', type: null, code: null }, 'E3001'],
    [{ message: 'timeout, connection aborted', type: null, code: null }, 'E3001'],
    [{ message: 'x', type: 'tokens', code: 'rate_limit_exceeded' }, 'E2001'],
    [{ message: 'x', type: 'insufficient_quota', code: 'insufficient_quota' }, 'E2002'],
    [{ message: 'x', type: 'invalid_request_error', code: null }, 'E1001'],
    [{ message: 'x', type: 'BadRequestError', code: 400 }, 'E1001'],
    [{ message: 'Provider disconnected', code: 502 }, 'E3001'],
  ])('error frames, which have no status: %j', (body, expected) => {
    const raw = new OpenAI.APIError(undefined, body, undefined, new Headers({ 'x-request-id': 'req_2' }));
    expect(classifyError(raw)).toMatchObject({ code: expected, requestId: 'req_2' });
  });

  it('connections, timeouts and aborts, also when a minifier has taken the names', () => {
    class e extends Error {
      status = undefined;
      requestID = undefined;
    }
    expect(code(new OpenAI.APIConnectionError({ message: 'odd' }))).toBe('E3001');
    expect(code(new OpenAI.APIConnectionError({ cause: fetchFailed(system('ECONNREFUSED')) }))).toBe('E3001');
    expect(code(new OpenAI.APIConnectionError({ cause: fetchFailed(system('UND_ERR_HEADERS_TIMEOUT')) }))).toBe(
      'E3003',
    );
    expect(code(new OpenAI.APIConnectionTimeoutError({ message: 'odd' }))).toBe('E3003');
    expect(code(new OpenAI.APIUserAbortError({ message: 'odd' }))).toBe('E4002');
    expect(
      ['Connection error.', 'Request timed out.', 'Request was aborted.'].map((text) => code(new e(text))),
    ).toEqual(['E3001', 'E3003', 'E4002']);
    expect(code(new OpenAI.OpenAIError('request ended without sending any chunks'))).toBe('E9999');
  });

  it('as thrown by the client itself', async () => {
    const client = (fetch: typeof globalThis.fetch) =>
      new OpenAI({ apiKey: 'test-key', maxRetries: 0, baseURL: 'http://127.0.0.1/v1', fetch });
    const call = (fetch: typeof globalThis.fetch) =>
      caught(() => client(fetch).chat.completions.create({ model: 'm', messages: [] }));
    const refused = await call(() => Promise.reject(fetchFailed(system('ECONNREFUSED'))));
    const limited = await call(() =>
      Promise.resolve(
        Response.json(
          { error: { message: 'slow down', code: 'rate_limit_exceeded' } },
          { status: 429, headers: { 'retry-after-ms': '12' } },
        ),
      ),
    );
    expect(classifyError(refused)).toMatchObject({ code: 'E3001', retryable: true });
    expect(classifyError(limited)).toMatchObject({ code: 'E2001', retryAfterMs: 12, cause: limited });
  });
});

describe('the Anthropic SDK', () => {
  const body = (type: string, message = 'why', details: unknown = null) => ({
    type: 'error',
    error: { type, message, details },
    request_id: 'req_body',
  });

  it('HTTP errors', () => {
    const of = (status: number, ...args: Parameters<typeof body>) =>
      Anthropic.APIError.generate(
        status,
        body(...args),
        undefined,
        new Headers({ 'request-id': 'req_1', 'x-should-retry': 'false' }),
      );
    expect(classifyError(of(529, 'overloaded_error'))).toMatchObject({
      code: 'E3002',
      requestId: 'req_1',
      retryable: false,
      message: 'why',
    });
    expect(code(of(400, 'invalid_request_error', 'Your credit balance is too low to access the Anthropic API.'))).toBe(
      'E2002',
    );
    expect(code(of(429, 'rate_limit_error', 'why', { error_code: 'enforced_spend_limit_reached' }))).toBe('E2002');
    expect(code(of(400, 'invalid_request_error', 'prompt is too long: 9 tokens > 8 maximum'))).toBe('E1005');
    expect(code(of(400, 'invalid_request_error', 'the prompt is too long: 9 tokens'))).toBe('E1001');
  });

  it('error frames, connections, timeouts, aborts, and what its stream helper wraps', () => {
    const frame = new Anthropic.APIError(
      undefined,
      body('overloaded_error'),
      undefined,
      new Headers(),
      'overloaded_error',
    );
    expect(classifyError(frame)).toMatchObject({ code: 'E3002', requestId: 'req_body' });
    expect(code(new Anthropic.APIConnectionError({ message: 'odd' }))).toBe('E3001');
    expect(code(new Anthropic.APIConnectionTimeoutError())).toBe('E3003');
    expect(code(new Anthropic.APIUserAbortError())).toBe('E4002');
    const wrapped = Object.assign(new Anthropic.AnthropicError('terminated'), {
      cause: new TypeError('terminated', { cause: system('UND_ERR_SOCKET') }),
    });
    expect(code(wrapped)).toBe('E3001');
  });
});

describe('other SDKs', () => {
  const aiSdk = (extra: object): Error =>
    Object.assign(new Error('x'), { name: 'AI_APICallError', url: 'http://x', isRetryable: false, ...extra });

  it('Vercel AI SDK', () => {
    const quota = aiSdk({
      statusCode: 429,
      responseHeaders: { 'x-request-id': 'req_1' },
      responseBody: '{"error":{"code":"insufficient_quota","message":"why"}}',
      isRetryable: true,
    });
    expect(classifyError(quota)).toMatchObject({ code: 'E2002', requestId: 'req_1', httpStatus: 429 });
    const rate = aiSdk({
      statusCode: 429,
      responseHeaders: { 'retry-after': '3' },
      data: { error: { code: 'rate_limit_exceeded' } },
    });
    expect(classifyError(rate)).toMatchObject({ code: 'E2001', retryAfterMs: 3000 });
    const retried = Object.assign(new Error('Failed after 3 attempts'), {
      name: 'AI_RetryError',
      reason: 'maxRetriesExceeded',
      errors: [aiSdk({ statusCode: 500 }), rate],
      lastError: rate,
    });
    expect(classifyError(retried)).toMatchObject({ code: 'E2001', retryAfterMs: 3000, httpStatus: 429 });
    expect(code(aiSdk({ isRetryable: true, message: 'Cannot connect to API' }))).toBe('E3001');
    expect(code(aiSdk({ isRetryable: true, cause: system('ECONNRESET') }))).toBe('E3001');
    expect(code(aiSdk({}))).toBe('E9999');
    expect(code({ type: 'overloaded_error', message: 'Overloaded' })).toBe('E3002');
  });

  it('Google GenAI', () => {
    const json = (code: number, status: string, details: unknown[] = []) =>
      JSON.stringify({ error: { code, message: 'why', status, details } });
    const of = (status: number, message: string) => Object.assign(new Error(message), { name: 'ApiError', status });
    const details = [{ violations: [{ quotaId: 'GenerateRequestsPerDayPerProject' }] }, { retryDelay: '34.4s' }];
    expect(classifyError(of(429, json(429, 'RESOURCE_EXHAUSTED', details)))).toMatchObject({
      code: 'E2002',
      retryAfterMs: 34_400,
      message: 'why',
    });
    expect(classifyError(of(429, json(429, 'RESOURCE_EXHAUSTED')))).toMatchObject({ code: 'E2001' });
    expect(code(of(400, json(400, 'INVALID_ARGUMENT', [{ reason: 'API_KEY_INVALID' }])))).toBe('E1002');
    expect(code(new Error(`got status: 503 Service Unavailable. ${json(503, 'UNAVAILABLE')}`))).toBe('E3002');
  });

  it('LangChain', () => {
    expect(code(Object.assign(new Error('x'), { response: { status: 429 } }))).toBe('E2001');
    expect(code(Object.assign(new Error('x'), { lc_error_code: 'MODEL_RATE_LIMIT' }))).toBe('E2001');
    expect(code(Object.assign(new Error('x'), { lc_error_code: 'MODEL_AUTHENTICATION', status: 401 }))).toBe('E1002');
    expect(code(Object.assign(new Error('x'), { lc_error_code: 'MODEL_NOT_FOUND' }))).toBe('E1004');
    expect(code(Object.assign(new Error('Request timed out.'), { name: 'TimeoutError' }))).toBe('E3003');
  });

  it('axios', () => {
    const axios = (code: string, extra: object = {}) =>
      Object.assign(new Error('x'), { name: 'AxiosError', code, ...extra });
    expect(code(axios('ERR_BAD_REQUEST', { response: { status: 404, data: '' } }))).toBe('E1004');
    expect(
      code(
        axios('ERR_BAD_REQUEST', {
          response: { status: 429, headers: { 'retry-after': '1' }, data: { error: { code: 'insufficient_quota' } } },
        }),
      ),
    ).toBe('E2002');
    expect(code(axios('ERR_NETWORK'))).toBe('E3001');
    expect(code(axios('ETIMEDOUT'))).toBe('E3003');
    expect(code(axios('ERR_CANCELED', { name: 'CanceledError' }))).toBe('E4002');
  });
});

describe('the platform', () => {
  it.each([
    'ECONNRESET',
    'ECONNREFUSED',
    'ECONNABORTED',
    'EPIPE',
    'ENOTFOUND',
    'EAI_AGAIN',
    'EHOSTUNREACH',
    'ENETUNREACH',
    'UND_ERR_SOCKET',
    'ERR_STREAM_PREMATURE_CLOSE',
  ])('E3001: %s, raw and under fetch', (name) => {
    expect(classifyError(system(name))).toMatchObject({ code: 'E3001', retryable: true });
    expect(classifyError(fetchFailed(system(name)))).toMatchObject({
      code: 'E3001',
      message: `fetch failed: connect ${name}`,
    });
    expect(code(new TypeError('terminated', { cause: system(name) }))).toBe('E3001');
  });

  it.each([
    'ETIMEDOUT',
    'ESOCKETTIMEDOUT',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_HEADERS_TIMEOUT',
    'UND_ERR_BODY_TIMEOUT',
  ])('E3003: %s, raw and under fetch', (name) => {
    expect(code(system(name))).toBe('E3003');
    expect(code(fetchFailed(system(name)))).toBe('E3003');
  });

  it.each([
    'Failed to fetch',
    'Failed to fetch (api.openai.com)',
    'Load failed',
    'NetworkError when attempting to fetch resource.',
    'network error',
    'Network request failed',
    'fetch failed',
    'terminated',
    'Error in input stream',
    'The network connection was lost.',
    'The Internet connection appears to be offline.',
  ])('E3001: fetch says %j and gives no cause', (message) => {
    expect(code(new TypeError(message))).toBe('E3001');
    expect(code(new Error(message))).toBe('E9999');
  });

  it('refusal by a real fetch', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    const raw = await caught(() => fetch(`http://127.0.0.1:${port}/`));
    expect(classifyError(raw)).toMatchObject({ code: 'E3001', cause: raw });
    expect(classifyError(raw).message).toContain('ECONNREFUSED');
  });

  it('aborts and timeouts', async () => {
    expect(code(AbortSignal.abort().reason)).toBe('E4002');
    expect(code(await caught(() => fetch('http://127.0.0.1:9/', { signal: AbortSignal.abort() })))).toBe('E4002');
    expect(code(Object.assign(new Error('x'), { name: 'AbortError', code: 'ABORT_ERR' }))).toBe('E4002');
    expect(code(Object.assign(new Error('x'), { name: 'AbortError', type: 'aborted' }))).toBe('E4002');
    const expired = new DOMException('The operation timed out.', 'TimeoutError');
    expect(code(expired)).toBe('E3003');
    expect(code(Object.assign(new Error('x', { cause: expired }), { name: 'AbortError', code: 'ABORT_ERR' }))).toBe(
      'E3003',
    );
    expect(code(new TimeoutError())).toBe('E3003');
    expect(code(await caught(() => firstValueFrom(NEVER.pipe(timeout({ first: 0 })))))).toBe('E3003');
  });
});

describe('anything else is E9999, with its message', () => {
  it.each<[unknown, string]>([
    [new Error('boom'), 'boom'],
    [
      new TypeError("Cannot read properties of undefined (reading 'fetch')"),
      "Cannot read properties of undefined (reading 'fetch')",
    ],
    [new SyntaxError('Unexpected token < in JSON'), 'Unexpected token < in JSON'],
    [new EmptyError(), 'no elements in sequence'],
    [Object.assign(new Error('x'), { name: 'NotFoundError' }), 'x'],
    [Object.assign(new Error('x'), { code: 'ENOENT' }), 'x'],
    [Object.assign(new Error('x'), { code: 'ERR_INVALID_ARG_TYPE' }), 'x'],
    [
      new Error('429 rate limit, insufficient_quota, timeout, overloaded'),
      '429 rate limit, insufficient_quota, timeout, overloaded',
    ],
    [
      new Error('Invalid prompt: {"error":{"code":"insufficient_quota"}}'),
      'Invalid prompt: {"error":{"code":"insufficient_quota"}}',
    ],
    ['just text', 'just text'],
    ['503', '503'],
    [undefined, 'unknown error'],
    [null, 'unknown error'],
    [Symbol('s'), 'unknown error'],
    [{}, 'unknown error'],
    [() => 1, 'unknown error'],
    [Object.create(null), 'unknown error'],
  ])('%s', (raw, message) => {
    const error = classifyError(raw);
    expect(error).toMatchObject({ code: 'E9999', message });
    expect(error.cause).toBe(raw);
  });

  it('a message without end is bounded', () => {
    expect(classifyError(new Error('x'.repeat(1e6))).message.length).toBeLessThanOrEqual(500);
  });

  it('cycles', () => {
    const first: { cause?: unknown; error?: unknown } = new Error('first');
    const second = new Error('second', { cause: first });
    first.cause = second;
    first.error = first;
    expect(code(first)).toBe('E9999');
  });
});

describe('what throws at every touch', () => {
  const no = (): never => {
    throw new Error('no');
  };
  const handler: ProxyHandler<object> = {
    get: no,
    has: no,
    ownKeys: no,
    getPrototypeOf: no,
    getOwnPropertyDescriptor: no,
  };
  it.each<[string, unknown]>([
    ['a proxy', new Proxy({}, handler)],
    ['a proxy of a function', new Proxy(() => 1, handler)],
    [
      'a revoked proxy',
      (() => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        return proxy;
      })(),
    ],
    [
      'getters',
      {
        get name() {
          return no();
        },
        get message() {
          return no();
        },
        get status() {
          return no();
        },
        get cause() {
          return no();
        },
      },
    ],
    ['conversions', { message: { toString: no }, name: { [Symbol.toPrimitive]: no }, code: { valueOf: no } }],
    ['headers', { headers: new Proxy({}, handler), response: new Proxy({}, handler) }],
    ['an error under a proxy', { error: new Proxy({}, handler) }],
  ])('%s', (_, raw) => {
    expect(classifyError(raw)).toMatchObject({ code: 'E9999', kind: 'unknown' });
  });

  it('keeps what could be read', () => {
    expect(
      code({
        status: 503,
        get headers() {
          return no();
        },
      }),
    ).toBe('E3002');
  });
});
