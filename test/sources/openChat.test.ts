import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import type { ChatEvent } from '../../src/events/ChatEvent';
import type { ChatMessage, ChatRequest } from '../../src/sources/ChatRequest';
import { registerProvider } from '../../src/sources/providers';
import { openChat, streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const SO_FAR = 'The sky is';
const messages: readonly ChatMessage[] = [
  { role: 'user', content: 'Why?' },
  { role: 'assistant', content: SO_FAR },
];
const data = (...payloads: unknown[]) => payloads.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
const say = (content: string) => data({ choices: [{ index: 0, delta: { content } }] });
const finished = (finish_reason: string) => data({ choices: [{ index: 0, delta: {}, finish_reason }] });
const STOP = finished('stop');

/** The request that is sent for the rest of an answer. */
async function send(model: string, more: Partial<ChatRequest> = {}, options: StreamChatOptions = {}, prefix = true) {
  const { fetch, calls } = fetchOf([]);
  await collect(openChat({ model, messages, ...more }, { apiKey: 'k', fetch, ...options }, { prefix }));
  return { url: calls[0]!.url, body: calls[0]!.body };
}

describe('a prefix continuation on the wire', () => {
  const MARKED = { role: 'assistant', content: SO_FAR, prefix: true };
  const PLAIN = { role: 'assistant', content: SO_FAR };

  it.each([
    ['anthropic/claude-sonnet-4-5', PLAIN, {}],
    ['deepseek/deepseek-chat', MARKED, {}],
    ['mistral/m', MARKED, {}],
    ['groq/m', PLAIN, {}],
    ['ollama/m', PLAIN, {}],
    ['openrouter/deepseek/v3', PLAIN, {}],
    ['vllm/m', PLAIN, { continue_final_message: true, add_generation_prompt: false }],
    ['openai/m', PLAIN, {}],
  ])('to %s has the last message %j and beside it %j', async (model, last, beside) => {
    const { body } = await send(model);
    expect(body['messages']).toEqual([messages[0], last]);
    const { body: plain } = await send(model, {}, {}, false);
    expect(body).toEqual({ ...plain, messages: [messages[0], last], ...beside });
    expect(plain['messages']).toEqual(messages);
  });

  it('marks the message of the user that has parts, and leaves the request as it was', async () => {
    const parts = [{ type: 'text', text: 'The ' }] as const;
    const own: ChatMessage[] = [messages[0]!, { role: 'assistant', content: parts }];
    const before = structuredClone(own);
    const { body } = await send('deepseek/m', { messages: own });
    expect((body['messages'] as unknown[])[1]).toEqual({ role: 'assistant', content: parts, prefix: true });
    expect(own).toEqual(before);
  });

  it('marks also in the Anthropic dialect, for who registers such a provider', async () => {
    const prefix = { message: { prefix: true }, body: { extra: 1 } };
    const remove = registerProvider('own', { baseUrl: 'http://h', dialect: 'anthropic', prefix });
    expect((await send('own/m')).body).toMatchObject({ messages: [messages[0], MARKED], extra: 1 });
    remove();
  });

  it('lets extraBody win', async () => {
    const { body } = await send('vllm/m', { extraBody: { add_generation_prompt: true, messages: [] } });
    expect(body).toMatchObject({ add_generation_prompt: true, continue_final_message: true, messages: [] });
  });

  it("goes to DeepSeek's beta, unless the user gave a base URL", async () => {
    const model = 'deepseek/deepseek-chat';
    expect((await send(model)).url).toBe('https://api.deepseek.com/beta/chat/completions');
    expect((await send(model, {}, {}, false)).url).toBe('https://api.deepseek.com/v1/chat/completions');
    const own = await send(model, {}, { baseUrl: 'http://proxy/v1' });
    expect(own.url).toBe('http://proxy/v1/chat/completions');
    expect(own.body).toMatchObject({ messages: [messages[0], MARKED] });
    expect((await send('mistral/m')).url).toBe('https://api.mistral.ai/v1/chat/completions');
  });
});

describe('an answer without any content', () => {
  const read = (chunks: string[], internal?: Parameters<typeof openChat>[2], model = 'openai/m') =>
    collect(openChat({ model, messages }, { apiKey: 'k', fetch: fetchOf(chunks).fetch }, internal));

  it('is whole with its terminator where it may be empty', async () => {
    const { values, completed } = await read([STOP], { mayBeEmpty: true });
    expect(completed).toBe(true);
    expect(values.map(({ type }) => type)).toEqual(['start', 'finish']);
    const stop = data({ type: 'message_delta', delta: { stop_reason: 'end_turn' } }, { type: 'message_stop' });
    expect((await read([stop], { mayBeEmpty: true }, 'anthropic/c')).completed).toBe(true);
  });

  it.each([[[]], [['data: [DONE]\n\n']]])('is incomplete without one: %j', async (chunks) => {
    expect((await read(chunks, { mayBeEmpty: true })).error).toMatchObject({ name: 'IncompleteStreamError' });
  });

  it.each([undefined, {}, { mayBeEmpty: false }, { prefix: true }])('is an error else: %j', async (internal) => {
    expect((await read([STOP], internal)).error).toMatchObject({ name: 'EmptyStreamError' });
  });

  it('is an error for streamChat', async () => {
    const chat = streamChat({ model: 'openai/m', messages }, { apiKey: 'k', fetch: fetchOf([STOP]).fetch });
    expect((await collect(chat)).error).toMatchObject({ name: 'EmptyStreamError' });
  });
});

describe('the echo of a provider that repeats the message it goes on from', () => {
  const read = async (
    chunks: string[],
    model = 'mistral/m',
    prefix = true,
    content: ChatMessage['content'] = SO_FAR,
  ) => {
    const request = { model, messages: [messages[0]!, { role: 'assistant', content }] } as ChatRequest;
    const chat = openChat(request, { apiKey: 'k', fetch: fetchOf(chunks).fetch }, { prefix, mayBeEmpty: true });
    const { values, ...end } = await collect<ChatEvent>(chat);
    return { texts: values.flatMap((event) => (event.type === 'text' ? event.text : [])), ...end };
  };

  it.each([
    ['at once', [SO_FAR, ' blue'], [' blue']],
    ['with what follows', [`${SO_FAR} blue`, '.'], [' blue', '.']],
    ['in pieces', ['The', ' sky', ' is', ' blue'], [' blue']],
    ['in pieces that overlap its end', ['The s', 'ky is blue'], [' blue']],
    ['not at all', [' blue'], [' blue']],
    ['as little as a beginning', ['The', ' sea'], ['The sea']],
    ['once', [SO_FAR, SO_FAR], [SO_FAR]],
    ['and nothing else', [SO_FAR], []],
  ])('is left out, %s', async (_, said, texts) => {
    expect(await read([...said.map(say), STOP])).toEqual({ texts, completed: true });
  });

  it('may be told in pieces with something else between them', async () => {
    const usage = data({ choices: [], usage: { prompt_tokens: 1, completion_tokens: 1 } });
    expect(await read([say('The'), usage, say(' sky is'), say(' blue'), STOP])).toMatchObject({ texts: [' blue'] });
  });

  it('gives what was held back before the finish event', async () => {
    expect(await read([say('The'), STOP])).toEqual({ texts: ['The'], completed: true });
  });

  it('is no content', async () => {
    const request = { model: 'mistral/m', messages };
    const { fetch } = fetchOf([say(SO_FAR), STOP]);
    const { error } = await collect(openChat(request, { apiKey: 'k', fetch }, { prefix: true }));
    expect(error).toMatchObject({ name: 'EmptyStreamError' });
  });

  it('is of the parts of a message together', async () => {
    const parts = [
      { type: 'text', text: 'The ' },
      { type: 'text', text: 'sky' },
    ] as const;
    expect(await read([say('The sky is'), STOP], undefined, true, parts)).toMatchObject({ texts: [' is'] });
  });

  it.each([
    ['openai/m', true],
    ['groq/m', true],
    ['mistral/m', false],
  ])('is an answer like any other of %s (prefix: %s)', async (model, prefix) => {
    expect(await read([say(SO_FAR), STOP], model, prefix)).toMatchObject({ texts: [SO_FAR] });
  });

  it('leaves the rest as it is, for any text and cuts', async () => {
    const cut = (text: string, at: number[]): string[] =>
      [0, ...at.map((one) => one % (text.length + 1)).sort((a, b) => a - b), text.length]
        .map((from, i, all) => text.slice(from, all[i + 1] ?? from))
        .filter((piece) => piece !== '');
    await fc.assert(
      fc.asyncProperty(
        fc.string({ minLength: 1 }),
        fc.string(),
        fc.array(fc.nat(), { maxLength: 6 }),
        async (a, b, at) => {
          const { texts, completed } = await read([...cut(a + b, at).map(say), STOP], 'mistral/m', true, a);
          expect([texts.join(''), completed]).toEqual([b, true]);
        },
      ),
    );
  });
});
