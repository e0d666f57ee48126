import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { startFaultyProvider } from '../../src/testing/startFaultyProvider';
import { DEFAULT_TEXT, type DialectName, type Reply } from '../../src/testing/Reply';
import { drain, eventsOf, post, start, textOf } from './wire';

const codeOf = (error: unknown): unknown => ((error as Error).cause as { code?: unknown } | undefined)?.code;

describe('how a stream dies, as fetch sees it', () => {
  it.each([
    ['reset', 'ECONNRESET'],
    ['close', 'UND_ERR_SOCKET'],
  ] as const)('cut by %s: terminated, after all that was sent', async (how, code) => {
    const provider = await start();
    for (const afterChars of [0, 1, 50, DEFAULT_TEXT.length]) {
      provider.script('openai', { cut: { afterChars, how } });
      const { text, error } = await drain(await post(provider));
      expect([error?.message, codeOf(error)]).toEqual(['terminated', code]);
      expect(textOf(text)).toBe(DEFAULT_TEXT.slice(0, afterChars));
      expect(provider.requests.at(-1)).toMatchObject({ outcome: 'cut', sentText: DEFAULT_TEXT.slice(0, afterChars) });
    }
  });

  it('cut by fin: a silent, normal end', async () => {
    const provider = await start();
    provider.script('openai', { cut: { afterChars: 50, how: 'fin' } });
    const { text, error } = await drain(await post(provider));
    expect(error).toBeUndefined();
    expect(textOf(text)).toBe(DEFAULT_TEXT.slice(0, 50));
    expect(text).not.toContain('[DONE]');
  });

  it.each(['reset', 'close', 'fin'] as const)('cut by %s before the headers: fetch fails', async (how) => {
    const provider = await start();
    provider.script('openai', { cut: { before: 'headers', how } });
    const error: unknown = await post(provider).catch((e: unknown) => e);
    expect(error).toMatchObject({ name: 'TypeError', message: 'fetch failed' });
    expect(provider.requests).toMatchObject([{ outcome: 'cut', status: 0, billedInputTokens: 0 }]);
  });

  it('cut after so many bytes, of the body', async () => {
    const provider = await start();
    provider.script('anthropic', { cut: { afterBytes: 1234 } });
    const { text, error } = await drain(await post(provider, 'anthropic'));
    expect(Buffer.byteLength(text)).toBe(1234);
    expect(error).toBeDefined();
  });

  it.each<[string, Reply, RegExp]>([
    ['an error frame', { errorFrame: { afterChars: 9 } }, /\n\ndata: \{"error":\{.*\}\}\n\n$/],
    [
      'an error frame and [DONE]',
      { errorFrame: { afterChars: 9, thenDone: true } },
      /"error":.*\n\ndata: \[DONE]\n\n$/,
    ],
    ['raw JSON', { rawTail: { text: '{\n  "error": {}\n}', afterChars: 9 } }, /\n\n\{\n {2}"error": \{\}\n\}$/],
    ['HTML', { rawTail: { text: '<html>502</html>' } }, /\n\n<html>502<\/html>$/],
    ['[DONE] alone', { terminator: 'done' }, /"finish_reason":null\}\]\}\n\ndata: \[DONE]\n\n$/],
  ])('%s ends a 200 in good order', async (_name, reply, tail) => {
    const provider = await start();
    provider.script('openai', reply);
    const response = await post(provider);
    const { text, error } = await drain(response);
    expect(response.status).toBe(200);
    expect(error).toBeUndefined();
    expect(text).toMatch(tail);
  });

  it('splitBytes: each piece arrives as a chunk of its own', async () => {
    const provider = await start();
    provider.script('openai', { splitBytes: 3, crlf: true, text: 'é🌊' });
    const { chunks, text } = await drain(await post(provider));
    expect(chunks.slice(0, -1).every((chunk) => chunk.length === 3)).toBe(true);
    expect(textOf(text)).toBe('é🌊');
  });

  it('an error body of any kind, with its headers', async () => {
    const provider = await start();
    const headers = { 'Retry-After': 'Wed, 21 Oct 2026 07:28:00 GMT', 'x-should-retry': 'true' };
    provider.script('openai', [{ status: 503, headers, body: '<html>busy</html>' }]);
    const response = await post(provider);
    expect([response.status, response.headers.get('content-type')]).toEqual([503, 'text/html']);
    expect(response.headers.get('retry-after')).toBe('Wed, 21 Oct 2026 07:28:00 GMT');
    expect(await response.text()).toBe('<html>busy</html>');
    expect(provider.requests).toMatchObject([
      { status: 503, outcome: 'error', billedInputTokens: 0, billedOutputTokens: 0 },
    ]);
  });

  it('a stall before the headers, then before the first token', async () => {
    const provider = await start();
    provider.script('openai', [{ stall: { before: 'headers' } }, { stall: { afterChars: 0 }, keepAliveMs: 1 }]);
    const leave = new AbortController();
    const first = post(provider, 'openai', { signal: leave.signal }).catch((error: unknown) => error);
    expect(await provider.when((request) => request.outcome === 'stalled')).toMatchObject({ status: 0 });
    leave.abort();
    expect(await first).toMatchObject({ name: 'AbortError' });
    await provider.when((request) => request.outcome === 'aborted');

    const response = await post(provider);
    const reader = response.body?.getReader();
    let text = '';
    while (!text.includes(': keep-alive\n\n: keep-alive'))
      text += Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(provider.requests[1]).toMatchObject({ outcome: 'stalled', status: 200, sentText: '' });
    await reader?.cancel();
    await provider.when((request) => request.index === 1 && request.outcome === 'aborted');
    expect(provider.active).toBe(0);
  });
});

describe('scripts', () => {
  it('a list is played once, then the answers are healthy; a reply is for all; undefined leaves it to the default', async () => {
    const provider = await start({ script: ({ nth }) => (nth === 3 ? { status: 418 } : undefined) });
    const status = async (name = 'openai'): Promise<number> => {
      const response = await post(provider, name);
      await drain(response);
      return response.status;
    };
    provider.script('openai', [{ status: 500 }, { status: 503 }]);
    expect([await status(), await status(), await status(), await status()]).toEqual([500, 503, 200, 418]);
    provider.script('openai', { status: 502 });
    expect([await status(), await status(), await status('groq')]).toEqual([502, 502, 200]);
    provider.script('openai');
    expect(await status()).toBe(200);
  });

  it('a function sees the request, without its keys', async () => {
    const provider = await start();
    const seen: unknown[] = [];
    provider.script('xai', (request) => {
      seen.push({ ...request });
      return { text: `you are ${request.model}`, headers: { 'x-mine': 'yes' } };
    });
    const response = await fetch(`${provider.baseUrl('xai')}/chat/completions?x=1`, {
      method: 'POST',
      headers: { Authorization: 'Bearer sk-secret', 'x-api-key': 'sk-secret', 'X-Other': 'kept' },
      body: JSON.stringify({ model: 'grok', messages: [{ role: 'user', content: 'Hi' }] }),
    });
    expect(await response.json()).toMatchObject({ choices: [{ message: { content: 'you are grok' } }] });
    expect(response.headers.get('x-mine')).toBe('yes');
    expect(seen).toMatchObject([
      {
        index: 0,
        nth: 0,
        provider: 'xai',
        dialect: 'openai',
        model: 'grok',
        stream: false,
        path: '/xai/v1/chat/completions',
      },
    ]);
    expect(provider.requests[0]).toMatchObject({
      hasKey: true,
      body: { model: 'grok' },
      headers: { authorization: '[redacted]', 'x-api-key': '[redacted]', 'x-other': 'kept' },
    });
    expect(JSON.stringify([seen, provider.requests])).not.toContain('sk-secret');
    await post(provider);
    expect(provider.requests[1]?.hasKey).toBe(false);
  });

  it('says so where a script fails, or its reply cannot be played', async () => {
    const provider = await start();
    provider.script('openai', () => {
      throw new Error('oops');
    });
    expect(await (await post(provider)).text()).toContain('the script for openai failed: Error: oops');
    provider.script('openai', () => ({ paceMs: NaN }));
    expect(await (await post(provider)).text()).toContain('paceMs');
    provider.script('openai', { headers: { 'bad name': 'x' } });
    const response = await post(provider);
    expect([response.status, await response.text()]).toEqual([500, expect.stringContaining('bad name')]);
    expect(() => provider.script('openai', { chunkChars: 0 })).toThrow(/chunkChars/);
  });

  it('the reply of the options lies under every other', async () => {
    const provider = await start({ reply: { text: 'short', chunkChars: 1 } });
    expect(textOf((await drain(await post(provider))).text)).toBe('short');
    provider.script('openai', { cut: { afterChars: 2, how: 'fin' } });
    expect(textOf((await drain(await post(provider))).text)).toBe('sh');
  });
});

describe('chance', () => {
  const run = async (seed: number): Promise<unknown[]> => {
    const provider = await start({ seed, faults: { rate: 0.7 }, reply: { text: 'Überall 🌊', splitBytes: 'random' } });
    const seen: unknown[] = [];
    for (let i = 0; i < 10; i++) {
      const name: DialectName = i % 3 ? 'openai' : 'anthropic';
      seen.push(
        await post(provider, name).then(
          async (response) => {
            const { text, chunks, error } = await drain(response);
            return [response.status, text, chunks.map((chunk) => chunk.length), error?.message];
          },
          (error: unknown) => String(error),
        ),
      );
    }
    await provider.idle();
    return [seen, provider.requests.map(({ outcome, sentText }) => [outcome, sentText])];
  };

  it('the same seed and order of requests give the same run, another seed another', async () => {
    const [first, again, other] = [await run(7), await run(7), await run(8)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });
});

describe('limits', () => {
  it('openai: really refuses above the requests per minute, and says so in its headers', async () => {
    const provider = await start({ limits: { openai: { requestsPerMinute: 6, requestBurst: 2 } } });
    const [first, second, third] = [await post(provider), await post(provider), await post(provider)];
    expect([first.status, second.status, third.status]).toEqual([200, 200, 429]);
    expect(first.headers.get('x-ratelimit-limit-requests')).toBe('6');
    expect([first, second, third].map((r) => r.headers.get('x-ratelimit-remaining-requests'))).toEqual(['1', '0', '0']);
    expect(third.headers.get('x-ratelimit-reset-requests')).toMatch(/^(20|19\.\d+)s$/);
    expect(third.headers.get('retry-after')).toBe('10');
    expect(Number(third.headers.get('retry-after-ms'))).toBeGreaterThan(9000);
    expect(await third.json()).toMatchObject({ error: { type: 'requests', code: 'rate_limit_exceeded' } });
    expect(provider.requests[2]).toMatchObject({ outcome: 'error', status: 429, billedInputTokens: 0 });
    expect((await post(provider, 'groq')).status).toBe(200);
    provider.limit('openai');
    expect((await post(provider)).status).toBe(200);
  });

  it('openai: charges the greater of max_tokens and the estimate', async () => {
    const provider = await start({ limits: { openai: { tokensPerMinute: 100 } } });
    const first = await post(provider, 'openai', { max_tokens: 60 });
    expect(first.headers.get('x-ratelimit-remaining-tokens')).toBe('40');
    const second = await post(provider, 'openai', {
      max_tokens: 1,
      messages: [{ role: 'user', content: 'x'.repeat(200) }],
    });
    expect(await second.json()).toMatchObject({ error: { type: 'tokens' } });
  });

  it('anthropic: 429 with its own headers', async () => {
    const provider = await start();
    provider.limit('anthropic', { requestsPerMinute: 60, requestBurst: 1, tokensPerMinute: 1000 });
    const before = Date.now();
    const [first, second] = [await post(provider, 'anthropic'), await post(provider, 'anthropic')];
    expect(first.headers.get('anthropic-ratelimit-tokens-remaining')).toBe('998');
    expect([second.status, second.headers.get('retry-after')]).toEqual([429, '1']);
    expect(second.headers.get('anthropic-ratelimit-requests-limit')).toBe('60');
    const reset = second.headers.get('anthropic-ratelimit-requests-reset') ?? '';
    expect(reset).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(Date.parse(reset)).toBeGreaterThanOrEqual(before);
    expect(await second.json()).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
  });

  it('concurrency: refuses while others are in progress, without a time to wait', async () => {
    const provider = await start({ limits: { deepseek: { concurrency: 1 } } });
    provider.script('deepseek', [{ stall: { afterChars: 5 } }]);
    const leave = new AbortController();
    await post(provider, 'deepseek', { signal: leave.signal });
    const refused = await post(provider, 'deepseek');
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, null]);
    leave.abort();
    await provider.idle();
    expect((await post(provider, 'deepseek')).status).toBe(200);
  });
});

describe('requests that are none', () => {
  it.each([
    ['openai', { messages: [] }, /empty array/],
    ['anthropic', { max_tokens: undefined }, /max_tokens: Field required/],
  ])('%s: refuses what the provider would, with 400', async (name, body, message) => {
    const provider = await start({ limits: { [name]: { requestsPerMinute: 1 } } });
    const response = await post(provider, name, body);
    expect([response.status, await response.text()]).toEqual([400, expect.stringMatching(message)]);
    expect((await post(provider, name)).status).toBe(200);
  });

  it('a body that is no JSON, and an unknown path', async () => {
    const provider = await start();
    const broken = await fetch(`${provider.url}/v1/chat/completions`, { method: 'POST', body: '{"messages":' });
    expect(broken.status).toBe(400);
    const unknown = await fetch(`${provider.url}/v1/nothing`);
    expect([unknown.status, await unknown.text()]).toEqual([404, expect.stringContaining('GET /v1/nothing')]);
  });

  it.each([
    ['/v1/chat/completions', 'openai'],
    ['/v1/messages', 'anthropic'],
    ['/deepseek/beta/chat/completions', 'deepseek'],
    ['/openrouter/api/v1/chat/completions', 'openrouter'],
    ['/ollama/chat/completions', 'ollama'],
    ['/chat/completions', 'openai'],
  ])('POST %s is a chat with %s', async (path, name) => {
    const provider = await start();
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 });
    expect((await fetch(provider.url + path, { method: 'POST', body })).status).toBe(200);
    expect(provider.requests).toMatchObject([{ provider: name }]);
  });

  it('answers a preflight of a web page, which may read few headers or all', async () => {
    const [hiding, showing] = [await start(), await start({ exposeHeaders: true })];
    const headers = { 'access-control-request-headers': 'authorization,content-type' };
    const preflight = await fetch(`${hiding.url}/v1/chat/completions`, { method: 'OPTIONS', headers });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('authorization,content-type');
    expect((await post(hiding)).headers.get('access-control-expose-headers')).toBe('x-request-id, request-id');
    const shown = await post(showing);
    expect(shown.headers.get('access-control-allow-origin')).toBe('*');
    expect(shown.headers.get('access-control-expose-headers')).toBe('*');
  });
});

describe('the recorder', () => {
  it('bills what was sent', async () => {
    const provider = await start();
    const usage = { inputTokens: 100, outputTokens: 40 };
    provider.script('openai', [
      { text: 'abcdefgh', usage },
      { text: 'abcdefgh', usage, cut: { afterChars: 2, how: 'fin' } },
    ]);
    await drain(await post(provider));
    await drain(await post(provider));
    await drain(await post(provider));
    expect(provider.requests.map((r) => [r.outcome, r.sentText, r.billedInputTokens, r.billedOutputTokens])).toEqual([
      ['completed', 'abcdefgh', 100, 40],
      ['cut', 'ab', 100, 10],
      ['completed', DEFAULT_TEXT, 2, Math.ceil(DEFAULT_TEXT.length / 4)],
    ]);
  });

  it('when() finds what has been and what comes; a throw rejects it', async () => {
    const provider = await start();
    const coming = provider.when(({ sentText }) => sentText.length > 20);
    const response = await post(provider);
    expect((await coming).sentText.length).toBeGreaterThan(20);
    expect((await provider.when(({ index }) => index === 0)).provider).toBe('openai');
    const error = new Error('no');
    await expect(
      provider.when(() => {
        throw error;
      }),
    ).rejects.toBe(error);
    await drain(response);
  });

  it('reset() cuts what is in progress and forgets all', async () => {
    const provider = await start({ limits: { openai: { requestsPerMinute: 1 } } });
    provider.script('openai', { text: 'x', stall: { afterChars: 1 } });
    const response = await post(provider);
    const [record] = provider.requests;
    provider.reset();
    expect(record).toMatchObject({ outcome: 'cut' });
    const endedAt = record?.endedAt;
    provider.reset();
    expect(record?.endedAt).toBe(endedAt);
    expect([provider.requests, provider.active]).toEqual([[], 0]);
    expect((await drain(response)).error).toBeDefined();
    const { text } = await drain(await post(provider));
    expect(textOf(text)).toBe(DEFAULT_TEXT);
    expect(eventsOf(text)[0]).toMatchObject({ id: 'chatcmpl-weir0' });
  });

  it('keepAlive: false closes the connection behind each answer', async () => {
    const provider = await start({ keepAlive: false });
    const response = await post(provider);
    await drain(response);
    expect(response.headers.get('connection')).toBe('close');
    while (provider.openSockets > 0) await turn();
  });
});

describe('options', () => {
  it.each([
    [{ port: 70_000 }, /port .* 70000$/],
    [{ seed: 1.5 }, /seed .* 1\.5$/],
    [{ faults: { rate: 2 } }, /faults\.rate .* 2$/],
    [{ reply: { paceMs: -1 } }, /paceMs .* -1$/],
    [{ script: [{ status: 1 }] }, /status .* 1$/],
    [{ limits: { openai: { requestsPerMinute: NaN } } }, /requestsPerMinute .* NaN$/],
    [{ limits: { openai: { tokensPerMinute: 0 } } }, /tokensPerMinute .* 0$/],
  ])('%j is refused', async (options, message) => {
    await expect(startFaultyProvider(options)).rejects.toThrow(message);
  });

  it('rejects where the port is taken', async () => {
    const provider = await start();
    await expect(startFaultyProvider({ port: Number(new URL(provider.url).port) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
    });
  });
});
