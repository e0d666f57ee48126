import fc from 'fast-check';
import { lastValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { accumulate, text, type ChatEvent } from 'rx-weir';
import type { Reply, ScriptRequest } from 'rx-weir/testing';
import {
  all,
  CLAUDE,
  clientOf,
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

/** The answers that a model gives, one after another; each says it a character at a time. */
const saying =
  (...replies: readonly Reply[]) =>
  ({ nth }: ScriptRequest): Reply | undefined => {
    const reply = replies[nth];
    return reply && { chunkChars: 1, ...reply };
  };

/** Half a surrogate pair. */
const HALF = /\p{Cs}/u;

/** All events, and where a rewind goes back to. */
async function told(source: ReturnType<ReturnType<typeof clientOf>['stream']>) {
  const events = await all(source);
  return { events, to: only('rewind', events).map((event) => event.to) };
}

/** An answer that must have a structure can neither be gone on with nor be told to. */
const structured = {
  ...request,
  extraBody: { response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } } },
};

const JSON_TEXT = '{"river":"Rhône","level":3.5,"unit":"meters above the sea","calm":true}';

describe('an answer that begins anew and says something else', () => {
  it.each([
    ['in the middle of a word', 'The river is', 'The rivers are calm.', 9],
    ['at its first character', 'The river is', 'Rivers are calm.', 0],
    ['right behind what was shown', 'The river is', 'The river is not calm.', undefined],
    ['within a surrogate pair', 'One 🌊 two', 'One 🌍 three', 4],
    ['behind a surrogate pair', 'One 🌊 two', 'One 🌊 three', 8],
    ['by ending before it', 'The river is', 'The river', 9],
    ['by ending within it, in a pair of code points', 'Tea 👩‍🚀 time', 'Tea 👩', 6],
  ])('%s: only what differs is taken back', async (_, before, after, at) => {
    const provider = await provide();
    provider.script('openai', saying({ text: before, cut: { afterChars: 1000 } }, { text: after }));
    const { events, to } = await told(clientOf(provider).stream(request));
    expect(to).toEqual(at === undefined ? [] : [at]);
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy: 'rewind', at: 0, attempt: 2 }]);
    for (const event of only('text', events)) expect(event.text).not.toMatch(HALF);
    expect(provider.requests).toHaveLength(2);
    provider.reset();
    provider.script('openai', saying({ text: before, cut: { afterChars: 1000 } }, { text: after }));
    const message = await lastValueFrom(clientOf(provider).stream(request).pipe(accumulate()));
    expect(message).toMatchObject({ text: after, finish: { reason: 'stop' }, requestId: 'req_weir000001' });
  });

  it('has the new text at the end, whatever both are and wherever it was cut', { timeout: 20_000 }, async () => {
    const provider = await provide();
    const words = fc.string({
      unit: fc.constantFrom('a', 'b', ' ', '🌊', '🌍', '水', '\u0301'),
      minLength: 1,
      maxLength: 24,
    });
    await fc.assert(
      fc.asyncProperty(
        words,
        words,
        fc.nat(24),
        fc.integer({ min: 1, max: 5 }),
        async (one, other, cut, chunkChars) => {
          provider.reset();
          const client = clientOf(provider, { resilience: { retry: { initialDelayMs: 0, maxRetries: 1 } } });
          provider.script(
            'openai',
            saying({ text: one, chunkChars, cut: { afterChars: cut } }, { text: other, chunkChars }),
          );
          const { events, to } = await told(client.stream(structured));
          const delivered = shown(
            events.slice(
              0,
              events.findIndex(({ type }) => type === 'resume'),
            ),
          );
          let same = 0;
          while (same < delivered.length && delivered[same] === other[same]) same++;
          if (/[\ud800-\udbff]$/.test(delivered.slice(0, same))) same--;
          // Nothing to take back where nothing had come, or all of it was said again.
          expect(to).toEqual(only('resume', events).length === 0 || same === delivered.length ? [] : [same]);
          let now = '';
          for (const event of events) {
            if (event.type === 'rewind') now = now.slice(0, event.to);
            else if (event.type === 'text') now += event.text;
            expect(now).not.toMatch(HALF);
          }
          expect(now).toBe(other);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('keeps what is not text, unless nothing of it is left', async () => {
    const provider = await provide();
    const reasoning = 'Rivers.';
    const message = async (after: string) => {
      provider.reset();
      const replies = [{ text: 'The river is', cut: { afterChars: 1000 } }, { text: after }];
      provider.script('openai', saying(...replies.map((reply) => ({ reasoning, ...reply }))));
      return lastValueFrom(clientOf(provider).stream(request).pipe(accumulate()));
    };
    expect(await message('The rivers are.')).toMatchObject({ text: 'The rivers are.', reasoning, provider: 'openai' });
    expect(await message('None.')).toMatchObject({ text: 'None.', provider: 'openai', model: 'weir-1' });
  });

  it('is an error of text(), which has given it', async () => {
    const provider = await provide();
    provider.script('openai', saying({ text: 'The river is', cut: { afterChars: 1000 } }, { text: 'The rivers are.' }));
    const given: string[] = [];
    const source = clientOf(provider).stream(request).pipe(text());
    const error = await new Promise((resolve) =>
      source.subscribe({ next: (delta) => given.push(delta), error: resolve }),
    );
    expect(error).toMatchObject({ code: 'E9999', message: expect.stringContaining('accumulate()') });
    expect(given.join('')).toBe('The river is');
  });

  it('can be cut again, before it has caught up and behind it', async () => {
    const provider = await provide();
    const { length } = JSON_TEXT;
    provider.script('openai', [
      { text: JSON_TEXT, cut: { afterChars: 40 } },
      { text: JSON_TEXT, cut: { afterChars: 20 } },
      { text: JSON_TEXT, cut: { afterChars: length } },
      { text: JSON_TEXT },
    ]);
    const { events, to } = await told(clientOf(provider).stream(structured));
    expect(to).toEqual([]);
    expect(shown(events)).toBe(JSON_TEXT);
    expect(only('finish', events)).toHaveLength(1);
  });

  it('runs as the text so far, with what is taken back', async () => {
    const provider = await provide();
    provider.script('openai', saying({ text: 'The river is', cut: { afterChars: 1000 } }, { text: 'The rivers are.' }));
    const texts = await all(clientOf(provider).run(request).text$);
    expect(texts).toContain('The river is');
    expect(texts[texts.indexOf('The river is') + 1]).toBe('The river');
    expect(texts.at(-1)).toBe('The rivers are.');
  });
});

describe('an answer that can only begin anew', () => {
  it.each([
    ['response_format', OPENAI, structured.extraBody],
    ['output_format', CLAUDE, { output_format: { type: 'json_schema', schema: { type: 'object' } } }],
    ['output_config', CLAUDE, { output_config: { format: { type: 'json_schema', schema: { type: 'object' } } } }],
  ])('has a structure: %s', async (_, model, extraBody) => {
    const provider = await provide({ reply: { text: JSON_TEXT } });
    provider.script(model.replace(/\/.*/, ''), [{ cut: { afterChars: 40 } }]);
    const { events, to } = await told(clientOf(provider, { model }).stream({ ...request, extraBody }));
    expect(only('resume', events)).toMatchObject([{ strategy: 'rewind', at: 0 }]);
    expect(to).toEqual([]);
    expect(shown(events)).toBe(JSON_TEXT);
    expect(provider.requests.map(({ continues }) => continues)).toEqual([undefined, undefined]);
  });

  it('is one whose instruction is refused: that costs no retry, and nothing on screen', async () => {
    const provider = await provide({ reply: { continuation: { instruct: 'refuse' } } });
    provider.script('openai', [{ cut: { afterChars: 36 } }]);
    const client = clientOf(provider, {
      resilience: { retry: { initialDelayMs: 0, maxRetries: 1 }, circuitBreaker: {} },
    });
    const { events, to } = await told(client.stream(request));
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy: 'rewind', at: 0, attempt: 3 }]);
    expect(to).toEqual([]);
    expect(shown(events)).toBe(TEXT);
    expect(provider.requests.map(({ status }) => status)).toEqual([200, 400, 200]);
    expect(client.snapshot().models[OPENAI]).toMatchObject({ streams: { retries: 1 }, circuit: { failureCount: 0 } });
  });

  it('is one that goes on in no other way', async () => {
    const provider = await provide({ reply: { continuation: { prefix: 'refuse', instruct: 'refuse' } } });
    provider.script('anthropic', [{ cut: { afterChars: 36 } }]);
    const { events } = await told(clientOf(provider, { model: CLAUDE }).stream(request));
    expect(only('resume', events)).toMatchObject([{ strategy: 'rewind' }]);
    expect(shown(events)).toBe(TEXT);
    expect(provider.requests.map(({ status }) => status)).toEqual([200, 400, 400, 200]);
  });
});

describe("resume: 'rewind'", () => {
  const REWIND = { resume: 'rewind' } as const;

  it.each([OPENAI, CLAUDE])('takes everything back, and has the answer of %s anew', async (model) => {
    const provider = await provide();
    provider.script(model.replace(/\/.*/, ''), [{ reasoning: 'Hm.', cut: { afterChars: 40 } }, { reasoning: 'Hm?' }]);
    const events = await all(clientOf(provider, { ...REWIND, model }).stream(request));
    const at = events.findIndex(({ type }) => type === 'resume');
    expect(events.slice(at, at + 2)).toEqual([
      { type: 'resume', strategy: 'rewind', at: 0, attempt: 2 },
      { type: 'rewind', to: 0 },
    ]);
    expect(events[at + 2]).toMatchObject({ type: 'start', requestId: 'req_weir000001' });
    expect(shown(events.slice(at))).toBe(TEXT);
    expect(only('reasoning', events).map((event) => event.text)).toEqual(['Hm.', 'Hm?']);
    expect(provider.requests.map(({ continues }) => continues)).toEqual([undefined, undefined]);
  });

  it('does so for a fallback, and for as many attempts as it takes', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 40 } });
    const client = clientOf(provider, {
      ...REWIND,
      fallbacks: [CLAUDE],
      resilience: { retry: { initialDelayMs: 0, maxRetries: 1 } },
    });
    const events = await all(client.stream(request));
    expect(events.filter(({ type }) => type === 'rewind' || type === 'resume')).toEqual(
      [2, 3].flatMap((attempt): ChatEvent[] => [
        { type: 'resume', strategy: 'rewind', at: 0, attempt },
        { type: 'rewind', to: 0 },
      ]),
    );
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(await lastValueFrom(client.run(request).text$)).toBe(TEXT);
  });

  it('is an error of text()', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 40 } });
    const client = clientOf(provider, REWIND);
    expect(await errorOf(client.stream(request).pipe(text()))).toMatchObject({ code: 'E9999' });
    await provider.idle();
    expect(client.snapshot().currentInflight).toBe(0);
  });

  it('counts what was shown since', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 40 } }, { cut: { afterChars: 12 } }, { status: 400 }]);
    const { events, error } = await failed(clientOf(provider, REWIND).stream(request));
    expect(error).toMatchObject({ code: 'E1001', emitted: 3 });
    expect(only('rewind', events)).toHaveLength(1);
  });
});
