import { describe, expect, it } from 'vitest';
import { MalformedStreamError } from '../../src/errors/streamErrors';
import type { ChatEvent } from '../../src/events/ChatEvent';
import type { ChatRequest } from '../../src/sources/ChatRequest';
import { streamChat } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const hello: ChatRequest = { model: 'anthropic/claude-x', messages: [{ role: 'user', content: 'Hi' }] };

async function bodyFor(request: Partial<ChatRequest>): Promise<Record<string, unknown>> {
  const { fetch, calls } = fetchOf([]);
  const { error } = await collect(streamChat({ ...hello, ...request }, { apiKey: 'k', fetch }));
  if (!calls[0]) throw error;
  return calls[0].body;
}

const event = (type: string, fields: object = {}) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const begin = (usage: object = { input_tokens: 10, output_tokens: 1 }) =>
  event('message_start', { message: { id: 'msg', usage } });
const open = (index: number, content_block: object) => event('content_block_start', { index, content_block });
const delta = (index: number, part: object) => event('content_block_delta', { index, delta: part });
const close = (index: number) => event('content_block_stop', { index });
const textBlock = (index: number, text: string) =>
  open(index, { type: 'text', text: '' }) + delta(index, { type: 'text_delta', text }) + close(index);
const end = (stop_reason: string | null, usage: object = { output_tokens: 7 }) =>
  event('message_delta', { delta: { stop_reason }, usage }) + event('message_stop');

async function read(chunks: string[]) {
  const { values, ...rest } = await collect(streamChat(hello, { apiKey: 'k', fetch: fetchOf(chunks).fetch }));
  return { events: values.filter(({ type }) => type !== 'start'), ...rest };
}

const usage = (inputTokens: number, outputTokens: number): ChatEvent => ({ type: 'usage', inputTokens, outputTokens });

describe('the Anthropic dialect: requests', () => {
  it('sends key and version in its own headers', async () => {
    const { fetch, calls } = fetchOf([]);
    await collect(streamChat(hello, { apiKey: 'k1', fetch }));
    expect(calls[0]?.url).toBe('https://api.anthropic.com/v1/messages');
    expect(calls[0]?.headers.get('x-api-key')).toBe('k1');
    expect(calls[0]?.headers.get('anthropic-version')).toBe('2023-06-01');
    expect(calls[0]?.headers.has('authorization')).toBe(false);
  });

  it('puts the system prompt at the top level, and always sends a limit', async () => {
    const messages = [
      { role: 'system', content: 'Be brief' },
      { role: 'user', content: 'Hi' },
    ] as const;
    expect(await bodyFor({ messages })).toEqual({
      model: 'claude-x',
      stream: true,
      max_tokens: 4096,
      system: 'Be brief',
      messages: [{ role: 'user', content: 'Hi' }],
    });
    expect(await bodyFor({ messages, maxTokens: 5, temperature: 0.5 })).toMatchObject({
      max_tokens: 5,
      temperature: 0.5,
    });
    const two = await bodyFor({ messages: [{ role: 'system', content: 'A' }, ...messages] });
    expect(two['system']).toEqual([
      { type: 'text', text: 'A' },
      { type: 'text', text: 'Be brief' },
    ]);
  });

  it('translates images, tools, tool calls and their results, and makes parallel results one turn', async () => {
    const body = await bodyFor({
      messages: [
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What?' },
            { type: 'image', url: 'https://x.test/a.png' },
            { type: 'image', url: 'data:image/gif;base64,R0lG' },
            { type: 'image', data: 'QUJD', mediaType: 'image/png' },
          ],
        },
        {
          role: 'assistant',
          content: 'Looking',
          toolCalls: [
            { id: 'a', name: 'look', arguments: '{"at":1}' },
            { id: 'b', name: 'nop', arguments: '{}' },
          ],
        },
        { role: 'tool', toolCallId: 'a', content: 'a cat' },
        { role: 'tool', toolCallId: 'b', content: [{ type: 'image', data: 'QUJD', mediaType: 'image/png' }] },
        { role: 'user', content: 'So?' },
        { role: 'assistant', content: '', toolCalls: [{ id: 'c', name: 'nop', arguments: '{}' }] },
      ],
      tools: [{ name: 'look', description: 'Looks', parameters: { type: 'object' } }, { name: 'nop' }],
    });
    const png = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'QUJD' } };
    expect(body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What?' },
          { type: 'image', source: { type: 'url', url: 'https://x.test/a.png' } },
          { type: 'image', source: { type: 'base64', media_type: 'image/gif', data: 'R0lG' } },
          png,
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'Looking' },
          { type: 'tool_use', id: 'a', name: 'look', input: { at: 1 } },
          { type: 'tool_use', id: 'b', name: 'nop', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'a', content: 'a cat' },
          { type: 'tool_result', tool_use_id: 'b', content: [png] },
          { type: 'text', text: 'So?' },
        ],
      },
      { role: 'assistant', content: [{ type: 'tool_use', id: 'c', name: 'nop', input: {} }] },
    ]);
    expect(body['tools']).toEqual([
      { name: 'look', description: 'Looks', input_schema: { type: 'object' } },
      { name: 'nop', input_schema: { type: 'object', properties: {} } },
    ]);
  });

  const user = { role: 'user', content: 'Hi' };
  it.each([
    ['system message', [user, { role: 'system', content: 'x' }]],
    ['image', [{ role: 'system', content: [{ type: 'image', url: 'https://x.test/a.png' }] }, user]],
    ['image', [user, { role: 'assistant', content: [{ type: 'image', url: 'https://x.test/a.png' }] }]],
    ['base64', [{ role: 'user', content: [{ type: 'image', url: 'data:image/svg+xml,<svg/>' }] }]],
    ['JSON', [user, { role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'f', arguments: '{' }] }]],
    ["'developer'", [{ role: 'developer', content: 'x' }]],
  ])('refuses what it cannot say, and names it: %s in %j', async (what, messages) => {
    const { fetch, calls } = fetchOf([]);
    const { error } = await collect(streamChat({ ...hello, messages: messages as never }, { apiKey: 'k', fetch }));
    expect(error).toMatchObject({
      code: 'E1001',
      provider: 'anthropic',
      message: expect.stringContaining(what) as string,
    });
    expect(calls).toEqual([]);
  });
});

describe('the Anthropic dialect: answers', () => {
  it('reads text, usage and stop reason; pings and unknown events are nothing', async () => {
    const chunks = [
      begin(),
      event('ping'),
      open(0, { type: 'text', text: '' }),
      delta(0, { type: 'text_delta', text: 'He' }),
    ];
    chunks.push(delta(0, { type: 'text_delta', text: 'y' }), close(0), event('news', { delta: {} }), end('end_turn'));
    expect(await read(chunks)).toEqual({
      events: [
        usage(10, 1),
        { type: 'text', text: 'He' },
        { type: 'text', text: 'y' },
        usage(10, 7),
        { type: 'finish', reason: 'stop', raw: 'end_turn' },
      ],
      completed: true,
    });
  });

  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['tool_use', 'toolCalls'],
    ['refusal', 'refusal'],
    ['pause_turn', 'other'],
  ])('calls the stop reason %s %s', async (raw, reason) => {
    expect((await read([begin(), textBlock(0, 'a'), end(raw)])).events.at(-1)).toEqual({ type: 'finish', reason, raw });
  });

  it('takes an empty refusal for whole', async () => {
    expect((await read([begin(), end('refusal')])).completed).toBe(true);
    expect((await read([begin(), end('end_turn')])).error).toMatchObject({ name: 'EmptyStreamError' });
  });

  it.each([
    [
      'given again',
      { input_tokens: 20, cache_creation_input_tokens: 5, cache_read_input_tokens: 100, output_tokens: 9 },
      125,
    ],
    [
      'null',
      { input_tokens: null, cache_creation_input_tokens: null, cache_read_input_tokens: null, output_tokens: 9 },
      115,
    ],
  ])('counts cached input as input, and takes the final counts (%s)', async (_, last, input) => {
    const first = { input_tokens: 10, cache_creation_input_tokens: 5, cache_read_input_tokens: 100, output_tokens: 1 };
    const { events } = await read([begin(first), textBlock(0, 'a'), end('end_turn', last)]);
    expect(events.filter(({ type }) => type === 'usage')).toEqual([usage(115, 1), usage(input, 9)]);
  });

  it('reads thinking as reasoning, and leaves out signatures, citations and redacted thinking', async () => {
    const { events } = await read([
      begin(),
      open(0, { type: 'thinking', thinking: '', signature: '' }),
      delta(0, { type: 'thinking_delta', thinking: 'hm' }),
      delta(0, { type: 'signature_delta', signature: 'xyz' }),
      close(0),
      open(1, { type: 'redacted_thinking', data: 'abc' }) + close(1),
      open(2, { type: 'text', text: '' }),
      delta(2, { type: 'citations_delta', citation: { cited_text: 'c' } }),
      delta(2, { type: 'text_delta', text: 'a' }),
      close(2),
      end('end_turn'),
    ]);
    expect(events.filter(({ type }) => type === 'text' || type === 'reasoning')).toEqual([
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'a' },
    ]);
  });

  it("gives each tool call once, whole, when its block closes; the server's own tools are none", async () => {
    const json = (index: number, partial_json: string) => delta(index, { type: 'input_json_delta', partial_json });
    const { events } = await read([
      begin(),
      open(0, { type: 'tool_use', id: 'a', name: 'f', input: {} }) +
        json(0, '') +
        json(0, '{"x"') +
        json(0, ':1}') +
        close(0),
      open(1, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }) + json(1, '{"q":1}') + close(1),
      textBlock(2, 'so'),
      open(3, { type: 'tool_use', id: 'b', name: 'g', input: {} }) + close(3) + close(3),
      end('tool_use'),
    ]);
    expect(events.filter(({ type }) => type !== 'usage')).toEqual([
      { type: 'toolCall', id: 'a', name: 'f', arguments: '{"x":1}' },
      { type: 'text', text: 'so' },
      { type: 'toolCall', id: 'b', name: 'g', arguments: '{}' },
      { type: 'finish', reason: 'toolCalls', raw: 'tool_use' },
    ]);
  });

  it.each([
    ['tool_use', true],
    ['max_tokens', false],
  ])('fails for arguments that are no JSON (stop reason %s; again: %s)', async (reason, retryable) => {
    const block = open(0, { type: 'tool_use', id: 'a', name: 'look' }) + delta(0, { partial_json: '{"x"' }) + close(0);
    const { error } = await read([begin(), block, end(reason)]);
    expect(error).toBeInstanceOf(MalformedStreamError);
    expect(error).toMatchObject({
      retryable,
      provider: 'anthropic',
      message: expect.stringContaining("'look'") as string,
    });
  });

  it.each([
    ['before message_start', ''],
    ['after text', begin() + textBlock(0, 'a')],
  ])('knows an error event (%s)', async (_, before) => {
    const frame = event('error', {
      error: { details: null, type: 'overloaded_error', message: 'Overloaded' },
      request_id: 'req_1',
    });
    const { error } = await read([before, frame]);
    expect(error).toMatchObject({ name: 'ProviderError', code: 'E3002', provider: 'anthropic', model: 'claude-x' });
  });

  it('is incomplete without message_stop, also with a stop reason', async () => {
    const whole = begin() + textBlock(0, 'a') + end('end_turn');
    const { events, error } = await read([whole.slice(0, whole.lastIndexOf('event:'))]);
    expect(error).toMatchObject({ name: 'IncompleteStreamError', code: 'E3001' });
    expect(events.map(({ type }) => type)).not.toContain('finish');
  });
});
