import { filter, take, toArray, firstValueFrom } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { classifyError, fromEventStream, streamChat, timeoutStream, type ChatEvent } from 'rx-weir';
import { DEFAULT_TEXT, startFaultyProvider, type DialectName, type Reply } from 'rx-weir/testing';
import { collect } from '../support/streams';
import { provide, type Options, type Provided } from './provide';

const DIALECTS: DialectName[] = ['openai', 'anthropic'];

const shown = (events: readonly ChatEvent[]): string =>
  events.map((event) => (event.type === 'text' ? event.text : '')).join('');

const chat = (provider: Provided, name: DialectName) =>
  streamChat(
    { model: `${name}/weir-1`, messages: [{ role: 'user', content: 'Hi' }] },
    { apiKey: 'k', baseUrl: provider.baseUrl(name) },
  );

async function play(name: DialectName, script: Reply, options: Options = {}) {
  const provider = await provide({ ...options, script });
  return { provider, ...(await collect(chat(provider, name))) };
}

describe.each(DIALECTS)('a chat with %s over CORS', (name) => {
  it('gives the whole answer, and asks the browser for nothing it may not send', async () => {
    const { provider, values, completed } = await play(name, {});
    expect(completed).toBe(true);
    expect(shown(values)).toBe(DEFAULT_TEXT);
    expect(values.at(-1)?.type).toBe('finish');
    expect(await provider.requests()).toMatchObject([{ outcome: 'completed', hasKey: true }]);
  });

  it.each<[string, Reply]>([
    ['bytes that split characters', { splitBytes: 1 }],
    ['CRLF', { crlf: true, splitBytes: 'random' }],
    ['no last blank line', { missingLastBlankLine: true }],
    ['keep-alives', { firstTokenMs: 20, keepAliveMs: 5 }],
  ])('gives it also with %s', async (_, reply) => {
    const { values, error } = await play(name, reply);
    expect(error).toBeUndefined();
    expect(shown(values)).toBe(DEFAULT_TEXT);
  });

  it.each(['reset', 'close', 'fin'] as const)('never takes an answer for whole that is cut by %s', async (how) => {
    for (const afterChars of [0, 1, 40, DEFAULT_TEXT.length]) {
      const { values, error } = await play(name, { cut: { afterChars, how } });
      expect(classifyError(error)).toMatchObject({ code: 'E3001', retryable: true });
      expect(DEFAULT_TEXT.startsWith(shown(values))).toBe(true);
      // Where the body is broken off, Chromium drops what it has not handed on.
      if (how === 'fin') expect(shown(values).length).toBeGreaterThanOrEqual(afterChars);
    }
  });

  it.each<[string, Reply, object]>([
    ['an overload', { status: 529 }, { code: 'E3002', retryable: true, httpStatus: 529 }],
    ['a wrong key', { status: 401 }, { code: 'E1002', retryable: false }],
    ['an error frame', { errorFrame: { afterChars: 20 } }, { retryable: true }],
    ['an empty answer', { text: '' }, { name: 'EmptyStreamError' }],
    ['broken JSON', { malformedAfterChars: 20 }, { name: 'MalformedStreamError' }],
    ['a cut before the headers', { cut: { before: 'headers' } }, { code: 'E3001', retryable: true }],
  ])('tells %s', async (_, reply, error) => {
    expect(classifyError((await play(name, reply)).error)).toMatchObject(error);
  });

  it('sees of a Retry-After only what CORS exposes', async () => {
    const reply: Reply = { status: 429, headers: { 'retry-after': '7' } };
    const hidden = classifyError((await play(name, reply)).error);
    expect(hidden.code).toBe('E2001');
    expect(hidden.retryAfterMs).toBeUndefined();
    const exposed = await play(name, reply, { exposeHeaders: true });
    expect(classifyError(exposed.error)).toMatchObject({ code: 'E2001', retryAfterMs: 7000 });
  });

  it('ends a stall, which aborts the request', async () => {
    const provider = await provide({ script: { stall: { afterChars: 10 } } });
    const { error } = await collect(chat(provider, name).pipe(timeoutStream({ idleMs: 50 })));
    expect(error).toMatchObject({ name: 'StreamTimeoutError', phase: 'idle' });
    await provider.until('aborted');
  });

  it.each<[string, Reply, boolean]>([
    ['before the headers', { headersMs: 60_000 }, false],
    ['before the first token', { firstTokenMs: 60_000 }, false],
    ['in the middle', { paceMs: 5, text: DEFAULT_TEXT.repeat(200) }, true],
    ['in a stall', { stall: { afterChars: 10 } }, true],
  ])('aborts the request when it is left %s', async (_, reply, hasText) => {
    const provider = await provide({ script: reply });
    const texts = chat(provider, name).pipe(filter((event) => event.type === 'text'));
    if (hasText) await firstValueFrom(texts);
    else {
      const waiting = texts.subscribe();
      await provider.until('open');
      waiting.unsubscribe();
    }
    await provider.until('aborted');
  });

  it('brings tool calls whole', async () => {
    const { values } = await play(name, { toolCalls: [{ name: 'f', arguments: { a: 'ü🌊' } }] });
    const calls = values.filter((event) => event.type === 'toolCall');
    expect(calls).toMatchObject([{ name: 'f', arguments: '{"a":"ü🌊"}' }]);
  });
});

it('a provider that is not there is an error that a retry may mend', async () => {
  const provider = await provide();
  await provider.close();
  const { error } = await collect(chat(provider, 'openai'));
  expect(classifyError(error)).toMatchObject({ code: 'E3001', retryable: true });
});

it('more streams than a browser opens connections wait for theirs, and are whole', async () => {
  const provider = await provide({ reply: { paceMs: 1, chunkChars: 20 } });
  const answers = await Promise.all(Array.from({ length: 20 }, () => collect(chat(provider, 'openai'))));
  expect(answers.map(({ values }) => shown(values))).toEqual(answers.map(() => DEFAULT_TEXT));
});

it('fromEventStream reads a Response of fetch, and leaving it aborts the request', async () => {
  const provider = await provide({ script: { stall: { afterChars: 40 } } });
  const body = JSON.stringify({ model: 'weir-1', stream: true, messages: [{ role: 'user', content: 'Hi' }] });
  const response = await fetch(`${provider.baseUrl('openai')}/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
  });
  const events = await firstValueFrom(fromEventStream(response).pipe(take(3), toArray()));
  expect(events).toHaveLength(3);
  await provider.until('aborted');
});

it('startFaultyProvider says that it is for Node', async () => {
  await expect(startFaultyProvider()).rejects.toThrow(/needs Node/);
});
