import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planReply } from '../../src/testing/planReply';
import type { Step } from '../../src/testing/Plan';
import { DEFAULT_TEXT, type DialectName, type Reply } from '../../src/testing/Reply';
import { bodyOf, eventsOf, textOf } from './wire';

const dialects: readonly DialectName[] = ['openai', 'anthropic'];
const plan = (reply: Reply, dialect: DialectName = 'openai', stream = true) => planReply(reply, { dialect, stream });
const body = (...args: Parameters<typeof plan>): string => bodyOf(plan(...args).steps);
const last = (...args: Parameters<typeof plan>): Step | undefined => plan(...args).steps.at(-1);
const textIn = (steps: readonly Step[]): string =>
  steps.map((step) => (step.type === 'bytes' ? step.text : '')).join('');
const dialect = fc.constantFrom(...dialects);

describe('planReply: a healthy answer', () => {
  it.each(dialects)('%s: says all of the text, cut in events of 4 characters that never split a code point', (name) => {
    expect(textOf(body({}, name))).toBe(DEFAULT_TEXT);
    const sizes = plan({}, name).steps.flatMap((step) => (step.type === 'bytes' && step.text ? [step.text] : []));
    expect(Math.max(...sizes.map((text) => text.length))).toBeLessThanOrEqual(5);
    expect(sizes.filter((text) => /\p{Surrogate}/u.test(text))).toEqual([]);
  });

  it('openai: role first, then finish_reason, usage and [DONE]', () => {
    const events = eventsOf(body({ text: 'Hi', usage: { inputTokens: 3, outputTokens: 1 } })) as Record<
      string,
      never
    >[];
    expect(events).toMatchObject([
      { object: 'chat.completion.chunk', choices: [{ delta: { role: 'assistant', content: '' } }], usage: null },
      { choices: [{ delta: { content: 'Hi' }, finish_reason: null }] },
      { choices: [{ delta: {}, finish_reason: 'stop' }] },
      { choices: [], usage: { prompt_tokens: 3, completion_tokens: 1, total_tokens: 4 } },
      '[DONE]',
    ]);
  });

  it('openai: tells the usage only where stream_options asks for it', () => {
    const silent = planReply({ text: 'Hi' }, { dialect: 'openai', body: {} });
    expect(bodyOf(silent.steps)).not.toContain('usage');
    expect(body({ text: 'Hi', usage: false })).not.toContain('usage');
  });

  it('anthropic: message_start to message_stop, each event named as its type', () => {
    const sent = body({ reasoning: 'hm', text: 'Hi' }, 'anthropic');
    const types = eventsOf(sent).map((event) => (event as { type: string }).type);
    expect([...sent.matchAll(/^event: (.*)$/gm)].map((match) => match[1])).toEqual(types);
    expect(types).toEqual([
      'message_start',
      'ping',
      ...['content_block_start', 'content_block_delta', 'content_block_delta', 'content_block_stop'],
      ...['content_block_start', 'content_block_delta', 'content_block_stop'],
      'message_delta',
      'message_stop',
    ]);
  });

  it.each([
    ['length', 'length', 'max_tokens'],
    ['contentFilter', 'content_filter', 'refusal'],
    ['refusal', 'stop', 'refusal'],
    ['pause_turn', 'pause_turn', 'pause_turn'],
  ])('finish reason %s is %s and %s', (finishReason, openai, anthropic) => {
    expect(body({ finishReason })).toContain(`"finish_reason":"${openai}"`);
    expect(body({ finishReason }, 'anthropic')).toContain(`"stop_reason":"${anthropic}"`);
  });

  it('openai: a refusal comes as delta.refusal', () => {
    expect(body({ text: 'No.', finishReason: 'refusal' })).toContain('"delta":{"refusal":"No."}');
  });

  it.each([
    ['deepseek', 'reasoning_content'],
    ['openrouter', 'reasoning'],
  ])('%s: reasoning is in delta.%s', (provider, field) => {
    const { steps } = planReply({ reasoning: 'hm' }, { dialect: 'openai', provider });
    expect(bodyOf(steps)).toContain(`"delta":{"${field}":"hm"}`);
  });

  it('the same plan for the same reply and request', () => {
    const reply: Reply = { splitBytes: 'random', toolCalls: [{ name: 'f', arguments: {} }], text: 'é🌊' };
    expect(plan(reply)).toEqual(plan(reply));
  });
});

describe('planReply: faults at a character', () => {
  it('cut.afterChars leaves exactly so many characters, rounded up to a code point, at every position', () => {
    fc.assert(
      fc.property(dialect, fc.nat(DEFAULT_TEXT.length), fc.integer({ min: 1, max: 9 }), (name, at, chunkChars) => {
        const { steps } = plan({ cut: { afterChars: at }, chunkChars }, name);
        const inPair = /\p{Surrogate}/u.test(DEFAULT_TEXT.slice(0, at));
        expect(textIn(steps)).toBe(DEFAULT_TEXT.slice(0, inPair ? at + 1 : at));
        expect(textOf(bodyOf(steps))).toBe(textIn(steps));
        expect(steps.at(-1)).toEqual({ type: 'break', how: 'reset' });
      }),
    );
  });

  it.each(dialects)('%s: beyond the content it strikes right behind it, before the terminator', (name) => {
    const sent = body({ text: 'Hi', cut: { afterChars: 99, how: 'fin' } }, name);
    expect(textOf(sent)).toBe('Hi');
    expect(sent).not.toMatch(/finish_reason":"|stop_reason":"|\[DONE]|message_stop/);
    expect(last({ cut: { afterChars: 99, how: 'fin' } }, name)).toEqual({ type: 'end', outcome: 'cut', open: false });
  });

  it.each(dialects)('%s: 0 is after the preamble and before the first token', (name) => {
    const events = eventsOf(body({ cut: { afterChars: 0 } }, name));
    expect(events.length).toBeGreaterThan(0);
    expect(textOf(body({ cut: { afterChars: 0 } }, name))).toBe('');
  });

  it('counts reasoning, text and tool arguments in that order', () => {
    const reply: Reply = { reasoning: 'abc', text: 'def', toolCalls: [{ name: 'f', arguments: { a: 1 } }] };
    expect(body({ ...reply, cut: { afterChars: 2 } })).not.toContain('"content":"d');
    expect(textOf(body({ ...reply, cut: { afterChars: 5 } }))).toBe('de');
    const cut = body({ ...reply, chunkChars: 1, cut: { afterChars: 9 } });
    const deltas = [...cut.matchAll(/"arguments":"((?:\\.|[^"\\])*)"/g)].map((match) => match[1]);
    expect(deltas.join('')).toBe('{\\"a');
  });

  it('of two faults the first ends the stream, and a pause before it is kept', () => {
    const { steps } = plan({
      text: 'abcdef',
      chunkChars: 1,
      stall: { afterChars: 2, ms: 50 },
      cut: { afterChars: 4 },
      errorFrame: { afterChars: 5 },
    });
    expect(textIn(steps)).toBe('abcd');
    const pause = steps.findIndex((step) => step.type === 'wait' && step.ms === 50);
    expect(textIn(steps.slice(0, pause))).toBe('ab');
    expect(steps.at(-1)?.type).toBe('break');
  });

  it.each(dialects)('%s: an error frame ends the stream, with no terminator behind it unless asked', (name) => {
    const frame = eventsOf(body({ text: 'abc', errorFrame: { afterChars: 2 } }, name)).at(-1);
    expect(frame).toMatchObject(
      name === 'openai'
        ? { error: { type: 'server_error', param: null, code: null } }
        : { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } },
    );
    expect(last({ errorFrame: { afterChars: 2 } }, name)).toEqual({ type: 'end', outcome: 'error', open: false });
    const then = eventsOf(body({ errorFrame: { afterChars: 2, thenDone: true } }, name)).at(-1);
    expect(then).toEqual(name === 'openai' ? '[DONE]' : { type: 'message_stop' });
  });

  it.each(dialects)('%s: an error frame without a place is the very first event', (name) => {
    expect(eventsOf(body({ errorFrame: { message: 'no' } }, name))).toMatchObject([{ error: { message: 'no' } }]);
  });

  it('error frames as OpenRouter and vLLM send them', () => {
    const at = (errorFrame: Reply['errorFrame']) =>
      eventsOf(body({ text: 'a', errorFrame: { ...errorFrame, afterChars: 1 } }));
    expect(at({ variant: 'openrouter', code: 502, message: 'gone' }).at(-1)).toMatchObject({
      error: { code: 502, message: 'gone' },
      choices: [{ delta: { content: '' }, finish_reason: 'error' }],
    });
    expect(at({ variant: 'vllm' }).slice(-2)).toMatchObject([{ error: { code: 500 } }, '[DONE]']);
    expect(at({ variant: 'vllmFlat', status: 400 }).slice(-2)).toMatchObject([
      { object: 'error', code: 400 },
      '[DONE]',
    ]);
  });

  it.each(dialects)('%s: broken JSON among the events, which go on', (name) => {
    const sent = body({ text: 'abcd', chunkChars: 1, malformedAfterChars: 2 }, name);
    const broken = eventsOf(sent).filter((event) => typeof event === 'string' && event !== '[DONE]');
    expect(broken).toHaveLength(1);
    expect(sent.indexOf(String(broken[0]))).toBeLessThan(sent.indexOf('"c"'));
    expect(textOf(sent.replace(/.*"bro\n/, ''))).toBe('abcd');
  });

  it('a raw tail has no data: before it and nothing behind it', () => {
    const sent = body({ text: 'abc', rawTail: { text: '{"error":{"code":503}}', afterChars: 2 } });
    expect(sent.endsWith('\n\n{"error":{"code":503}}')).toBe(true);
    expect(textOf(sent)).toBe('ab');
  });
});

describe('planReply: faults at a byte and on the lines', () => {
  it('cut.afterBytes leaves exactly so many bytes of the same body', () => {
    fc.assert(
      fc.property(
        dialect,
        fc.boolean(),
        fc.nat(),
        fc.option(fc.integer({ min: 1, max: 30 })),
        (name, stream, n, split) => {
          const whole = Buffer.from(body({}, name, stream));
          const at = n % (whole.length + 50);
          const { steps } = plan({ cut: { afterBytes: at }, ...(split ? { splitBytes: split } : {}) }, name, stream);
          const sent = Buffer.concat(steps.flatMap((step) => (step.type === 'bytes' ? [step.bytes] : [])));
          expect(sent.equals(whole.subarray(0, at))).toBe(true);
          expect(steps.at(-1)?.type).toBe('break');
          if (stream) expect(textIn(steps)).toBe(textOf(sent.toString()));
        },
      ),
    );
  });

  it('splitBytes writes the same bytes in other pieces, and text counts with the byte that completes its event', () => {
    const whole = plan({ splitBytes: 1 });
    const pieces = whole.steps.filter((step) => step.type === 'bytes');
    expect(pieces.every((step) => step.bytes.length === 1)).toBe(true);
    const [content] = plan({ text: 'a', splitBytes: 1e6 }).steps.filter((step) => step.type === 'bytes' && step.text);
    expect(content).toMatchObject({ text: 'a', chars: 1 });
    expect(bodyOf(whole.steps)).toBe(body({}));
    const { steps } = plan({ text: 'é🌊', chunkChars: 1, splitBytes: 1, terminator: 'none', usage: false });
    const differing = [...steps.keys()].filter((i) => textIn(steps.slice(0, i)) !== textOf(bodyOf(steps.slice(0, i))));
    expect(differing).toEqual([]);
    expect(textIn(whole.steps)).toBe(DEFAULT_TEXT);
    expect(body({ splitBytes: 'random' })).toBe(body({}));
    expect(plan({ splitBytes: 'random' })).not.toEqual(
      planReply({ splitBytes: 'random' }, { dialect: 'openai', random: () => 0.5 }),
    );
  });

  it('of two faults at bytes the first ends the stream, and a pause before it is kept', () => {
    const cutAt = (at: number, ms = Infinity) =>
      plan({ cut: { afterBytes: at }, stall: { afterBytes: 300, ms } }).steps;
    expect([cutAt(200).at(-1)?.type, cutAt(400).at(-1)?.type, cutAt(400, 5).at(-1)?.type]).toEqual([
      'break',
      'stall',
      'break',
    ]);
    expect([cutAt(200), cutAt(400), cutAt(400, 5)].map((steps) => Buffer.byteLength(bodyOf(steps)))).toEqual([
      200, 300, 400,
    ]);
    const pause = cutAt(400, 5).findIndex((step) => step.type === 'wait');
    expect(Buffer.byteLength(bodyOf(cutAt(400, 5).slice(0, pause)))).toBe(300);
  });

  it('crlf: every line ends in CRLF', () => {
    const sent = body({ crlf: true }, 'anthropic');
    expect(sent.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(sent.replaceAll('\r\n', '\n')).toBe(body({}, 'anthropic'));
  });

  it.each([
    [{}, '\n'],
    [{ crlf: true }, '\r\n'],
  ])('missingLastBlankLine %j: the last event ends in one line end', (more, eol) => {
    const sent = body({ terminator: 'finish', usage: false, missingLastBlankLine: true, ...more });
    expect(sent.endsWith(`}${eol}`)).toBe(true);
    expect(sent + eol).toBe(body({ terminator: 'finish', usage: false, ...more }));
  });

  it.each<[DialectName, Reply['terminator'], RegExp, RegExp]>([
    ['openai', 'none', /content/, /"finish_reason":"|\[DONE]/],
    ['openai', 'done', /\[DONE]/, /"finish_reason":"/],
    ['openai', 'finish', /"finish_reason":"stop"/, /\[DONE]/],
    ['anthropic', 'none', /text_delta/, /message_delta|message_stop/],
    ['anthropic', 'done', /message_stop/, /message_delta/],
    ['anthropic', 'finish', /message_delta/, /message_stop/],
  ])('%s: terminator %s', (name, terminator, has, hasNot) => {
    const sent = body({ terminator: terminator ?? 'full' }, name);
    expect(sent).toMatch(has);
    expect(sent).not.toMatch(hasNot);
    expect(textOf(sent)).toBe(DEFAULT_TEXT);
  });

  it.each(dialects)('%s: an empty answer has a terminator and no content', (name) => {
    const { steps, chars, outputTokens } = plan({ text: '' }, name);
    expect({ chars, outputTokens, text: textIn(steps) }).toEqual({ chars: 0, outputTokens: 0, text: '' });
    expect(bodyOf(steps)).toMatch(/\[DONE]|message_stop/);
    expect(bodyOf(steps)).not.toContain('content_block');
  });
});

describe('planReply: time', () => {
  const times = (reply: Reply, stream = true) =>
    plan(reply, 'openai', stream)
      .steps.filter((step) => step.type !== 'turn')
      .map((step) => (step.type === 'wait' ? step.ms : step.type === 'bytes' ? step.text || '-' : step.type));

  it('headersMs before the headers, firstTokenMs before the first content, paceMs between contents', () => {
    expect(
      times({ text: 'abc', chunkChars: 1, headersMs: 1, firstTokenMs: 20, paceMs: 3, terminator: 'none' }),
    ).toEqual([1, 'head', '-', 20, 'a', 3, 'b', 3, 'c', 'end']);
  });

  it('an empty answer waits firstTokenMs too, once', () => {
    expect(times({ text: '', firstTokenMs: 20, paceMs: 5, usage: false })).toEqual(['head', '-', 20, '-', '-', 'end']);
  });

  it('keep-alives fill every silence behind the headers', () => {
    const reply: Reply = { text: 'a', firstTokenMs: 25, keepAliveMs: 10, headersMs: 30, stall: { afterChars: 9 } };
    expect(times(reply)).toEqual([30, 'head', '-', 10, '-', 10, '-', 5, 'a', 'stall']);
    expect(body(reply).match(/^: keep-alive$/gm)).toHaveLength(2);
    expect(last(reply)).toEqual({
      type: 'stall',
      keepAlive: { everyMs: 10, bytes: new TextEncoder().encode(': keep-alive\n\n') },
    });
  });

  it('an answer that is not streamed comes with its headers, unless empty lines keep it alive', () => {
    expect(times({ text: 'a', firstTokenMs: 25 }, false)).toEqual([25, 'head', 'a', 'end']);
    expect(times({ text: 'a', firstTokenMs: 25, keepAliveMs: 20 }, false)).toEqual(['head', 20, '-', 5, 'a', 'end']);
  });

  it.each<[Reply, unknown[]]>([
    [{ stall: { before: 'headers' } }, ['stall']],
    [{ stall: { before: 'headers', ms: 5 }, cut: { before: 'headers' } }, [5, 'break']],
    [{ cut: { before: 'headers', how: 'fin' } }, ['end']],
    [{ text: 'ab', chunkChars: 1, stall: { afterChars: 1 } }, ['head', '-', 'a', 'stall']],
    [{ stall: { afterBytes: 3 } }, ['head', '-', 'stall']],
  ])('%j', (reply, expected) => {
    expect(times(reply)).toEqual(expected);
  });

  it('openAfterEnd keeps the socket open behind the terminator', () => {
    expect(last({ openAfterEnd: true })).toEqual({ type: 'end', outcome: 'completed', open: true });
  });
});

describe('planReply: an answer that is not streamed, or is an error', () => {
  it('is one JSON body; faults count its characters', () => {
    const whole = body({ text: 'Hi', reasoning: 'hm' }, 'openai', false);
    expect(JSON.parse(whole)).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'Hi', reasoning_content: 'hm' }, finish_reason: 'stop' }],
    });
    expect(body({ text: 'Hi', reasoning: 'hm', cut: { afterChars: 30 } }, 'openai', false)).toBe(whole.slice(0, 30));
    expect(body({ text: 'Hi', reasoning: 'hm', malformedAfterChars: 30 }, 'openai', false)).toBe(whole.slice(0, 30));
  });

  it('an error frame is the error body under status 200', () => {
    const { status, steps } = plan({ errorFrame: { status: 529 } }, 'anthropic', false);
    expect([status, JSON.parse(bodyOf(steps))]).toMatchObject([200, { error: { type: 'overloaded_error' } }]);
    expect(JSON.parse(body({ errorFrame: {} }, 'anthropic', false))).toMatchObject({
      error: { type: 'overloaded_error' },
    });
    expect(JSON.parse(body({ errorFrame: {} }, 'openai', false))).toMatchObject({ error: { type: 'server_error' } });
  });

  it.each([
    ['openai', 401, { error: { code: 'invalid_api_key', param: null } }],
    ['openai', 429, { error: { code: 'rate_limit_exceeded', type: 'requests' } }],
    ['openai', 500, { error: { type: 'server_error' } }],
    ['openai', 418, { error: { type: 'invalid_request_error' } }],
    ['anthropic', 529, { type: 'error', error: { type: 'overloaded_error' }, request_id: 'req_weir000000' }],
    ['anthropic', 500, { error: { type: 'api_error' } }],
    ['anthropic', 400, { error: { type: 'invalid_request_error', details: null } }],
  ] as const)('%s: status %i has the error body of the dialect', (name, status, expected) => {
    const answer = plan({ status }, name);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(JSON.parse(bodyOf(answer.steps))).toMatchObject(expected);
    expect([answer.inputTokens, answer.outputTokens]).toEqual([0, 0]);
  });

  it('says what the reply wants it to say', () => {
    const error = { type: 'insufficient_quota', code: 'insufficient_quota', message: 'You exceeded your quota.' };
    expect(JSON.parse(body({ status: 429, error }))).toEqual({ error: { ...error, param: null } });
    const spent = { code: 'contract_spend_limit_reached' };
    expect(JSON.parse(body({ status: 400, error: spent }, 'anthropic'))).toMatchObject({
      error: { type: 'invalid_request_error', details: { error_code: 'contract_spend_limit_reached' } },
    });
  });

  it('a body of its own goes out as it is, with a fitting type, under the headers of the reply', () => {
    const html = plan({ status: 502, body: '<html>Bad gateway</html>', headers: { 'Retry-After': '7' } });
    expect(bodyOf(html.steps)).toBe('<html>Bad gateway</html>');
    expect(html.headers).toMatchObject({ 'content-type': 'text/html', 'retry-after': '7' });
    const bytes = plan({
      body: new Uint8Array([0xff, 0xfe]),
      headers: { 'content-type': 'x/y' },
      cut: { afterChars: 1 },
    });
    expect(bytes.headers['content-type']).toBe('x/y');
    expect(bytes.steps.filter((step) => step.type !== 'turn')).toMatchObject([
      { type: 'head' },
      { bytes: new Uint8Array([0xff, 0xfe]) },
      { type: 'break' },
    ]);
    expect(bodyOf(plan({ body: { a: 1 } }).steps)).toBe('{"a":1}');
  });
});

describe('planReply: options', () => {
  it.each<[Reply, RegExp]>([
    [{ chunkChars: 0 }, /chunkChars .* 0$/],
    [{ paceMs: -1 }, /paceMs .* -1$/],
    [{ firstTokenMs: NaN }, /firstTokenMs .* NaN$/],
    [{ firstTokenMs: 2 ** 31 }, /firstTokenMs/],
    [{ status: 99 }, /status .* 99$/],
    [{ cut: { afterChars: 1.5 } }, /cut\.afterChars .* 1\.5$/],
    [{ stall: { afterBytes: -1 } }, /stall\.afterBytes/],
    [{ stall: { afterChars: 1, ms: NaN } }, /stall\.ms/],
    [{ splitBytes: 0 }, /splitBytes/],
    [{ keepAliveMs: 0 }, /keepAliveMs/],
    [{ malformedAfterChars: -1 }, /malformedAfterChars/],
    [{ errorFrame: { afterChars: NaN } }, /errorFrame\.afterChars/],
    [{ rawTail: { text: '', afterChars: -2 } }, /rawTail\.afterChars/],
  ])('%j throws', (reply, message) => {
    expect(() => plan(reply)).toThrow(RangeError);
    expect(() => plan(reply)).toThrow(message);
  });
});
