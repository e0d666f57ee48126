import { describe, expect, it } from 'vitest';
import { errorOfFrame, errorOfResponse } from '../../src/errors/providerError';
import { isWeirError, ProviderError } from '../../src/errors/WeirError';

const NOW = Date.parse('2025-08-21T12:40:00Z');
const options = { now: NOW, provider: 'acme', model: 'm-1', secrets: ['opaque-secret'] };
const response = (status: number, body: unknown, headers: Record<string, string> = {}) =>
  errorOfResponse(status, headers, typeof body === 'string' ? body : JSON.stringify(body), options);

const openai = (type: string | null, code: string | number | null, message = 'why') => ({
  error: { message, type, param: null, code },
});
const anthropic = (type: string, message = 'why', details: unknown = null) => ({
  type: 'error',
  error: { type, message, details },
  request_id: 'req_body',
});
const gemini = (code: number, status: string, details: unknown[] = []) => ({
  error: { code, message: 'why', status, details },
});
const quota = (quotaId: string) => ({
  '@type': 'type.googleapis.com/google.rpc.QuotaFailure',
  violations: [{ quotaMetric: 'm', quotaId }],
});
const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '34.4s' };
const reason = (text: string) => ({
  '@type': 'type.googleapis.com/google.rpc.ErrorInfo',
  reason: text,
  domain: 'googleapis.com',
});

describe('errorOfResponse', () => {
  it.each([
    [400, 'E1001'],
    [401, 'E1002'],
    [402, 'E2002'],
    [403, 'E1003'],
    [404, 'E1004'],
    [408, 'E3003'],
    [409, 'E4001'],
    [413, 'E1005'],
    [418, 'E1001'],
    [422, 'E1001'],
    [429, 'E2001'],
    [499, 'E4002'],
    [500, 'E3001'],
    [502, 'E3001'],
    [503, 'E3002'],
    [504, 'E3003'],
    [520, 'E3001'],
    [529, 'E3002'],
    [200, 'E9999'],
    [302, 'E9999'],
  ])('%i without a body is %s', (status, code) => {
    expect(response(status, '')).toMatchObject({ code, httpStatus: status, message: `HTTP ${status}` });
  });

  it.each<[string, number, unknown, string]>([
    [
      'OpenAI rate limit of tokens',
      429,
      openai('tokens', 'rate_limit_exceeded', 'Rate limit reached … see your account, billing, quota'),
      'E2001',
    ],
    ['OpenAI quota', 429, openai('insufficient_quota', 'insufficient_quota'), 'E2002'],
    ['OpenAI quota by code alone', 429, openai(null, 'insufficient_quota'), 'E2002'],
    ['OpenAI spend limit', 429, openai('insufficient_quota', 'project_spend_limit_exceeded'), 'E2002'],
    ['OpenAI prepaid credit', 429, openai(null, 'credit_balance_exhausted'), 'E2002'],
    ['OpenAI context length', 400, openai('invalid_request_error', 'context_length_exceeded'), 'E1005'],
    ['OpenAI key', 401, openai('invalid_request_error', 'invalid_api_key'), 'E1002'],
    ['OpenAI model', 404, openai('invalid_request_error', 'model_not_found'), 'E1004'],
    ['OpenAI server', 500, openai('server_error', null), 'E3001'],
    ['Groq request above the limit per minute', 413, openai('tokens', 'rate_limit_exceeded'), 'E1005'],
    ['Anthropic overload', 529, anthropic('overloaded_error'), 'E3002'],
    ['Anthropic rate limit', 429, anthropic('rate_limit_error'), 'E2001'],
    ['Anthropic billing', 402, anthropic('billing_error'), 'E2002'],
    [
      'Anthropic credit',
      400,
      anthropic(
        'invalid_request_error',
        'Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing',
      ),
      'E2002',
    ],
    [
      'Anthropic own spend limit',
      400,
      anthropic(
        'invalid_request_error',
        'You have reached your specified API usage limits. You will regain access on 2025-09-01',
      ),
      'E2002',
    ],
    [
      'Anthropic tier spend limit',
      429,
      anthropic('rate_limit_error', 'why', { error_code: 'enforced_spend_limit_reached' }),
      'E2002',
    ],
    [
      'Anthropic contract spend limit',
      400,
      anthropic('invalid_request_error', 'why', { error_code: 'contract_spend_limit_reached' }),
      'E2002',
    ],
    ['Anthropic hold', 400, anthropic('invalid_request_error', 'why', { error_code: 'organization_on_hold' }), 'E2002'],
    [
      'Anthropic prompt',
      400,
      anthropic('invalid_request_error', 'prompt is too long: 200001 tokens > 200000 maximum'),
      'E1005',
    ],
    [
      'Anthropic other 400',
      400,
      anthropic('invalid_request_error', 'messages.0: the text "Your credit balance is too low" is odd'),
      'E1001',
    ],
    [
      'an echoed prompt that looks like an error',
      400,
      openai('invalid_request_error', null, '{"error":{"code":"insufficient_quota","message":"why"}}'),
      'E1001',
    ],
    [
      'Gemini per minute',
      429,
      gemini(429, 'RESOURCE_EXHAUSTED', [quota('GenerateRequestsPerMinutePerProjectPerModel'), retryInfo]),
      'E2001',
    ],
    [
      'Gemini per day',
      429,
      gemini(429, 'RESOURCE_EXHAUSTED', [quota('GenerateRequestsPerDayPerProjectPerModel-FreeTier'), retryInfo]),
      'E2002',
    ],
    ['Gemini in an array', 503, [gemini(503, 'UNAVAILABLE')], 'E3002'],
    ['Gemini key', 400, gemini(400, 'INVALID_ARGUMENT', [reason('API_KEY_INVALID')]), 'E1002'],
    ['Gemini argument', 400, gemini(400, 'INVALID_ARGUMENT'), 'E1001'],
    ['Gemini deadline', 504, gemini(504, 'DEADLINE_EXCEEDED'), 'E3003'],
    ['OpenRouter credits', 402, { error: { code: 402, message: 'why' } }, 'E2002'],
    [
      'OpenRouter minute',
      429,
      { error: { code: 429, message: 'why', metadata: { limit_source: 'upstream' } } },
      'E2001',
    ],
    [
      'OpenRouter day',
      429,
      { error: { code: 429, message: 'why', metadata: { limit_source: 'openrouter_free_tier_daily' } } },
      'E2002',
    ],
    ['DeepSeek balance', 402, openai('unknown_error', 'invalid_request_error', 'Insufficient Balance'), 'E2002'],
    ['vLLM', 400, openai('BadRequestError', 400), 'E1001'],
    ['vLLM, flat', 404, { object: 'error', message: 'why', type: 'NotFoundError', param: null, code: 404 }, 'E1004'],
    ['Ollama', 404, { error: { message: 'why', type: 'not_found_error', code: null } }, 'E1004'],
    ['Ollama native', 404, { error: 'why' }, 'E1004'],
    ['words of the body say more than a status that is no error', 200, gemini(503, 'UNAVAILABLE'), 'E3002'],
  ])('%s', (_, status, body, code) => {
    const error = response(status, body);
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({ code, httpStatus: status, provider: 'acme', model: 'm-1' });
    expect(error.message).toMatch(new RegExp(`^HTTP ${status}: .*(why|limit|balance|limits|long|odd)`, 'i'));
  });

  it('reads the wait: headers first, then the RetryInfo of the body, then the headers that OpenRouter passes on', () => {
    const limited = gemini(429, 'RESOURCE_EXHAUSTED', [quota('GenerateRequestsPerMinute'), retryInfo]);
    expect(response(429, limited).retryAfterMs).toBe(34_400);
    expect(response(429, limited, { 'Retry-After': '5' }).retryAfterMs).toBe(5000);
    expect(response(503, '', { 'retry-after-ms': '70' }).retryAfterMs).toBe(70);
    expect(response(503, '', { 'x-ratelimit-reset-requests': '5s' }).retryAfterMs).toBeUndefined();
    const headers = {
      'X-RateLimit-Limit': '20',
      'X-RateLimit-Remaining': '0',
      'X-RateLimit-Reset': String(NOW + 2500),
    };
    expect(response(429, { error: { code: 429, message: 'why', metadata: { headers } } }).retryAfterMs).toBe(2500);
  });

  it.each(['-3s', 'NaNs', 'soon', {}, null, []])('no wait from a RetryInfo of %j', (retryDelay) => {
    expect(response(429, gemini(429, 'RESOURCE_EXHAUSTED', [{ retryDelay }]))).not.toHaveProperty('retryAfterMs');
  });

  it('reads the id of the request', () => {
    expect(response(500, '', { 'x-request-id': 'req_1' }).requestId).toBe('req_1');
    expect(response(500, anthropic('api_error'), { 'Request-Id': 'req_2' }).requestId).toBe('req_2');
    expect(response(500, anthropic('api_error')).requestId).toBe('req_body');
    expect(response(500, '')).not.toHaveProperty('requestId');
  });

  it('obeys x-should-retry, but for an empty account', () => {
    const told = (status: number, value: string, body: unknown = '') =>
      response(status, body, { 'x-should-retry': value }).retryable;
    expect([told(503, 'false'), told(503, 'true'), told(409, 'false'), told(400, 'true'), told(503, '')]).toEqual([
      false,
      true,
      false,
      true,
      true,
    ]);
    expect(told(429, 'true', openai(null, 'insufficient_quota'))).toBe(false);
  });

  it('shows the title of an HTML page, else the beginning of the text, in one line', () => {
    expect(response(502, '<html>\n<head><title>502 Bad Gateway</title></head><body>…</body>').message).toBe(
      'HTTP 502: 502 Bad Gateway',
    );
    expect(response(413, '<p>Payload\n  <b>too large</b></p>').message).toBe('HTTP 413: Payload too large');
    expect(response(500, '{"error": {"mess').message).toBe('HTTP 500: {"error": {"mess');
    expect(response(500, 'x'.repeat(1e6)).message.length).toBeLessThan(250);
    expect(response(500, openai(null, null, 'x'.repeat(1e6))).message.length).toBeLessThanOrEqual(500);
  });

  it('never shows a key, known or by its shape, also where it is cut', () => {
    const echo = 'Incorrect API key provided: opaque-secret / sk-proj-1234567890abcdef / Bearer abc123def456';
    const pad = '. '.repeat(96);
    for (const body of [
      echo,
      openai(null, 'invalid_api_key', echo),
      `.${pad}opaque-secret`,
      openai(null, null, `${'x'.repeat(480)} opaque-secret`),
    ]) {
      const error = response(401, body, { 'x-request-id': 'opaque-secret' });
      const text = JSON.stringify(error) + error.message + String(error.stack);
      expect(text).not.toMatch(/opaque|1234567890|abc123/);
    }
  });

  it('takes any container of headers and any body', () => {
    for (const body of ['null', '[]', '5', '"text"', '{}', '{"error":null}', '[[[]]]', '\0']) {
      expect(errorOfResponse(503, new Map([['Retry-After', '1']]), body, options)).toMatchObject({
        code: 'E3002',
        retryAfterMs: 1000,
      });
      expect(errorOfResponse(503, undefined, body, { now: NOW })).toMatchObject({ code: 'E3002' });
    }
    const deep = `${'{"error":'.repeat(2000)}1${'}'.repeat(2000)}`;
    expect(response(500, deep)).toMatchObject({ code: 'E3001' });
  });
});

describe('errorOfFrame', () => {
  it.each<[string, unknown, string]>([
    ['OpenAI', openai('server_error', null), 'E3001'],
    ['OpenAI with no more than a message', openai(null, null), 'E3001'],
    ['OpenAI rate limit', openai('tokens', 'rate_limit_exceeded'), 'E2001'],
    ['OpenAI requests per minute', openai('requests', null), 'E2001'],
    ['OpenAI context length', openai('invalid_request_error', 'context_length_exceeded'), 'E1005'],
    [
      'OpenAI Responses, flat',
      { type: 'error', code: 'rate_limit_exceeded', message: 'why', param: null, sequence_number: 3 },
      'E2001',
    ],
    [
      'OpenAI Responses, failed',
      { type: 'response.failed', response: { status: 'failed', error: { code: 'server_error', message: 'why' } } },
      'E3001',
    ],
    [
      'OpenAI Responses, quota',
      { type: 'response.failed', response: { error: { code: 'insufficient_quota', message: 'why' } } },
      'E2002',
    ],
    ['Anthropic overload', anthropic('overloaded_error'), 'E3002'],
    ['Anthropic api_error', anthropic('api_error'), 'E3001'],
    ['Anthropic rate limit', anthropic('rate_limit_error'), 'E2001'],
    ['Anthropic timeout', anthropic('timeout_error'), 'E3003'],
    ['Anthropic invalid request', anthropic('invalid_request_error'), 'E1001'],
    ['Anthropic authentication', anthropic('authentication_error'), 'E1002'],
    ['Anthropic permission', anthropic('permission_error'), 'E1003'],
    ['Anthropic not found', anthropic('not_found_error'), 'E1004'],
    ['Anthropic size', anthropic('request_too_large'), 'E1005'],
    ['Anthropic billing', anthropic('billing_error'), 'E2002'],
    ['Gemini raw tail', gemini(503, 'UNAVAILABLE'), 'E3002'],
    ['Gemini raw tail by its status word', { error: { message: 'why', status: 'INTERNAL' } }, 'E3001'],
    [
      'OpenRouter, by number',
      {
        id: 'gen-1',
        provider: 'X',
        error: { code: 502, message: 'why' },
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
      },
      'E3001',
    ],
    ['OpenRouter, by numeric text', { error: { code: '429', message: 'why' } }, 'E2001'],
    ['OpenRouter, by word', { error: { code: 'server_error', message: 'why' } }, 'E3001'],
    ['vLLM', { error: { message: 'why', type: 'BadRequestError', param: null, code: 400 } }, 'E1001'],
    ['vLLM, flat', { object: 'error', message: 'why', type: 'InternalServerError', param: null, code: 500 }, 'E3001'],
    ['Ollama', { error: 'why' }, 'E3001'],
    ['JSON text', JSON.stringify(anthropic('overloaded_error')), 'E3002'],
    ['any text', 'why not', 'E3001'],
  ])('%s', (_, payload, code) => {
    const error = errorOfFrame(payload, options);
    expect(error).toBeInstanceOf(ProviderError);
    expect(error).toMatchObject({ code, provider: 'acme', model: 'm-1' });
    expect(error.message).toContain('why');
  });

  it('has a status only where the frame has one', () => {
    expect(errorOfFrame({ error: { code: 502 } }, options).httpStatus).toBe(502);
    expect(errorOfFrame(anthropic('overloaded_error'), options)).not.toHaveProperty('httpStatus');
    expect(errorOfFrame(anthropic('overloaded_error'), options).requestId).toBe('req_body');
  });

  it('makes an error of anything', () => {
    for (const payload of [undefined, null, 0, '', [], {}, () => 1, Symbol('x'), { error: {} }]) {
      const error = errorOfFrame(payload, { now: NOW });
      expect(isWeirError(error)).toBe(true);
      expect(error.code).toBe('E3001');
      expect(error.message).not.toBe('');
    }
  });
});
