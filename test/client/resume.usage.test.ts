import fc from 'fast-check';
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
import { timedClient } from '../support/clientTime';
import { collect } from '../support/streams';

const nameOf = (model: string): string => model.slice(0, model.indexOf('/'));
const RETRY = { retry: { initialDelayMs: 0, maxRetries: 5 } };
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

describe('usage', () => {
  it.each([OPENAI, CLAUDE])(
    'is what is billed, but for a token by attempt, whatever happens to it: %s',
    { timeout: 20_000 },
    async (model) => {
      const provider = await provide({ keepAlive: true });
      const afterChars = fc.nat(TEXT.length);
      const fault: fc.Arbitrary<Reply> = fc.oneof(
        fc.record({ cut: fc.record({ afterChars, how: fc.constantFrom('reset' as const, 'fin' as const) }) }),
        fc.record({ errorFrame: fc.record({ afterChars }) }),
        fc.constantFrom({}, { status: 503 }),
      );
      await fc.assert(
        fc.asyncProperty(fc.array(fault, { maxLength: 6 }), fc.boolean(), async (faults, fallsBack) => {
          provider.reset();
          for (const name of ['openai', 'anthropic', 'deepseek']) provider.script(name, ({ index }) => faults[index]);
          const client = clientOf(provider, {
            model,
            fallbacks: fallsBack ? [DEEPSEEK] : [],
            resilience: { retry: { initialDelayMs: 0, maxRetries: 7 - (fallsBack ? 5 : 0) } },
          });
          const { values, error } = await collect(client.stream(request));
          if (error) return; // what it told of was true so far, and is not all
          expect(shown(values)).toBe(TEXT);
          agree(values, provider);
        }),
        { numRuns: 40 },
      );
    },
  );

  it('is nothing for an attempt that was refused before its headers', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { status: 503 }]);
    const { client, of } = timedClient(provider, { resilience: RETRY });
    await all(client.stream(request));
    expect(provider.requests[1]?.billedInputTokens).toBe(0);
    expect(of('attempt.end').map(({ usage }) => usage !== undefined)).toEqual([true, false, true]);
  });

  it('has the input of an attempt that went on and was cut: the text so far and the instruction', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { cut: { afterChars: 60 } }]);
    const { client, of } = timedClient(provider, { resilience: RETRY });
    const events = await all(client.stream(request));
    const { billedInputTokens } = provider.requests[1]!;
    expect(Math.abs(of('attempt.end')[1]!.usage!.inputTokens - billedInputTokens)).toBeLessThanOrEqual(1);
    expect(Math.abs(only('usage', events).at(-1)!.inputTokens - provider.billed.inputTokens)).toBeLessThanOrEqual(3);
  });

  it.each([OPENAI, CLAUDE])(
    'has the input of an attempt of %s that was cut before its first content',
    async (model) => {
      const provider = await provide();
      provider.script(model.replace(/\/.*/, ''), [
        { cut: { afterChars: 0 }, usage: { inputTokens: 50 } },
        { usage: { inputTokens: 50 } },
      ]);
      const messages = [{ role: 'user' as const, content: 'x'.repeat(200) }]; // 50 tokens
      const events = await all(clientOf(provider, { model, resilience: RETRY }).stream({ messages }));
      expect(provider.billed.inputTokens).toBe(100);
      expect(only('usage', events).at(-1)!.inputTokens).toBe(100);
    },
  );
});
