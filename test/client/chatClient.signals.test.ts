import { BehaviorSubject, NEVER, map } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, RateLimiter, createChatClient, type ClientSignals } from 'rx-weir';
import { ANTHROPIC, clientOf, OPENAI, provide, request, TEXT, textOf } from '../support/chat';
import { see, VirtualTime } from '../support/virtual';

/** A client on a clock of our own whose requests never answer, with the policies of its two models. */
function quiet() {
  const time = new VirtualTime();
  const clock = (): number => time.now();
  const breakers = new Map<string, CircuitBreaker>();
  const limiters = new Map<string, RateLimiter>();
  const client = createChatClient({
    model: OPENAI,
    fallbacks: [ANTHROPIC],
    scheduler: time,
    fetch: () => new Promise(() => undefined),
    providers: { openai: { apiKey: 'k' }, anthropic: { apiKey: 'k' } },
    resilience: (model) => {
      const circuitBreaker = new CircuitBreaker({ clock });
      const rateLimiter = new RateLimiter({ clock, requestsPerSecond: 4 });
      breakers.set(model, circuitBreaker);
      limiters.set(model, rateLimiter);
      return { circuitBreaker, rateLimiter };
    },
  });
  const limiter = (model: string) => limiters.get(model)!;
  const breaker = (model: string) => breakers.get(model)!;
  return { time, client, breaker, limiter };
}

describe('the signals of a client', () => {
  it('are a BehaviorSubject over all models, frozen, and survive JSON', () => {
    const { client, time } = quiet();
    expect(client.signals$).toBeInstanceOf(BehaviorSubject);
    const [now] = see(client.signals$, time).values;
    expect(now).toBe(client.signals$.value);
    expect(now).toBe(client.snapshot());
    expect(now).toEqual({
      timestamp: time.now(),
      circuitState: 'closed',
      rateRemaining: 4,
      currentInflight: 0,
      isHealthy: true,
      healthScore: 1,
      activeModel: OPENAI,
      models: { [OPENAI]: now?.models[OPENAI], [ANTHROPIC]: now?.models[ANTHROPIC] },
    });
    expect(now?.models[ANTHROPIC]).toMatchObject({ provider: 'anthropic', model: ANTHROPIC, circuitState: 'closed' });
    expect(JSON.parse(JSON.stringify(now))).toEqual(now);
    expect(now).toSatisfy(Object.isFrozen);
    expect(now?.models).toSatisfy(Object.isFrozen);
  });

  it("show the primary model's circuit and bucket, the sum of what runs, and the best health", () => {
    const { client, breaker, limiter } = quiet();
    limiter(OPENAI).take({ requests: 1, tokens: 0 });
    limiter(ANTHROPIC).take({ requests: 3, tokens: 0 });
    const release = breaker(OPENAI).isolate();
    expect(client.snapshot()).toMatchObject({ circuitState: 'isolated', rateRemaining: 3, isHealthy: true });
    expect(client.snapshot().healthScore).toBeCloseTo((1 + 0.25) / 2);
    breaker(ANTHROPIC).isolate();
    expect(client.snapshot()).toMatchObject({ isHealthy: false });
    expect(client.snapshot().healthScore).toBeCloseTo(0.375);
    release();
    expect(client.snapshot()).toMatchObject({ circuitState: 'closed', isHealthy: true });
    const streams = [1, 2].map(() => client.stream(request).subscribe());
    expect(client.snapshot()).toMatchObject({ currentInflight: 2, rateRemaining: 1 });
    for (const stream of streams) stream.unsubscribe();
    expect(client.snapshot().currentInflight).toBe(0);
  });

  it('are the truth now without a subscriber, and need no timer then', () => {
    const { client, breaker, limiter, time } = quiet();
    limiter(OPENAI).take({ requests: 4, tokens: 0 });
    breaker(OPENAI).isolate();
    expect(client.signals$.value).toMatchObject({ circuitState: 'isolated', rateRemaining: 0 });
    time.advance(500);
    expect(client.signals$.value.rateRemaining).toBe(2);
    expect(time.timers).toBe(0);
    const seen = see(client.signals$, time);
    limiter(OPENAI).take({ requests: 1, tokens: 0 });
    seen.subscription.unsubscribe();
    expect(time.timers).toBe(0);
  });

  it('emit a circuit transition of any model at once, and nothing when nothing changed', () => {
    const { client, breaker, time } = quiet();
    const seen = see(client.signals$, time);
    const states = ({ models }: ClientSignals): string =>
      Object.values(models)
        .map((m) => m.circuitState)
        .join();
    const release = breaker(ANTHROPIC).isolate();
    time.advance(1);
    release();
    time.advance(10_000);
    expect(seen.values.map(states)).toEqual(['closed,closed', 'closed,isolated', 'closed,closed']);
    expect(seen.at).toEqual([0, 0, 1]);
    expect(new Set(seen.values).size).toBe(3);
  });

  it('do not emit when nothing but the time changed, for a late subscriber either', () => {
    const { client, limiter, time } = quiet();
    limiter(OPENAI).take({ requests: 3, tokens: 0 });
    const early = see(client.signals$, time);
    time.advance(100);
    const late = see(client.signals$, time);
    time.advance(10_000);
    expect(early.values).toHaveLength(1);
    expect(late.values).toHaveLength(1);
  });

  it('show the same order to all, also when one of them acts on what it sees', () => {
    const { client, breaker, time } = quiet();
    const say = ({ models }: ClientSignals): string =>
      Object.values(models)
        .map((m) => m.circuitState)
        .join();
    const before = see(client.signals$.pipe(map(say)), time);
    see(client.signals$.pipe(map(say)), time, (said) => said === 'isolated,closed' && breaker(ANTHROPIC).isolate());
    const after = see(client.signals$.pipe(map(say)), time);
    breaker(OPENAI).isolate();
    time.advance(100);
    expect(before.values).toEqual(['closed,closed', 'isolated,closed', 'isolated,isolated']);
    expect(after.values).toEqual(before.values);
  });

  it('show which model is asked', async () => {
    const provider = await provide();
    provider.script('openai', { status: 503 });
    const client = clientOf(provider, { fallbacks: [ANTHROPIC], resilience: { retry: { maxRetries: 0 } } });
    const active: string[] = [];
    client.events$.subscribe(({ type }) => type === 'attempt.end' && active.push(client.snapshot().activeModel));
    expect(client.snapshot().activeModel).toBe(OPENAI);
    await textOf(client.stream(request));
    expect(client.snapshot().activeModel).toBe(ANTHROPIC);
    expect(new Set(active)).toEqual(new Set([OPENAI, ANTHROPIC]));
    provider.script('openai');
    await textOf(client.stream(request));
    expect(client.snapshot().activeModel).toBe(OPENAI);
  });

  it('count what the provider says it was', async () => {
    const provider = await provide();
    provider.script('openai', { usage: { inputTokens: 12, outputTokens: 345 } });
    const client = clientOf(provider);
    expect(await textOf(client.stream(request))).toBe(TEXT);
    const { streams } = client.snapshot().models[OPENAI]!;
    expect(streams).toMatchObject({ started: 1, completed: 1, tokens: 345, tokensPerSecond: 0 });
    expect(streams.firstContentMs?.last).toBeGreaterThanOrEqual(0);
  });

  it('are of use behind operators that never end', () => {
    const { client, time } = quiet();
    const seen = see(client.signals$.pipe(map(({ isHealthy }) => isHealthy)), time);
    const other = NEVER.subscribe();
    seen.subscription.unsubscribe();
    other.unsubscribe();
    expect(seen.values).toEqual([true]);
  });
});
