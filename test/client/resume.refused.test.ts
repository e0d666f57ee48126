import { describe, expect, it } from 'vitest';
import { registerProvider } from 'rx-weir';
import type { Reply } from 'rx-weir/testing';
import { all, CLAUDE, clientOf, failed, KEY, only, provide, request, shown, TEXT, textOf } from '../support/chat';

const CUT: Reply = { cut: { afterChars: 36 } };

describe('a model that the table is wrong about', () => {
  const REFUSES: Reply = { continuation: { prefix: 'refuse' } };

  it('costs one request, once, no retry, and nothing on screen', async () => {
    const provider = await provide();
    const answers = [CUT, REFUSES, {}, CUT, {}, CUT, {}];
    provider.script(
      'anthropic',
      answers.map((reply) => ({ ...REFUSES, ...reply })),
    );
    const client = clientOf(provider, {
      model: CLAUDE,
      resilience: { retry: { initialDelayMs: 0, maxRetries: 1 }, circuitBreaker: {} },
    });
    for (let i = 0; i < 3; i++) {
      const events = await all(client.stream(request));
      expect(shown(events)).toBe(TEXT);
      // The request that was refused is an attempt as well.
      expect(only('resume', events)).toEqual([
        { type: 'resume', strategy: 'instruct', at: 36, attempt: i === 0 ? 3 : 2 },
      ]);
    }
    expect(provider.requests.map(({ status }) => status)).toEqual([200, 400, 200, 200, 200, 200, 200]);
    expect(client.snapshot().models[CLAUDE]).toMatchObject({
      circuit: { failureCount: 0 },
      streams: { started: 3, completed: 3, retries: 3 },
    });
  });

  it('is one of its client, and not all of its provider', async () => {
    const provider = await provide({ reply: REFUSES });
    const haiku = CLAUDE.replace('sonnet', 'haiku');
    provider.script('anthropic', ({ model, continues }) => {
      if (continues) return undefined;
      return model.endsWith('sonnet') ? CUT : { status: 529 };
    });
    const once = { model: CLAUDE, resilience: { retry: { maxRetries: 0 } } };
    const client = clientOf(provider, { ...once, fallbacks: [haiku] });
    const statuses = async (of: typeof client): Promise<number[]> => {
      const { length } = provider.requests;
      expect(await textOf(of.stream(request))).toBe(TEXT);
      return provider.requests.slice(length).map(({ status }) => status);
    };
    expect(await statuses(client)).toEqual([200, 400, 200]);
    expect(await statuses(client)).toEqual([200, 200]);
    expect(await statuses(clientOf(provider, { ...once, fallbacks: [haiku] }))).toEqual([200, 400, 200]);
    // Haiku was refused; that says nothing of Sonnet.
    const retrying = clientOf(provider, { model: CLAUDE, fallbacks: [haiku] });
    expect(await statuses(retrying)).toEqual([200, 400, 200]);
  });

  it('is learned by those that run at the same time', async () => {
    const provider = await provide({ reply: REFUSES });
    const asked = new Set<unknown>();
    provider.script('anthropic', ({ body }) => {
      const { content } = (body['messages'] as [{ content: unknown }])[0];
      if (asked.has(content)) return undefined;
      asked.add(content);
      return CUT;
    });
    const client = clientOf(provider, { model: CLAUDE });
    const ask = (content: string): Promise<string> => textOf(client.stream({ messages: [{ role: 'user', content }] }));
    expect(await Promise.all(['1', '2', '3', '4'].map(ask))).toEqual([TEXT, TEXT, TEXT, TEXT]);
    const { length } = provider.requests;
    expect(length).toBeLessThanOrEqual(12);
    expect(await Promise.all(['5', '6'].map(ask))).toEqual([TEXT, TEXT]);
    expect(provider.requests).toHaveLength(length + 4);
  });

  it('is asked to go on by instruction also as a fallback', async () => {
    const provider = await provide({ reply: REFUSES });
    provider.script('openai', CUT);
    const client = clientOf(provider, { fallbacks: [CLAUDE], resilience: { retry: { maxRetries: 0 } } });
    const events = await all(client.stream(request));
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy: 'instruct', at: 36, attempt: 3 }]);
    expect(provider.requests.map(({ status }) => status)).toEqual([200, 400, 200]);
    expect(shown(events)).toBe(TEXT);
  });

  it('is not one that refuses in its own stream', async () => {
    const provider = await provide();
    provider.script('anthropic', [CUT, { errorFrame: { status: 400, afterChars: 4 } }]);
    const { error } = await failed(clientOf(provider, { model: CLAUDE }).stream(request));
    expect(error).toMatchObject({ code: 'E1001' });
    expect(provider.requests).toHaveLength(2);
  });

  it('is not one that refuses something else about a request', async () => {
    const provider = await provide();
    const tooLong: Reply = { status: 400, error: { message: 'That is 200001 tokens, the maximum is 200000.' } };
    provider.script('anthropic', [CUT, tooLong, tooLong, {}, CUT]);
    const client = clientOf(provider, { model: CLAUDE });
    const first = await all(client.stream(request));
    expect(shown(first)).toBe(TEXT);
    expect(only('resume', first)).toMatchObject([{ strategy: 'rewind' }]);
    const second = await all(client.stream(request));
    expect(only('resume', second)).toMatchObject([{ strategy: 'prefix' }]);
    expect(provider.requests.map(({ status }) => status)).toEqual([200, 400, 400, 200, 200, 200]);
  });

  it('is one that registerProvider said of', async () => {
    const provider = await provide();
    const restore = registerProvider('mine', { baseUrl: provider.baseUrl('mine'), prefix: {} });
    try {
      provider.script('mine', [CUT, { continuation: { prefix: 'refuse' } }]);
      const client = clientOf(provider, { model: 'mine/m', providers: { mine: { apiKey: KEY } } });
      expect(await textOf(client.stream(request))).toBe(TEXT);
      expect(provider.requests.map(({ status }) => status)).toEqual([200, 400, 200]);
    } finally {
      restore();
    }
  });
});
