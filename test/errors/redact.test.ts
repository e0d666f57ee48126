import { describe, expect, it } from 'vitest';
import { redact, safeCause } from '../../src/errors/redact';

describe('redact', () => {
  it.each([
    ['Incorrect API key provided: sk-proj-abc123DEF456.', 'sk-proj-abc123DEF456'],
    ['Incorrect API key provided: sk-abcd********wxyz. You can find', 'wxyz'],
    ['invalid x-api-key sk-ant-api03-AbCdEf_123-xyz', 'AbCdEf_123-xyz'],
    ['key gsk_1234567890abcdefABCDEF is bad', '1234567890abcdefABCDEF'],
    ['key xai-1234567890abcdefABCDEF is bad', '1234567890abcdefABCDEF'],
    ['GET /v1beta/models?key=AIzaSyA1234567890abcdefghijklmnopqrstu&alt=sse', 'AIzaSy'],
    ['Authorization: Bearer abcdefghijkl', 'abcdefghijkl'],
    ['authorization: Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['{"headers":{"authorization":"Bearer a1b2c3d4"}}', 'a1b2c3d4'],
    ['{"body":"{\\"Authorization\\": \\"Bearer a1b2c3d4\\"}"}', 'a1b2c3d4'],
    ["{ 'x-api-key': 'opaque-value' }", 'opaque-value'],
    ['x-goog-api-key: opaque-value', 'opaque-value'],
    ['OPENAI_API_KEY=opaque-value node app.js', 'opaque-value'],
    ['https://host/v1?api_key=opaque-value', 'opaque-value'],
    ['got token Bearer eyJhbGciOi.eyJzdWIi.c2ln4', 'eyJ'],
    ['first line\\nsk-1234567890', '1234567890'],
    ['env_sk-1234567890', '1234567890'],
    ['%22sk-proj-short1%22', 'short1'],
    ['%22sk-1234567890abcdefghij%22', '1234567890'],
  ])('%s', (text, secret) => {
    const clean = redact(text);
    expect(clean).not.toContain(secret);
    expect(clean).toContain('[redacted]');
    expect(redact(clean)).toBe(clean);
  });

  it.each([
    'Rate limit reached for gpt-4o in organization org-abc123 on tokens per min (TPM): Limit 30000, Used 29000. Visit https://platform.openai.com/account/rate-limits.',
    'The bearer token is missing or malformed',
    'Missing bearer authentication in header',
    'You must provide an API key in an Authorization header using Bearer auth (i.e. Authorization header)',
    'a risk-adjusted, task-specific and disk-intensive approach',
    'model xai-grok-4-fast is not available; try sk-learn',
    'prompt is too long: 200001 tokens > 200000 maximum',
    '',
  ])('leaves alone: %s', (text) => {
    expect(redact(text)).toBe(text);
  });

  it('removes the known secrets exactly, the longer before its beginning', () => {
    expect(redact('opaque and opaque.$&-more', ['opaque', 'opaque.$&-more'])).toBe('[redacted] and [redacted]');
    expect(redact('ok', ['k', ''])).toBe('ok');
  });

  it('keeps up with hostile text', () => {
    for (const part of ['authorization', 'bearer ', 'bearer', 'sk-', 'AIza', '\\"', '<', 'api_key =', ' '])
      redact(part.repeat(50_000));
  });
});

describe('safeCause', () => {
  const config = { headers: { Authorization: 'opaque', Accept: '*/*' } };

  it('is the raw value where there is no secret in it', () => {
    const cyclic: Record<string, unknown> = { status: 500, headers: new Headers({ 'x-request-id': 'req_1' }) };
    cyclic['self'] = cyclic;
    for (const raw of [
      new Error('plain'),
      cyclic,
      { status: 503 },
      'text',
      undefined,
      null,
      7,
      Symbol('s'),
      new Response('x'),
    ]) {
      expect(safeCause(raw)).toBe(raw);
    }
  });

  it.each<[string, unknown]>([
    ['message', new Error('bad key sk-1234567890')],
    ['text', 'bad key sk-1234567890'],
    ['a header of the request', Object.assign(new Error('Request failed'), { config })],
    [
      'a header of a Headers',
      Object.assign(new Error('Request failed'), {
        request: new Request('http://localhost', { headers: { 'X-Api-Key': 'opaque' } }),
      }),
    ],
    [
      'a URL',
      Object.assign(new Error('Request failed'), {
        at: new URL('http://localhost/?key=AIzaSyA1234567890abcdefghijklmnopqrstu'),
      }),
    ],
    ['a Map', Object.assign(new Error('Request failed'), { options: new Map([['authorization', 'opaque']]) })],
    ['a Set', Object.assign(new Error('Request failed'), { args: new Set(['sk-1234567890']) })],
    [
      'a symbol property',
      Object.assign(new Error('Request failed'), { [Symbol('state')]: { auth: 'Bearer abc123def' } }),
    ],
    [
      'a cause of a cause',
      new Error('Request failed', { cause: new Error('why', { cause: { body: 'sk-1234567890' } }) }),
    ],
    ['a known key', Object.assign(new Error('Request failed'), { note: 'my-own-key' })],
  ])('keeps name and message only, for a secret in %s', (_, raw) => {
    const cause = safeCause(raw, ['my-own-key']) as Error;
    expect(cause).toBeInstanceOf(Error);
    expect(cause).not.toBe(raw);
    expect(Object.keys(cause)).toEqual(['name']);
    expect(cause.cause).toBeUndefined();
    expect(cause.message).toMatch(/^(Request failed|bad key \[redacted\])$/);
  });

  it('looks into what a class shows of its private fields', () => {
    class Exchange {
      readonly #headers = new Headers({ authorization: 'opaque' });
      get headers(): Headers {
        return this.#headers;
      }
    }
    const raw = Object.assign(new Error('Request failed'), { request: new Exchange() });
    expect(safeCause(raw)).not.toBe(raw);
  });

  it('does not keep what it cannot look into', () => {
    const hidden = new Proxy(
      {},
      {
        ownKeys() {
          throw new Error('no');
        },
      },
    );
    const huge = { list: Array.from({ length: 10_000 }, (_, index) => ({ index })) };
    for (const raw of [hidden, huge]) expect(safeCause(raw)).not.toBe(raw);
  });
});
