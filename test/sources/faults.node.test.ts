import Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import OpenAI from 'openai';
import { filter, firstValueFrom, map, Observable, take, toArray } from 'rxjs';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { isWeirError } from '../../src/errors/WeirError';
import { textOf } from '../../src/events/defaults';
import type { ChatEvent } from '../../src/events/ChatEvent';
import { fromEventStream } from '../../src/sources/fromEventStream';
import { fromStream } from '../../src/sources/fromStream';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import type { FaultyProvider } from '../../src/testing/FaultyProvider';
import { planReply } from '../../src/testing/planReply';
import { DEFAULT_TEXT, type DialectName, type Reply } from '../../src/testing/Reply';
import { startFaultyProvider } from '../../src/testing/startFaultyProvider';
import { bodyOf, bytesOf, collect, cutAt, fetchOf, type Collected } from '../support/streams';

let provider: FaultyProvider;

beforeAll(async () => {
  provider = await startFaultyProvider({ seed: 1 });
});
afterEach(() => provider.reset());
afterAll(() => provider.close());

const messages = [{ role: 'user', content: 'Hi' }] as const;
const MODEL = { openai: 'gpt-4o', anthropic: 'claude-x' };

const chat = (dialect: DialectName, options: StreamChatOptions = {}): Observable<ChatEvent> =>
  streamChat(
    { model: `${dialect}/${MODEL[dialect]}`, messages },
    { apiKey: 'test-key', baseUrl: provider.baseUrl(dialect), ...options },
  );

const ask = (dialect: DialectName, reply: Reply): Promise<Collected<ChatEvent>> => {
  provider.script(dialect, reply);
  return collect(chat(dialect));
};

const said = ({ values }: { values: ChatEvent[] }) => values.map(textOf).join('');
const RICH: Reply = {
  text: DEFAULT_TEXT,
  reasoning: 'Let me think… 🤔',
  toolCalls: [
    { id: 'c1', name: 'look', arguments: { at: 'ä', n: [1, 2] } },
    { id: 'c2', name: 'nop', arguments: {} },
  ],
  usage: { inputTokens: 12, outputTokens: 34 },
};

describe.each(['openai', 'anthropic'] as const)(
  'streamChat against the faulty provider: %s',
  { timeout: 30_000 },
  (dialect) => {
    it('gives a rich answer whole', async () => {
      const { values, completed } = await ask(dialect, RICH);
      expect(completed).toBe(true);
      expect(values[0]).toMatchObject({
        type: 'start',
        provider: dialect,
        model: MODEL[dialect],
        requestId: expect.any(String) as string,
      });
      expect(said({ values })).toBe(DEFAULT_TEXT);
      expect(values.flatMap((e) => (e.type === 'reasoning' ? e.text : [])).join('')).toBe(RICH.reasoning);
      const calls = values.flatMap((e) =>
        e.type === 'toolCall' ? [{ ...e, arguments: JSON.parse(e.arguments) as unknown }] : [],
      );
      expect(calls).toEqual(RICH.toolCalls?.map((call) => ({ type: 'toolCall', ...call })));
      expect(values.filter(({ type }) => type === 'usage').at(-1)).toEqual({
        type: 'usage',
        inputTokens: 12,
        outputTokens: 34,
      });
      expect(values.at(-1)).toMatchObject({ type: 'finish', reason: 'toolCalls' });
      expect(values.filter(({ type }) => type === 'finish')).toHaveLength(1);
    });

    it.each<Reply>([
      { splitBytes: 1 },
      { splitBytes: 'random' },
      { crlf: true },
      { crlf: true, splitBytes: 1 },
      { missingLastBlankLine: true },
      { firstTokenMs: 20, keepAliveMs: 2 },
      { openAfterEnd: true },
      { chunkChars: 1000 },
    ])('gives the same answer with %j', async (how) => {
      const { values, completed } = await ask(dialect, { ...RICH, ...how });
      expect(completed).toBe(true);
      expect(said({ values })).toBe(DEFAULT_TEXT);
      expect(values.at(-1)).toMatchObject({ type: 'finish', reason: 'toolCalls' });
    });

    it('gives the same events, however the bytes of the answer are cut', async () => {
      const { steps } = planReply(RICH, { dialect });
      const bytes = new Uint8Array(steps.flatMap((step) => (step.type === 'bytes' ? [...step.bytes] : [])));
      const read = (cuts: number[]) => {
        const { fetch } = fetchOf(cutAt(bytes, cuts));
        return collect(chat(dialect, { fetch }));
      };
      const whole = await read([]);
      expect(whole.completed).toBe(true);
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(bytes.length)), async (cuts) => {
          expect(await read(cuts)).toEqual(whole);
        }),
        { numRuns: 50 },
      );
      expect(await read([...bytes.keys()])).toEqual(whole);
    });

    it('loses and doubles nothing at any cut, and never takes a cut answer for whole', async () => {
      const whole = await ask(dialect, {});
      const { steps } = planReply({}, { dialect });
      const length = steps.reduce((sum, step) => sum + (step.type === 'bytes' ? step.bytes.length : 0), 0);
      const point = fc.oneof(
        fc.record({ afterChars: fc.nat(DEFAULT_TEXT.length + 5) }),
        fc.record({ afterBytes: fc.nat(length) }),
        fc.constant({ before: 'headers' as const }),
      );
      await fc.assert(
        fc.asyncProperty(point, fc.constantFrom('reset', 'close', 'fin'), async (at, how) => {
          const cut = await ask(dialect, { cut: { ...at, how } });
          expect(DEFAULT_TEXT.startsWith(said(cut))).toBe(true);
          if (cut.completed) {
            // Behind the terminator, nothing is missing but perhaps the usage.
            expect(said(cut)).toBe(DEFAULT_TEXT);
            expect(cut.values.at(-1)).toEqual(whole.values.at(-1));
            return;
          }
          expect(cut.error).toMatchObject({ code: 'E3001', retryable: true, provider: dialect, model: MODEL[dialect] });
          expect(cut.values.some(({ type }) => type === 'finish')).toBe(false);
          if (how === 'fin' && !('before' in at)) {
            const name = said(cut) ? 'IncompleteStreamError' : 'EmptyStreamError';
            expect(cut.error).toMatchObject({ name });
          }
        }),
        { numRuns: 100 },
      );
    });

    it('aborts the request wherever it is left, and leaves no listener', async () => {
      const reply = { ...RICH, stall: { afterChars: 10_000 } }; // behind the content, before its end
      const { values } = await ask(dialect, RICH);
      const total = values.map(({ type }) => type).lastIndexOf('text') + 1;
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 1, max: total }), async (n) => {
          provider.reset();
          provider.script(dialect, reply);
          const { signal } = new AbortController();
          let listeners = 0;
          const { addEventListener, removeEventListener } = signal;
          signal.addEventListener = (...args: Parameters<typeof addEventListener>) => (
            listeners++,
            addEventListener.apply(signal, args)
          );
          signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => (
            listeners--,
            removeEventListener.apply(signal, args)
          );
          expect(await firstValueFrom(chat(dialect, { signal }).pipe(take(n), toArray()))).toHaveLength(n);
          expect(listeners).toBe(0);
          await provider.idle();
          expect(provider.requests).toHaveLength(1);
        }),
        { numRuns: 30 },
      );
      provider.reset();
      provider.script(dialect, { ...RICH, stall: { afterChars: 60 } });
      const seen: ChatEvent[] = [];
      const subscription = chat(dialect).subscribe((event) => seen.push(event));
      await provider.when(({ outcome }) => outcome === 'stalled');
      subscription.unsubscribe();
      expect(await provider.when(({ outcome }) => outcome === 'aborted')).toMatchObject({ provider: dialect });
    });

    it.each<[string, Reply, string]>([
      ['first', { errorFrame: {} }, ''],
      ['later', { errorFrame: { afterChars: 20 } }, DEFAULT_TEXT.slice(0, 20)],
      ['then [DONE]', { errorFrame: { afterChars: 20, thenDone: true } }, DEFAULT_TEXT.slice(0, 20)],
    ])('gives an error frame: %s', async (_, reply, before) => {
      const end = await ask(dialect, reply);
      expect(said(end)).toBe(before);
      expect(end.error).toMatchObject({
        name: 'ProviderError',
        retryable: true,
        provider: dialect,
        model: MODEL[dialect],
        requestId: expect.any(String) as string,
      });
    });

    it.each([400, 401, 403, 404, 413, 429, 500, 503, 529])('gives the error of status %i', async (status) => {
      const end = await ask(dialect, { status, headers: { 'retry-after': '2' } });
      expect(end.values).toEqual([]);
      expect(end.error).toMatchObject({
        name: 'ProviderError',
        httpStatus: status,
        retryAfterMs: 2000,
        requestId: expect.any(String) as string,
      });
    });

    it.each<[string, Reply, string]>([
      ['broken JSON', { malformedAfterChars: 20 }, 'MalformedStreamError'],
      [
        'HTML behind the events',
        { rawTail: { text: '<html>Bad gateway</html>', afterChars: 20 } },
        'MalformedStreamError',
      ],
      [
        'JSON behind the events',
        { rawTail: { text: '{"error":{"code":503,"message":"Down"}}', afterChars: 20 } },
        'ProviderError',
      ],
      ['HTML in place of events', { body: '<html>Bad gateway</html>' }, 'MalformedStreamError'],
      [
        'a JSON error in place of events',
        { body: { error: { message: 'Down', type: 'server_error' } } },
        'ProviderError',
      ],
      ['no content', { text: '' }, 'EmptyStreamError'],
      ['no terminator', { terminator: 'none' }, 'IncompleteStreamError'],
    ])('gives the error of %s', async (_, reply, name) => {
      expect((await ask(dialect, reply)).error).toMatchObject({ name, retryable: true, provider: dialect });
    });

    it('takes an answer of nothing but tool calls for whole', async () => {
      const { values, completed } = await ask(dialect, { toolCalls: [{ id: 'x', name: 'f', arguments: '' }] });
      expect(completed).toBe(true);
      expect(values).toContainEqual({ type: 'toolCall', id: 'x', name: 'f', arguments: '{}' });
    });

    it('runs many streams beside each other, and closes every socket', async () => {
      provider.script(dialect, ({ nth }) => (nth % 3 ? RICH : { ...RICH, stall: { afterChars: 30 + nth } }));
      const streams = Array.from({ length: 12 }, () => firstValueFrom(chat(dialect).pipe(take(3), toArray())));
      for (const values of await Promise.all(streams)) expect(values).toHaveLength(3);
      await provider.idle();
    });
  },
);

describe('streamChat against the faulty provider: what only one dialect has', () => {
  it.each(['openrouter', 'vllm', 'vllmFlat'] as const)('knows the error frame of %s', async (variant) => {
    const end = await ask('openai', { errorFrame: { afterChars: 20, variant } });
    expect(said(end)).toBe(DEFAULT_TEXT.slice(0, 20));
    expect(end.error).toMatchObject({ name: 'ProviderError', retryable: true });
  });

  it('takes a finish reason for an end, [DONE] for none, and message_stop for one', async () => {
    expect(await ask('openai', { terminator: 'finish' })).toMatchObject({ completed: true });
    expect((await ask('openai', { terminator: 'done' })).error).toMatchObject({ name: 'IncompleteStreamError' });
    expect(await ask('anthropic', { terminator: 'done' })).toMatchObject({ completed: true });
    expect((await ask('anthropic', { terminator: 'finish' })).error).toMatchObject({ name: 'IncompleteStreamError' });
  });
});

describe('fromEventStream', () => {
  it('reads what the provider sends', async () => {
    const body = JSON.stringify({ model: 'm', messages, stream: true });
    const response = await fetch(`${provider.baseUrl('openai')}/chat/completions`, {
      method: 'POST',
      body,
      headers: { authorization: 'Bearer k' },
    });
    const { values, completed } = await collect(fromEventStream(response));
    expect(completed).toBe(true);
    expect(values.at(-1)?.data).toBe('[DONE]');
    const { steps } = planReply({}, { dialect: 'openai' });
    const bytes = steps.flatMap((step) => (step.type === 'bytes' ? [step.bytes] : []));
    expect(
      (await collect(fromEventStream(bodyOf([bytesOf(': hi\n\n'), ...bytes]).body))).values.length,
    ).toBeGreaterThan(10);
  });
});

describe('fromStream over the official SDKs', () => {
  const openai = () => {
    const client = new OpenAI({ apiKey: 'k', baseURL: provider.baseUrl('openai'), maxRetries: 0 });
    return fromStream(async (signal) => {
      const { data, response, request_id } = await client.chat.completions
        .create({ model: 'gpt-4o', messages: [...messages], stream: true }, { signal })
        .withResponse();
      return { stream: data, headers: response.headers, requestId: request_id, abort: () => data.controller.abort() };
    }).pipe(map((chunk) => chunk.choices[0]?.delta.content ?? ''));
  };
  const anthropic = () => {
    const client = new Anthropic({ apiKey: 'k', baseURL: provider.baseUrl('anthropic'), maxRetries: 0 });
    return fromStream(async (signal) => {
      const { data, response, request_id } = await client.messages
        .create({ model: 'claude-x', max_tokens: 100, messages: [...messages], stream: true }, { signal })
        .withResponse();
      return { stream: data, headers: response.headers, requestId: request_id };
    }).pipe(map((e) => (e.type === 'content_block_delta' && e.delta.type === 'text_delta' ? e.delta.text : '')));
  };
  const sdks: [DialectName, () => Observable<string>][] = [
    ['openai', openai],
    ['anthropic', anthropic],
  ];

  it.each(sdks)('%s: gives the whole answer', async (_, sdk) => {
    const { values, completed } = await collect(sdk());
    expect(completed).toBe(true);
    expect(values.join('')).toBe(DEFAULT_TEXT);
  });

  it.each(sdks)('%s: aborts the request in a stall, and while it is opened', async (dialect, sdk) => {
    for (const stall of [{ afterChars: 20 }, { before: 'headers' as const }]) {
      provider.reset();
      provider.script(dialect, { stall });
      const seen: unknown[] = [];
      const subscription = sdk()
        .pipe(filter(Boolean))
        .subscribe({ error: (e: unknown) => seen.push(e), complete: () => seen.push('complete') });
      await provider.when(({ outcome }) => outcome === 'stalled');
      subscription.unsubscribe();
      await provider.when(({ outcome }) => outcome === 'aborted');
      expect(seen).toEqual([]);
    }
  });

  it.each(sdks)("%s: gives the SDK's own error", async (dialect, sdk) => {
    provider.script(dialect, { status: 529 });
    const { error } = await collect(sdk());
    expect(isWeirError(error)).toBe(false);
    expect(error).toMatchObject({ status: 529 });
  });
});
