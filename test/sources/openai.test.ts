import { describe, expect, it } from 'vitest';
import { MalformedStreamError } from '../../src/errors/streamErrors';
import type { ChatEvent } from '../../src/events/ChatEvent';
import type { ChatRequest } from '../../src/sources/ChatRequest';
import { registerProvider } from '../../src/sources/providers';
import { streamChat } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const hello: ChatRequest = { model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };

/** The body that a request becomes. */
async function bodyFor(request: Partial<ChatRequest>): Promise<Record<string, unknown>> {
  const { fetch, calls } = fetchOf([]);
  const { error } = await collect(streamChat({ ...hello, ...request }, { apiKey: 'k', fetch }));
  if (!calls[0]) throw error;
  return calls[0].body;
}

const delta = (part: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: part, finish_reason }], usage: null })}\n\n`;
const usage = (prompt_tokens: number, completion_tokens: number) =>
  `data: ${JSON.stringify({ choices: [], usage: { prompt_tokens, completion_tokens } })}\n\n`;
const DONE = 'data: [DONE]\n\n';

/** The events that a body becomes, without the start event. */
async function read(chunks: string[], model = 'openai/gpt-4o') {
  const { values, ...end } = await collect(
    streamChat({ ...hello, model }, { apiKey: 'k', fetch: fetchOf(chunks).fetch }),
  );
  return { events: values.filter(({ type }) => type !== 'start'), ...end };
}

const finish = (reason: string, raw = reason): ChatEvent => ({ type: 'finish', reason, raw }) as ChatEvent;

describe('the OpenAI dialect: requests', () => {
  it('asks for a stream with usage', async () => {
    expect(await bodyFor({ temperature: 0, maxTokens: 100 })).toEqual({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'Hi' }],
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 100,
      temperature: 0,
    });
  });

  it('calls the limit max_tokens for all others, and does not send stream_options to who refuses it', async () => {
    const { fetch, calls } = fetchOf([]);
    for (const model of ['groq/llama', 'mistral/large']) {
      await collect(streamChat({ ...hello, model, maxTokens: 9 }, { apiKey: 'k', fetch }));
    }
    expect(calls[0]?.body).toMatchObject({ max_tokens: 9, stream_options: { include_usage: true } });
    expect(calls[1]?.body).not.toHaveProperty('stream_options');
  });

  it('sends the key as a bearer token', async () => {
    const { fetch, calls } = fetchOf([]);
    await collect(streamChat(hello, { apiKey: 'sk-1', fetch }));
    expect(calls[0]?.url).toBe('https://api.openai.com/v1/chat/completions');
    expect(calls[0]?.headers.get('authorization')).toBe('Bearer sk-1');
  });

  it('translates roles, parts, tool calls and their results', async () => {
    const body = await bodyFor({
      messages: [
        { role: 'system', content: 'Be brief' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image', url: 'https://x.test/a.png' },
            { type: 'image', data: 'QUJD', mediaType: 'image/png' },
          ],
        },
        { role: 'assistant', content: '', toolCalls: [{ id: 'c1', name: 'look', arguments: '{"at":1}' }] },
        { role: 'tool', toolCallId: 'c1', content: 'a cat' },
        { role: 'assistant', content: 'A cat.' },
      ],
      tools: [
        { name: 'look', description: 'Looks', parameters: { type: 'object', properties: { at: { type: 'number' } } } },
        { name: 'nop' },
      ],
    });
    expect(body['messages']).toEqual([
      { role: 'system', content: 'Be brief' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'What is this?' },
          { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } },
        ],
      },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c1', type: 'function', function: { name: 'look', arguments: '{"at":1}' } }],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'a cat' },
      { role: 'assistant', content: 'A cat.' },
    ]);
    expect(body['tools']).toEqual([
      {
        type: 'function',
        function: {
          name: 'look',
          description: 'Looks',
          parameters: { type: 'object', properties: { at: { type: 'number' } } },
        },
      },
      { type: 'function', function: { name: 'nop' } },
    ]);
  });

  it('merges extraBody last', async () => {
    expect(await bodyFor({ temperature: 1, extraBody: { temperature: 0.5, top_p: 0.1 } })).toMatchObject({
      temperature: 0.5,
      top_p: 0.1,
    });
  });

  const image = { type: 'image', url: 'https://x.test/a.png' } as const;
  it.each([
    ['image', [{ role: 'system', content: [image] }]],
    ['image', [{ role: 'assistant', content: [image] }]],
    ['image', [{ role: 'tool', toolCallId: '1', content: [image] }]],
    ['audio', [{ role: 'user', content: [{ type: 'audio', data: '' }] }]],
    ['developer', [{ role: 'developer', content: 'x' }]],
  ])('refuses what it cannot say, and names it: %s in %j', async (what, messages) => {
    const { fetch, calls } = fetchOf([]);
    const { error } = await collect(streamChat({ ...hello, messages: messages as never }, { apiKey: 'k', fetch }));
    expect(error).toMatchObject({
      code: 'E1001',
      provider: 'openai',
      model: 'gpt-4o',
      message: expect.stringContaining(what) as string,
    });
    expect(calls).toEqual([]);
  });
});

describe('the OpenAI dialect: answers', () => {
  it('reads text, usage and finish reason; the finish event is the last', async () => {
    const chunks = [
      delta({ role: 'assistant', content: '' }),
      delta({ content: 'He' }),
      delta({ content: 'y' }),
      delta({}, 'stop'),
      usage(3, 2),
      DONE,
    ];
    expect(await read(chunks)).toEqual({
      events: [
        { type: 'text', text: 'He' },
        { type: 'text', text: 'y' },
        { type: 'usage', inputTokens: 3, outputTokens: 2 },
        finish('stop'),
      ],
      completed: true,
    });
  });

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'toolCalls'],
    ['function_call', 'toolCalls'],
    ['content_filter', 'contentFilter'],
    ['eos', 'other'],
  ])('calls the finish reason %s %s', async (raw, reason) => {
    expect((await read([delta({ content: 'a' }), delta({}, raw), DONE])).events.at(-1)).toEqual(finish(reason, raw));
  });

  it('keeps the finish reason, whatever chunks follow it', async () => {
    const { events, completed } = await read([
      delta({ content: 'a' }),
      delta({}, 'length'),
      delta({ content: '' }),
      delta({}, ''),
    ]);
    expect(events.at(-1)).toEqual(finish('length'));
    expect(completed).toBe(true);
  });

  it('gives a refusal as text, and as the finish reason', async () => {
    expect(await read([delta({ refusal: 'I ' }), delta({ refusal: "can't" }), delta({}, 'stop'), DONE])).toEqual({
      events: [{ type: 'text', text: 'I ' }, { type: 'text', text: "can't" }, finish('refusal', 'stop')],
      completed: true,
    });
  });

  it.each([{ reasoning_content: 'hm' }, { reasoning: 'hm' }, { reasoning: 'hm', reasoning_content: 'hm' }])(
    'reads reasoning from %j, once',
    async (part) => {
      const { events } = await read([delta({ content: null, ...part }), delta({ content: 'a' }), delta({}, 'stop')]);
      expect(events).toEqual([{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'a' }, finish('stop')]);
    },
  );

  it("reads Mistral's parts", async () => {
    const thinking = { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] };
    const { events } = await read(
      [delta(thinking), delta({ content: [{ type: 'text', text: 'a' }] }), delta({}, 'stop')],
      'mistral/m',
    );
    expect(events).toEqual([{ type: 'reasoning', text: 'hm' }, { type: 'text', text: 'a' }, finish('stop')]);
  });

  it('gives each tool call once, whole, at the end', async () => {
    const call = (part: object) => delta({ tool_calls: [part] });
    const { events, completed } = await read([
      call({ index: 0, id: 'c0', type: 'function', function: { name: 'f', arguments: '' } }),
      call({ index: 0, function: { arguments: '{"a"' } }),
      call({ index: 1, id: 'c1', function: { name: 'g', arguments: '' } }),
      call({ index: 0, function: { arguments: ':1}' } }),
      delta({}, 'tool_calls'),
      usage(1, 2),
      DONE,
    ]);
    expect(completed).toBe(true);
    expect(events).toEqual([
      { type: 'usage', inputTokens: 1, outputTokens: 2 },
      { type: 'toolCall', id: 'c0', name: 'f', arguments: '{"a":1}' },
      { type: 'toolCall', id: 'c1', name: 'g', arguments: '{}' },
      finish('toolCalls', 'tool_calls'),
    ]);
  });

  it('reads tool calls of hosts that leave out the index or the id', async () => {
    const { events } = await read([
      delta({
        tool_calls: [
          { id: 'x', function: { name: 'f', arguments: '{}' } },
          { id: 'y', function: { name: 'g', arguments: '[' } },
        ],
      }),
      delta({ tool_calls: [{ function: { arguments: ']' } }] }),
      delta({}, 'tool_calls'),
    ]);
    expect(events).toMatchObject([
      { id: 'x', name: 'f', arguments: '{}' },
      { id: 'y', name: 'g', arguments: '[]' },
      {},
    ]);
    const nameless = await read([
      delta({ tool_calls: [{ index: 0, function: { name: 'f', arguments: '{}' } }] }),
      delta({}, 'tool_calls'),
    ]);
    expect(nameless.events[0]).toMatchObject({ type: 'toolCall', id: expect.stringMatching(/.+/) as string });
  });

  it.each([
    ['tool_calls', true],
    ['length', false],
  ])('fails for arguments that are no JSON (finish reason %s; again: %s)', async (reason, retryable) => {
    const call = delta({ tool_calls: [{ index: 0, id: 'c', function: { name: 'look', arguments: '{"a":' } }] });
    const { events, error } = await read([call, delta({}, reason), DONE]);
    expect(events).toEqual([]);
    expect(error).toBeInstanceOf(MalformedStreamError);
    expect(error).toMatchObject({
      retryable,
      provider: 'openai',
      model: 'gpt-4o',
      message: expect.stringContaining("'look'") as string,
    });
  });

  it('reports usage only where it changes', async () => {
    const part = (text: string, n: number) =>
      `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content: text } }], usage: { prompt_tokens: 5, completion_tokens: n } })}\n\n`;
    const { events } = await read(
      [part('a', 1), part('b', 1), part('c', 2), delta({}, 'stop'), usage(5, 2), DONE],
      'vllm/m',
    );
    expect(events.filter(({ type }) => type === 'usage')).toEqual([
      { type: 'usage', inputTokens: 5, outputTokens: 1 },
      { type: 'usage', inputTokens: 5, outputTokens: 2 },
    ]);
  });

  it("reads Groq's usage", async () => {
    const last = {
      choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
      x_groq: { usage: { prompt_tokens: 5, completion_tokens: 1 } },
    };
    const { events } = await read([delta({ content: 'a' }), `data: ${JSON.stringify(last)}\n\n`], 'groq/m');
    expect(events[1]).toEqual({ type: 'usage', inputTokens: 5, outputTokens: 1 });
  });

  it('tolerates null, missing and unknown fields, empty data and further answers', async () => {
    const odd = [
      '{}',
      '{"choices":null}',
      '{"choices":[]}',
      '{"choices":[{"index":0,"delta":null}]}',
      '',
      '{"object":"ping","extra":[1]}',
    ];
    const second = '{"choices":[{"index":1,"delta":{"content":"other"},"finish_reason":"length"}]}';
    const chunks = [...odd, second].map((json) => `data: ${json}\n\n`);
    expect(await read([...chunks, delta({ content: 'a' }), delta({}, 'stop')])).toEqual({
      events: [{ type: 'text', text: 'a' }, finish('stop')],
      completed: true,
    });
  });

  it('takes [DONE] alone for an end only where the provider is registered so', async () => {
    const chunks = [delta({ content: 'a' }), DONE];
    expect((await read(chunks)).error).toMatchObject({ name: 'IncompleteStreamError' });
    const remove = registerProvider('done', { baseUrl: 'http://localhost/v1', doneIsTerminal: true });
    expect(await read(chunks, 'done/m')).toEqual({
      events: [{ type: 'text', text: 'a' }, finish('stop')],
      completed: true,
    });
    expect((await read(chunks.slice(0, 1), 'done/m')).error).toMatchObject({ name: 'IncompleteStreamError' });
    remove();
  });
});
