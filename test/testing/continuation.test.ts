import Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { planReply } from '../../src/testing/planReply';
import {
  DEFAULT_TEXT,
  type Continuation,
  type DialectName,
  type Reply,
  type ScriptRequest,
} from '../../src/testing/Reply';
import { bodyOf, drain, eventsOf, post, start, textOf } from './wire';

const dialects: readonly DialectName[] = ['openai', 'anthropic'];
/** One that goes on with a trailing assistant message, by dialect. */
const ABLE = { openai: 'groq', anthropic: 'anthropic' };
const user = (content: unknown = 'How is the river?') => ({ role: 'user', content });
const assistant = (content: unknown, more: object = {}) => ({ role: 'assistant', content, ...more });
const prefixed = (partial: unknown) => [user(), assistant(partial)];
const instructed = (partial: unknown, instruction: unknown = 'Go on.') => [
  user(),
  assistant(partial),
  user(instruction),
];

type Messages = readonly object[];
const plan = (
  reply: Reply,
  messages: Messages,
  dialect: DialectName = 'openai',
  more: Record<string, unknown> = {},
) => {
  const { provider = ABLE[dialect], stream = true, ...body } = more as { provider?: string; stream?: boolean };
  return planReply(reply, { dialect, provider, stream, body: { messages, ...body } });
};
/** What a client reads of the plan's stream. */
const said = (...args: Parameters<typeof plan>): string => textOf(bodyOf(plan(...args).steps));
const wholeBody = (...args: Parameters<typeof plan>): unknown => JSON.parse(bodyOf(plan(...args).steps));

/** Every offset of a text at which an answer can be cut: behind a code point. */
const cutsOf = (text: string): number[] => {
  let at = 0;
  return [...text].map((point) => (at += point.length));
};
const cut = fc.constantFrom(...cutsOf(DEFAULT_TEXT));
const dialect = fc.constantFrom(...dialects);

describe('a prefix continuation', () => {
  it.each(dialects)('%s: goes on right behind what was delivered, wherever the answer was cut', (name) => {
    const joined = cutsOf(DEFAULT_TEXT).map((afterChars) => {
      const delivered = said({ cut: { afterChars } }, [user()], name);
      expect(delivered).toHaveLength(afterChars);
      return delivered + said({}, prefixed(delivered), name);
    });
    expect(new Set(joined)).toEqual(new Set([DEFAULT_TEXT]));
  });

  it('so it does with any text, cut again and again', () => {
    fc.assert(
      fc.property(
        dialect,
        fc.string({ unit: fc.constantFrom('a', 'e\u0301', '水', '🌊', '\n', '"'), minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 9 }),
        (name, text, n) => {
          let delivered = said({ text, cut: { afterChars: n } }, [user()], name);
          while (delivered.length < text.length) {
            const more = said({ text, cut: { afterChars: n } }, prefixed(delivered), name);
            expect(more).not.toBe('');
            delivered += more;
          }
          expect(delivered).toBe(text);
        },
      ),
    );
  });

  it.each(dialects)('%s: reads the message as a string or as text parts', (name) => {
    const parts = [
      { type: 'text', text: 'A weir ' },
      { type: 'reasoning', text: 'hm' },
      { type: 'text', text: 'holds' },
    ];
    expect(said({}, prefixed(parts), name)).toBe(DEFAULT_TEXT.slice('A weir holds'.length));
    expect(plan({}, prefixed(parts), name).continues).toBe('prefix');
  });

  it.each(dialects)('%s: where the reply begins otherwise, it is the whole text', (name) => {
    expect(said({ text: 'Calm.' }, prefixed('A weir'), name)).toBe('Calm.');
    expect(plan({ text: 'Calm.' }, prefixed('A weir'), name).continues).toBe('prefix');
  });

  it.each(dialects)('%s: where nothing follows there is a terminator and no content, but the tool calls', (name) => {
    const nothing = plan({ text: 'Calm.' }, prefixed('Calm.'), name);
    const sent = bodyOf(nothing.steps);
    expect([textOf(sent), nothing.chars, nothing.outputTokens]).toEqual(['', 0, 0]);
    expect(sent).toMatch(/\[DONE]|message_stop/);
    expect(sent).not.toContain('content_block');
    const reply = { text: 'Calm.', toolCalls: [{ name: 'measure', arguments: {} }] };
    const called = bodyOf(plan(reply, prefixed('Calm.'), name).steps);
    expect(textOf(called)).toBe('');
    expect(called).toMatch(/"name":"measure"/);
    expect(called).toMatch(/"(tool_calls|tool_use)"/);
  });

  it('not streamed, it is the rest as well', () => {
    expect(wholeBody({ text: 'Calm.' }, prefixed('Ca'), 'openai', { stream: false })).toMatchObject({
      choices: [{ message: { content: 'lm.' } }],
    });
    expect(wholeBody({ text: 'Calm.' }, prefixed('Ca'), 'anthropic', { stream: false })).toMatchObject({
      content: [{ type: 'text', text: 'lm.' }],
    });
  });

  it.each(dialects)('%s: an empty message asks for nothing', (name) => {
    for (const content of ['', [], null]) expect(plan({}, prefixed(content), name)).not.toHaveProperty('continues');
    expect(said({}, prefixed(''), name)).toBe(DEFAULT_TEXT);
  });

  it('messages that are none ask for nothing', () => {
    for (const messages of [undefined, 'x', [], [null, 3], [{ role: 'assistant', content: 4 }]]) {
      expect(planReply({}, { dialect: 'openai', body: { messages } })).not.toHaveProperty('continues');
    }
  });
});

describe('who goes on with a trailing assistant message', () => {
  it.each([
    ['deepseek', { prefix: true }, {}],
    ['mistral', { prefix: true }, {}],
    ['moonshot', { partial: true }, {}],
    ['kimi', { partial: true }, {}],
    ['qwen', { partial: true }, {}],
    ['dashscope', { partial: true }, {}],
    ['vllm', {}, { continue_final_message: true }],
  ])('%s: where it is asked to by %j %j, else it answers anew', (provider, mark, body) => {
    const messages = (more: object) => [user(), assistant('A weir', more)];
    expect(said({}, messages(mark), 'openai', { provider, ...body })).toBe(DEFAULT_TEXT.slice(6));
    expect(said({}, messages({}), 'openai', { provider })).toBe(DEFAULT_TEXT);
    const otherMark = 'prefix' in mark ? { partial: true } : { prefix: true };
    expect(said({}, messages(otherMark), 'openai', { provider })).toBe(DEFAULT_TEXT);
    expect(plan({}, messages({}), 'openai', { provider }).continues).toBe('prefix');
  });

  it.each(['groq', 'ollama', 'openrouter'])('%s: always', (provider) => {
    expect(said({}, prefixed('A weir'), 'openai', { provider })).toBe(DEFAULT_TEXT.slice(6));
  });

  it.each(['openai', 'xai', 'any'])('%s: never', (provider) => {
    const messages = [user(), assistant('A weir', { prefix: true, partial: true })];
    expect(said({}, messages, 'openai', { provider, continue_final_message: true })).toBe(DEFAULT_TEXT);
  });

  it('anthropic: always, under any name', () => {
    expect(said({}, prefixed('A weir'), 'anthropic', { provider: 'proxy' })).toBe(DEFAULT_TEXT.slice(6));
  });

  it('a reply that says so goes before that', () => {
    const of = (prefix: NonNullable<Continuation['prefix']>, provider: string): string =>
      said({ continuation: { prefix } }, prefixed('A weir'), 'openai', { provider });
    expect([of('continue', 'openai'), of('ignore', 'groq')]).toEqual([DEFAULT_TEXT.slice(6), DEFAULT_TEXT]);
    expect(plan({ continuation: { prefix: 'refuse' } }, prefixed('A weir')).status).toBe(400);
  });

  it('deepseek: under /beta too', async () => {
    const provider = await start();
    const response = await fetch(`${provider.url}/deepseek/beta/chat/completions`, {
      method: 'POST',
      body: JSON.stringify({ stream: true, messages: [user(), assistant('A weir', { prefix: true })] }),
    });
    expect(textOf((await drain(response)).text)).toBe(DEFAULT_TEXT.slice(6));
    expect(provider.requests).toMatchObject([{ provider: 'deepseek', continues: 'prefix' }]);
  });
});

describe('an instructed continuation', () => {
  it('repeats as much as it is told to, and goes on, wherever the answer was cut', () => {
    fc.assert(
      fc.property(dialect, cut, fc.nat(DEFAULT_TEXT.length + 9), (name, at, overlap) => {
        const delivered = DEFAULT_TEXT.slice(0, at);
        const more = said({ continuation: { overlap } }, instructed(delivered), name);
        const repeated = more.length - (DEFAULT_TEXT.length - at);
        expect(delivered + more.slice(repeated)).toBe(DEFAULT_TEXT);
        expect(delivered.endsWith(more.slice(0, repeated))).toBe(true);
        const exact = Math.min(overlap, at);
        const splits = /^[\udc00-\udfff]/.test(DEFAULT_TEXT.slice(at - exact)) ? 1 : 0;
        expect(repeated).toBe(exact + splits);
      }),
    );
  });

  it('repeats what the instruction quotes, wherever the answer was cut', () => {
    for (const at of cutsOf(DEFAULT_TEXT)) {
      const delivered = DEFAULT_TEXT.slice(0, at);
      const tail = [...delivered].slice(-20).join('');
      const instruction = `Your previous response was interrupted and ended with [${tail}]. Continue from where you left off.`;
      for (const name of dialects) {
        const more = said({}, instructed(delivered, instruction), name);
        expect(more.startsWith(tail)).toBe(true);
        expect(delivered + more.slice(tail.length)).toBe(DEFAULT_TEXT);
      }
    }
  });

  it.each([
    ['all of it', 'You said: A weir holds a river', 20],
    ['the end of it', 'You stopped at "holds a river".', 13],
    ['the longest of several', 'Behind "river", I mean "a river", go on.', 7],
    ['a short end in quotation marks', 'You stopped at "…er".', 2],
    ['a short end on a line of its own', 'Go on behind\n\nriver\n\nplease', 5],
    ['a short end by chance', 'Go on, whatever it is.', 0],
    ['nothing', 'Finish it!', 0],
    ['what is not its end', 'You said "A weir holds".', 0],
  ])('repeats what the instruction quotes: %s', (_name, instruction, overlap) => {
    const partial = 'A weir holds a river';
    expect(said({}, instructed(partial, instruction))).toBe(DEFAULT_TEXT.slice(partial.length - overlap));
    const parts = [{ type: 'text', text: instruction }];
    expect(said({}, instructed([{ type: 'text', text: partial }], parts))).toBe(
      DEFAULT_TEXT.slice(partial.length - overlap),
    );
  });

  it('an overlap goes before the quote, and a preface before all', () => {
    const quoting = instructed('A weir holds', 'Go on behind "A weir holds".');
    expect(said({ continuation: { overlap: 5, preface: 'Sure:\n' } }, quoting)).toBe(`Sure:\n${DEFAULT_TEXT.slice(7)}`);
    expect(said({ continuation: { overlap: 0 } }, quoting)).toBe(DEFAULT_TEXT.slice(12));
  });

  it('needs no mark, and can be ignored', () => {
    for (const provider of ['openai', 'deepseek', 'vllm']) {
      expect(said({}, instructed('A weir'), 'openai', { provider })).toBe(DEFAULT_TEXT.slice(6));
    }
    const ignored = plan({ continuation: { instruct: 'ignore', preface: 'Sure' } }, instructed('A weir'));
    expect([textOf(bodyOf(ignored.steps)), ignored.continues]).toEqual([DEFAULT_TEXT, 'instruct']);
  });

  it('no words of a prefix concern it, nor the other way round', () => {
    expect(said({ continuation: { prefix: 'refuse' } }, instructed('A weir'))).toBe(DEFAULT_TEXT.slice(6));
    const reply: Reply = { continuation: { instruct: 'refuse', overlap: 3, preface: 'Sure' } };
    expect(said(reply, prefixed('A weir'))).toBe(DEFAULT_TEXT.slice(6));
  });

  it.each<[string, Messages]>([
    ['is no beginning of the text', instructed('Calm')],
    ['is the whole text, with a question behind it', instructed(DEFAULT_TEXT, 'What is a weir?')],
    ['is empty', instructed('')],
    ['is followed by more than one message', [...instructed('A weir'), user('And?')]],
    ['is followed by no text', instructed('A weir', [{ type: 'tool_result', tool_use_id: 't', content: 'x' }])],
    ['is followed by a tool', [user(), assistant('A weir'), { role: 'tool', content: 'x' }]],
    ["is a user's", [user(), user('A weir'), user('Go on.')]],
  ])('an ordinary conversation: the answer before %s', (_name, messages) => {
    for (const name of dialects) {
      const ordinary = plan({}, messages, name);
      expect(ordinary).not.toHaveProperty('continues');
      expect(textOf(bodyOf(ordinary.steps))).toBe(DEFAULT_TEXT);
    }
  });

  it('behind the very last character: where the instruction quotes it, or the reply speaks of continuations', () => {
    const quoting = plan({}, instructed(DEFAULT_TEXT, `Go on behind "${DEFAULT_TEXT.slice(-20)}".`));
    expect([textOf(bodyOf(quoting.steps)), quoting.continues]).toEqual([DEFAULT_TEXT.slice(-20), 'instruct']);
    const expected = plan({ continuation: { overlap: 4 } }, instructed(DEFAULT_TEXT));
    expect([textOf(bodyOf(expected.steps)), expected.continues]).toEqual([DEFAULT_TEXT.slice(-4), 'instruct']);
  });
});

describe('a continuation is an answer like any other', () => {
  const reply: Reply = {
    reasoning: 'Look first.',
    text: 'Calm water.',
    toolCalls: [{ name: 'measure', arguments: {} }],
  };
  const both: [string, Messages][] = [
    ['prefix', prefixed('Calm')],
    ['instruct', instructed('Calm')],
  ];

  it.each(both)('%s: reasoning is sent again, tool calls as usual', (_name, messages) => {
    for (const name of dialects) {
      const sent = bodyOf(plan({ ...reply, chunkChars: 99 }, messages, name).steps);
      expect(sent).toContain('Look first.');
      expect(textOf(sent)).toBe(' water.');
      expect(sent).toContain('"measure"');
    }
  });

  it.each(both)('%s: tokens are those of what it says, unless the reply has its own', (_name, messages) => {
    const rest = 'Look first. water.{}';
    for (const name of dialects) {
      expect(plan(reply, messages, name)).toMatchObject({
        chars: rest.length,
        outputTokens: Math.ceil(rest.length / 4),
      });
      const usage = { inputTokens: 100, outputTokens: 40 };
      expect(plan({ ...reply, usage }, messages, name)).toMatchObject(usage);
    }
  });

  it.each(both)('%s: fault points count the content of the continuation', (_name, messages) => {
    for (const name of dialects) {
      const text = 'Calm water.';
      expect(said({ text, cut: { afterChars: 3 } }, messages, name)).toBe(' wa');
      expect(said({ text, stall: { afterChars: 3 } }, messages, name)).toBe(' wa');
      expect(said({ text, errorFrame: { afterChars: 3 } }, messages, name)).toBe(' wa');
      expect(said({ text, cut: { afterChars: 99 } }, messages, name)).toBe(' water.');
    }
  });

  it('chance strikes in it, too', async () => {
    const provider = await start({ faults: { rate: 1, kinds: ['fin'] } });
    const partial = DEFAULT_TEXT.slice(0, -8);
    for (let i = 0; i < 12; i++) await drain(await post(provider, 'groq', { messages: prefixed(partial) }));
    const lengths = provider.requests.map(({ sentText }) => sentText.length);
    expect(new Set(lengths).size).toBeGreaterThan(3);
  });

  it('chance strikes in the arguments of a tool call that is no continuation', async () => {
    const toolCalls = [{ name: 'measure', arguments: { at: 'weir' } }];
    const provider = await start({ reply: { toolCalls }, faults: { rate: 1, kinds: ['fin'] } });
    for (let i = 0; i < 4; i++) await drain(await post(provider));
    expect(provider.billed.outputTokens).toBeGreaterThan(0);
  });
});

describe('a refused continuation', () => {
  const PREFIX = {
    anthropic: 'This model does not support assistant message prefill. The conversation must end with a user message.',
    openai: 'Requests ending with a model turn are not supported unless the last part is a function response',
  };
  const refuse: Continuation = { prefix: 'refuse', instruct: 'refuse' };

  it.each(dialects)("%s: 400 in the dialect's words, billed nothing, whatever else the reply has", async (name) => {
    const provider = await start({ reply: { continuation: refuse, usage: { inputTokens: 9, outputTokens: 9 } } });
    provider.script(name, {
      cut: { afterChars: 2 },
      stall: { afterBytes: 1 },
      body: { no: true },
      text: 'Calm water.',
    });
    const answers: [number, { error: { message: string } }][] = [];
    for (const messages of [prefixed('Calm'), instructed('Calm')]) {
      for (const stream of [true, false]) {
        const response = await post(provider, name, { messages, stream });
        answers.push([response.status, (await response.json()) as { error: { message: string } }]);
      }
    }
    const error = (message: string) => [400, { error: { type: 'invalid_request_error', message } }];
    const [prefix, instruct] = [error(PREFIX[name]), error('This conversation cannot be continued.')];
    expect(answers).toMatchObject([prefix, prefix, instruct, instruct]);
    const none = { outcome: 'error', status: 400, billedInputTokens: 0, billedOutputTokens: 0, sentText: '' };
    expect(provider.requests).toMatchObject([
      { ...none, continues: 'prefix' },
      { ...none, continues: 'prefix' },
      { ...none, continues: 'instruct' },
      { ...none, continues: 'instruct' },
    ]);
    expect(provider.billed).toEqual({ inputTokens: 0, outputTokens: 0 });
  });

  it('an error status of the reply comes first, and an ordinary request is not refused', () => {
    expect(plan({ status: 503, continuation: refuse }, prefixed('A weir'))).toMatchObject({
      status: 503,
      continues: 'prefix',
    });
    expect(said({ continuation: refuse }, [user()])).toBe(DEFAULT_TEXT);
    expect(said({ continuation: refuse }, instructed('Calm'))).toBe(DEFAULT_TEXT);
  });
});

describe('anthropic: what no script can make of it', () => {
  const TRAILING = 'messages: final assistant content cannot end with trailing whitespace';
  const EMPTY = 'messages: text content blocks must be non-empty';
  const text = (...texts: string[]) => texts.map((part) => ({ type: 'text', text: part }));

  it.each<[string, Messages, string]>([
    ['a space at the end', prefixed('A weir '), TRAILING],
    ['a line end at the end', prefixed('A weir\n'), TRAILING],
    ['a space at the end of the last block', prefixed(text('A', ' weir ')), TRAILING],
    ['an empty block', prefixed(text('A weir', '')), EMPTY],
    ["an empty block of the user's", [user(text('')), assistant('A weir')], EMPTY],
  ])('%s is a 400, and takes no reply', async (_name, messages, message) => {
    const provider = await start();
    provider.script('anthropic', [{ text: 'first', continuation: { prefix: 'ignore' } }]);
    const response = await post(provider, 'anthropic', { messages });
    expect([response.status, await response.json()]).toMatchObject([
      400,
      { type: 'error', error: { type: 'invalid_request_error', message } },
    ]);
    expect(textOf((await drain(await post(provider, 'anthropic'))).text)).toBe('first');
  });

  it('white space anywhere else is none of it, nor is an empty string', async () => {
    const provider = await start();
    const fine = [prefixed(text('A ', 'weir')), prefixed(''), [assistant('A '), user('Go on. ')], [user(' ')]];
    for (const messages of fine) expect((await post(provider, 'anthropic', { messages })).status).toBe(200);
    expect((await post(provider, 'groq', { messages: prefixed('A ') })).status).toBe(200);
  });

  it('goes on behind the text without its white space, which comes again', async () => {
    const provider = await start();
    const { text: sent } = await drain(await post(provider, 'anthropic', { messages: prefixed('A weir') }));
    expect(textOf(sent)).toBe(DEFAULT_TEXT.slice('A weir'.length));
    expect(textOf(sent).startsWith(' holds')).toBe(true);
  });
});

describe('over the wire', () => {
  it.each(['groq', 'anthropic'])('%s: a client that goes on after each cut has the whole text', async (name) => {
    const provider = await start({ reply: { cut: { afterChars: 40 } } });
    provider.script('anthropic', { text: DEFAULT_TEXT.replaceAll(' ', '_') });
    let delivered = '';
    for (let open = true; open;) {
      const messages = delivered === '' ? [user()] : prefixed(delivered);
      const { text, error } = await drain(await post(provider, name, { messages }));
      expect(error).toBeDefined();
      delivered += textOf(text);
      open = textOf(text).length >= 40;
    }
    expect(delivered.replaceAll('_', ' ')).toBe(DEFAULT_TEXT);
    expect(provider.requests.map(({ continues }) => continues)).toEqual([
      undefined,
      ...provider.requests.slice(1).map(() => 'prefix'),
    ]);
  });

  it('records what each request was, and the text so far', async () => {
    const provider = await start();
    const asked = [[user()], prefixed('A weir'), instructed('A weir'), instructed('Calm', 'And now?')];
    for (const messages of asked) await drain(await post(provider, 'groq', { messages }));
    expect(provider.requests.map(({ continues, partial }) => [continues, partial])).toEqual([
      [undefined, undefined],
      ['prefix', 'A weir'],
      ['instruct', 'A weir'],
      [undefined, 'Calm'],
    ]);
    expect(await provider.when(({ continues }) => continues === 'instruct')).toMatchObject({
      index: 2,
      outcome: 'completed',
      status: 200,
      sentText: DEFAULT_TEXT.slice(6),
    });
  });

  it('a record says so from the answer on, also while nothing is sent', async () => {
    const provider = await start();
    provider.script('groq', { headersMs: 60_000 });
    const leave = new AbortController();
    const asked = post(provider, 'groq', { messages: prefixed('A weir'), signal: leave.signal }).catch(() => undefined);
    expect(await provider.when(({ continues }) => continues === 'prefix')).toMatchObject({
      outcome: 'open',
      status: 0,
    });
    leave.abort();
    await asked;
  });

  it('a script sees what the request looks like, and decides', async () => {
    const provider = await start();
    const seen: unknown[] = [];
    provider.script('groq', ({ continues, partial }: ScriptRequest) => {
      seen.push([continues, partial]);
      return continues === undefined ? { text: 'Calm' } : { text: `${partial} water`, continuation: { overlap: 1 } };
    });
    const asked = [[user()], prefixed('Calm'), instructed('Calm'), instructed('Calm', 'And now?')];
    const answers: string[] = [];
    for (const messages of asked) answers.push(textOf((await drain(await post(provider, 'groq', { messages }))).text));
    expect(seen).toEqual([
      [undefined, undefined],
      ['prefix', 'Calm'],
      ['instruct', 'Calm'],
      ['instruct', 'Calm'],
    ]);
    expect(answers).toEqual(['Calm', ' water', 'm water', 'm water']);
  });

  it('bills what each answer says, and their sum', async () => {
    const provider = await start();
    expect(provider.billed).toEqual({ inputTokens: 0, outputTokens: 0 });
    provider.script('groq', [
      { text: 'abcdefgh', cut: { afterChars: 4, how: 'fin' } },
      { text: 'abcdefgh' },
      { status: 500 },
    ]);
    await drain(await post(provider, 'groq', { messages: [user('abcd')] }));
    await drain(await post(provider, 'groq', { messages: [user('abcd'), assistant('abcd')] }));
    await drain(await post(provider, 'groq'));
    expect(provider.requests.map((r) => [r.sentText, r.billedInputTokens, r.billedOutputTokens])).toEqual([
      ['abcd', 1, 1],
      ['efgh', 2, 1],
      ['', 0, 0],
    ]);
    expect(provider.billed).toEqual({ inputTokens: 3, outputTokens: 2 });
    provider.reset();
    expect(provider.billed).toEqual({ inputTokens: 0, outputTokens: 0 });
  });
});

describe('the official clients', () => {
  const partial = DEFAULT_TEXT.slice(0, 99);
  const rest = DEFAULT_TEXT.slice(99);
  const messages = [
    { role: 'user' as const, content: 'How is the river?' },
    { role: 'assistant' as const, content: partial },
  ];
  const refuse: Reply = { continuation: { prefix: 'refuse' } };

  it('openai parses a continuation, streamed or not, and sees a refusal as a 400', async () => {
    const provider = await start();
    const { completions } = new OpenAI({ apiKey: 'k', baseURL: provider.baseUrl('groq'), maxRetries: 0 }).chat;
    expect(await completions.stream({ model: 'm', messages }).finalContent()).toBe(rest);
    expect((await completions.create({ model: 'm', messages })).choices[0]?.message.content).toBe(rest);
    provider.script('groq', refuse);
    const error: unknown = await completions.create({ model: 'm', messages, stream: true }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
  });

  it('openai parses one of which nothing is left', async () => {
    const provider = await start();
    provider.script('groq', { text: partial });
    const { completions } = new OpenAI({ apiKey: 'k', baseURL: provider.baseUrl('groq'), maxRetries: 0 }).chat;
    const { choices } = await completions.stream({ model: 'm', messages }).finalChatCompletion();
    expect(choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: null } });
  });

  it('@anthropic-ai/sdk parses a continuation, streamed or not, and sees a refusal as a 400', async () => {
    const provider = await start();
    const client = new Anthropic({ apiKey: 'k', baseURL: provider.baseUrl('anthropic'), maxRetries: 0 });
    const request = { model: 'm', max_tokens: 100, messages };
    expect(await client.messages.stream(request).finalText()).toBe(rest);
    expect((await client.messages.create(request)).content).toMatchObject([{ type: 'text', text: rest }]);
    provider.script('anthropic', [refuse, { text: partial }]);
    const error: unknown = await client.messages.create({ ...request, stream: true }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(Anthropic.BadRequestError);
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(await client.messages.stream(request).finalMessage()).toMatchObject({
      content: [],
      stop_reason: 'end_turn',
    });
  });

  it('what is left out of one is nothing: every event but the text is that of a whole answer', () => {
    const kinds = (messagesOf: Messages, name: DialectName) => {
      const reply: Reply = { chunkChars: 1000, usage: { inputTokens: 1, outputTokens: 1 } };
      return eventsOf(bodyOf(plan(reply, messagesOf, name).steps)).map((event) =>
        JSON.stringify(event).replaceAll(JSON.stringify(DEFAULT_TEXT), '""').replaceAll(JSON.stringify(rest), '""'),
      );
    };
    for (const name of dialects) expect(kinds(messages, name)).toEqual(kinds(messages.slice(0, 1), name));
  });
});

describe('options of a continuation', () => {
  it.each<[object, typeof RangeError, RegExp]>([
    [{ overlap: -1 }, RangeError, /continuation\.overlap .* -1$/],
    [{ overlap: 1.5 }, RangeError, /continuation\.overlap .* 1\.5$/],
    [{ overlap: Infinity }, RangeError, /continuation\.overlap .* Infinity$/],
    [{ prefix: 'go' }, TypeError, /continuation\.prefix .* continue, refuse, ignore, got go$/],
    [{ instruct: true }, TypeError, /continuation\.instruct .* got true$/],
  ])('%j throws', (continuation, type, message) => {
    const reply = { continuation } as Reply;
    expect(() => planReply(reply, { dialect: 'openai' })).toThrow(type);
    expect(() => planReply(reply, { dialect: 'openai' })).toThrow(message);
  });

  it('is checked where it is given', async () => {
    const provider = await start();
    const wrong = { continuation: { overlap: NaN } };
    expect(() => provider.script('openai', [{}, wrong])).toThrow(/continuation\.overlap/);
    await expect(start({ reply: wrong })).rejects.toThrow(/continuation\.overlap/);
  });
});
