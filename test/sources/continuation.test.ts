import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EmptyStreamError } from '../../src/errors/streamErrors';
import type { ChatMessage, ChatRequest } from '../../src/sources/ChatRequest';
import {
  continueRequest,
  instructionFor,
  refusesContinuation,
  supportsPrefix,
  type Continuation,
} from '../../src/sources/continuation';
import { registerProvider } from '../../src/sources/providers';
import { streamChat } from '../../src/sources/streamChat';
import { collect, fetchOf } from '../support/streams';

const PREFILLED = 'anthropic/claude-sonnet-4-5';
const user: ChatMessage = { role: 'user', content: 'Why is the sky blue?' };
const SO_FAR = 'The sky is blue because air scatters';
const HALF = '\u{1f30a}'.charAt(0);

const ask = (model: string, more: Partial<ChatRequest> = {}): ChatRequest => ({ model, messages: [user], ...more });

const prefix = (request: ChatRequest, text = SO_FAR, spent = 0) => continueRequest(request, 'prefix', text, spent);
const instruct = (request: ChatRequest, text = SO_FAR, spent = 0) => continueRequest(request, 'instruct', text, spent);

/** The words that an instruction quotes. */
const quoted = (text: string): string | undefined => {
  const [, , message] = instruct(ask('openai/gpt-4o'), text)?.request.messages ?? [];
  return (message?.content as string | undefined)?.slice(instructionFor('').length);
};

describe('the models that go on from a trailing assistant message', () => {
  it.each([
    ...[
      'claude-2',
      'claude-2.0',
      'claude-2.1',
      'claude-instant-1.2',
      'claude-3-opus-20240229',
      'claude-3-haiku-20240307',
    ],
    ...[
      'claude-3-5-sonnet-20241022',
      'claude-3-5-sonnet-latest',
      'claude-3-5-haiku-latest',
      'claude-3-7-sonnet-20250219',
    ],
    ...['claude-opus-4', 'claude-opus-4-0', 'claude-opus-4-20250514', 'claude-sonnet-4-20250514', 'claude-sonnet-4-0'],
    ...[
      'claude-opus-4-1',
      'claude-opus-4-1-20250805',
      'claude-opus-4-5',
      'claude-opus-4-5-20251101',
      PREFILLED.slice(10),
    ],
    ...['claude-sonnet-4-5-20250929', 'claude-haiku-4-5', 'claude-haiku-4-5-20251001', 'claude-haiku-4-5-latest'],
  ])('are anthropic/%s', (model) => {
    expect(supportsPrefix(`anthropic/${model}`)).toBe(true);
  });

  it.each([
    ...['claude-opus-4-6', 'claude-sonnet-4-6', 'claude-opus-4-7', 'claude-opus-4-8', 'claude-opus-4-6-20260205'],
    ...['claude-opus-5', 'claude-opus-5-5', 'claude-sonnet-5-20270101', 'claude-fable-5-1', 'claude-mythos-preview'],
    ...[
      'claude-opus-4-10',
      'claude-opus-4-15',
      'claude-opus-4-50',
      'claude-20',
      'claude-30-opus',
      'claude-opus-4-next',
    ],
    ...['claude-opus-latest', 'claude', 'my-claude-3-opus', 'gpt-4o', 'claude-sonnet-4-5-20250929-thinking'],
  ])('are not anthropic/%s', (model) => {
    expect(supportsPrefix(`anthropic/${model}`)).toBe(false);
  });

  it.each([
    ...['anthropic/claude-3.5-sonnet', 'anthropic/claude-3.5-sonnet-20240620', 'anthropic/claude-3-opus:beta'],
    ...[
      'anthropic/claude-2.1',
      'anthropic/claude-3.7-sonnet',
      'anthropic/claude-sonnet-4',
      'anthropic/claude-sonnet-4.5',
    ],
    ...['anthropic/claude-opus-4.1', 'anthropic/claude-opus-4.5', 'anthropic/claude-haiku-4.5:beta'],
    ...[
      'mistralai/mistral-large-2411',
      'deepseek/deepseek-chat-v3-0324:free',
      'deepseek/deepseek-r1',
      'qwen/qwen3-32b',
    ],
    ...['qwen/qwen-2.5-72b-instruct', 'meta-llama/llama-3.3-70b-instruct', 'meta-llama/llama-4-maverick:free'],
  ])('are openrouter/%s', (model) => {
    expect(supportsPrefix(`openrouter/${model}`)).toBe(true);
  });

  it.each([
    ...['anthropic/claude-opus-4.6', 'anthropic/claude-sonnet-4.6', 'anthropic/claude-opus-5', 'openai/gpt-4o', 'auto'],
    ...['openai/gpt-oss-120b', 'google/gemini-2.5-pro', 'x-ai/grok-4', 'cohere/command-a', 'moonshotai/kimi-k2'],
    ...['anthropic/claude-3.7-sonnet:thinking', 'qwen/qwen3-235b-a22b-thinking-2507', 'nousresearch/qwen/x'],
  ])('are not openrouter/%s', (model) => {
    expect(supportsPrefix(`openrouter/${model}`)).toBe(false);
  });

  it.each([
    ...[
      'deepseek/deepseek-chat',
      'deepseek/deepseek-reasoner',
      'mistral/mistral-large-latest',
      'mistral/codestral-latest',
    ],
    ...['groq/llama-3.3-70b-versatile', 'groq/qwen/qwen3-32b', 'ollama/llama3.2', 'ollama/gpt-oss:20b'],
    ...['vllm/meta-llama/Llama-3.1-8B-Instruct', 'vllm/m'],
  ])('are also %s', (id) => {
    expect(supportsPrefix(id)).toBe(true);
  });

  it.each([
    ...['openai/gpt-4o', 'openai/o3', 'xai/grok-4', 'together/meta-llama/Llama-3-70b-chat-hf'],
    ...['groq/openai/gpt-oss-120b', 'vllm/openai/gpt-oss-20b', 'nope/m', 'gpt-4o', '', '/', 'mistral/'],
    ...[undefined, null, 7],
  ])('are not %s', (id) => {
    expect(supportsPrefix(id as string)).toBe(false);
  });

  it('are those that registerProvider is told, whatever the flags of the pattern', () => {
    const remove = registerProvider('own', { baseUrl: 'http://h/v1', prefix: { models: /^qwen/g } });
    const all = registerProvider('all', { baseUrl: 'http://h/v1', prefix: {} });
    const none = registerProvider('none', { baseUrl: 'http://h/v1' });
    for (let i = 0; i < 3; i++) expect(supportsPrefix('own/qwen3')).toBe(true);
    expect(['own/llama', 'all/m', 'none/m'].map(supportsPrefix)).toEqual([false, true, false]);
    remove();
    all();
    none();
    expect(supportsPrefix('own/qwen3')).toBe(false);
  });
});

describe('a prefix continuation', () => {
  it('has the answer so far as its last message, and tells the model nothing', () => {
    expect(prefix(ask(PREFILLED))?.request.messages).toEqual([user, { role: 'assistant', content: SO_FAR }]);
  });

  it.each(['openai/gpt-4o', 'anthropic/claude-opus-4-6', 'nope/m'])('cannot be said to %s', (model) => {
    expect(prefix(ask(model))).toBeUndefined();
  });

  it('leaves the request as it was', () => {
    const request = ask(PREFILLED, { messages: [user, { role: 'assistant', content: 'So: ' }], maxTokens: 9 });
    const before = structuredClone(request);
    prefix(request, SO_FAR, 3);
    instruct(request, SO_FAR, 3);
    expect(request).toEqual(before);
  });

  it.each([
    [PREFILLED, 'Hello \n\t\u00a0', 'Hello'],
    ['openrouter/anthropic/claude-3-opus', 'Hello ', 'Hello'],
    ['mistral/m', 'Hello ', 'Hello'],
    ['vllm/m', 'Hello\n\n', 'Hello'],
    ['deepseek/deepseek-chat', 'Hello \n', 'Hello \n'],
    ['groq/m', 'Hello ', 'Hello '],
    ['ollama/m', 'Hello ', 'Hello '],
  ])('to %s of %j sends %j, and tells what it omits', (model, text, sent) => {
    const { request, omitted } = prefix(ask(model), text)!;
    expect(request.messages.at(-1)).toEqual({ role: 'assistant', content: sent });
    expect(sent + omitted).toBe(text);
  });

  it.each([
    ['groq/m', 'a\u{1f30a}', 'a\u{1f30a}'],
    ['groq/m', `a${HALF}`, 'a'],
    ['groq/m', `a${HALF}${HALF}`, 'a'],
    ['groq/m', `\u{1f30a}${HALF}`, '\u{1f30a}'],
    ['groq/m', `a ${HALF}`, 'a '],
    [PREFILLED, `a ${HALF}`, 'a'],
    [PREFILLED, `a${HALF} `, 'a'],
    [PREFILLED, `a${HALF} ${HALF}\n`, 'a'],
  ])('to %s never ends in half a surrogate pair: %j', (model, text, sent) => {
    const { request, omitted } = prefix(ask(model), text)!;
    expect(request.messages.at(-1)?.content).toBe(sent);
    expect(sent + omitted).toBe(text);
  });

  it.each([
    [PREFILLED, ''],
    [PREFILLED, ' \n'],
    [PREFILLED, ` ${HALF}`],
    ['groq/m', HALF],
    ['groq/m', ''],
  ])('to %s cannot be said where nothing is left of %j', (model, text) => {
    expect(prefix(ask(model), text)).toBeUndefined();
  });

  it('may be short, and of white space where that is not refused', () => {
    expect(prefix(ask(PREFILLED), 'A')?.request.messages.at(-1)?.content).toBe('A');
    expect(prefix(ask('groq/m'), ' ')?.request.messages.at(-1)?.content).toBe(' ');
  });

  it('cannot be said to a Claude that thinks', () => {
    const thinking = (type: string) => prefix(ask(PREFILLED, { extraBody: { thinking: { type } } }));
    expect(thinking('enabled')).toBeUndefined();
    expect(thinking('disabled')).toBeDefined();
  });
});

describe('an instructed continuation', () => {
  it('has the answer so far, and the instruction with the words that it ends with', () => {
    expect(instruct(ask('openai/gpt-4o'))).toEqual({
      omitted: '',
      words: SO_FAR,
      request: {
        ...ask('openai/gpt-4o'),
        messages: [user, { role: 'assistant', content: SO_FAR }, { role: 'user', content: instructionFor(SO_FAR) }],
      },
    });
    const instruction = instructionFor('the words');
    expect(instruction).toMatch(
      /interrupted.*repeating exactly.*straight on.*no introduction, no comment.*\n\nthe words$/s,
    );
  });

  it('can be said to any model, and leaves out white space at the end', () => {
    for (const model of ['openai/gpt-4o', 'anthropic/claude-opus-4-6', PREFILLED, 'nope/m']) {
      const { request, omitted } = instruct(ask(model), `${SO_FAR} `)!;
      expect(request.messages[1]).toEqual({ role: 'assistant', content: SO_FAR });
      expect(omitted).toBe(' ');
    }
    expect(instruct(ask(PREFILLED), SO_FAR + HALF)?.omitted).toBe(HALF);
  });

  it.each([
    ['fifteen chars..', undefined],
    ['sixteen chars...', 'sixteen chars...'],
    ['  fifteen chars..  ', undefined],
    [`fifteen chars..${HALF}`, undefined],
    ['', undefined],
  ])('is not said where less than 16 characters could be repeated: %j', (text, quote) => {
    expect(quoted(text)).toBe(quote);
  });

  const LONG = 'x'.repeat(100);
  it.each([
    ['all of a short text', ' a text of 80 characters at most', ' a text of 80 characters at most'],
    ['80 characters', `${LONG} ${'w'.repeat(80)}`, 'w'.repeat(80)],
    ['from a word on', `${LONG} ${'word '.repeat(15)}end`, `${'word '.repeat(15)}end`],
    ['from the next word on', `${LONG}wo ${'word '.repeat(15)}end`, `${'word '.repeat(15)}end`],
    ['no white space at the end', `${LONG} some words are quoted here\n\n`, 'some words are quoted here'],
    ['line breaks', `${LONG} these words\nare quoted here`, 'these words\nare quoted here'],
    ['more than a word', `${LONG} end${' '.repeat(20)}`, `${'x'.repeat(76)} end`],
    ['at least 16 characters of words', `${LONG} ${'u'.repeat(60)} end`, `${'u'.repeat(60)} end`],
    ['80 characters of one long word', `${LONG} end of it`, `${'x'.repeat(70)} end of it`],
    ['80 characters where there is no space', '水'.repeat(200), '水'.repeat(80)],
    ['no half of a pair', `a${'\u{1f30a}'.repeat(100)}`, '\u{1f30a}'.repeat(40)],
    ['no half of a pair at its start', `${'\u{1f30a}'.repeat(100)}a`, `${'\u{1f30a}'.repeat(39)}a`],
  ])('quotes %s', (_, text, quote) => {
    expect(quoted(text)).toBe(quote);
  });
});

describe.each([
  ['prefix', prefix],
  ['instruct', instruct],
] as const)('a continuation (%s)', (strategy, go) => {
  const at = strategy === 'prefix' ? -1 : -2;

  it("is one message with the user's own beginning of the answer", () => {
    const messagesOf = (content: ChatRequest['messages'][number]['content']) =>
      go(ask(PREFILLED, { messages: [user, { role: 'assistant', content }] }))!.request.messages;
    expect(messagesOf('So: ').slice(0, 2)).toEqual([user, { role: 'assistant', content: `So: ${SO_FAR}` }]);
    const parts = [{ type: 'text', text: 'So: ' }] as const;
    expect(messagesOf(parts).at(at)).toEqual({
      role: 'assistant',
      content: [...parts, { type: 'text', text: SO_FAR }],
    });
    expect(messagesOf('').at(at)?.content).toBe(SO_FAR);
    expect(messagesOf('').length).toBe(strategy === 'prefix' ? 2 : 3);
  });

  it('is a message of its own behind a former turn', () => {
    const turn: ChatMessage[] = [user, { role: 'assistant', content: 'Rayleigh.' }, { role: 'user', content: 'More' }];
    expect(go(ask(PREFILLED, { messages: turn }))!.request.messages.slice(0, 4)).toEqual([
      ...turn,
      { role: 'assistant', content: SO_FAR },
    ]);
  });

  it('goes on behind the result of a tool, but not behind an open call', () => {
    const call: ChatMessage = { role: 'assistant', content: '', toolCalls: [{ id: 'c', name: 'f', arguments: '{}' }] };
    const result: ChatMessage = { role: 'tool', toolCallId: 'c', content: '1' };
    expect(go(ask(PREFILLED, { messages: [user, call, result] }))).toBeDefined();
    expect(go(ask(PREFILLED, { messages: [user, call] }))).toBeUndefined();
  });

  it('lowers maxTokens by what was spent, and not below 1', () => {
    const limit = (maxTokens: number | undefined, spent: number, model = 'groq/m') =>
      go(ask(model, { maxTokens }), SO_FAR, spent)!.request.maxTokens;
    expect(limit(100, 30)).toBe(70);
    expect(limit(100, 29.5)).toBe(70);
    expect([limit(100, 99), limit(100, 100), limit(100, 1000)]).toEqual([1, 1, 1]);
    expect(limit(undefined, 30)).toBeUndefined();
  });

  it("lowers also Anthropic's own limit", () => {
    const limit = (model: string, maxTokens?: number) => go(ask(model, { maxTokens }), SO_FAR, 96)!.request.maxTokens;
    expect(limit(PREFILLED)).toBe(4000);
    expect(limit(PREFILLED, 200)).toBe(104);
    const remove = registerProvider('bedrock', { baseUrl: 'http://h', dialect: 'anthropic', prefix: {} });
    expect(limit('bedrock/m')).toBe(4000);
    remove();
  });

  it('keeps everything else', () => {
    const rest = {
      tools: [{ name: 'f' }],
      temperature: 0.5,
      extraBody: { top_p: 0.9, response_format: { type: 'text' } },
    };
    expect(go(ask(PREFILLED, rest))?.request).toMatchObject(rest);
    expect(go(ask(PREFILLED, { extraBody: { output_config: { effort: 'low' } } }))).toBeDefined();
  });

  it.each([
    { response_format: { type: 'json_object' } },
    { response_format: { type: 'json_schema', json_schema: {} } },
    { output_config: { format: { type: 'json_schema' } } },
    { output_format: { type: 'json_schema' } },
    { guided_json: {} },
    { structured_outputs: { json: {} } },
  ])('cannot be said where a new document would begin: %j', (extraBody) => {
    expect(go(ask('vllm/m', { extraBody }))).toBeUndefined();
  });

  it('cannot be said where extraBody holds the messages', () => {
    expect(go(ask('vllm/m', { extraBody: { messages: [] } }))).toBeUndefined();
  });

  it('together with what it omits is what was delivered, for any text and cut', () => {
    const models = [PREFILLED, 'mistral/m', 'groq/m', 'openrouter/deepseek/v3'];
    const pieces = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.constantFrom(' ', '\n\n', '\u{1f30a}', 'word ', HALF, '\u{1f30a}'.charAt(1)),
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (all, share) => {
        const whole = all.join('');
        const delivered = whole.slice(0, Math.round(whole.length * share));
        for (const model of models) {
          const made: Continuation | undefined = go(ask(model), delivered);
          if (!made) continue;
          const sent = made.request.messages.at(at)?.content as string;
          expect(sent + made.omitted).toBe(delivered);
          expect(sent).not.toBe('');
          expect(sent).not.toMatch(/\p{Cs}$/u);
          if (strategy === 'prefix' && model === PREFILLED) expect(sent).not.toMatch(/\s$/);
          if (strategy === 'instruct') {
            const quote = quoted(delivered) ?? '';
            expect(quote.trim().length).toBeGreaterThanOrEqual(16);
            expect(quote.length).toBeLessThanOrEqual(80);
            expect(sent.endsWith(quote)).toBe(true);
            const before = sent.slice(0, sent.length - quote.length);
            expect(/[\ud800-\udbff]$/.test(before) && /^[\udc00-\udfff]/.test(quote)).toBe(false);
          }
        }
      }),
    );
  });

  it.each(['openai/gpt-4o', PREFILLED])('is a request that %s can be sent', async (model) => {
    const made = go(ask(model));
    if (!made) return expect([strategy, model]).toEqual(['prefix', 'openai/gpt-4o']);
    const { fetch, calls } = fetchOf([]);
    await collect(streamChat(made.request, { apiKey: 'k', fetch }));
    expect(calls[0]?.body['messages']).toEqual(made.request.messages);
  });
});

describe('a refusal', () => {
  const errorOf = async (status: number, body: object) => {
    const { fetch } = fetchOf([JSON.stringify(body)], { status });
    return (await collect(streamChat(ask(PREFILLED), { apiKey: 'k', fetch }))).error;
  };
  const invalid = (message: string) => ({ type: 'error', error: { type: 'invalid_request_error', message } });

  it.each([
    [400, invalid('This model does not support assistant message prefill.')],
    [422, { detail: 'prefix' }],
    [400, {}],
  ])('is a %i of the provider: %j', async (status, body) => {
    expect(refusesContinuation(await errorOf(status, body))).toBe(true);
  });

  it.each([
    [400, invalid('Your credit balance is too low to access the Anthropic API')],
    [400, invalid('prompt is too long: 9 tokens > 8 maximum')],
    [401, {}],
    [404, {}],
    [413, {}],
    [429, {}],
    [500, {}],
  ])('is not a %i: %j', async (status, body) => {
    expect(refusesContinuation(await errorOf(status, body))).toBe(false);
  });

  it('is no error of our own, and nothing else', async () => {
    const { error } = await collect(streamChat(ask('nope/m')));
    expect(error).toMatchObject({ code: 'E1001' });
    for (const other of [
      error,
      new EmptyStreamError(),
      new Error('400'),
      { code: 'E1001', httpStatus: 400 },
      undefined,
    ]) {
      expect(refusesContinuation(other)).toBe(false);
    }
  });
});
