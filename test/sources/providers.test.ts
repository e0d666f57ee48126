import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ChatRequest } from '../../src/sources/ChatRequest';
import { registerProvider } from '../../src/sources/providers';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const messages: ChatRequest['messages'] = [{ role: 'user', content: 'Hi' }];

/** The request that is sent, or the error instead of it. */
async function send(model: string, options: StreamChatOptions = {}) {
  const { fetch, calls } = fetchOf([]);
  const { error } = await collect(streamChat({ model, messages }, { fetch, ...options }));
  return { ...calls[0], error };
}

afterEach(() => {
  vi.unstubAllEnvs();
  vi.unstubAllGlobals();
});

describe('the well known providers', () => {
  it.each(['ollama', 'vllm'])('%s needs no key, and takes one', async (name) => {
    const { url, headers, error } = await send(`${name}/m`);
    expect(url).toMatch(/^http:\/\/localhost:\d+\/v1\/chat\/completions$/);
    expect(headers?.has('authorization')).toBe(false);
    expect(error).not.toMatchObject({ code: 'E1002' });
    expect((await send(`${name}/m`, { apiKey: 'k' })).headers?.get('authorization')).toBe('Bearer k');
  });

  it('works where there is no process', async () => {
    vi.stubGlobal('process', undefined);
    const { error } = await send('openai/m');
    const { url } = await send('openai/m', { apiKey: 'k' });
    vi.unstubAllGlobals();
    expect(error).toMatchObject({ code: 'E1002' });
    expect(url).toBeDefined();
  });

  it('takes an empty key for none', async () => {
    vi.stubEnv('OPENAI_API_KEY', ' ');
    expect((await send('openai/m')).error).toMatchObject({ code: 'E1002' });
    expect((await send('openai/m', { apiKey: '' })).error).toMatchObject({ code: 'E1002' });
  });
});

describe('model ids', () => {
  it('may hold further slashes and colons', async () => {
    expect((await send('openrouter/anthropic/claude-3-5-sonnet:free', { apiKey: 'k' })).body).toMatchObject({
      model: 'anthropic/claude-3-5-sonnet:free',
    });
  });

  it.each(['gpt-4o', '', '/', 'openai/', '/gpt', 'nope/gpt', 'constructor/x', undefined, null, 7])(
    'refuses %j with the names it knows',
    async (model) => {
      const { error, url } = await send(model as string, { apiKey: 'k' });
      expect(url).toBeUndefined();
      expect(error).toMatchObject({
        code: 'E1001',
        message: expect.stringMatching(/openai, anthropic.*vllm/) as string,
      });
    },
  );
});

describe('baseUrl', () => {
  it('is as in the SDKs, with or without a slash at its end', async () => {
    for (const slash of ['', '/', '//']) {
      expect((await send('openai/m', { apiKey: 'k', baseUrl: `http://h/v1${slash}` })).url).toBe(
        'http://h/v1/chat/completions',
      );
      expect((await send('anthropic/m', { apiKey: 'k', baseUrl: `http://h${slash}` })).url).toBe(
        'http://h/v1/messages',
      );
    }
  });
});

describe('registerProvider', () => {
  it('makes a provider known until it is removed', async () => {
    const remove = registerProvider('lmstudio', {
      baseUrl: 'http://localhost:1234/v1',
      headers: { 'x-a': '1' },
      streamOptions: false,
    });
    const { url, headers, body } = await send('lmstudio/qwen/3');
    expect(url).toBe('http://localhost:1234/v1/chat/completions');
    expect(headers?.get('x-a')).toBe('1');
    expect(body).toMatchObject({ model: 'qwen/3' });
    expect(body).not.toHaveProperty('stream_options');
    remove();
    expect((await send('lmstudio/qwen/3')).error).toMatchObject({ code: 'E1001' });
  });

  it('speaks the dialect and wants the key that it is told', async () => {
    vi.stubEnv('BEDROCK_KEY', undefined);
    const remove = registerProvider('bedrock', { dialect: 'anthropic', baseUrl: 'http://b', apiKeyEnv: 'BEDROCK_KEY' });
    expect((await send('bedrock/m')).error).toMatchObject({
      code: 'E1002',
      message: expect.stringContaining('BEDROCK_KEY') as string,
    });
    expect((await send('bedrock/m', { apiKey: 'k' })).url).toBe('http://b/v1/messages');
    remove();
  });

  it('replaces a provider, and gives the former back', async () => {
    const back = registerProvider('openai', { baseUrl: 'http://proxy/v1' });
    expect((await send('openai/m')).url).toBe('http://proxy/v1/chat/completions');
    back();
    expect((await send('openai/m', { apiKey: 'k' })).url).toBe('https://api.openai.com/v1/chat/completions');
  });

  it('keeps its own copy', async () => {
    const config = { baseUrl: 'http://a/v1' };
    const remove = registerProvider('mine', config);
    config.baseUrl = 'http://b/v1';
    expect((await send('mine/m')).url).toBe('http://a/v1/chat/completions');
    remove();
  });

  it.each([
    ['', { baseUrl: 'http://h' }, /name/],
    ['a/b', { baseUrl: 'http://h' }, /a\/b/],
    ['a', {}, /baseUrl/],
    ['a', { baseUrl: 'http://h', dialect: 'gemini' }, /dialect.*gemini/],
    ['a', { baseUrl: 'http://h', dialect: 'toString' }, /dialect/],
  ])('refuses %j, %j', (name, config, message) => {
    expect(() => registerProvider(name, config as never)).toThrow(TypeError);
    expect(() => registerProvider(name, config as never)).toThrow(message);
  });
});
