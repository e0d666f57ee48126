import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import type { FaultyProvider } from '../../src/testing/FaultyProvider';
import { DEFAULT_TEXT, type Reply } from '../../src/testing/Reply';
import { start } from './wire';

// The official clients are the judges of the dialects: what they parse here is what they parse in the wild.

const openai = (provider: FaultyProvider, name = 'openai'): OpenAI =>
  new OpenAI({ apiKey: 'sk-secret', baseURL: provider.baseUrl(name), maxRetries: 0 });
const anthropic = (provider: FaultyProvider): Anthropic =>
  new Anthropic({ apiKey: 'sk-secret', baseURL: provider.baseUrl('anthropic'), maxRetries: 0 });

const chat = { model: 'gpt-x', messages: [{ role: 'user' as const, content: 'How is the river?' }] };
const streamed = { ...chat, stream: true as const, stream_options: { include_usage: true } };
const message = { ...chat, model: 'claude-x', max_tokens: 100 };

async function accumulate(stream: AsyncIterable<OpenAI.ChatCompletionChunk>) {
  const out = {
    text: '',
    reasoning: '',
    finish: null as string | null,
    tools: [] as { id: string; name: string; json: string }[],
  };
  let usage: OpenAI.CompletionUsage | undefined;
  for await (const { choices, usage: counted } of stream) {
    usage = counted ?? usage;
    const [choice] = choices;
    if (!choice) continue;
    const delta: typeof choice.delta & { reasoning_content?: string } = choice.delta;
    out.text += delta.content ?? '';
    out.reasoning += delta.reasoning_content ?? '';
    out.finish = choice.finish_reason ?? out.finish;
    for (const { index, id, function: call } of delta.tool_calls ?? []) {
      const tool = (out.tools[index] ??= { id: '', name: '', json: '' });
      tool.id += id ?? '';
      tool.name += call?.name ?? '';
      tool.json += call?.arguments ?? '';
    }
  }
  return { ...out, usage };
}

const full: Reply = {
  reasoning: 'Look at the water first.',
  text: 'Calm 🌊, über alles.',
  toolCalls: [
    { name: 'measure', arguments: { unit: 'm', at: ['weir', 2] } },
    { id: 'own-id', name: 'now', arguments: '{}' },
    { name: 'stop', arguments: '' },
  ],
  usage: { inputTokens: 11, outputTokens: 22 },
};

// What is on the wire beside the answer, in pieces that no parser likes.
const styles: [string, Reply][] = [
  ['plain', {}],
  ['in pieces of 7 bytes', { splitBytes: 7 }],
  ['CRLF in random pieces', { crlf: true, splitBytes: 'random' }],
  ['paced, with keep-alives', { chunkChars: 9, firstTokenMs: 6, paceMs: 2, keepAliveMs: 1 }],
];

describe('openai 6', () => {
  it.each(styles)('parses text, reasoning, tool calls, usage and finish: %s', async (_name, style) => {
    const provider = await start();
    provider.script('openai', { ...full, ...style });
    const { data, response, request_id } = await openai(provider).chat.completions.create(streamed).withResponse();
    expect(await accumulate(data)).toMatchObject({
      text: 'Calm 🌊, über alles.',
      reasoning: 'Look at the water first.',
      finish: 'tool_calls',
      tools: [
        { id: 'call_0', name: 'measure', json: '{"unit":"m","at":["weir",2]}' },
        { id: 'own-id', name: 'now', json: '{}' },
        { id: 'call_2', name: 'stop', json: '' },
      ],
      usage: { prompt_tokens: 11, completion_tokens: 22, total_tokens: 33 },
    });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(request_id).toBe('req_weir000000');
  });

  it('parses the default answer, its helper too', async () => {
    const provider = await start();
    const runner = openai(provider).chat.completions.stream(chat);
    expect(await runner.finalContent()).toBe(DEFAULT_TEXT);
  });

  it('parses an answer that is not streamed', async () => {
    const provider = await start();
    provider.script('openai', full);
    const { choices, usage, model } = await openai(provider).chat.completions.create(chat);
    expect(model).toBe('gpt-x');
    expect(choices[0]).toMatchObject({ finish_reason: 'tool_calls', message: { content: 'Calm 🌊, über alles.' } });
    expect(choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_0', function: { name: 'measure', arguments: '{"unit":"m","at":["weir",2]}' } },
      { id: 'own-id' },
      { id: 'call_2', function: { name: 'stop' } },
    ]);
    expect(usage?.total_tokens).toBe(33);
  });

  it('lists the models, and plays any provider by its prefix', async () => {
    const provider = await start({ models: ['a', 'b'] });
    const models = await openai(provider, 'deepseek').models.list();
    expect(models.data.map(({ id }) => id)).toEqual(['a', 'b']);
    provider.script('deepseek', { text: 'deep' });
    const { choices } = await openai(provider, 'deepseek').chat.completions.create(chat);
    expect(choices[0]?.message.content).toBe('deep');
    expect(provider.requests).toMatchObject([
      { provider: 'deepseek', dialect: 'openai', path: '/deepseek/v1/chat/completions' },
    ]);
  });

  it('gives HTTP errors with status, code, headers and request id', async () => {
    const provider = await start();
    provider.script('openai', { status: 429, headers: { 'retry-after': '3' }, error: { code: 'insufficient_quota' } });
    const error: unknown = await openai(provider)
      .chat.completions.create(streamed)
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.RateLimitError);
    const { status, code, headers, requestID } = error as InstanceType<typeof OpenAI.APIError>;
    expect([status, code, headers?.get('retry-after'), requestID]).toEqual([
      429,
      'insufficient_quota',
      '3',
      'req_weir000000',
    ]);
  });

  it.each<[string, Reply]>([
    ['an error frame', { errorFrame: { afterChars: 8 } }],
    ['an error frame and then [DONE]', { errorFrame: { afterChars: 8, thenDone: true } }],
    ["OpenRouter's", { errorFrame: { afterChars: 8, variant: 'openrouter', message: 'The server had an error' } }],
  ])('throws at %s, with no status', async (_name, reply) => {
    const provider = await start();
    provider.script('openai', { chunkChars: 8, ...reply });
    const stream = await openai(provider).chat.completions.create(streamed);
    const seen: string[] = [];
    const error: unknown = await (async () => {
      for await (const { choices } of stream) seen.push(choices[0]?.delta.content ?? '');
    })().catch((e: unknown) => e);
    expect(seen.join('')).toBe(DEFAULT_TEXT.slice(0, 8));
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect((error as InstanceType<typeof OpenAI.APIError>).status).toBeUndefined();
    await provider.idle();
    expect(provider.requests).toMatchObject([{ outcome: 'error', status: 200 }]);
  });

  it('completes silently, short, where the body ends without its terminator', async () => {
    const provider = await start();
    provider.script('openai', { cut: { afterChars: 10, how: 'fin' } });
    const { text, finish } = await accumulate(await openai(provider).chat.completions.create(streamed));
    expect([text, finish]).toEqual([DEFAULT_TEXT.slice(0, 10), null]);
    expect(provider.requests[0]?.outcome).toBe('cut');
  });

  it('hangs behind [DONE] for as long as the socket stays open', async () => {
    const provider = await start();
    provider.script('openai', { text: 'Hi', openAfterEnd: true });
    const stream = await openai(provider).chat.completions.create(streamed);
    const done = accumulate(stream);
    expect(await Promise.race([done, provider.when((r) => r.outcome === 'completed')])).toMatchObject({
      outcome: 'completed',
    });
    expect(provider.active).toBe(1);
    stream.controller.abort();
    expect((await done).text).toBe('Hi');
    await provider.idle();
    expect(provider.requests).toMatchObject([{ outcome: 'completed', sentText: 'Hi' }]);
  });

  it('is seen to abort, at once and in a stall', async () => {
    const provider = await start();
    provider.script('openai', { chunkChars: 5, stall: { afterChars: 10 } });
    const stream = await openai(provider).chat.completions.create(streamed);
    const done = accumulate(stream);
    await provider.when((request) => request.outcome === 'stalled');
    stream.controller.abort();
    const record = await provider.when((request) => request.outcome === 'aborted');
    expect((await done).text).toBe(DEFAULT_TEXT.slice(0, 10));
    expect(record).toMatchObject({ sentText: DEFAULT_TEXT.slice(0, 10), billedInputTokens: 5, billedOutputTokens: 3 });
    expect(record.abortedAt).toBeGreaterThanOrEqual(record.startedAt);
    expect(record.endedAt).toBe(record.abortedAt);
  });
});

describe('@anthropic-ai/sdk 1', () => {
  it.each(styles)('parses thinking, text, tool use, usage and finish: %s', async (_name, style) => {
    const provider = await start();
    provider.script('anthropic', { ...full, ...style });
    const answer = await anthropic(provider).messages.stream(message).finalMessage();
    expect(answer).toMatchObject({
      model: 'claude-x',
      content: [
        { type: 'thinking', thinking: 'Look at the water first.' },
        { type: 'text', text: 'Calm 🌊, über alles.' },
        { type: 'tool_use', id: 'toolu_0', name: 'measure', input: { unit: 'm', at: ['weir', 2] } },
        { type: 'tool_use', id: 'own-id', name: 'now', input: {} },
        { type: 'tool_use', id: 'toolu_2', name: 'stop', input: {} },
      ],
      stop_reason: 'tool_use',
      usage: { input_tokens: 11, output_tokens: 22 },
    });
  });

  it('parses the events themselves, with headers', async () => {
    const provider = await start({ limits: { anthropic: { requestsPerMinute: 60 } } });
    const { data, response, request_id } = await anthropic(provider)
      .messages.create({ ...message, stream: true })
      .withResponse();
    let text = '';
    for await (const event of data) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text;
    }
    expect(text).toBe(DEFAULT_TEXT);
    expect(request_id).toBe('req_weir000000');
    expect(response.headers.get('anthropic-ratelimit-requests-remaining')).toBe('59');
  });

  it('parses an answer that is not streamed', async () => {
    const provider = await start();
    provider.script('anthropic', full);
    const { content, stop_reason, usage } = await anthropic(provider).messages.create(message);
    expect(content.map(({ type }) => type)).toEqual(['thinking', 'text', 'tool_use', 'tool_use', 'tool_use']);
    expect([stop_reason, usage.output_tokens]).toEqual(['tool_use', 22]);
  });

  it('lists the models', async () => {
    const provider = await start();
    const { data } = await anthropic(provider).models.list();
    expect(data).toMatchObject([{ type: 'model', id: 'weir-1' }]);
  });

  it('gives HTTP errors with status and type', async () => {
    const provider = await start();
    provider.script('anthropic', { status: 529 });
    const error: unknown = await anthropic(provider)
      .messages.create(message)
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ status: 529, type: 'overloaded_error', requestID: 'req_weir000000' });
  });

  it('throws at an error frame, also as the very first event', async () => {
    const provider = await start();
    provider.script('anthropic', { errorFrame: {} });
    const stream = await anthropic(provider).messages.create({ ...message, stream: true });
    const error: unknown = await stream[Symbol.asyncIterator]()
      .next()
      .catch((e: unknown) => e);
    expect(error).toMatchObject({ type: 'overloaded_error', status: undefined });
  });

  it('is seen to abort', async () => {
    const provider = await start();
    provider.script('anthropic', { stall: { afterChars: 0 } });
    const stream = anthropic(provider).messages.stream(message);
    await provider.when((request) => request.outcome === 'stalled');
    const done = stream.done().catch((error: unknown) => error);
    stream.abort();
    expect(await done).toBeInstanceOf(Anthropic.APIUserAbortError);
    expect(await provider.when((request) => request.outcome === 'aborted')).toMatchObject({
      sentText: '',
      billedOutputTokens: 0,
    });
  });
});
