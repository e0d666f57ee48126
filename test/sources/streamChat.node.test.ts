import { createServer, type AddressInfo } from 'node:net';
import { config as rxConfig, take, takeWhile, toArray, firstValueFrom, Subscription } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { IncompleteStreamError, MalformedStreamError, StreamTimeoutError } from '../../src/errors/streamErrors';
import { isWeirError } from '../../src/errors/WeirError';
import type { ChatEvent } from '../../src/events/ChatEvent';
import type { ChatRequest } from '../../src/sources/ChatRequest';
import { streamChat, type StreamChatOptions } from '../../src/sources/streamChat';
import { serve, type Exchange } from '../support/serve';
import { bytesOf, collect, fetchOf } from '../support/streams';

const request: ChatRequest = { model: 'openai/gpt-4o', messages: [{ role: 'user', content: 'Hi' }] };
const KEY = 'sk-secret-0123456789';

const frame = (payload: unknown) => `data: ${JSON.stringify(payload)}\n\n`;
const say = (content: string) => frame({ choices: [{ index: 0, delta: { content } }] });
const STOP = frame({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] });
const DONE = 'data: [DONE]\n\n';
const error = (message: string, code = 'server_error') => frame({ error: { message, type: code, code } });

const whole: ChatEvent[] = [
  { type: 'text', text: 'He' },
  { type: 'text', text: 'y' },
  { type: 'finish', reason: 'stop', raw: 'stop' },
];

/** What comes of an answer in memory, without its start event. */
async function read(chunks: string[], init: Parameters<typeof fetchOf>[1] = {}) {
  const { fetch, cancelled } = fetchOf(chunks, init);
  const { values, ...end } = await collect(streamChat(request, { apiKey: KEY, fetch }));
  return { events: values.filter(({ type }) => type !== 'start'), ...end, cancelled: cancelled() };
}

/** A server that answers with these headers and this start of a body, which then stalls. */
const serving = (text = '', headers: Record<string, string> = {}, status = 200) =>
  serve(({ res }) => {
    res.writeHead(status, { 'content-type': 'text/event-stream', ...headers });
    res.flushHeaders();
    if (text) res.write(text);
  });

const options = (url: string, more: StreamChatOptions = {}): StreamChatOptions => ({
  apiKey: KEY,
  baseUrl: `${url}/v1`,
  ...more,
});

/** Resolves with the subscription, once the first event of the type has come. */
const until = (type: ChatEvent['type'], opts: StreamChatOptions, seen: unknown[] = []) =>
  new Promise<Subscription>((resolve, reject) => {
    const subscription = new Subscription();
    subscription.add(
      streamChat(request, opts).subscribe({
        next: (event) => {
          seen.push(event);
          if (event.type === type) resolve(subscription);
        },
        error: (e: unknown) => {
          seen.push(e);
          reject(e);
        },
        complete: () => seen.push('complete'),
      }),
    );
  });

afterEach(() => {
  vi.useRealTimers();
});

describe('streamChat', () => {
  it('gives a whole answer over HTTP', async () => {
    const server = await serve(({ res }) => {
      res.writeHead(200, {
        'content-type': 'text/event-stream',
        'x-request-id': 'req_1',
        'x-ratelimit-remaining-requests': '5',
      });
      res.end(say('He') + say('y') + STOP + DONE);
    });
    expect(await collect(streamChat(request, options(server.url)))).toEqual({
      values: [
        { type: 'start', provider: 'openai', model: 'gpt-4o', requestId: 'req_1', rateLimit: { remainingRequests: 5 } },
        ...whole,
      ],
      completed: true,
    });
    const { req, body } = await server.next();
    expect(req.method).toBe('POST');
    expect(req.url).toBe('/v1/chat/completions');
    expect(req.headers).toMatchObject({ authorization: `Bearer ${KEY}`, 'content-type': 'application/json' });
    expect(JSON.parse(body)).toMatchObject({ model: 'gpt-4o', stream: true });
  });

  it('leaves out of the start event what the headers do not say', async () => {
    const { fetch } = fetchOf([say('a'), STOP]);
    const { values } = await collect(streamChat(request, { apiKey: KEY, fetch }));
    expect(values[0]).toEqual({ type: 'start', provider: 'openai', model: 'gpt-4o' });
  });

  it('is cold: one subscription, one request', async () => {
    const { fetch, calls } = fetchOf([say('a'), STOP]);
    const chat = streamChat(request, { apiKey: KEY, fetch });
    expect(calls).toHaveLength(0);
    await collect(chat);
    expect((await collect(chat)).completed).toBe(true);
    expect(calls).toHaveLength(2);
    expect(calls[0]?.signal).not.toBe(calls[1]?.signal);
  });

  it('does not abort what ended in order', async () => {
    const server = await serve(({ res }) => res.end(say('a') + STOP + DONE));
    expect((await collect(streamChat(request, options(server.url)))).completed).toBe(true);
    expect(await (await server.next()).left).toBe(false);
    const { fetch, calls, cancelled } = fetchOf([say('a') + STOP + DONE]);
    await collect(streamChat(request, { apiKey: KEY, fetch }));
    expect(calls[0]?.signal.aborted).toBe(false);
    expect(cancelled()).toBe(0);
  });

  it('gives the body a moment to end behind [DONE], so that its connection can be used again', async () => {
    vi.useFakeTimers();
    const cancel = vi.fn();
    let end: () => void = () => undefined;
    const body = () =>
      new ReadableStream<Uint8Array>({
        start(controller) {
          controller.enqueue(bytesOf(say('a') + STOP + DONE));
          end = () => controller.close();
        },
        cancel,
      });
    const fetch = () => Promise.resolve(new Response(body()));
    const run = async () => {
      const seen: unknown[] = [];
      const done = new Promise<void>((resolve) =>
        streamChat(request, { apiKey: KEY, fetch }).subscribe({ next: (e) => seen.push(e.type), complete: resolve }),
      );
      await vi.advanceTimersByTimeAsync(0);
      expect(seen).toEqual(['start', 'text', 'finish']);
      return done;
    };
    const inTime = run();
    await vi.advanceTimersByTimeAsync(1);
    end();
    await inTime;
    expect(cancel).not.toHaveBeenCalled();
    const late = run();
    await vi.advanceTimersByTimeAsync(1000);
    await late;
    expect(cancel).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe('streamChat: the end', () => {
  it('is good without [DONE]', async () => {
    expect(await read([say('He'), say('y'), STOP])).toMatchObject({ events: whole, completed: true });
  });

  it('is not good with [DONE] alone', async () => {
    const { events, error } = await read([say('He'), DONE]);
    expect(events).toEqual([{ type: 'text', text: 'He' }]);
    expect(error).toMatchObject({
      name: 'IncompleteStreamError',
      code: 'E3001',
      retryable: true,
      provider: 'openai',
      model: 'gpt-4o',
    });
  });

  it('is incomplete where the socket is closed in order, but too early', async () => {
    const server = await serve(({ res }) => res.end(say('He')));
    expect(await collect(streamChat(request, options(server.url)))).toMatchObject({
      values: [{ type: 'start' }, { type: 'text', text: 'He' }],
      error: { name: 'IncompleteStreamError' },
    });
  });

  it('is incomplete, not malformed, where that cuts an event in two', async () => {
    const text = say('He') + say('y') + STOP;
    for (let n = say('He').length; n < text.length - 3; n++) {
      const { events, error } = await read([text.slice(0, n)]);
      expect(error).toMatchObject({ name: 'IncompleteStreamError' });
      expect(whole.slice(0, events.length)).toEqual(events);
    }
  });

  it.each([[[]], [[STOP, DONE]], [[DONE]]])('is empty without content: %j', async (chunks) => {
    expect((await read(chunks)).error).toMatchObject({ name: 'EmptyStreamError', code: 'E3001', provider: 'openai' });
  });

  it('is good without content where a filter is the reason', async () => {
    const filtered = frame({ choices: [{ index: 0, delta: {}, finish_reason: 'content_filter' }] });
    expect(await read([filtered, DONE])).toMatchObject({ events: [{ reason: 'contentFilter' }], completed: true });
  });

  it('is empty for a response without a body', async () => {
    const fetch = () => Promise.resolve(new Response(null));
    expect((await collect(streamChat(request, { apiKey: KEY, fetch }))).error).toMatchObject({
      name: 'EmptyStreamError',
    });
  });

  it('comes with [DONE], also if the socket stays open, which is then closed', async () => {
    const server = await serving(say('He') + say('y') + STOP + DONE + say('never'));
    const { values, completed } = await collect(streamChat(request, options(server.url)));
    expect(completed).toBe(true);
    expect(values.slice(1)).toEqual(whole);
    expect(await (await server.next()).left).toBe(true);
  });

  it('comes with message_stop, also if the socket stays open', async () => {
    const event = (type: string, more: object = {}) => `event: ${type}\n${frame({ type, ...more })}`;
    const server = await serving(
      event('message_start', { message: { usage: { input_tokens: 1, output_tokens: 1 } } }) +
        event('content_block_start', { index: 0, content_block: { type: 'text', text: '' } }) +
        event('content_block_delta', { index: 0, delta: { type: 'text_delta', text: 'Hey' } }) +
        event('content_block_stop', { index: 0 }) +
        event('message_delta', { delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }) +
        event('message_stop'),
    );
    const chat = streamChat({ ...request, model: 'anthropic/c' }, { apiKey: KEY, baseUrl: server.url });
    const { values, completed } = await collect(chat);
    expect(completed).toBe(true);
    expect(values.map(({ type }) => type)).toEqual(['start', 'usage', 'text', 'usage', 'finish']);
    expect(await (await server.next()).left).toBe(true);
  });

  it('stays good where the connection breaks after the finish reason', async () => {
    const end = { error: new TypeError('terminated') };
    expect(await read([say('He'), say('y'), STOP], { end })).toMatchObject({ events: whole, completed: true });
  });

  it('is the error of a connection that breaks before it', async () => {
    const server = await serve(({ res }) => {
      res.write(say('He'));
      setImmediate(() => res.socket?.resetAndDestroy());
    });
    const { error } = await collect(streamChat(request, options(server.url)));
    expect(error).toMatchObject({ code: 'E3001', retryable: true, provider: 'openai', model: 'gpt-4o' });
    expect(isWeirError(error)).toBe(true);
    expect(error).not.toBeInstanceOf(IncompleteStreamError);
    expect((error as Error).cause).toBeInstanceOf(TypeError);
  });

  it('tells the request id of what is incomplete, empty or malformed', async () => {
    for (const chunks of [[say('a')], [], ['data: {\n\n', say('a')]]) {
      expect((await read(chunks, { headers: { 'request-id': 'req_7' } })).error).toMatchObject({ requestId: 'req_7' });
    }
  });
});

describe('streamChat: errors of the provider', () => {
  it.each([
    ['first', [error('Down')], []],
    ['after text', [say('He'), error('Down')], whole.slice(0, 1)],
    ['before [DONE]', [say('He'), error('Down'), DONE], whole.slice(0, 1)],
    ['after the finish reason', [say('He'), STOP, error('Down'), DONE], whole.slice(0, 1)],
    [
      'with finish_reason "error"',
      [
        say('He'),
        frame({
          error: { code: 502, message: 'Down' },
          choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
        }),
      ],
      whole.slice(0, 1),
    ],
    [
      'with finish_reason "error" alone',
      [say('He'), frame({ choices: [{ index: 0, delta: {}, finish_reason: 'error' }] }), DONE],
      whole.slice(0, 1),
    ],
    [
      'as vLLM once sent them',
      [say('He'), frame({ object: 'error', message: 'Down', code: 500 }), DONE],
      whole.slice(0, 1),
    ],
    ['as an event', [say('He'), 'event: error\ndata: {"message":"Down"}\n\n'], whole.slice(0, 1)],
    ['as an event of text', [say('He'), 'event: error\ndata: Down\n\n'], whole.slice(0, 1)],
    ['in the last event without its blank line', [say('He'), error('Down').trim()], whole.slice(0, 1)],
    ['as a JSON tail', [say('He'), '{"error":{"code":500,"message":"Down"}}'], whole.slice(0, 1)],
    ['as a JSON body', ['{\n"error": {\n"code": 500, "message": "Down"}}'], []],
  ])('come out of the stream: %s', async (_, chunks, before) => {
    const { events, error } = await read(chunks);
    expect(events).toEqual(before);
    expect(error).toMatchObject({ name: 'ProviderError', provider: 'openai', model: 'gpt-4o' });
  });

  it.each([
    [400, 'E1001'],
    [401, 'E1002'],
    [429, 'E2001'],
    [500, 'E3001'],
    [529, 'E3002'],
  ])('come as status %i: %s', async (status, code) => {
    const body = JSON.stringify({ error: { message: 'No', type: null, code: null } });
    const server = await serve(({ res }) =>
      res.writeHead(status, { 'retry-after': '3', 'x-request-id': 'req_9' }).end(body),
    );
    const { values, error } = await collect(streamChat(request, options(server.url)));
    expect(values).toEqual([]);
    expect(error).toMatchObject({
      name: 'ProviderError',
      code,
      httpStatus: status,
      provider: 'openai',
      model: 'gpt-4o',
      requestId: 'req_9',
    });
  });

  it('come also with a body that never ends, after a while', async () => {
    vi.useFakeTimers();
    const { fetch, cancelled } = fetchOf(['{"error":'], { status: 503, end: 'stall' });
    const end = collect(streamChat(request, { apiKey: KEY, fetch }));
    await vi.advanceTimersByTimeAsync(60_000);
    expect((await end).error).toMatchObject({ code: 'E3002', httpStatus: 503 });
    expect(cancelled()).toBe(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('are not read without bound', async () => {
    const { fetch, cancelled } = fetchOf(Array<string>(1000).fill('x'.repeat(1000)), { status: 500, end: 'stall' });
    expect((await collect(streamChat(request, { apiKey: KEY, fetch }))).error).toMatchObject({ code: 'E3001' });
    expect(cancelled()).toBe(1);
  });

  it.each(['<html><h1>Welcome</h1></html>', '{"choices":[{"message":{"content":"not streamed"}}]}', 'OK'.repeat(9)])(
    'are malformed where a 200 is no event stream: %s',
    async (body) => {
      const { error } = await read([body]);
      expect(error).toBeInstanceOf(MalformedStreamError);
      expect(error).toMatchObject({
        provider: 'openai',
        message: expect.stringContaining(body.slice(0, 10)) as string,
      });
    },
  );

  it.each(['{"choices":', 'null', '7', '"text"', '[]x'])(
    'are malformed where an event is no JSON object: %s',
    async (data) => {
      const { events, error, cancelled } = await read([say('He'), `data: ${data}\n\n`, say('y'), STOP], {
        end: 'stall',
      });
      expect(events).toEqual(whole.slice(0, 1));
      expect(error).toBeInstanceOf(MalformedStreamError);
      expect(cancelled).toBe(1);
    },
  );

  it.each(['body', 'frame', 'page', 'malformed'])('do not show the key that a provider echoes (%s)', async (where) => {
    for (const key of [KEY, 'plain-words-as-a-key']) {
      const echo = { error: { message: `bad key ${key}`, code: 'invalid_api_key', param: `Bearer ${key}` } };
      const { fetch } = {
        body: () => fetchOf([JSON.stringify(echo)], { status: 401 }),
        frame: () => fetchOf([frame(echo)]),
        page: () => fetchOf([`<html>${key}</html>`]),
        malformed: () => fetchOf([`data: {${key}\n\n`, say('x')]),
      }[where as 'body']();
      const { error } = await collect(streamChat(request, { apiKey: key, fetch }));
      expect(isWeirError(error)).toBe(true);
      expect(everythingOf(error)).not.toContain(key);
    }
  });

  it.each([
    { apiKey: 'sk-with\nline' },
    { apiKey: 'k', headers: { authorization: 'Bearer secret-token\0' } },
    { apiKey: 'schlüssel€' },
  ])('do not show a key that no header can carry: %j', async (opts) => {
    const { fetch, calls } = fetchOf([]);
    const { error } = await collect(streamChat(request, { fetch, ...opts }));
    expect(error).toMatchObject({ code: 'E1001', provider: 'openai' });
    for (const secret of ['sk-with', 'secret-token', 'schlüssel']) expect(everythingOf(error)).not.toContain(secret);
    expect(calls).toEqual([]);
  });
});

describe('streamChat: the connection', () => {
  it('that is refused or dropped is E3001', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const dropping = await serve(({ req }) => req.socket.destroy());
    for (const url of [dropping.url, `http://127.0.0.1:${port}`]) {
      const { values, error } = await collect(streamChat(request, options(url)));
      expect(values).toEqual([]);
      expect(error).toMatchObject({
        code: 'E3001',
        retryable: true,
        fallbackable: true,
        provider: 'openai',
        model: 'gpt-4o',
      });
    }
  });

  it('to a host that has no address is E3001', async () => {
    const cause = Object.assign(new Error('getaddrinfo ENOTFOUND host'), { code: 'ENOTFOUND' });
    const fetch = () => Promise.reject(new TypeError('fetch failed', { cause }));
    const { error } = await collect(streamChat(request, { apiKey: KEY, fetch }));
    expect(error).toMatchObject({ code: 'E3001', retryable: true, provider: 'openai', model: 'gpt-4o' });
  });

  it('that gives no headers within connectMs is a StreamTimeoutError, and the request is aborted', async () => {
    const server = await serve();
    const { error } = await collect(streamChat(request, options(server.url, { connectMs: 30 })));
    expect(error).toBeInstanceOf(StreamTimeoutError);
    expect(error).toMatchObject({ code: 'E3003', phase: 'connect', provider: 'openai', model: 'gpt-4o' });
    expect(await (await server.next()).left).toBe(true);
  });

  it('has no connectMs any more once it gave them', async () => {
    vi.useFakeTimers();
    const { fetch } = fetchOf([say('a')], { end: 'stall' });
    const seen: unknown[] = [];
    const subscription = await until('text', { apiKey: KEY, fetch, connectMs: 50 }, seen);
    expect(vi.getTimerCount()).toBe(0);
    await vi.advanceTimersByTimeAsync(1000);
    subscription.unsubscribe();
    expect(seen).toHaveLength(2);
  });

  it('has no connectMs any more once it is left', async () => {
    vi.useFakeTimers();
    const fetch = () => new Promise<never>(() => undefined);
    const subscription = streamChat(request, { apiKey: KEY, fetch, connectMs: 50 }).subscribe();
    expect(vi.getTimerCount()).toBe(1);
    subscription.unsubscribe();
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each([2 ** 40, Infinity])('may have a connectMs longer than a timer holds: %s', async (connectMs) => {
    vi.useFakeTimers();
    const { fetch } = fetchOf([say('a'), STOP]);
    const slow: typeof fetch = async (...args) => {
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return fetch(...args);
    };
    const end = collect(streamChat(request, { apiKey: KEY, fetch: slow, connectMs }));
    await vi.advanceTimersByTimeAsync(1000);
    expect((await end).completed).toBe(true);
  });

  it.each([
    [Number.NaN, RangeError],
    [-1, RangeError],
    ['5', TypeError],
  ])('refuses %j for connectMs at the call', (connectMs, type) => {
    expect(() => streamChat(request, { connectMs: connectMs as number })).toThrow(type);
    expect(() => streamChat(request, { connectMs: connectMs as number })).toThrow(/connectMs/);
  });

  it("may fail in a fetch of the user's that throws or gives nonsense", async () => {
    const broken: unknown[] = [
      () => {
        throw new TypeError('fetch failed');
      },
      () => Promise.resolve(undefined),
      () => Promise.reject(undefined),
    ];
    for (const fetch of broken) {
      const { error } = await collect(streamChat(request, { apiKey: KEY, fetch: fetch as typeof globalThis.fetch }));
      expect(isWeirError(error)).toBe(true);
      expect(error).toMatchObject({ provider: 'openai' });
    }
  });

  it('is not tried with a request that cannot be written', async () => {
    const { fetch, calls } = fetchOf([]);
    for (const bad of [
      { ...request, extraBody: { n: 1n } },
      { ...request, messages: undefined as never },
      undefined as never,
    ]) {
      expect((await collect(streamChat(bad, { apiKey: KEY, fetch }))).error).toMatchObject({ code: 'E1001' });
    }
    expect(calls).toEqual([]);
  });
});

describe('streamChat: a signal', () => {
  const listeners = (signal: AbortSignal) => {
    const add = vi.spyOn(signal, 'addEventListener');
    const remove = vi.spyOn(signal, 'removeEventListener');
    return () => add.mock.calls.length - remove.mock.calls.length;
  };

  it('that is aborted already is E4002, without a request', async () => {
    const { fetch, calls } = fetchOf([]);
    const { error } = await collect(streamChat(request, { apiKey: KEY, fetch, signal: AbortSignal.abort('why') }));
    expect(error).toMatchObject({ code: 'E4002', provider: 'openai', model: 'gpt-4o', cause: 'why' });
    expect(calls).toEqual([]);
  });

  it.each(['before the headers', 'in a stall'])(
    'that is aborted %s is E4002, and the request is aborted',
    async (when) => {
      const server = when === 'in a stall' ? await serving(say('He')) : await serve();
      const controller = new AbortController();
      const open = listeners(controller.signal);
      const end = collect(streamChat(request, options(server.url, { signal: controller.signal })));
      const { left } = await server.next();
      if (when === 'in a stall') await new Promise((resolve) => setTimeout(resolve, 20));
      controller.abort();
      expect((await end).error).toMatchObject({ code: 'E4002' });
      expect(await left).toBe(true);
      expect(open()).toBe(0);
    },
  );

  it.each(['completes', 'fails', 'is left'])('has no listener any more when the stream %s', async (how) => {
    const controller = new AbortController();
    const open = listeners(controller.signal);
    const { fetch } = fetchOf(how === 'fails' ? [say('a')] : [say('a'), STOP]);
    const chat = streamChat(request, { apiKey: KEY, fetch, signal: controller.signal });
    if (how === 'is left') await firstValueFrom(chat);
    else await collect(chat);
    expect(open()).toBe(0);
    controller.abort();
  });
});

describe('streamChat: unsubscribing', () => {
  it('aborts the request while it waits for the headers', async () => {
    const server = await serve();
    const subscription = streamChat(request, options(server.url)).subscribe();
    const { left } = await server.next();
    subscription.unsubscribe();
    expect(await left).toBe(true);
  });

  it.each(['start', 'text'] as const)('aborts the request in a stall after %s', async (type) => {
    const server = await serving(type === 'text' ? say('He') : '');
    const seen: unknown[] = [];
    const subscription = await until(type, options(server.url), seen);
    const { left } = await server.next();
    subscription.unsubscribe();
    expect(await left).toBe(true);
    expect(seen).not.toContain('complete');
    expect(seen.filter(isWeirError)).toEqual([]);
  });

  it('aborts the request in the stalled body of an error', async () => {
    const server = await serving('{"error":', {}, 500);
    const subscription = streamChat(request, options(server.url)).subscribe();
    const { left } = await server.next();
    subscription.unsubscribe();
    expect(await left).toBe(true);
  });

  it('aborts the signal and cancels the body in the same instant, of any fetch', async () => {
    const { fetch, calls, cancelled } = fetchOf([say('He')], { end: 'stall' });
    const subscription = await until('text', { apiKey: KEY, fetch });
    await new Promise(setImmediate);
    subscription.unsubscribe();
    expect(calls[0]?.signal.aborted).toBe(true);
    expect(cancelled()).toBe(1);
  });

  it('closes a body that comes after all, from a fetch that does not know signals', async () => {
    const { fetch, cancelled } = fetchOf([say('He')], { end: 'stall' });
    let answer: () => void = () => undefined;
    const late: typeof fetch = async (...args) => {
      await new Promise<void>((resolve) => (answer = resolve));
      return fetch(...args);
    };
    const seen = vi.fn();
    const subscription = streamChat(request, { apiKey: KEY, fetch: late }).subscribe(seen);
    subscription.unsubscribe();
    answer();
    await new Promise(setImmediate);
    expect(cancelled()).toBe(1);
    expect(seen).not.toHaveBeenCalled();
  });

  it.each([1, 2, 3])('inside next (take(%i)) leaves no timer and aborts', async (n) => {
    const { fetch, cancelled } = fetchOf([say('He') + say('y') + STOP + DONE], { end: 'stall' });
    const chat = streamChat(request, { apiKey: KEY, fetch, connectMs: 1000 });
    expect(await firstValueFrom(chat.pipe(take(n), toArray()))).toHaveLength(n);
    await new Promise(setImmediate);
    expect(cancelled()).toBe(1);
  });

  it('at the finish event is an end like any other', async () => {
    const server = await serving(say('He') + say('y') + STOP + DONE);
    const chat = streamChat(request, options(server.url));
    expect(
      await firstValueFrom(
        chat.pipe(
          takeWhile(({ type }) => type !== 'finish', true),
          toArray(),
        ),
      ),
    ).toHaveLength(4);
    expect(await (await server.next()).left).toBe(true);
  });

  it('of many, each in another phase, closes every socket', async () => {
    const held: Exchange[] = [];
    const server = await serve((exchange) => {
      const n = held.push(exchange) % 4;
      if (n > 0) exchange.res.writeHead(200).flushHeaders();
      if (n > 1) exchange.res.write(say('He').slice(0, n * 9));
    });
    const subscriptions = Array.from({ length: 20 }, () => streamChat(request, options(server.url)).subscribe());
    const exchanges = await Promise.all(subscriptions.map(() => server.next()));
    for (const subscription of subscriptions) subscription.unsubscribe();
    expect(await Promise.all(exchanges.map(({ left }) => left))).toEqual(Array(20).fill(true));
  });
});

it("a throw in the consumer is the consumer's", async () => {
  const thrown: unknown[] = [];
  rxConfig.onUnhandledError = (e) => thrown.push(e);
  const { fetch } = fetchOf([say('He'), say('y'), STOP]);
  await new Promise<void>((resolve, reject) =>
    streamChat(request, { apiKey: KEY, fetch }).subscribe({
      next: () => {
        throw new Error('mine');
      },
      error: reject,
      complete: resolve,
    }),
  );
  await new Promise((resolve) => setTimeout(resolve));
  expect(thrown).toHaveLength(4);
});

/** All text that can be reached from an error. */
function everythingOf(root: unknown): string {
  const seen = new Set<unknown>([root]);
  const texts: string[] = [];
  for (const value of seen) {
    if (typeof value === 'string') texts.push(value);
    if (typeof value !== 'object' || value === null) continue;
    for (const key of Reflect.ownKeys(value)) seen.add((value as Record<PropertyKey, unknown>)[key]);
  }
  return texts.join('\n');
}
