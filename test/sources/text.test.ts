import { from } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { isWeirError } from '../../src/errors/WeirError';
import type { ChatEvent } from '../../src/events/ChatEvent';
import { accumulate } from '../../src/sources/accumulate';
import { text } from '../../src/sources/text';
import { collect } from '../support/streams';

const start: ChatEvent = { type: 'start', provider: 'p', model: 'm', requestId: 'r', rateLimit: {} };
const say = (t: string): ChatEvent => ({ type: 'text', text: t });
const call = (id: string): ChatEvent => ({ type: 'toolCall', id, name: 'f', arguments: '{}' });
const usage = (outputTokens: number): ChatEvent => ({ type: 'usage', inputTokens: 1, outputTokens });
const rewind = (to: number): ChatEvent => ({ type: 'rewind', to });
const finish: ChatEvent = { type: 'finish', reason: 'stop', raw: 'end_turn' };

describe('text', () => {
  it('gives the text deltas and nothing else', async () => {
    const events: ChatEvent[] = [
      start,
      { type: 'reasoning', text: 'hm' },
      say('a'),
      say(''),
      call('1'),
      say('b'),
      usage(1),
      finish,
    ];
    expect(await collect(from(events).pipe(text()))).toEqual({ values: ['a', 'b'], completed: true });
  });

  it('fails at a rewind, and says what to do', async () => {
    const { values, error } = await collect(
      from<ChatEvent[]>([say('a'), { type: 'rewind', to: 0 }, say('b')]).pipe(text()),
    );
    expect(values).toEqual(['a']);
    expect(isWeirError(error)).toBe(true);
    expect(error).toMatchObject({
      retryable: false,
      message: expect.stringMatching(/accumulate\(\).*onPartial/) as string,
    });
  });

  it.each([
    ['before any text', [start, rewind(0), say('ab')], ['ab']],
    ['to the end of the text', [say('ab'), rewind(2), say('c'), rewind(3), say('d')], ['ab', 'c', 'd']],
    ['beyond it', [say('ab'), rewind(9), say('c')], ['ab', 'c']],
  ])('takes nothing back at a rewind %s, which it passes over', async (_, events, values) => {
    expect(await collect(from(events).pipe(text()))).toEqual({ values, completed: true });
  });

  it('fails at a rewind into the text also behind one that took nothing back', async () => {
    const events = [say('ab'), rewind(2), say('c'), rewind(2), say('d')];
    expect(await collect(from(events).pipe(text()))).toMatchObject({ values: ['ab', 'c'], error: { code: 'E9999' } });
  });

  it('counts for each subscription alone', async () => {
    const source = from([rewind(0), say('ab')]).pipe(text());
    for (let i = 0; i < 2; i++) expect(await collect(source)).toEqual({ values: ['ab'], completed: true });
  });
});

describe('accumulate', () => {
  const states = async (events: ChatEvent[]) => (await collect(from(events).pipe(accumulate()))).values;

  it('gives the message so far, a new object for each event', async () => {
    const all = await states([
      start,
      { type: 'reasoning', text: 'hm' },
      say('a'),
      say('b'),
      call('1'),
      usage(1),
      usage(2),
      finish,
    ]);
    expect(all.map((s) => s.text)).toEqual(['', '', 'a', 'ab', 'ab', 'ab', 'ab', 'ab']);
    expect(all[0]).toEqual({ text: '', reasoning: '', toolCalls: [], provider: 'p', model: 'm', requestId: 'r' });
    expect(all.at(-1)).toEqual({
      text: 'ab',
      reasoning: 'hm',
      toolCalls: [{ id: '1', name: 'f', arguments: '{}' }],
      provider: 'p',
      model: 'm',
      requestId: 'r',
      usage: { inputTokens: 1, outputTokens: 2 },
      finish: { reason: 'stop', raw: 'end_turn' },
    });
    expect(new Set(all).size).toBe(all.length);
    expect(all[3]?.toolCalls).toEqual([]);
  });

  it('forgets the void attempt at a rewind to 0', async () => {
    const other: ChatEvent = { type: 'start', provider: 'q', model: 'n' };
    const all = await states([
      ...[start, { type: 'reasoning', text: 'hm' } as ChatEvent, say('a'), call('1'), usage(1), finish],
      ...[{ type: 'rewind', to: 0 } as ChatEvent, other, say('c')],
    ]);
    expect(all[6]).toEqual({ text: '', reasoning: '', toolCalls: [] });
    expect(all.at(-1)).toEqual({ text: 'c', reasoning: '', toolCalls: [], provider: 'q', model: 'n' });
  });

  it('cuts the text at a rewind further on, and the answer is not whole any more', async () => {
    const all = await states([
      start,
      { type: 'reasoning', text: 'hm' },
      say('abcd'),
      usage(4),
      finish,
      { type: 'rewind', to: 2 },
      say('X'),
    ]);
    expect(all.at(-1)).toEqual({
      text: 'abX',
      reasoning: 'hm',
      toolCalls: [],
      provider: 'p',
      model: 'm',
      requestId: 'r',
      usage: { inputTokens: 1, outputTokens: 4 },
    });
  });

  it.each(['prefix', 'instruct', 'rewind'])('stays as it is where the answer is resumed (%s)', async (strategy) => {
    const resume = { type: 'resume', strategy, at: 1, attempt: 2 } as unknown as ChatEvent;
    const all = await states([start, say('a'), resume, say('b'), finish]);
    expect(all[2]).toEqual(all[1]);
    expect(all.at(-1)).toMatchObject({ text: 'ab', finish: { reason: 'stop' } });
  });

  it('keeps each subscription to itself', async () => {
    const source = from([say('a'), say('b')]).pipe(accumulate());
    await collect(source);
    expect((await collect(source)).values.map((s) => s.text)).toEqual(['a', 'ab']);
  });
});
