import { describe, expect, it } from 'vitest';
import { all, CLAUDE, clientOf, only, OPENAI, provide, request, shown, TEXT } from '../support/chat';
import { timedClient } from '../support/clientTime';

const RETRY = { retry: { initialDelayMs: 0, maxRetries: 5 } };

describe('what an answer costs that goes on', () => {
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

describe('how much was delivered', () => {
  it('does not count what was repeated and left out', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { cut: { afterChars: 48 } }]);
    const told: number[] = [];
    const { client, of } = timedClient(provider, {
      resilience: { retry: { ...RETRY.retry, onRetry: (_, { emitted }) => void told.push(emitted) } },
    });
    const events = await all(client.stream(request));
    const at = events.map(({ type }) => type).lastIndexOf('resume');
    const delivered = [9, only('text', events.slice(0, at)).length];
    expect(told).toEqual(delivered);
    expect(of('partial').map(({ emitted }) => emitted)).toEqual(delivered);
  });
});

describe('an instruction to go on', () => {
  it('behind white space, which is not quoted: it comes once where the model repeats none of its words', async () => {
    const provider = await provide();
    const cut = TEXT.indexOf('nothing');
    provider.script('openai', [{ cut: { afterChars: cut } }, { continuation: { overlap: 0 } }]);
    expect(shown(await all(clientOf(provider).stream(request)))).toBe(TEXT);
  });

  it('is given again where the connection was closed before a word: the model was not mute', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, { cut: { afterChars: 0, how: 'fin' } }]);
    const events = await all(clientOf(provider).stream(request));
    expect(only('resume', events)).toMatchObject([{ strategy: 'instruct', at: 36 }]);
  });
});
