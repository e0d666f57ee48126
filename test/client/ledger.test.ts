import { take, takeWhile } from 'rxjs';
import { describe, expect, it } from 'vitest';
import type { ChatEvent, Usage } from 'rx-weir';
import type { Reply } from 'rx-weir/testing';
import { all, ANTHROPIC, CLAUDE, DEEPSEEK, OPENAI, provide, TEXT, textOf } from '../support/chat';
import { timedClient, type TimedClient } from '../support/clientTime';

const nameOf = (model: string): string => model.slice(0, model.indexOf('/'));

/** 40 characters, which are 10 tokens by the rule of thumb. */
const request = { messages: [{ role: 'user' as const, content: 'Why is the river held, and held by whom?' }] };
const ASKED = 10;
const SILENT: Reply = { stall: { afterChars: 0 } };

/** What each attempt cost, in the order of their ends. */
const ledger = ({ of }: TimedClient): [string, Usage | undefined][] =>
  of('attempt.end').map(({ model, usage }) => [model, usage]);

/** A fetch, and a promise of when a piece of an answer's body has been read that holds some words. */
function readingUntil(words: string): { fetch: typeof fetch; read: Promise<void> } {
  let done: () => void;
  const read = new Promise<void>((resolve) => (done = resolve));
  const watching = (): TransformStream<Uint8Array, Uint8Array> =>
    new TransformStream({
      transform(chunk, controller) {
        controller.enqueue(chunk);
        if (Buffer.from(chunk).includes(words)) setImmediate(done); // whoever reads it has done so by then
      },
    });
  return {
    read,
    async fetch(input, init) {
      const response = await fetch(input, init);
      return new Response(response.body?.pipeThrough(watching()) ?? null, response);
    },
  };
}

describe('a stream that the user stops', () => {
  it.each([OPENAI, DEEPSEEK])(
    'costs what was said, by its length, where the provider tells at the end: %s',
    async (model) => {
      const provider = await provide();
      provider.script(nameOf(model), { paceMs: 1 });
      const timed = timedClient(provider, { model });
      let said = 0;
      const saying = (event: ChatEvent): boolean => (said += event.type === 'text' ? event.text.length : 0) < 24;
      await all(timed.client.stream(request).pipe(takeWhile(saying)));
      const usage = { inputTokens: ASKED, outputTokens: 6, estimated: true };
      expect(ledger(timed)).toEqual([[model, usage]]);
      expect(timed.of('attempt.end')).toMatchObject([{ outcome: 'success' }]);
      expect(timed.client.snapshot().models[model]?.usage).toEqual({
        inputTokens: ASKED,
        outputTokens: 6,
        estimatedTokens: ASKED + 6,
      });
      await provider.idle();
      expect(provider.requests[0]).toMatchObject({ outcome: 'aborted', billedInputTokens: ASKED });
    },
  );

  it('costs what Anthropic says of its input, and what was said since by its length', async () => {
    const provider = await provide();
    provider.script('anthropic', { usage: { inputTokens: 321, outputTokens: 99 }, stall: { afterChars: 24 } });
    const timed = timedClient(provider, { model: CLAUDE });
    const run = timed.client.run(request);
    await new Promise<void>((resolve) => run.text$.subscribe((text) => text.length >= 24 && resolve()));
    run.cancel();
    expect(ledger(timed)).toEqual([[CLAUDE, { inputTokens: 321, outputTokens: 1 + 6, estimated: true }]]);
    expect(timed.client.signals$.value.models[CLAUDE]?.usage).toMatchObject({ inputTokens: 321, outputTokens: 7 });
  });

  it.each([
    [OPENAI, '"role":"assistant"', { inputTokens: ASKED, outputTokens: 0, estimated: true }],
    // It counts a token for itself before it says anything.
    [ANTHROPIC, 'message_start', { inputTokens: 321, outputTokens: 1, estimated: false }],
  ])('costs its input where it was left before the first token: %s', async (model, words, usage) => {
    const provider = await provide();
    const { fetch, read } = readingUntil(words);
    provider.script(nameOf(model), { ...SILENT, usage: { inputTokens: 321 } });
    const timed = timedClient(provider, { model, fetch });
    const subscription = timed.client.stream(request).subscribe();
    await read;
    subscription.unsubscribe();
    expect(ledger(timed)).toEqual([[model, usage]]);
    expect(timed.of('attempt.end')).toMatchObject([{ outcome: 'ignored' }]);
    await provider.idle();
  });

  it('costs nothing that anybody knew of where no answer had begun', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { before: 'headers' } });
    const timed = timedClient(provider, {});
    const subscription = timed.client.stream(request).subscribe();
    await provider.when(({ outcome }) => outcome === 'stalled');
    subscription.unsubscribe();
    await provider.idle();
    expect(ledger(timed)).toEqual([[OPENAI, undefined]]);
    expect(timed.client.snapshot().models[OPENAI]).not.toHaveProperty('usage');
    expect(provider.billed).toEqual({ inputTokens: 0, outputTokens: 0 });
  });

  it('counts reasoning, too', async () => {
    const provider = await provide();
    provider.script('openai', { reasoning: 'It is about rivers, I guess.', chunkChars: 28, stall: { afterChars: 28 } });
    const timed = timedClient(provider, {});
    await all(timed.client.stream(request).pipe(takeWhile(({ type }) => type !== 'reasoning')));
    expect(ledger(timed)).toMatchObject([[OPENAI, { outputTokens: 7 }]]);
  });

  it('costs what the provider says, once it has said it', async () => {
    const provider = await provide();
    const timed = timedClient(provider, {});
    await all(timed.client.stream(request).pipe(takeWhile(({ type }) => type !== 'usage')));
    expect(ledger(timed)).toEqual([[OPENAI, { ...provider.billed, estimated: false }]]);
  });

  it('is billed as it says, within a token', { timeout: 20_000 }, async () => {
    for (const model of [OPENAI, CLAUDE, DEEPSEEK]) {
      for (let events = 2; events < 16; events += 3) {
        const provider = await provide({ reply: { paceMs: 1 } });
        const timed = timedClient(provider, { model });
        let said = 0;
        await all(
          timed.client.stream(request).pipe(
            take(events),
            takeWhile(({ type }) => (said++, type !== 'finish')),
          ),
        );
        await provider.idle();
        const [[, usage]] = ledger(timed) as [[string, Usage]];
        const { billedInputTokens, billedOutputTokens } = provider.requests[0]!;
        expect(usage.inputTokens).toBe(billedInputTokens);
        // The one event more that was on its way is billed, too.
        expect(billedOutputTokens - usage.outputTokens).toBeLessThanOrEqual(3);
        expect(usage.outputTokens - billedOutputTokens).toBeLessThanOrEqual(1);
        await provider.close();
      }
    }
  });
});

describe('the ledger', () => {
  it('has every attempt at an answer, also those that nothing came of', async () => {
    const provider = await provide();
    provider.script('openai', [{ status: 503 }, { cut: { before: 'headers' } }, { cut: { afterChars: 24 } }]);
    const timed = timedClient(provider, { resilience: { retry: { initialDelayMs: 0, maxRetries: 5 } } });
    expect(await textOf(timed.client.stream(request))).toBe(TEXT);
    const last = provider.requests.at(-1)!;
    expect(ledger(timed)).toEqual([
      [OPENAI, undefined],
      [OPENAI, undefined],
      [OPENAI, { inputTokens: ASKED, outputTokens: 6, estimated: true }],
      [OPENAI, { inputTokens: last.billedInputTokens, outputTokens: last.billedOutputTokens, estimated: false }],
    ]);
    expect(timed.client.snapshot().models[OPENAI]?.usage).toEqual({
      inputTokens: ASKED + last.billedInputTokens,
      outputTokens: 6 + last.billedOutputTokens,
      estimatedTokens: ASKED + 6,
    });
  });

  it('has those who lost a race, each at its model', async () => {
    const provider = await provide();
    provider.script('openai', SILENT);
    const { fetch, read } = readingUntil('"role":"assistant"');
    const timed = timedClient(provider, { fetch, hedge: { afterMs: 10, models: [CLAUDE] } });
    const answer = textOf(timed.client.stream(request));
    await read;
    timed.time.advance(10);
    expect(await answer).toBe(TEXT);
    const { billedInputTokens, billedOutputTokens } = provider.requests[1]!;
    const lost = { inputTokens: ASKED, outputTokens: 0, estimated: true };
    const won = { inputTokens: billedInputTokens, outputTokens: billedOutputTokens, estimated: false };
    expect(ledger(timed)).toEqual(
      expect.arrayContaining([
        [OPENAI, lost],
        [CLAUDE, won],
      ]),
    );
    expect(timed.client.snapshot().models).toMatchObject({
      [OPENAI]: { usage: { inputTokens: ASKED, outputTokens: 0, estimatedTokens: ASKED } },
      [CLAUDE]: { usage: { inputTokens: billedInputTokens, outputTokens: billedOutputTokens, estimatedTokens: 0 } },
    });
    await provider.idle();
    expect(provider.billed.inputTokens).toBe(ASKED + billedInputTokens);
  });

  it('has one end for every start', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 24 } }, SILENT, { stall: { afterChars: 12 } }]);
    const timed = timedClient(provider, {
      resilience: { retry: { initialDelayMs: 0, maxRetries: 5 } },
      hedge: { afterMs: 10 },
    });
    const run = timed.client.run(request);
    await provider.when(({ outcome }) => outcome === 'stalled');
    timed.time.advance(10);
    await provider.when(({ index, outcome }) => index === 2 && outcome === 'stalled');
    run.cancel();
    expect(timed.of('attempt.start')).toHaveLength(3);
    expect(timed.of('attempt.end')).toHaveLength(3);
    await provider.idle();
  });
});
