import { lastValueFrom, takeWhile } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { accumulate, text, type ChatEvent, type WeirError } from 'rx-weir';
import type { Reply } from 'rx-weir/testing';
import {
  all,
  ANTHROPIC,
  CLAUDE,
  clientOf,
  DEEPSEEK,
  errorOf,
  failed,
  only,
  OPENAI,
  provide,
  request,
  shown,
  TEXT,
  textOf,
} from '../support/chat';
import { timedClient } from '../support/clientTime';

const nameOf = (model: string): string => model.slice(0, model.indexOf('/'));

/** Where the provider says `connection: close`, undici takes a reset for the end that it told of. */
const KEPT = { keepAlive: true };

/** No retry: whoever is next goes on. */
const ONCE = { resilience: { retry: { maxRetries: 0 } } };

const CUTS: [string, Reply][] = [
  ['reset', { cut: { afterChars: 36 } }],
  ['closed', { cut: { afterChars: 36, how: 'close' } }],
  ['ended in good order', { cut: { afterChars: 36, how: 'fin' } }],
  ['ended by an error', { errorFrame: { afterChars: 36 } }],
  ['ended by an error and an end marker', { errorFrame: { afterChars: 36, thenDone: true } }],
  ['broken by an event of no JSON', { malformedAfterChars: 36 }],
];

describe.each([
  [OPENAI, 'instruct'],
  [ANTHROPIC, 'instruct'], // no model that the table knows
  [CLAUDE, 'prefix'],
  [DEEPSEEK, 'prefix'],
] as const)('an answer of %s', (model, strategy) => {
  it.each(CUTS)('that was %s goes on: the same model is asked for what is missing', async (_, cut) => {
    const provider = await provide(KEPT);
    provider.script(nameOf(model), [cut]);
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('rewind', events)).toEqual([]);
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy, at: 36, attempt: 2 }]);
    expect(only('finish', events)).toHaveLength(1);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
    expect(provider.requests.map(({ continues }) => continues)).toEqual([undefined, strategy]);
    expect(provider.requests[1]?.partial).toBe(TEXT.slice(0, 36));
  });

  it('goes on as often as it is cut, and has its text once for who accumulates it at any moment', async () => {
    const provider = await provide();
    provider.script(nameOf(model), [
      { cut: { afterChars: 20 } },
      { cut: { afterChars: 30, how: 'fin' } },
      { errorFrame: { afterChars: 25 } },
    ]);
    const states = await all(clientOf(provider, { model }).stream(request).pipe(accumulate()));
    for (const state of states) expect(TEXT.slice(0, state.text.length)).toBe(state.text);
    expect(states.at(-1)).toMatchObject({ text: TEXT, finish: { reason: 'stop' } });
    expect(provider.requests).toHaveLength(4);
  });

  it('does so for text(), and for a run, which is started once', async () => {
    const provider = await provide();
    provider.script(nameOf(model), [{ cut: { afterChars: 36 } }, {}, { cut: { afterChars: 50, how: 'fin' } }]);
    const client = clientOf(provider, { model });
    expect((await all(client.stream(request).pipe(text()))).join('')).toBe(TEXT);
    const run = client.run(request);
    const texts = await all(run.text$);
    for (const [i, now] of texts.entries()) expect(now.startsWith(texts[i - 1] ?? '')).toBe(true);
    expect(texts.at(-1)).toBe(TEXT);
    expect(only('resume', await all(run.events$))).toMatchObject([{ strategy, at: 50 }]);
    expect(provider.requests).toHaveLength(4);
  });

  it('that was cut right behind its last character gets its end, and nothing else', async () => {
    const provider = await provide();
    provider.script(nameOf(model), [{ cut: { afterChars: TEXT.length } }]);
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('resume', events)).toMatchObject([{ strategy, at: TEXT.length }]);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
  });

  it('whose end is missing is not taken for whole', async () => {
    const provider = await provide();
    provider.script(nameOf(model), [{ terminator: 'none' }]);
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('finish', events)).toHaveLength(1);
    expect(provider.requests).toHaveLength(2);
  });

  it('does not show its reasoning again', async () => {
    const provider = await provide({ reply: { reasoning: 'Rivers, I suppose.' } });
    provider.script(nameOf(model), [{ cut: { afterChars: 18 + 36 } }]);
    const message = await lastValueFrom(clientOf(provider, { model }).stream(request).pipe(accumulate()));
    expect(message).toMatchObject({ text: TEXT, reasoning: 'Rivers, I suppose.' });
    expect(provider.requests.map(({ continues }) => continues)).toEqual([undefined, strategy]);
  });

  it('of which only reasoning had come begins anew, and shows its text alone', async () => {
    const provider = await provide({ reply: { reasoning: 'Rivers, I suppose.' } });
    provider.script(nameOf(model), [{ cut: { afterChars: 10 } }]);
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy: 'rewind', at: 0, attempt: 2 }]);
    expect(only('rewind', events)).toEqual([]);
    expect(shown(events)).toBe(TEXT);
    expect(only('reasoning', events).map((event) => event.text)).toEqual(['Rive', 'rs, ', 'I ']);
  });
});

describe('an answer that goes on', () => {
  it('tells of it right before the first event of the one who does', async () => {
    const provider = await provide(KEPT);
    provider.script('openai', [{ cut: { afterChars: 36 } }, { status: 503 }, { cut: { afterChars: 0 } }]);
    const events = await all(clientOf(provider).stream(request));
    const at = events.findIndex(({ type }) => type === 'resume');
    expect(events[at]).toEqual({ type: 'resume', strategy: 'instruct', at: 36, attempt: 4 });
    expect(shown(events.slice(0, at))).toBe(TEXT.slice(0, 36));
    expect(events[at + 1]).toMatchObject({ type: 'start', requestId: 'req_weir000003' });
    // Those that had nothing to say are not told of.
    expect(only('resume', events)).toHaveLength(1);
    expect(only('start', events)).toHaveLength(2);
  });

  it('says so in events$', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }]);
    const client = clientOf(provider);
    const told: string[] = [];
    client.events$.subscribe((event) => told.push(event.type === 'partial' ? event.action : event.type));
    await textOf(client.stream(request));
    expect(told).toEqual(['attempt.start', 'attempt.end', 'resume', 'retry.scheduled', 'attempt.start', 'attempt.end']);
  });

  it('does not count what was repeated and left out as delivered', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { cut: { afterChars: 48 } }]);
    const told: number[] = [];
    const { client, of } = timedClient(provider, {
      resilience: { retry: { initialDelayMs: 0, maxRetries: 5, onRetry: (_, { emitted }) => void told.push(emitted) } },
    });
    const events = await all(client.stream(request));
    const at = events.map(({ type }) => type).lastIndexOf('resume');
    const delivered = [9, only('text', events.slice(0, at)).length];
    expect(told).toEqual(delivered);
    expect(of('partial').map(({ emitted }) => emitted)).toEqual(delivered);
  });

  it('begins anew where there are too few words to tell of, and leaves out what it repeats', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 15 } }, { cut: { afterChars: 9 } }]);
    const client = clientOf(provider);
    const events = await all(client.stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('rewind', events)).toEqual([]);
    // The second attempt repeated some of it, and had nothing to show; it began all the same.
    expect(only('resume', events)).toEqual([
      { type: 'resume', strategy: 'rewind', at: 0, attempt: 2 },
      { type: 'resume', strategy: 'rewind', at: 0, attempt: 3 },
    ]);
    provider.script('openai', [{ cut: { afterChars: 15 } }]);
    expect((await all(client.stream(request).pipe(text()))).join('')).toBe(TEXT);
  });

  it('gives the last error with what was shown where nothing helps', async () => {
    const provider = await provide();
    provider.script('openai', [
      { cut: { afterChars: 36 } },
      { cut: { afterChars: 90 } },
      ...Array<Reply>(2).fill({ status: 503 }),
    ]);
    const { events, error } = await failed(clientOf(provider).stream(request));
    expect(error).toMatchObject({ code: 'E3002', emitted: only('text', events).length });
    expect(shown(events)).toBe(TEXT.slice(0, shown(events).length));
    expect(shown(events).length).toBeGreaterThan(36);
    expect(provider.requests).toHaveLength(4);
  });

  it('is left with its request', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { stall: { afterChars: 60 } }]);
    const client = clientOf(provider);
    const subscription = client.stream(request).subscribe();
    await provider.when(({ outcome }) => outcome === 'stalled');
    subscription.unsubscribe();
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect(client.snapshot().currentInflight).toBe(0);
    expect(provider.requests).toHaveLength(2);
  });

  it('is left at the word of it', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { paceMs: 5 }]);
    const client = clientOf(provider);
    await all(client.stream(request).pipe(takeWhile(({ type }) => type !== 'resume')));
    await provider.idle();
    expect(provider.requests.map(({ outcome }) => outcome)).toEqual(['cut', 'aborted']);
    expect(client.snapshot().currentInflight).toBe(0);
  });

  it("comes out as an error with resume: 'off', and nobody else is asked", async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 36 } });
    const { events, error } = await failed(clientOf(provider, { resume: 'off', fallbacks: [CLAUDE] }).stream(request));
    expect(error).toMatchObject({ code: 'E3001', model: 'weir-1', emitted: only('text', events).length });
    expect((error as WeirError).emitted).toBeGreaterThan(0);
    expect(provider.requests).toHaveLength(1);
  });
});

describe('a fallback', () => {
  it.each([
    [OPENAI, CLAUDE, 'prefix'],
    [OPENAI, DEEPSEEK, 'prefix'],
    [OPENAI, ANTHROPIC, 'instruct'],
    [CLAUDE, OPENAI, 'instruct'],
    [CLAUDE, DEEPSEEK, 'prefix'],
  ])('goes on with what the first one said: %s, %s', async (model, fallback, strategy) => {
    const provider = await provide();
    provider.script(nameOf(model), { cut: { afterChars: 36 } });
    const client = clientOf(provider, { ...ONCE, model, fallbacks: [fallback] });
    const events = await all(client.stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('rewind', events)).toEqual([]);
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy, at: 36, attempt: 2 }]);
    expect(only('start', events).map((event) => event.provider)).toEqual([nameOf(model), nameOf(fallback)]);
    expect(provider.requests[1]).toMatchObject({ continues: strategy, partial: TEXT.slice(0, 36) });
    expect(client.snapshot()).toMatchObject({ activeModel: fallback, currentInflight: 0 });
  });

  it('that dies too goes on with both, itself and by the next one', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 30 } }, { status: 529 }]);
    provider.script('anthropic', [{ cut: { afterChars: 6 } }, { errorFrame: { afterChars: 12 } }]);
    const client = clientOf(provider, {
      resilience: { retry: { initialDelayMs: 0, maxRetries: 1 } },
      fallbacks: [CLAUDE, OPENAI.replace('1', '4')],
    });
    const events = await all(client.stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('resume', events)).toEqual([
      { type: 'resume', strategy: 'prefix', at: 30, attempt: 3 },
      { type: 'resume', strategy: 'prefix', at: 36, attempt: 4 },
      { type: 'resume', strategy: 'instruct', at: 48, attempt: 5 },
    ]);
    expect(provider.requests.map((one) => one.model)).toEqual([
      'weir-1',
      'weir-1',
      'claude-3-5-sonnet',
      'claude-3-5-sonnet',
      'weir-4',
    ]);
  });

  it('begins anew where nothing had come, without a word of it', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 0 } });
    const events = await all(clientOf(provider, { ...ONCE, fallbacks: [CLAUDE] }).stream(request));
    expect(only('resume', events)).toEqual([]);
    expect(only('start', events)).toHaveLength(1);
    expect(shown(events)).toBe(TEXT);
  });

  it('names everybody, and keeps what was shown, where all die', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 20 } });
    provider.script('anthropic', { cut: { afterChars: 20 } });
    const { events, error } = await failed(clientOf(provider, { ...ONCE, fallbacks: [CLAUDE] }).stream(request));
    expect(shown(events)).toBe(TEXT.slice(0, 40));
    expect(error).toMatchObject({
      name: 'FallbackExhaustedError',
      emitted: 10,
      errors: [{ target: 'primary' }, { target: CLAUDE }],
    });
  });

  it('is not asked about an error that it would repeat', async () => {
    const provider = await provide();
    provider.script('openai', { errorFrame: { afterChars: 36, status: 400 } });
    expect(await errorOf(clientOf(provider, { fallbacks: [CLAUDE] }).stream(request))).toMatchObject({ code: 'E1001' });
    expect(provider.requests).toHaveLength(1);
  });
});

it('an answer is cold: each subscription has its own', async () => {
  const provider = await provide();
  provider.script('openai', [{ cut: { afterChars: 36 } }, {}, { cut: { afterChars: 50 } }, {}]);
  const answer$ = clientOf(provider).stream(request);
  const at = (events: ChatEvent[]): number[] => only('resume', events).map((event) => event.at);
  expect(at(await all(answer$))).toEqual([36]);
  expect(at(await all(answer$))).toEqual([50]);
});
