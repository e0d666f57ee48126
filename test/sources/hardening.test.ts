import { describe, expect, it } from 'vitest';
import type { ChatEvent } from '../../src/events/ChatEvent';
import type { ChatRequest } from '../../src/sources/ChatRequest';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const OPENAI = 'openai/gpt-4o';
const ANTHROPIC = 'anthropic/claude';
const SECRET = 'sk-SECRETSECRET123';
const messages: ChatRequest['messages'] = [{ role: 'user', content: 'Hi' }];
const data = (...payloads: unknown[]): string => payloads.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
const text = (content: unknown): object => ({ choices: [{ index: 0, delta: { content }, finish_reason: null }] });
const stop = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
const DONE = 'data: [DONE]\n\n';

const ask = (body: string[], model = OPENAI, options: StreamChatOptions = {}) =>
  collect<ChatEvent>(streamChat({ model, messages }, { apiKey: SECRET, fetch: fetchOf(body).fetch, ...options }));

describe('what a provider sends', () => {
  it.each([
    { choices: [null] },
    { choices: [{ index: 0, delta: { tool_calls: {} } }] },
    { choices: [{ index: 0, delta: { tool_calls: [null] } }] },
    { choices: [{ index: 0, delta: { content: [null, 'x'] } }] },
  ])('is malformed where a part has the wrong type: %j', async (chunk) => {
    const { error } = await ask([data(chunk, stop) + DONE]);
    // `choices: [null]` says nothing at all, which is no answer either.
    expect(error).toMatchObject({ code: 'E3001', retryable: true });
  });

  it('is an error also where the error frame comes behind [DONE]', async () => {
    const { error, values } = await ask([data(text('Hi'), stop) + DONE + data({ error: { message: 'late' } })]);
    expect(error).toMatchObject({ name: 'ProviderError', message: 'late' });
    expect(values.some(({ type }) => type === 'finish')).toBe(false);
  });

  it('is no error for an empty error object', async () => {
    expect(await ask([data({ ...text('Hi'), error: {} }, stop) + DONE])).toMatchObject({ completed: true });
  });

  it('may be two tool calls that both say index 0', async () => {
    const call = (id: string, args: string): object => ({
      choices: [{ index: 0, delta: { tool_calls: [{ index: 0, id, function: { name: id, arguments: args } }] } }],
    });
    const end = { choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] };
    const { values } = await ask([data(call('a', '{"x":1}'), call('b', '{"y":2}'), end) + DONE]);
    expect(values.filter(({ type }) => type === 'toolCall')).toEqual([
      { type: 'toolCall', id: 'a', name: 'a', arguments: '{"x":1}' },
      { type: 'toolCall', id: 'b', name: 'b', arguments: '{"y":2}' },
    ]);
  });

  it('may be a tool call whose block is never stopped, or whose input is there from the start', async () => {
    const start = (index: number, input: object): object => ({
      type: 'content_block_start',
      index,
      content_block: { type: 'tool_use', id: `t${index}`, name: 'look', input },
    });
    const body = data(
      { type: 'message_start', message: {} },
      start(0, {}),
      { type: 'content_block_delta', index: 0, delta: { partial_json: '{"city":"Rome"}' } },
      start(1, { city: 'Oslo' }),
      { type: 'message_delta', delta: { stop_reason: 'tool_use' } },
      { type: 'message_stop' },
    );
    const { values } = await ask([body], ANTHROPIC);
    expect(values.filter(({ type }) => type === 'toolCall')).toMatchObject([
      { id: 't0', arguments: '{"city":"Rome"}' },
      { id: 't1', arguments: '{"city":"Oslo"}' },
    ]);
  });
});

describe('a request', () => {
  it.each<[string, unknown, RegExp]>([
    ['no messages', undefined, /messages must be a list/],
    ['a string', 'hi', /messages must be a list/],
    ['null', [null], /messages\[0\]/],
    ['no content', [{ role: 'user' }], /messages\[0\]\.content/],
    ['content of another type', [{ role: 'user', content: 5 }], /messages\[0\]\.content/],
    ['an image without data', [{ role: 'user', content: [{ type: 'image' }] }], /image/],
    ["OpenAI's own names", [{ role: 'tool', tool_call_id: 'x', content: 'r' }], /tool_call_id/],
  ])('with %s is E1001, naming it', async (_, given, message) => {
    for (const model of [OPENAI, ANTHROPIC]) {
      const request = { model, messages: given } as ChatRequest;
      const { error } = await collect(streamChat(request, { apiKey: 'k', fetch: fetchOf([]).fetch }));
      expect(error).toMatchObject({ code: 'E1001', message: expect.stringMatching(message) as string });
    }
  });

  it('with a field that no dialect has is E1001, and points to extraBody', async () => {
    const request = { model: OPENAI, messages, topP: 0.5 } as ChatRequest;
    const { error } = await collect(streamChat(request, { apiKey: 'k' }));
    expect(error).toMatchObject({ code: 'E1001', message: expect.stringMatching(/topP.*extraBody/) as string });
  });

  it('may have no content beside tool calls, as OpenAI gives it', async () => {
    const { fetch, calls } = fetchOf([]);
    const assistant = { role: 'assistant', content: null, toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }] };
    for (const model of [OPENAI, ANTHROPIC]) {
      await collect(streamChat({ model, messages: [...messages, assistant] } as ChatRequest, { apiKey: 'k', fetch }));
    }
    expect(calls).toHaveLength(2);
  });

  it.each(['127.0.0.1:1234/v1', 'nonsense', '', 'localhost:1234/v1', 'ftp://h/v1'])(
    'to the baseUrl %j is E1001, naming it',
    async (baseUrl) => {
      const { error } = await ask([], OPENAI, { baseUrl });
      expect(error).toMatchObject({ code: 'E1001', message: expect.stringContaining(`baseUrl`) as string });
      expect((error as Error).message).toContain(`'${baseUrl}'`);
    },
  );

  it('keeps the query of a baseUrl behind the path', async () => {
    const { fetch, calls } = fetchOf([]);
    await ask([], OPENAI, { baseUrl: 'https://h.test/v1/?api-version=1', fetch });
    expect(calls[0]?.url).toBe('https://h.test/v1/chat/completions?api-version=1');
  });
});

it('an aborted signal is E4002 before anything else is asked', async () => {
  const { error } = await collect(streamChat({ model: 'groq/x', messages }, { signal: AbortSignal.abort() }));
  expect(error).toMatchObject({ code: 'E4002' });
});
