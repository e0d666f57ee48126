import { first, take } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  CircuitOpenError,
  FallbackExhaustedError,
  StreamTimeoutError,
  WeirError,
  type ChatClientConfig,
  type ChatEvent,
  type ResilienceConfig,
} from 'rx-weir';
import {
  all,
  ANTHROPIC,
  clientOf,
  DEEPSEEK,
  errorOf,
  KEY,
  OPENAI,
  provide,
  request,
  TEXT,
  textOf,
} from '../support/chat';

afterEach(() => vi.unstubAllEnvs());

const types = (events: readonly ChatEvent[]): string[] => [...new Set(events.map(({ type }) => type))];

describe('a chat client', () => {
  it('streams an answer', async () => {
    const provider = await provide();
    const client = clientOf(provider);
    const events = await all(client.stream(request));
    expect(types(events)).toEqual(['start', 'text', 'usage', 'finish']);
    expect(events[0]).toMatchObject({ provider: 'openai', model: 'weir-1' });
    expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(TEXT);
    expect(provider.requests).toMatchObject([
      { provider: 'openai', model: 'weir-1', hasKey: true, outcome: 'completed' },
    ]);
    await vi.waitFor(() => expect(provider.openSockets).toBe(0));
  });

  it('is cold: every subscription is a request', async () => {
    const provider = await provide();
    const answer$ = clientOf(provider).stream(request);
    expect(provider.requests).toHaveLength(0);
    expect(await Promise.all([textOf(answer$), textOf(answer$)])).toEqual([TEXT, TEXT]);
    expect(provider.requests).toHaveLength(2);
  });

  it('retries on 529, on 429 when the server says, and where the socket was reset', async () => {
    const provider = await provide();
    provider.script('openai', [
      { status: 529 },
      { status: 429, headers: { 'retry-after-ms': '30' } },
      { cut: { before: 'headers' } },
    ]);
    const client = clientOf(provider);
    const delays: number[] = [];
    client.events$.subscribe((event) => event.type === 'retry.scheduled' && delays.push(event.delayMs));
    const events = await all(client.stream(request));
    expect(types(events)).not.toContain('rewind');
    expect(events.filter(({ type }) => type === 'start')).toHaveLength(1);
    expect(provider.requests.map(({ outcome }) => outcome)).toEqual(['error', 'error', 'cut', 'completed']);
    expect(delays).toHaveLength(3);
    expect(delays[1]).toBeGreaterThanOrEqual(30);
    expect(client.snapshot().models[OPENAI]?.streams).toMatchObject({ started: 1, completed: 1, retries: 3 });
  });

  it.each([
    ['reset', { cut: { afterChars: 40 } }],
    ['closed', { cut: { afterChars: 40, how: 'close' } }],
    ['ended in good order', { cut: { afterChars: 40, how: 'fin' } }],
    ['ended by an error', { errorFrame: { afterChars: 40 } }],
  ] as const)('says that it begins anew where the answer was %s', async (_, reply) => {
    const provider = await provide({ keepAlive: true });
    provider.script('openai', [reply, reply]);
    const events = await all(clientOf(provider, { resume: 'rewind' }).stream(request));
    expect(events.filter(({ type }) => type === 'rewind')).toEqual([
      { type: 'rewind', to: 0 },
      { type: 'rewind', to: 0 },
    ]);
    const last = events.slice(events.map(({ type }) => type).lastIndexOf('rewind'));
    expect(last.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(TEXT);
    expect(provider.requests).toHaveLength(3);
  });

  it.each(['auto', 'rewind'] as const)('has the whole text once behind accumulate(): %s', async (resume) => {
    const provider = await provide();
    const client = clientOf(provider, { resume, resilience: { retry: { initialDelayMs: 0, maxRetries: 1 } } });
    for (let afterChars = 0; afterChars <= TEXT.length; afterChars += 5) {
      provider.script('openai', [{ cut: { afterChars, how: 'fin' } }]);
      expect(await textOf(client.stream(request)), `cut after ${afterChars}`).toBe(TEXT);
    }
  });

  it("gives the error with what was delivered where onPartial is 'fail'", async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 40 } });
    const client = clientOf(provider, { onPartial: 'fail', fallbacks: [ANTHROPIC] });
    let text = '';
    const source = client.stream(request);
    const error = await new Promise((resolve) =>
      source.subscribe({ next: (event) => event.type === 'text' && (text += event.text), error: resolve }),
    );
    expect(error).toBeInstanceOf(WeirError);
    expect(error).toMatchObject({ code: 'E3001', provider: 'openai', model: 'weir-1' });
    expect((error as WeirError).emitted).toBeGreaterThan(0);
    expect(text).not.toBe('');
    expect(TEXT.startsWith(text)).toBe(true);
    expect(provider.requests).toHaveLength(1);
  });

  it('falls back across dialects, each model with its own id, key and place for the system prompt', async () => {
    const provider = await provide();
    provider.script('openai', { status: 503 });
    const client = clientOf(provider, {
      fallbacks: [ANTHROPIC],
      resilience: { retry: { maxRetries: 1, initialDelayMs: 1 } },
    });
    const system = { role: 'system' as const, content: 'Be short.' };
    const events = await all(client.stream({ ...request, messages: [system, ...request.messages], maxTokens: 99 }));
    expect(events[0]).toMatchObject({ type: 'start', provider: 'anthropic', model: 'weir-2' });
    expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(TEXT);
    expect(provider.requests.map((r) => r.provider)).toEqual(['openai', 'openai', 'anthropic']);
    expect(provider.requests[0]?.body).toMatchObject({ model: 'weir-1', messages: [system, ...request.messages] });
    expect(provider.requests[2]?.body).toMatchObject({
      model: 'weir-2',
      system: 'Be short.',
      messages: request.messages,
      max_tokens: 99,
    });
    expect(provider.requests.every(({ hasKey }) => hasKey)).toBe(true);
  });

  it('falls back also after partial output, and says so', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 20 } });
    const client = clientOf(provider, {
      fallbacks: [ANTHROPIC],
      resume: 'rewind',
      resilience: { retry: { maxRetries: 1, initialDelayMs: 1 } },
    });
    const events = await all(client.stream(request));
    expect(events.filter(({ type }) => type === 'rewind')).toHaveLength(2);
    expect(events.at(-1)).toMatchObject({ type: 'finish' });
    expect(await textOf(client.stream(request))).toBe(TEXT);
  });

  it('gives all errors when no model answers', async () => {
    const provider = await provide();
    for (const name of ['openai', 'anthropic', 'deepseek'])
      provider.script(name, { status: 503, headers: { 'retry-after': '7' } });
    const client = clientOf(provider, { fallbacks: [ANTHROPIC, DEEPSEEK], resilience: { retry: { maxRetries: 0 } } });
    const error = (await errorOf(client.stream(request))) as FallbackExhaustedError;
    expect(error).toBeInstanceOf(FallbackExhaustedError);
    expect(error).toMatchObject({ code: 'E3002', retryable: false, retryAfterMs: 7000 });
    expect(error.errors.map(({ target }) => target)).toEqual(['primary', ANTHROPIC, DEEPSEEK]);
    expect(error.errors.map((part) => (part.error as WeirError).model)).toEqual(['weir-1', 'weir-2', 'weir-3']);
  });

  it('does not try another model with a request that is wrong', async () => {
    const provider = await provide();
    provider.script('openai', { status: 400 });
    const client = clientOf(provider, { fallbacks: [ANTHROPIC] });
    expect(await errorOf(client.stream(request))).toMatchObject({ code: 'E1001', httpStatus: 400 });
    expect(provider.requests).toHaveLength(1);
    expect(client.snapshot().models[OPENAI]?.circuit?.failureCount).toBe(0);
  });

  it('skips a model whose circuit is open, without a request and without a delay', async () => {
    const provider = await provide();
    provider.script('openai', { status: 500 });
    const client = clientOf(provider, {
      fallbacks: [ANTHROPIC],
      resilience: {
        retry: { maxRetries: 3, initialDelayMs: 1 },
        circuitBreaker: { failureThreshold: 2, cooldownMs: 3_600_000 },
      },
    });
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(provider.requests.map((r) => r.provider)).toEqual(['openai', 'openai', 'anthropic']);
    expect(client.snapshot().models).toMatchObject({
      [OPENAI]: { circuitState: 'open' },
      [ANTHROPIC]: { circuitState: 'closed' },
    });
    const refused: unknown[] = [];
    client.events$.subscribe((event) => event.type === 'rejected' && refused.push(event.error));
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(provider.requests.map((r) => r.provider)).toEqual(['openai', 'openai', 'anthropic', 'anthropic']);
    expect(refused).toEqual([expect.any(CircuitOpenError)]);
  });

  it.each([
    ['idle', { idleMs: 50 }, { stall: { afterChars: 12 } }],
    ['first', { firstMs: 100 }, { stall: { before: 'headers' } }],
    ['first', { firstMs: 100 }, { stall: { afterChars: 0 } }],
  ] as const)('aborts a stalled request and tries again: %s %j', async (phase, timeout, reply) => {
    const provider = await provide();
    provider.script('openai', [reply, reply]);
    const client = clientOf(provider, { resilience: { retry: { initialDelayMs: 1, maxRetries: 10 }, timeout } });
    const phases: string[] = [];
    client.events$.subscribe((event) => {
      if (event.type === 'attempt.end' && event.error instanceof StreamTimeoutError) phases.push(event.error.phase);
    });
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(phases.slice(0, 2)).toEqual([phase, phase]);
    await provider.idle();
    expect(provider.requests.slice(0, 2).map(({ outcome }) => outcome)).toEqual(['aborted', 'aborted']);
  });

  it('has one total deadline over all models', async () => {
    const provider = await provide();
    provider.script('openai', { status: 503 });
    provider.script('anthropic', { stall: { afterChars: 5 } });
    const client = clientOf(provider, { fallbacks: [ANTHROPIC], resilience: { timeout: { totalMs: 300 } } });
    expect(await errorOf(client.stream(request))).toMatchObject({ name: 'StreamTimeoutError', phase: 'total' });
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect(client.snapshot()).toMatchObject({ currentInflight: 0 });
  });

  it.each([
    ['before the headers', { stall: { before: 'headers' } }],
    ['before the first token', { stall: { afterChars: 0 } }],
    ['between two tokens', { stall: { afterChars: 10 } }],
  ] as const)('aborts the request when it is left %s', async (_, reply) => {
    const provider = await provide();
    provider.script('openai', reply);
    const client = clientOf(provider);
    const subscription = client.stream(request).subscribe();
    await provider.when(({ outcome }) => outcome === 'stalled');
    expect(client.snapshot().currentInflight).toBe(1);
    subscription.unsubscribe();
    expect(client.snapshot()).toMatchObject({
      currentInflight: 0,
      models: { [OPENAI]: { streams: { cancelled: 1, active: 0 } } },
    });
    await provider.when(({ outcome }) => outcome === 'aborted'); // its socket is closed
    expect(provider.requests).toHaveLength(1);
  });

  it('aborts the request behind operators that leave early', async () => {
    const provider = await provide();
    provider.script('openai', { paceMs: 5 });
    const client = clientOf(provider);
    await all(client.stream(request).pipe(first(({ type }) => type === 'text')));
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect(client.snapshot().models[OPENAI]?.circuit?.failureCount).toBe(0);
    await all(client.stream(request).pipe(take(2)));
    await provider.idle();
    expect(provider.requests.map(({ outcome }) => outcome)).toEqual(['aborted', 'aborted']);
  });

  it('takes onPartial from wherever it is said', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 40 } });
    const configs: Partial<ChatClientConfig>[] = [
      { onPartial: 'fail' },
      { resilience: { retry: {}, onPartial: 'fail' } },
      { resilience: { retry: { onPartial: 'fail' } } },
      { onPartial: 'fail', resilience: { retry: {}, onPartial: 'rewind' } },
    ];
    for (const config of configs) {
      const { length } = provider.requests;
      expect(await errorOf(clientOf(provider, config).stream(request))).toMatchObject({ code: 'E3001' });
      expect(provider.requests).toHaveLength(length + 1);
    }
  });

  it('ends with E4002 when its signal is aborted, and tries nothing else', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { afterChars: 10 } });
    const client = clientOf(provider, { fallbacks: [ANTHROPIC] });
    const controller = new AbortController();
    const error = errorOf(client.stream(request, { signal: controller.signal }));
    await provider.when(({ outcome }) => outcome === 'stalled');
    controller.abort();
    expect(await error).toMatchObject({ code: 'E4002' });
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect(provider.requests).toHaveLength(1);
  });

  it('gives each model its own slots and queue', async () => {
    const provider = await provide();
    provider.script('openai', { paceMs: 1 });
    const client = clientOf(provider, { fallbacks: [ANTHROPIC], resilience: { backpressure: 1 } });
    const first$ = textOf(client.stream(request));
    const second$ = textOf(client.stream(request));
    expect(client.snapshot().models).toMatchObject({
      [OPENAI]: { inflight: { inUse: 1, queued: 1 } },
      [ANTHROPIC]: { inflight: { inUse: 0 } },
    });
    expect(await Promise.all([first$, second$])).toEqual([TEXT, TEXT]);
    const [a, b] = provider.requests;
    expect(b!.startedAt).toBeGreaterThanOrEqual(a!.endedAt!);
  });

  it('serves those with a higher priority first', async () => {
    const provider = await provide();
    const client = clientOf(provider, { resilience: { backpressure: 1 } });
    const served: string[] = [];
    const ask = (name: string, priority?: number): Promise<unknown> =>
      textOf(client.stream(request, priority === undefined ? {} : { priority })).then(() => served.push(name));
    await Promise.all([ask('first'), ask('second'), ask('urgent', 1)]);
    expect(served).toEqual(['first', 'urgent', 'second']);
  });

  it('takes from the bucket an estimate of the request, what is configured, or what is given', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { before: 'headers' } });
    const taken = (config: ResilienceConfig<ChatEvent>, cost?: { tokens: number }): number => {
      const client = clientOf(provider, {
        resilience: { rateLimiter: { tokensPerMinute: 6, tokenBurst: 6000 }, ...config },
      });
      const messages = [{ role: 'user' as const, content: 'x'.repeat(400) }];
      const subscription = client.stream({ messages, maxTokens: 1000 }, cost ? { cost } : {}).subscribe();
      const { rate } = client.snapshot().models[OPENAI]!;
      subscription.unsubscribe();
      return Math.round(6000 - rate!.tokensRemaining!);
    };
    expect(taken({})).toBe(1100);
    expect(taken({}, { tokens: 30 })).toBe(30);
    expect(taken({ cost: { tokens: 500 } })).toBe(500);
    expect(taken({ cost: { tokens: 500 } }, { tokens: 30 })).toBe(30);
  });

  it('resolves keys anew for each attempt', async () => {
    const provider = await provide();
    const { url } = provider;
    provider.script('openai', ({ nth, headers }) => {
      vi.stubEnv('OPENAI_API_KEY', 'sk-rotated');
      return nth === 0 || !headers['authorization'] ? { status: 529 } : undefined;
    });
    vi.stubEnv('OPENAI_API_KEY', 'sk-old');
    const keys: (string | null)[] = [];
    const client = clientOf(provider, {
      providers: { openai: { baseUrl: `${url}/openai/v1` } },
      fetch: (input, init) => {
        keys.push(new Headers(init?.headers).get('authorization'));
        return fetch(input, init);
      },
    });
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(keys).toEqual(['Bearer sk-old', 'Bearer sk-rotated']);
  });

  it('names the variable of a key that is missing, and goes on to the next model', async () => {
    const provider = await provide();
    vi.stubEnv('OPENAI_API_KEY', undefined);
    const providers = {
      openai: { baseUrl: provider.baseUrl('openai') },
      anthropic: { baseUrl: provider.baseUrl('anthropic'), apiKey: KEY },
    };
    const error = await errorOf(clientOf(provider, { providers }).stream(request));
    expect(error).toMatchObject({ code: 'E1002', message: expect.stringContaining('OPENAI_API_KEY') as string });
    expect(provider.requests).toHaveLength(0);
    expect(await textOf(clientOf(provider, { providers, fallbacks: [ANTHROPIC] }).stream(request))).toBe(TEXT);
  });

  it('never shows a key, in errors, events or signals', async () => {
    const provider = await provide();
    provider.script('openai', { status: 401, error: { message: `Incorrect API key provided: ${KEY}` } });
    const client = clientOf(provider);
    const seen: unknown[] = [];
    client.events$.subscribe((event) => seen.push(event));
    const error = (await errorOf(client.stream(request))) as WeirError;
    expect(error.code).toBe('E1002');
    const dump = JSON.stringify(
      [error, error.message, error.stack, error.cause, seen, client.snapshot()],
      (_, value: unknown) =>
        value instanceof Error ? { ...value, message: value.message, cause: value.cause } : value,
    );
    expect(dump).not.toContain(KEY);
  });

  it('tells of everything with the model it happened to', async () => {
    const provider = await provide();
    provider.script('openai', { status: 503 });
    const client = clientOf(provider, {
      fallbacks: [ANTHROPIC],
      resilience: { retry: { maxRetries: 1, initialDelayMs: 1 } },
    });
    const told: string[] = [];
    client.events$.subscribe((event) => told.push(`${event.model} ${event.type}`));
    await textOf(client.stream(request));
    expect(told).toEqual(
      expect.arrayContaining([
        `${OPENAI} attempt.start`,
        `${OPENAI} retry.scheduled`,
        `${OPENAI} fallback`,
        `${ANTHROPIC} attempt.end`,
      ]),
    );
    expect(told.filter((what) => what.endsWith('start'))).toHaveLength(
      told.filter((what) => what.endsWith('.end')).length,
    );
  });
});
