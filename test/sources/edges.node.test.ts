import { describe, expect, it } from 'vitest';
import type { ChatEvent } from '../../src/events/ChatEvent';
import { registerProvider } from '../../src/sources/providers';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { serve } from '../support/serve';
import { collect, fetchOf } from '../support/streams';

const data = (...payloads: unknown[]): string => payloads.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
const delta = (part: unknown, finish_reason: string | null = null): object => ({
  choices: [{ index: 0, delta: part, finish_reason }],
});
const DONE = 'data: [DONE]\n\n';
const messages = [{ role: 'user', content: 'Hi' }] as const;

/** What comes of a body over a socket, without the start event. */
async function read(body: string, model = 'openai/m', options: StreamChatOptions = {}) {
  const { url } = await serve(({ res }) => res.writeHead(200, { 'content-type': 'text/event-stream' }).end(body));
  const chat = streamChat({ model, messages }, { apiKey: 'k', baseUrl: url, ...options });
  const { values, ...end } = await collect<ChatEvent>(chat);
  return { events: values.filter(({ type }) => type !== 'start'), ...end };
}

describe('a chunk of another structure', () => {
  it.each([
    { choices: [null] },
    { choices: 'x' },
    { choices: {} },
    { choices: ['x'] },
    delta('x'),
    delta({ content: { text: 'lost' } }),
    delta({ content: [null, 'x'] }),
    delta({ content: ['x'] }),
    delta({ tool_calls: {} }),
    delta({ tool_calls: [null] }),
  ])('is malformed, and loses no text in silence: %j', async (chunk) => {
    const { events, error } = await read(data(delta({ content: 'a' }), chunk, delta({}, 'stop')) + DONE);
    expect(events).toEqual([{ type: 'text', text: 'a' }]);
    expect(error).toMatchObject({ name: 'MalformedStreamError', code: 'E3001', provider: 'openai', model: 'm' });
    expect((error as Error).message).not.toMatch(/cannot|undefined|TypeError/i);
  });

  it('may name any finish reason', async () => {
    const { events } = await read(data(delta({ content: 'a' }), delta({}, 'constructor')) + DONE);
    expect(events.at(-1)).toEqual({ type: 'finish', reason: 'other', raw: 'constructor' });
  });
});

describe('behind the end', () => {
  const MODEL = 'anthropic/c';
  const whole = data(
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'a' } },
    { type: 'message_delta', delta: { stop_reason: 'end_turn' } },
    { type: 'message_stop' },
  );
  const events: ChatEvent[] = [
    { type: 'text', text: 'a' },
    { type: 'finish', reason: 'stop', raw: 'end_turn' },
  ];

  it.each([
    ['text', data({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'late' } })],
    ['another end', data({ type: 'message_stop' })],
    ['no JSON', 'data: {x\n\n'],
  ])('of a message, %s is nothing: finish is the last event', async (_, late) => {
    expect(await read(whole + late, MODEL)).toEqual({ events, completed: true });
  });

  it('of a message, an error is an error, and there is no finish event', async () => {
    const late = data({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } });
    const result = await read(whole + late, MODEL);
    expect(result).toMatchObject({ events: events.slice(0, 1), error: { name: 'ProviderError', code: 'E3002' } });
    expect(result.events).toHaveLength(1);
  });

  it('of an answer, an error that is no JSON is one, too', async () => {
    const { error } = await read(
      data(delta({ content: 'a' }), delta({}, 'stop')) + DONE + 'event: error\ndata: Down\n\n',
    );
    expect(error).toMatchObject({ name: 'ProviderError', message: 'Down' });
  });

  it('[DONE] is an end also without its blank line', async () => {
    const remove = registerProvider('done', { baseUrl: 'http://localhost/v1', doneIsTerminal: true });
    expect((await read(data(delta({ content: 'a' })) + 'data: [DONE]', 'done/m')).completed).toBe(true);
    remove();
  });
});

describe('tool calls', () => {
  const call = (index: unknown, id: string | undefined, name: string | undefined, json: string): object =>
    delta({ tool_calls: [{ index, id, function: { name, arguments: json } }] });
  const callsOf = async (...fragments: object[]) => {
    const { events } = await read(data(...fragments, delta({}, 'tool_calls')) + DONE);
    return events.flatMap((event) => (event.type === 'toolCall' ? `${event.id} ${event.name} ${event.arguments}` : []));
  };

  it('that all say index 0 are told apart by their ids', async () => {
    expect(
      await callsOf(
        call(0, 'a', 'f', '{"x"'),
        call(0, 'b', 'g', '{"y":'),
        call(0, undefined, undefined, '1}'),
        call(0, 'c', 'h', '{}'),
        call(0, 'a', undefined, ':2}'),
      ),
    ).toEqual(['a f {"x":2}', 'b g {"y":1}', 'c h {}']);
  });

  it('whose every fragment has a new id are one, as of older vLLM', async () => {
    expect(await callsOf(call(0, 'r1', 'f', '{"x"'), call(0, 'r2', undefined, ':1}'))).toEqual(['r1 f {"x":1}']);
  });

  it('may have null for an index', async () => {
    expect(await callsOf(call(null, 'a', 'f', '{}'), call(null, 'b', 'g', '{}'))).toEqual(['a f {}', 'b g {}']);
  });

  it('with null for their input have no arguments', async () => {
    const block = { type: 'tool_use', id: 'a', name: 'f', input: null };
    const { events } = await read(
      data({ type: 'content_block_start', index: 0, content_block: block }, { type: 'message_stop' }),
      'anthropic/c',
    );
    expect(events[0]).toEqual({ type: 'toolCall', id: 'a', name: 'f', arguments: '{}' });
  });
});

it('an empty error object alone is an error', async () => {
  const { error } = await read(data(delta({ content: 'a' }), { error: {} }, delta({}, 'stop')) + DONE);
  expect(error).toMatchObject({ name: 'ProviderError', code: 'E3001' });
});

it.each(['bob:hunter2@h/v1', 'https://bob:hun/ter2@h/v1', 'https://hunter2@h/v1', 'ftp://h/?key=hunter2'])(
  'a baseUrl that is none is not shown with its secrets: %s',
  async (baseUrl) => {
    const { error } = await collect(streamChat({ model: 'openai/m', messages }, { apiKey: 'k', baseUrl }));
    expect(error).toMatchObject({ code: 'E1001', message: expect.stringContaining('baseUrl') as string });
    expect((error as Error).message).not.toMatch(/hun/);
  },
);

it('an aborted signal is E4002 before a bad request, and its reason does not show the key', async () => {
  const signal = AbortSignal.abort(new Error('not with plain-key-words'));
  for (const request of [{ model: 'openai/m', messages }, { model: 'openai/m' }, undefined]) {
    const { fetch, calls } = fetchOf([]);
    const { error } = await collect(
      streamChat(request as never, { apiKey: 'plain-key-words', baseUrl: 'http://h', fetch, signal }),
    );
    expect(error).toMatchObject({ code: 'E4002' });
    if (request) expect(String((error as Error).cause)).toBe('Error: not with [redacted]');
    expect(calls).toEqual([]);
  }
});
