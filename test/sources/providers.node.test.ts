import { afterEach, describe, expect, it, vi } from 'vitest';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const messages = [{ role: 'user' as const, content: 'Hi' }];

/** The request that is sent, or the error instead of it. */
async function send(model: string, options: StreamChatOptions = {}) {
  const { fetch, calls } = fetchOf([]);
  const { error } = await collect(streamChat({ model, messages }, { fetch, ...options }));
  return { ...calls[0], error };
}

afterEach(() => vi.unstubAllEnvs());

const HOSTED = ['openai', 'anthropic', 'deepseek', 'groq', 'mistral', 'openrouter', 'together', 'xai'];

describe('keys of the environment', () => {
  it.each(HOSTED)('%s wants its key, and reads it from its variable', async (name) => {
    const variable = `${name.toUpperCase()}_API_KEY`;
    vi.stubEnv(variable, undefined);
    const missing = await send(`${name}/m`);
    expect(missing.url).toBeUndefined();
    expect(missing.error).toMatchObject({
      code: 'E1002',
      provider: name,
      model: 'm',
      message: expect.stringContaining(variable) as string,
    });

    vi.stubEnv(variable, 'from-env\n');
    const sent = await send(`${name}/m`);
    expect(sent.url).toMatch(/^https:\/\/.+\/v1\/(chat\/completions|messages)$/);
    expect(sent.headers?.get('authorization') ?? `Bearer ${sent.headers?.get('x-api-key')}`).toBe('Bearer from-env');
    const given = await send(`${name}/m`, { apiKey: 'given' });
    expect(given.headers?.get('authorization') ?? `Bearer ${given.headers?.get('x-api-key')}`).toBe('Bearer given');
  });

  it('needs no key beside a header that authorizes, which replaces its own', async () => {
    vi.stubEnv('OPENAI_API_KEY', 'env');
    const { headers } = await send('openai/m', {
      headers: { Authorization: 'Basic abc', 'X-Extra': '1', 'x-none': undefined },
    });
    expect(headers?.get('authorization')).toBe('Basic abc');
    expect(headers?.get('x-extra')).toBe('1');
    expect(headers?.has('x-none')).toBe(false);
    const more = await send('openai/m', { headers: new Headers({ 'x-extra': '2' }) });
    expect(more.headers?.get('x-extra')).toBe('2');
    expect(more.headers?.get('authorization')).toBe('Bearer env');
    vi.stubEnv('OPENAI_API_KEY', undefined);
    expect((await send('openai/m', { headers: { Authorization: 'Basic abc' } })).url).toBeDefined();
  });
});
