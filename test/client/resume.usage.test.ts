import { describe, expect, it } from 'vitest';
import type { ChatEvent, WeirEvent } from 'rx-weir';
import type { FaultyProvider, Reply } from 'rx-weir/testing';
import {
  all,
  ANTHROPIC,
  CLAUDE,
  clientOf,
  DEEPSEEK,
  only,
  OPENAI,
  provide,
  request,
  shown,
  TEXT,
} from '../support/chat';

const nameOf = (model: string): string => model.slice(0, model.indexOf('/'));
const CUT: Reply = { cut: { afterChars: 36 } };

/** The tokens that the last usage event tells of are those that the provider bills, but for one by attempt. */
function agree(events: readonly ChatEvent[], provider: FaultyProvider): void {
  const usage = only('usage', events).at(-1)!;
  const { inputTokens, outputTokens } = provider.billed;
  const within = provider.requests.length;
  expect({ usage, off: Math.abs(usage.inputTokens - inputTokens) > within }).toMatchObject({ off: false });
  expect({ usage, billed: provider.billed, off: Math.abs(usage.outputTokens - outputTokens) > within }).toMatchObject({
    off: false,
  });
}

describe.each([OPENAI, ANTHROPIC, CLAUDE, DEEPSEEK])('usage of an answer of %s', (model) => {
  it('is what the provider bills, where it was not cut', async () => {
    const provider = await provide();
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(only('usage', events).at(-1)).toMatchObject(provider.billed);
  });

  it.each([
    ['goes on', 'auto', 36],
    ['begins anew', 'auto', 12],
    ['begins anew, as it should', 'rewind', 36],
  ] as const)('is the sum over all attempts, where it %s', async (_, resume, afterChars) => {
    const provider = await provide();
    provider.script(nameOf(model), [{ cut: { afterChars } }]);
    const events = await all(clientOf(provider, { model, resume }).stream(request));
    const whole = Math.ceil(TEXT.length / 4);
    expect(provider.requests).toHaveLength(2);
    expect(provider.billed.outputTokens).toBeGreaterThanOrEqual(whole);
    agree(events, provider);
  });

  it('only grows', async () => {
    const provider = await provide();
    provider.script(nameOf(model), [CUT, { cut: { afterChars: 60, how: 'fin' } }]);
    const counts = only('usage', await all(clientOf(provider, { model }).stream(request)));
    for (const [i, { inputTokens, outputTokens }] of counts.slice(1).entries()) {
      expect(inputTokens).toBeGreaterThanOrEqual(counts[i]!.inputTokens);
      expect(outputTokens).toBeGreaterThanOrEqual(counts[i]!.outputTokens);
    }
  });

  it('counts what was repeated and not shown, and reasoning', async () => {
    const provider = await provide({ reply: { reasoning: 'It is about rivers, and how they are held.' } });
    provider.script(nameOf(model), [{ cut: { afterChars: 42 + 36 } }]);
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(shown(events)).toBe(TEXT);
    agree(events, provider);
  });

  it('has nothing of a request that was refused', async () => {
    const provider = await provide({ reply: { continuation: { prefix: 'refuse', instruct: 'refuse' } } });
    provider.script(nameOf(model), [CUT, { status: 529 }]);
    const events = await all(clientOf(provider, { model }).stream(request));
    expect(provider.requests.map(({ status }) => status)).toContain(529);
    expect(shown(events)).toBe(TEXT);
    agree(events, provider);
  });
});

describe('usage over several models', () => {
  it.each([
    [OPENAI, CLAUDE],
    [CLAUDE, OPENAI],
    [DEEPSEEK, ANTHROPIC],
  ])('is their sum: %s, %s', async (model, fallback) => {
    const provider = await provide();
    provider.script(nameOf(model), CUT);
    const resilience = { retry: { maxRetries: 0 } };
    const events = await all(clientOf(provider, { model, fallbacks: [fallback], resilience }).stream(request));
    expect(new Set(provider.requests.map((one) => one.provider)).size).toBe(2);
    agree(events, provider);
  });

  it('is told per attempt and model in events$, and adds up to the same', async () => {
    const provider = await provide();
    provider.script('openai', CUT);
    const client = clientOf(provider, { fallbacks: [CLAUDE], resilience: { retry: { maxRetries: 0 } } });
    const ends: (Extract<WeirEvent, { type: 'attempt.end' }> & { model: string })[] = [];
    client.events$.subscribe((event) => event.type === 'attempt.end' && ends.push(event));
    const events = await all(client.stream(request));
    expect(ends.map((end) => [end.model, end.usage?.estimated])).toEqual([
      [OPENAI, true],
      [CLAUDE, false],
    ]);
    const usage = only('usage', events).at(-1)!;
    expect(usage.inputTokens).toBe(ends.reduce((sum, end) => sum + end.usage!.inputTokens, 0));
    expect(usage.outputTokens).toBe(ends.reduce((sum, end) => sum + end.usage!.outputTokens, 0));
  });

  it('is that of the answer alone where the provider says nothing', async () => {
    const provider = await provide({ reply: { usage: false } });
    provider.script('openai', [CUT]);
    expect(only('usage', await all(clientOf(provider).stream(request)))).toEqual([]);
  });
});
