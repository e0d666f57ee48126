import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net';
import {
  accumulate,
  createChatClient,
  isWeirError,
  type ChatClientConfig,
  type ChatEvent,
  type ChatRun,
} from 'rx-weir';
import { startFaultyProvider, type FaultyProvider, type Script } from 'rx-weir/testing';
import { BehaviorSubject, lastValueFrom, toArray, type Observable } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createRelay, type RelayOptions } from '../../examples/relay/createRelay';
import { toNodeHandler } from '../../examples/relay/nodeHandler';
import { keptPlace, type PlaceStorage } from '../../examples/relay/place';
import { relayedChat, relayedSignals, resumeChat } from '../../examples/relay/relayedChat';
import { collect } from '../support/streams';

const TEXT = 'Water flows 🌊, and the weir holds it: 水は低きに流れる, evenly.';
const KEY = 'a-key-of-no-known-shape-1234';
const REQUEST = { messages: [{ role: 'user' as const, content: 'What is a weir?' }] };
/** Breaks are mended at once. */
const OPTIONS = { backoff: { initialDelayMs: 1 } };

const closing: (() => unknown)[] = [];

afterEach(async () => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  await Promise.all(closing.splice(0).map((close) => close()));
});

/** A server on loopback, closed with all its sockets after the test. */
async function listen(handle: (incoming: IncomingMessage, outgoing: ServerResponse) => void): Promise<string> {
  const server: Server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Setup extends RelayOptions {
  script?: Script;
  client?: Partial<ChatClientConfig>;
  /** Stands between the relay and its server. */
  around?: (handle: (request: Request) => Promise<Response>) => (request: Request) => Promise<Response>;
}

async function setUp({ script, client: config, around = (handle) => handle, ...options }: Setup = {}) {
  const provider: FaultyProvider = await startFaultyProvider({
    reply: { text: TEXT, chunkChars: 6 },
    ...(script && { script }),
  });
  closing.push(() => provider.close());
  const client = createChatClient({
    model: 'openai/gpt-4o',
    providers: { openai: { apiKey: KEY, baseUrl: provider.baseUrl('openai') } },
    resilience: {},
    ...config,
  });
  /** What the relay has started. */
  const runs: ChatRun[] = [];
  const run: typeof client.run = (...request) => {
    const started = client.run(...request);
    runs.push(started);
    return started;
  };
  const relay = createRelay({ ...client, run }, options);
  closing.push(() => relay.close());
  const base = await listen(toNodeHandler(around(relay.handle)));
  return { provider, client, relay, runs, base };
}

/** As `sessionStorage`. */
function memoryStorage(): PlaceStorage {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

const post = (base: string, body: unknown = REQUEST, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(`${base}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const eventsOf = (source: Observable<ChatEvent>): Promise<ChatEvent[]> => lastValueFrom(source.pipe(toArray()));

/** The text, rewinds applied. */
const said = (events: readonly ChatEvent[]): string =>
  events.reduce((text, event) => {
    if (event.type === 'rewind') return text.slice(0, event.to);
    return event.type === 'text' ? text + event.text : text;
  }, '');

const errorOf = async (response: Response): Promise<string> =>
  ((await response.json()) as { error: { message: string } }).error.message;

/** Resolves with the first value for which `is` holds, and stays subscribed. */
const until = <T>(source: Observable<T>, is: (value: T) => boolean) =>
  new Promise<{ value: T; leave: () => void; ended: Promise<unknown> }>((resolve, reject) => {
    let end: (error?: unknown) => void = () => undefined;
    const ended = new Promise((done) => (end = done));
    const subscription = source.subscribe({
      next: (value) => is(value) && resolve({ value, leave: () => subscription.unsubscribe(), ended }),
      error: (error: unknown) => {
        end(error);
        reject(error);
      },
      complete: () => end('complete'),
    });
  });

const isText = ({ type }: ChatEvent): boolean => type === 'text';

describe('a relayed answer', () => {
  it('is what the provider says, event by event', async () => {
    const { base, provider, runs } = await setUp();
    const events = await eventsOf(relayedChat(base, { ...REQUEST, maxTokens: 99 }));
    expect(said(events)).toBe(TEXT);
    expect(events).toEqual(await eventsOf(runs[0]!.events$));
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
    expect(provider.requests).toHaveLength(1);
    expect(provider.requests[0]?.body).toMatchObject({ ...REQUEST, max_completion_tokens: 99 });
  });

  it('is an event stream with ids from 1, an id of its run, and an end that says so', async () => {
    const { base } = await setUp({ script: { text: 'Hi' } });
    const response = await post(base);
    expect(response.headers.get('content-type')).toBe('text/event-stream');
    expect(response.headers.get('x-run')).toMatch(/^[\da-f-]{36}$/);
    const frames = (await response.text()).split('\n\n');
    expect(frames[0]).toMatch(/^id: 1\ndata: \{"type":"start","provider":"openai","model":"gpt-4o"/);
    expect(frames[1]).toBe('id: 2\ndata: {"type":"text","text":"Hi"}');
    expect(frames.slice(-2)).toEqual(['event: done\ndata: {}', '']);
  });

  it('begins before the provider has said anything', async () => {
    const { base, provider } = await setUp({ script: { stall: { before: 'headers' } } });
    const response = await post(base);
    expect(response.status).toBe(200);
    await fetch(`${base}/chat/${response.headers.get('x-run')}`, { method: 'DELETE' });
    expect(await response.text()).toContain('event: error\ndata: {"code":"E4002"');
    await provider.idle();
  });

  it('is the same for two tabs, and paid once', async () => {
    const { base, provider, runs } = await setUp({ script: { text: TEXT, stall: { afterChars: 12, ms: 30 } } });
    const storage = memoryStorage();
    const first = relayedChat(base, REQUEST, { storage });
    const tabs: Promise<ChatEvent[]>[] = [];
    const events: ChatEvent[] = [];
    await new Promise<void>((resolve, reject) => {
      first.subscribe({
        next: (event) => {
          events.push(event);
          if (tabs.length === 0) tabs.push(eventsOf(resumeChat(base, { ...keptPlace(storage)!, lastId: 0, text: '' })));
        },
        error: reject,
        complete: resolve,
      });
    });
    expect(await tabs[0]).toEqual(events);
    expect(said(events)).toBe(TEXT);
    expect(provider.requests).toHaveLength(1);
    expect(runs).toHaveLength(1);
  });

  it('is kept alive while it is silent', async () => {
    const { base } = await setUp({ script: { stall: { before: 'headers' } }, keepAliveMs: 1 });
    const reader = (await post(base)).body!.getReader();
    const { value } = await reader.read();
    expect(Buffer.from(value!).toString()).toMatch(/^(: keep-alive\n\n)+$/);
    await reader.cancel();
  });
});

describe('stopping', () => {
  it('aborts the request at the provider when the subscriber leaves', async () => {
    const { base, provider } = await setUp({ script: { text: TEXT, stall: { afterChars: 12 } } });
    const storage = memoryStorage();
    const chat = await until(relayedChat(base, REQUEST, { storage }), isText);
    expect(keptPlace(storage)?.text).not.toBe('');
    chat.leave();
    expect(keptPlace(storage)).toBeUndefined();
    await provider.when(({ outcome }) => outcome === 'aborted');
  });

  it('also when the subscriber leaves before it knows the run', async () => {
    const { base, provider } = await setUp({ script: { stall: { before: 'headers' } } });
    let answered: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (answered = resolve));
    let response: Response | undefined;
    const slow: typeof fetch = async (...args) => {
      const answer = await fetch(...args);
      response ??= answer;
      await held;
      return answer;
    };
    const subscription = relayedChat(base, REQUEST, { fetch: slow }).subscribe();
    await provider.when(({ outcome }) => outcome === 'stalled');
    subscription.unsubscribe();
    answered();
    await provider.when(({ outcome }) => outcome === 'aborted');
    // Cancelled: a body that nobody takes would keep its connection.
    expect(response?.bodyUsed).toBe(true);
  });

  it('tells the others who listen that this is not the whole answer', async () => {
    const { base } = await setUp({ script: { text: TEXT, stall: { afterChars: 12 } } });
    const storage = memoryStorage();
    const one = await until(relayedChat(base, REQUEST, { storage }), isText);
    const other = until(resumeChat(base, keptPlace(storage)!), () => false);
    const { leave } = await until(resumeChat(base, { ...keptPlace(storage)!, lastId: 0, text: '' }), isText);
    leave();
    await expect(other).rejects.toMatchObject({ code: 'E4002', kind: 'cancelled' });
    expect(await one.ended).toMatchObject({ code: 'E4002' });
    const gone = await fetch(`${base}/chat/${'0'.repeat(36)}`, { method: 'DELETE' });
    expect(gone.status).toBe(404);
  });

  it('happens by itself when nobody listens any more', async () => {
    const { base, provider, runs } = await setUp({ script: { text: TEXT, stall: { afterChars: 12 } }, graceMs: 20 });
    const tab = new AbortController();
    const response = await fetch(`${base}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(REQUEST),
      signal: tab.signal,
    });
    await provider.when(({ outcome }) => outcome === 'stalled');
    expect(response.ok).toBe(true);
    tab.abort();
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect((await collect(runs[0]!.events$)).completed).toBe(true);
    expect((await fetch(`${base}/chat/${response.headers.get('x-run')}`)).status).toBe(404);
  });

  it('does not happen while somebody comes back in time, and listens', async () => {
    const { relay, provider } = await setUp({ script: { text: TEXT, stall: { afterChars: 12 } } });
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }); // those of RxJS; the provider is real
    const first = await relay.handle(
      new Request('http://relay/chat', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(REQUEST),
      }),
    );
    await provider.when(({ outcome }) => outcome === 'stalled');
    await first.body!.cancel();
    vi.advanceTimersByTime(14_999);
    const second = await relay.handle(new Request(`http://relay/chat/${first.headers.get('x-run')}`));
    vi.advanceTimersByTime(60_000);
    const third = await relay.handle(new Request(`http://relay/chat/${first.headers.get('x-run')}`));
    await second.body!.cancel();
    vi.advanceTimersByTime(60_000);
    const fourth = await relay.handle(new Request(`http://relay/chat/${first.headers.get('x-run')}`));
    expect([second.status, third.status, fourth.status]).toEqual([200, 200, 200]);
    expect(provider.requests[0]?.outcome).toBe('stalled');
    await third.body!.cancel();
    await fourth.body!.cancel();
    vi.advanceTimersByTime(15_000);
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect(vi.getTimerCount()).toBe(0);
  });

  it('an answer that has ended can be had for a while, and is forgotten then', async () => {
    const { base } = await setUp({ graceMs: 50 });
    const response = await post(base);
    const whole = await response.text();
    const url = `${base}/chat/${response.headers.get('x-run')}`;
    expect(await (await fetch(url)).text()).toBe(whole);
    await vi.waitFor(async () => expect((await fetch(url)).status).toBe(404));
  });

  it('close() stops all answers and ends all connections', async () => {
    const { base, provider, relay, client } = await setUp({ script: { stall: { before: 'headers' } } });
    const chat = collect(relayedChat(base, REQUEST));
    const signals = await fetch(`${base}/signals`);
    await provider.when(({ outcome }) => outcome === 'stalled');
    relay.close();
    expect((await chat).error).toMatchObject({ code: 'E4002' });
    await signals.text();
    expect(client.signals$.observed).toBe(false);
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect((await post(base)).status).toBe(503);
  });
});

/** Where a connection is cut: so many bytes behind the end of so many events; -1 events: before the response. */
interface Cut {
  events: number;
  bytes: number;
}

/** Stands between browser and relay, and cuts connections: one for each of `cuts`, in order. */
async function cuttingProxy(target: string): Promise<{ base: string; cuts: Cut[] }> {
  const cuts: Cut[] = [];
  const sockets = new Set<Socket>();
  const server = createTcpServer((browser) => {
    const relay = connect(Number(new URL(target).port), '127.0.0.1');
    for (const socket of [browser, relay]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        browser.destroy();
        relay.destroy();
      });
    }
    let seen = '';
    browser.on('data', (chunk) => relay.write(chunk));
    relay.on('data', (chunk) => {
      const before = seen.length;
      seen += chunk.toString('latin1');
      const cut = cuts[0];
      const end = cut && endOf(seen, cut);
      if (end === undefined || seen.length < end) {
        browser.write(chunk);
        return;
      }
      cuts.shift();
      if (end > before) browser.write(chunk.subarray(0, end - before));
      browser.end();
      relay.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    for (const socket of sockets) socket.destroy();
    return new Promise((resolve) => server.close(resolve));
  });
  return { base: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, cuts };
}

/** Where in what a connection has said it is cut. */
function endOf(seen: string, { events, bytes }: Cut): number | undefined {
  if (events < 0) return 0;
  let at = seen.indexOf('\r\n\r\n') + 4;
  if (at < 4) return undefined;
  for (let i = 0; i < events; i++) {
    at = seen.indexOf('\n\n', at) + 2;
    if (at < 2) return undefined;
  }
  return at + bytes;
}

describe('a connection between browser and relay that breaks', () => {
  it('costs nothing, wherever it is cut: before, between and within events', async () => {
    const { base, provider, runs } = await setUp();
    const proxy = await cuttingProxy(base);
    const whole = await eventsOf(relayedChat(base, REQUEST));
    for (let events = -1; events <= whole.length; events++) {
      for (const bytes of events < 0 ? [0] : [0, 3, 9, 25]) {
        provider.reset();
        runs.length = 0;
        proxy.cuts.push({ events, bytes });
        const answer = await eventsOf(relayedChat(proxy.base, REQUEST, OPTIONS));
        expect(answer, `cut ${bytes} bytes behind event ${events}`).toEqual(await eventsOf(runs[0]!.events$));
        expect(said(answer)).toBe(TEXT);
        expect(provider.requests).toHaveLength(1);
        expect(proxy.cuts).toEqual([]);
      }
    }
  }, 30_000);

  it('may break again and again, also while the answer is still coming', async () => {
    const { base, provider } = await setUp({ script: { text: TEXT, paceMs: 2 } });
    const proxy = await cuttingProxy(base);
    proxy.cuts.push({ events: -1, bytes: 0 }, { events: 1, bytes: 0 }, { events: -1, bytes: 0 });
    proxy.cuts.push({ events: 0, bytes: 12 }, { events: 2, bytes: 30 }, { events: 3, bytes: 0 });
    const answer = await eventsOf(relayedChat(proxy.base, REQUEST, OPTIONS));
    expect(said(answer)).toBe(TEXT);
    expect(answer.map(({ type }) => type).filter((type) => type !== 'text')).toEqual(['start', 'usage', 'finish']);
    expect(proxy.cuts).toEqual([]);
    expect(provider.requests).toHaveLength(1);
  });

  it('also when a proxy ends it in good order within an event', async () => {
    let limit = Infinity;
    const shorten = (response: Response): Response => {
      let left = limit;
      limit = Infinity;
      const cut = new TransformStream<Uint8Array, Uint8Array>({
        transform(chunk, to) {
          to.enqueue(chunk.subarray(0, left));
          left -= chunk.length;
          if (left <= 0) to.terminate();
        },
      });
      return new Response(response.body!.pipeThrough(cut), response);
    };
    const { base, provider } = await setUp({ around: (handle) => async (request) => shorten(await handle(request)) });
    const { byteLength: length } = await (await post(base)).arrayBuffer();
    for (let bytes = 1; bytes < length; bytes += 17) {
      provider.reset();
      limit = bytes;
      const answer = await eventsOf(relayedChat(base, REQUEST, OPTIONS));
      expect(said(answer), `ended after ${bytes} bytes`).toBe(TEXT);
      expect(provider.requests).toHaveLength(1);
    }
  }, 30_000);

  it('cannot be mended when the relay does not come back, or does not know the run', async () => {
    const nobody = await setUp();
    nobody.relay.close();
    const unknown = await collect(resumeChat(nobody.base, { run: 'nonsense', lastId: 1, text: 'so far' }, OPTIONS));
    expect(unknown.values).toEqual([{ type: 'text', text: 'so far' }]);
    expect(unknown.error).toMatchObject({ code: 'E1004' });
    const down: typeof fetch = () => Promise.reject(new TypeError('fetch failed'));
    const { error } = await collect(relayedChat('', REQUEST, { fetch: down, backoff: { maxDelayMs: 1 } }));
    expect(isWeirError(error) && error.code).toBe('E3001');
  });
});

describe('a reload', () => {
  /** A page, whose events a test plays. */
  function stubPage(): EventTarget {
    const page = new EventTarget();
    vi.stubGlobal('addEventListener', page.addEventListener.bind(page));
    vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page));
    return page;
  }

  it('goes on with the answer from behind the last event', async () => {
    const { base, provider } = await setUp({ script: { text: TEXT, stall: { afterChars: 20, ms: 30 } } });
    const storage = memoryStorage();
    const page = stubPage();
    const before: ChatEvent[] = [];
    const chat = relayedChat(base, REQUEST, { storage });
    await new Promise<void>((resolve) => {
      const subscription = chat.subscribe((event) => {
        before.push(event);
        if (said(before).length < 12) return;
        page.dispatchEvent(new Event('pagehide'));
        subscription.unsubscribe();
        resolve();
      });
    });
    const place = keptPlace(storage)!;
    expect(place).toMatchObject({ lastId: before.length, text: said(before) });

    const asked: (string | null)[] = [];
    const spy: typeof fetch = (url, init) => {
      asked.push(new Headers(init?.headers).get('last-event-id'));
      return fetch(url, init);
    };
    const [soFar, ...after] = await eventsOf(resumeChat(base, place, { storage, fetch: spy }));
    expect(asked).toEqual([String(before.length)]);
    expect(soFar).toEqual({ type: 'text', text: said(before) });
    expect(said([...before, ...after])).toBe(TEXT);
    expect(provider.requests.map(({ outcome }) => outcome)).toEqual(['completed']);
    expect(keptPlace(storage)).toBeUndefined();
  });

  it('gives the whole text to accumulate(), wherever it comes, rewinds of before and after included', async () => {
    const other = `${TEXT.slice(0, 9)} another end`;
    const { base, provider } = await setUp({
      client: { resume: 'rewind', resilience: { retry: { initialDelayMs: 1 } } },
    });
    const page = stubPage();
    for (let last = 1; ; last++) {
      provider.script('openai', [{ text: TEXT, cut: { afterChars: 30 } }, { text: other }]);
      const storage = memoryStorage();
      let seen = 0;
      const finished = await new Promise<boolean>((resolve) => {
        const subscription = relayedChat(base, REQUEST, { storage }).subscribe({
          next: () => {
            if (++seen < last) return;
            page.dispatchEvent(new Event('pagehide'));
            subscription.unsubscribe();
            resolve(false);
          },
          complete: () => resolve(true),
        });
      });
      page.dispatchEvent(new Event('pageshow'));
      if (finished) break;
      const { text } = await lastValueFrom(resumeChat(base, keptPlace(storage)!, { storage }).pipe(accumulate()));
      expect(text, `reloaded after event ${last}`).toBe(other);
    }
  });

  it('a page that comes back as it was can stop its answer', async () => {
    const { base, provider } = await setUp({ script: { text: TEXT, stall: { afterChars: 12 } } });
    const page = stubPage();
    const chat = await until(relayedChat(base, REQUEST), isText);
    page.dispatchEvent(new Event('pagehide'));
    page.dispatchEvent(new Event('pageshow'));
    chat.leave();
    await provider.when(({ outcome }) => outcome === 'aborted');
  });

  it('takes the id from the header, or from the query', async () => {
    const { base } = await setUp();
    const response = await post(base);
    await response.text();
    const url = `${base}/chat/${response.headers.get('x-run')}`;
    const byHeader = await (await fetch(url, { headers: { 'last-event-id': '3' } })).text();
    expect(byHeader).toMatch(/^id: 4\n/);
    expect(await (await fetch(`${url}?after=3`)).text()).toBe(byHeader);
    const bad = await fetch(`${url}?after=-1`);
    expect(bad.status).toBe(400);
    expect(await errorOf(bad)).toContain('Last-Event-ID');
  });
});

describe('an error', () => {
  it('reaches the browser with its code, and without the key or anything else', async () => {
    const message = `Incorrect API key provided: ${KEY}`;
    const { base } = await setUp({ script: { status: 401, error: { message } } });
    const { error, values } = await collect(relayedChat(base, REQUEST));
    expect(values).toEqual([]);
    expect(error).toMatchObject({ code: 'E1002', kind: 'authentication' });
    expect((error as Error).message).toContain('Incorrect API key provided');
    const wire = await (await post(base)).text();
    expect(wire).not.toContain(KEY);
    const { data } = /event: error\ndata: (?<data>.*)\n\n$/.exec(wire)!.groups!;
    expect(Object.keys(JSON.parse(data!))).toEqual(['code', 'kind', 'message']);
  });

  it('of the provider is not tried again by the browser, and says how long to wait', async () => {
    const { base, provider } = await setUp({ script: { status: 429, headers: { 'retry-after': '7' } } });
    const { error } = await collect(relayedChat(base, REQUEST, OPTIONS));
    expect(error).toMatchObject({ code: 'E2001', retryAfterMs: 7000, retryable: true });
    expect(provider.requests).toHaveLength(1);
  });

  it('of a message that no provider takes is one of the answer', async () => {
    const { base } = await setUp();
    const messages = [{ role: 'user' as const, content: [{ type: 'image' as const }] }] as never;
    const { error } = await collect(relayedChat(base, { messages }));
    expect(error).toMatchObject({ code: 'E1001' });
  });
});

describe('signals', () => {
  it('are live, and end when their listener leaves', async () => {
    const { base, client } = await setUp({ script: { text: TEXT, stall: { afterChars: 12 } } });
    const signals = await until(relayedSignals(base), ({ currentInflight }) => currentInflight === 0);
    expect(client.signals$.observed).toBe(true);
    const busy = until(relayedSignals(base), ({ currentInflight }) => currentInflight === 1);
    const chat = await until(relayedChat(base, REQUEST), isText);
    const { value, leave } = await busy;
    expect(value.models['openai/gpt-4o']?.streams.active).toBe(1);
    chat.leave();
    signals.leave();
    leave();
    await vi.waitFor(() => expect(client.signals$.observed).toBe(false));
  });

  it('come again after a break', async () => {
    const { base } = await setUp();
    const proxy = await cuttingProxy(base);
    proxy.cuts.push({ events: -1, bytes: 0 }, { events: 0, bytes: 20 }, { events: 1, bytes: 0 });
    let told = 0;
    const { leave } = await until(relayedSignals(proxy.base, OPTIONS), () => ++told === 2);
    leave();
    expect(proxy.cuts).toEqual([]);
  });

  it('come again when a proxy ends the response in good order', async () => {
    const state = (await setUp()).client.snapshot();
    const base = await listen((_, outgoing) => outgoing.end(`data: ${JSON.stringify(state)}\n\n`));
    let told = 0;
    const { value, leave } = await until(relayedSignals(base, OPTIONS), () => ++told === 3);
    leave();
    expect(value).toEqual(state);
  });

  it('do not pile up behind a listener that does not read', async () => {
    const { client } = await setUp();
    const signals$ = new BehaviorSubject(client.signals$.value);
    const { handle } = createRelay({ ...client, signals$ });
    const response = await handle(new Request('http://relay/signals'));
    for (let i = 0; i < 100; i++) signals$.next({ ...signals$.value, timestamp: i });
    expect(signals$.observed).toBe(false);
    await expect(response.text()).rejects.toThrow(RangeError);
  });

  it('end with an error that will not pass', async () => {
    const base = await listen((_, outgoing) => outgoing.writeHead(401).end('who are you?'));
    const { error } = await collect(relayedSignals(base));
    expect(error).toMatchObject({ code: 'E1002' });
  });
});

describe('what is no request', () => {
  it('is refused, and says why', async () => {
    const { base, provider } = await setUp();
    const message = REQUEST.messages[0];
    const bad: [body: unknown, why: string][] = [
      ['no JSON', 'the body must be JSON'],
      ['', 'the body must be JSON'],
      ['null', 'messages must be a list'],
      [{}, 'messages must be a list'],
      [{ messages: [] }, 'messages must be a list'],
      [{ messages: ['Hi'] }, 'messages[0].role'],
      [{ messages: [message, { role: 'wizard', content: 'Hi' }] }, 'messages[1].role must be one of system, user'],
      [{ messages: [{ role: 'user' }] }, 'messages[0].content must be'],
      [{ ...REQUEST, maxTokens: 0 }, 'maxTokens must be'],
      [{ ...REQUEST, maxTokens: '9' }, 'maxTokens must be'],
      [{ ...REQUEST, model: 'openai/o1-pro' }, '"model" is unknown'],
    ];
    for (const [body, why] of bad) {
      const response = await post(base, body);
      expect(response.status, why).toBe(400);
      expect(await errorOf(response)).toContain(why);
    }
    const form = await post(base, 'messages=Hi', { 'content-type': 'text/plain' });
    expect(form.status).toBe(415);
    const { error } = await collect(relayedChat(base, { ...REQUEST, temperature: 1 }));
    expect(error).toMatchObject({ code: 'E1001' });
    expect((error as Error).message).toContain('"temperature" is unknown');
    expect(provider.requests).toEqual([]);
  });

  it('must not be too large, whether it says how large it is or not', async () => {
    const { base } = await setUp();
    const large = { messages: [{ role: 'user', content: 'x'.repeat(3 << 20) }] };
    const response = await post(base, large);
    expect(response.status).toBe(413);
    expect(await errorOf(response)).toContain('1048576 bytes');
    const streamed = await fetch(`${base}/chat`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([JSON.stringify(large)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(streamed.status).toBe(413);
    await streamed.text();
    expect((await post(base)).status).toBe(200);
  });

  it('is 404 for another place, 405 for another method', async () => {
    const { base, provider } = await setUp({ basePath: '/api' });
    for (const path of [
      '',
      '/',
      '/chat',
      '/api',
      '/api/',
      '/api/chats',
      '/api/chat/a/b',
      '/api/signals/a',
      '/apichat',
    ]) {
      expect((await fetch(base + path)).status, path).toBe(404);
    }
    const refused = async (method: string, path: string): Promise<unknown> => {
      const response = await fetch(base + path, { method });
      return [response.status, response.headers.get('allow')];
    };
    expect(await refused('GET', '/api/chat')).toEqual([405, 'POST']);
    expect(await refused('PUT', '/api/chat/a')).toEqual([405, 'GET, DELETE']);
    expect(await refused('POST', '/api/signals')).toEqual([405, 'GET']);
    expect((await fetch(`${base}/api/chat/a`)).status).toBe(404);
    expect(said(await eventsOf(relayedChat(`${base}/api`, REQUEST)))).toBe(TEXT);
    expect(provider.requests).toHaveLength(1);
  });

  it('is one too many: answers that have ended make room, others do not', async () => {
    const script: Script = ({ nth }) => (nth < 2 ? { text: 'Hi' } : { stall: { before: 'headers' } });
    const { base, provider } = await setUp({ maxRuns: 2, script });
    const ended = [await post(base), await post(base)];
    for (const response of ended) await response.text();
    const running = [await post(base), await post(base)];
    const gone = await fetch(`${base}/chat/${ended[0]!.headers.get('x-run')}`);
    expect(gone.status).toBe(404);
    const refused = await post(base);
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('1');
    for (const response of running) await response.body!.cancel();
    expect(provider.requests).toHaveLength(4);
  });

  it('sent twice with the same key is one answer', async () => {
    const { base, provider } = await setUp();
    const key = { 'idempotency-key': 'one' };
    const [one, two] = await Promise.all([post(base, REQUEST, key), post(base, REQUEST, key)]);
    expect(two.headers.get('x-run')).toBe(one.headers.get('x-run'));
    expect(await two.text()).toBe(await one.text());
    expect(provider.requests).toHaveLength(1);
  });
});
