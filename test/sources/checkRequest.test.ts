import { describe, expect, it } from 'vitest';
import type { ChatRequest } from '../../src/sources/ChatRequest';
import { streamChat } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const user = { role: 'user', content: 'Hi' };

describe.each(['openai/m', 'anthropic/m'])('a request to %s', (model) => {
  const errorOf = async (request: object): Promise<unknown> => {
    const { fetch, calls } = fetchOf([]);
    const { error } = await collect(
      streamChat({ model, messages: [user], ...request } as ChatRequest, { apiKey: 'k', fetch }),
    );
    expect(calls).toEqual([]);
    return error;
  };

  it.each<[string, object]>([
    ['messages[0].content[0]', { role: 'user', content: [null] }],
    ['messages[0].content[0]', { role: 'user', content: ['x'] }],
    ['messages[0].content[0].text', { role: 'user', content: [{ type: 'text' }] }],
    ['messages[0].content[0].detail', { role: 'user', content: [{ type: 'image', url: 'http://x', detail: 'low' }] }],
    ['messages[0].content', { role: 'assistant', content: null }],
    ['messages[0].content', { role: 'assistant', content: null, toolCalls: [] }],
    ['messages[0].toolCallId', { role: 'tool', content: 'x' }],
    ['messages[0].toolCallId', { role: 'user', content: 'x', toolCallId: 'c' }],
    ['messages[0].toolCalls', { role: 'assistant', content: '', toolCalls: 'x' }],
    ['messages[0].toolCalls[0]', { role: 'assistant', content: '', toolCalls: [null] }],
    ['messages[0].toolCalls[0].name', { role: 'assistant', content: '', toolCalls: [{ id: 'a', function: {} }] }],
    [
      'messages[0].toolCalls[0].arguments',
      { role: 'assistant', content: '', toolCalls: [{ id: 'a', name: 'f', arguments: '{' }] },
    ],
    ['messages[0].role', { role: 'wizard', content: 'x' }],
    ['messages[0].role', { content: 'x' }],
  ])('is E1001 naming %s of %j', async (where, message) => {
    const error = await errorOf({ messages: [message] });
    expect(error).toMatchObject({ code: 'E1001', provider: model.split('/')[0] });
    expect((error as Error).message).toContain(`${where} `);
  });

  it.each<[string, unknown]>([
    ['tools', 'x'],
    ['tools[0]', [null]],
    ['tools[0].name', [{ description: 'x' }]],
    ['tools[0].function', [{ function: { name: 'f' } }]],
  ])('is E1001 naming %s of tools that are %j', async (where, tools) => {
    expect(((await errorOf({ tools })) as Error).message).toContain(`${where} `);
  });

  it('may hold keys that are undefined', async () => {
    const { fetch, calls } = fetchOf([]);
    const request = { model, messages: [{ ...user, name: undefined }], topP: undefined } as unknown as ChatRequest;
    await collect(streamChat(request, { apiKey: 'k', fetch }));
    expect(calls).toHaveLength(1);
  });
});

it.each([undefined, null, 'x'])('a request that is %j is E1001 without the words of the engine', async (request) => {
  const { error } = await collect(streamChat(request as never, { apiKey: 'k' }));
  expect(error).toMatchObject({ code: 'E1001' });
  expect((error as Error).message).not.toContain('TypeError');
});
