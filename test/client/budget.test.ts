import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FallbackExhaustedError, RetryBudget, type ChatEvent, type ResilienceConfig } from 'rx-weir';
import type { FaultyProvider, Reply } from 'rx-weir/testing';
import {
  all,
  ANTHROPIC,
  CLAUDE,
  clientOf,
  DEEPSEEK,
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
import { timedClient } from '../support/clientTime';
import { collect } from '../support/streams';

const askedBy = ({ requests }: FaultyProvider): string[] => requests.map(({ provider }) => provider);

const bounded = (config: ResilienceConfig<ChatEvent>, maxRetries = 10): ResilienceConfig<ChatEvent> => ({
  ...config,
  retry: { initialDelayMs: 0, maxRetries, ...(config.retry as object | undefined) },
});

describe('maxAttempts holds for all that is tried for one answer', () => {
  it('retries, and the fallback behind them', async () => {
    const provider = await provide();
    provider.script('openai', { status: 503 });
    const client = clientOf(provider, { resilience: bounded({ maxAttempts: 3 }), fallbacks: [ANTHROPIC] });
    expect(await errorOf(client.stream(request))).toMatchObject({ code: 'E3002', provider: 'openai' });
    expect(askedBy(provider)).toEqual(['openai', 'openai', 'openai']);
    // Each answer has its own.
    provider.script('openai', [{ status: 503 }, { status: 503 }]);
    expect(await textOf(client.stream(request))).toBe(TEXT);
  });

  it('fallbacks, and the retries of theirs', async () => {
    const provider = await provide();
    for (const name of ['openai', 'anthropic']) provider.script(name, { status: 503 });
    const client = clientOf(provider, {
      resilience: bounded({ maxAttempts: 3 }, 1),
      fallbacks: [ANTHROPIC, DEEPSEEK],
    });
    const error = await errorOf(client.stream(request));
    expect(error).toBeInstanceOf(FallbackExhaustedError);
    expect((error as FallbackExhaustedError).errors.map(({ target }) => target)).toEqual(['primary', ANTHROPIC]);
    expect(askedBy(provider)).toEqual(['openai', 'openai', 'anthropic']);
  });

  it('what goes on with an answer that was cut', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 24 } });
    provider.script('anthropic', { cut: { afterChars: 6 } });
    const resilience = bounded({ maxAttempts: 3 }, 1);
    const { events, error } = await failed(clientOf(provider, { resilience, fallbacks: [CLAUDE] }).stream(request));
    expect(error).toMatchObject({ code: 'E3001', emitted: only('text', events).length });
    expect(TEXT.startsWith(shown(events))).toBe(true);
    expect(shown(events).length).toBeGreaterThanOrEqual(24);
    expect(askedBy(provider)).toEqual(['openai', 'openai', 'anthropic']);
  });

  it('requests beside the first one', async () => {
    const provider = await provide();
    provider.script('openai', [
      { headersMs: 30, status: 500 },
      { headersMs: 30, status: 529 },
    ]);
    const { client, time, of } = timedClient(provider, {
      resilience: bounded({ maxAttempts: 2 }),
      hedge: { afterMs: 10, max: 5 },
      fallbacks: [ANTHROPIC],
    });
    const error = errorOf(client.stream(request));
    await provider.when(() => true);
    time.advance(1000);
    expect(await error).toMatchObject({ httpStatus: 500 });
    expect(of('hedge')).toHaveLength(1);
    expect(askedBy(provider)).toEqual(['openai', 'openai']);
  });

  it('all of it together, whatever happens', { timeout: 20_000 }, async () => {
    const provider = await provide();
    const fault: fc.Arbitrary<Reply> = fc.oneof(
      fc.record({ cut: fc.record({ afterChars: fc.nat(60), how: fc.constantFrom('reset' as const, 'fin' as const) }) }),
      fc.record({ status: fc.constantFrom(500, 503, 429) }),
      fc.record({ errorFrame: fc.record({ afterChars: fc.nat(60) }) }),
      fc.constant({}),
    );
    const faults = fc.array(fault, { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(faults, faults, faults),
        fc.integer({ min: 1, max: 6 }),
        fc.boolean(),
        async ([openai, anthropic, deepseek], maxAttempts, hedged) => {
          provider.reset();
          Object.entries({ openai, anthropic, deepseek }).forEach(([name, replies]) => {
            provider.script(name, ({ nth }) => replies[nth % replies.length]);
          });
          const client = clientOf(provider, {
            resilience: bounded({ maxAttempts }, 2),
            fallbacks: [CLAUDE, DEEPSEEK],
            ...(hedged && { hedge: { afterMs: 0, max: 3, models: [DEEPSEEK, CLAUDE] } }),
          });
          let started = 0;
          client.events$.subscribe(({ type }) => type === 'attempt.start' && started++);
          const { values, error } = await collect(client.stream(request));
          await provider.idle();
          expect(provider.requests.length).toBeLessThanOrEqual(maxAttempts);
          expect(shown(values)).toBe(error ? TEXT.slice(0, shown(values).length) : TEXT);
          expect(client.snapshot().currentInflight).toBe(0);
          expect(started).toBeGreaterThanOrEqual(provider.requests.length);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe('retry.maxElapsedMs holds for all that is tried for one answer', () => {
  /** Every answer of that provider takes 400 ms before it goes wrong. */
  const slow = (provider: FaultyProvider, name: string, pass: (ms: number) => void, reply: Reply): void =>
    provider.script(name, () => {
      pass(400);
      return reply;
    });

  it('retries, and the fallback behind them', async () => {
    const provider = await provide();
    const { client, time } = timedClient(provider, {
      resilience: bounded({ retry: { maxElapsedMs: 1000 } }),
      fallbacks: [ANTHROPIC],
    });
    slow(provider, 'openai', (ms) => time.advance(ms), { status: 503 });
    expect(await errorOf(client.stream(request))).toMatchObject({ code: 'E3002', provider: 'openai' });
    expect(askedBy(provider)).toEqual(['openai', 'openai', 'openai']); // at 0, 400 and 800
  });

  it('the retries of a fallback, which has no limit of its own', async () => {
    const provider = await provide();
    const { client, time } = timedClient(provider, {
      resilience: (model) =>
        bounded(model === OPENAI ? { retry: { maxElapsedMs: 1000, maxRetries: 0 } } : { retry: { maxRetries: 9 } }),
      fallbacks: [ANTHROPIC, DEEPSEEK],
    });
    slow(provider, 'openai', (ms) => time.advance(ms), { status: 503 });
    slow(provider, 'anthropic', (ms) => time.advance(ms), { status: 529 });
    expect(await errorOf(client.stream(request))).toMatchObject({
      errors: [{ target: 'primary' }, { target: ANTHROPIC }],
    });
    expect(askedBy(provider)).toEqual(['openai', 'anthropic', 'anthropic']);
  });

  it('what goes on with an answer that was cut', async () => {
    const provider = await provide();
    const { client, time } = timedClient(provider, { resilience: bounded({ retry: { maxElapsedMs: 500 } }) });
    slow(provider, 'openai', (ms) => time.advance(ms), { cut: { afterChars: 30 } });
    const { events } = await failed(client.stream(request));
    expect(TEXT.startsWith(shown(events))).toBe(true);
    expect(only('resume', events)).toHaveLength(1);
    expect(askedBy(provider)).toHaveLength(2);
  });

  it('requests beside the first one', async () => {
    const provider = await provide();
    provider.script('openai', [{ firstTokenMs: 30 }]);
    const { client, time, of } = timedClient(provider, {
      resilience: bounded({ retry: { maxElapsedMs: 500 } }),
      hedge: { afterMs: 501, models: [ANTHROPIC] },
    });
    const answer = textOf(client.stream(request));
    await provider.when(() => true);
    time.advance(1000);
    expect(await answer).toBe(TEXT);
    expect(of('hedge')).toEqual([]);
  });
});

describe('a Retry-After', () => {
  const wait = (seconds: number): Reply => ({ status: 429, headers: { 'retry-after': String(seconds) } });

  it.each([
    ['the longest wait', { maxRetryAfterMs: 1000 }],
    ['the time of all', { maxElapsedMs: 1000 }],
  ])('beyond %s moves on to the next model now', async (_, retry) => {
    const provider = await provide();
    provider.script('openai', wait(2));
    const { client, time, of } = timedClient(provider, { resilience: bounded({ retry }), fallbacks: [ANTHROPIC] });
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(askedBy(provider)).toEqual(['openai', 'anthropic']);
    expect(of('retry.scheduled')).toEqual([]);
    expect(time.elapsed).toBe(0);
  });

  it('within them is waited for', async () => {
    const provider = await provide();
    provider.script('openai', [wait(2)]);
    const resilience = bounded({ retry: { maxElapsedMs: 3000 } });
    const { client, time, of } = timedClient(provider, { resilience, fallbacks: [ANTHROPIC] });
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(askedBy(provider)).toEqual(['openai', 'openai']);
    expect(of('retry.scheduled')).toMatchObject([{ delayMs: 2000 }]);
    expect(time.elapsed).toBe(2000);
  });

  it('of the one who is to go on with an answer lets the next one go on', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, wait(120)]);
    const { client, time } = timedClient(provider, { resilience: bounded({}), fallbacks: [CLAUDE] });
    const events = await all(client.stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy: 'prefix', at: 36, attempt: 3 }]);
    expect(time.elapsed).toBe(0);
  });

  it('of all models is the shortest in the error that comes out', async () => {
    const provider = await provide();
    provider.script('openai', wait(120));
    provider.script('anthropic', wait(70));
    provider.script('deepseek', wait(90));
    const { client, time } = timedClient(provider, { resilience: bounded({}), fallbacks: [ANTHROPIC, DEEPSEEK] });
    const error = await errorOf(client.stream(request));
    expect(error).toBeInstanceOf(FallbackExhaustedError);
    expect(error).toMatchObject({ code: 'E2001', retryable: false, retryAfterMs: 70_000 });
    expect(time.elapsed).toBe(0);
  });

  it('is that of a circuit that is open, where nobody else says', async () => {
    const provider = await provide();
    provider.script('openai', { status: 500 });
    provider.script('anthropic', { status: 500 });
    const { client } = timedClient(provider, {
      resilience: (model) => ({ circuitBreaker: { failureThreshold: 1, cooldownMs: model === OPENAI ? 9000 : 4000 } }),
      fallbacks: [ANTHROPIC],
    });
    expect(await errorOf(client.stream(request))).not.toHaveProperty('retryAfterMs');
    expect(await errorOf(client.stream(request))).toMatchObject({ code: 'E3002', retryAfterMs: 4000 });
    expect(provider.requests).toHaveLength(2);
  });
});

describe('a retryBudget', () => {
  const down = (provider: FaultyProvider): void => {
    for (const name of ['openai', 'anthropic']) provider.script(name, { status: 503 });
  };

  it('is one for all models: when it is used up each is asked once', async () => {
    const provider = await provide();
    down(provider);
    const retryBudget = new RetryBudget({ maxTokens: 4, tokenRatio: 0.1 });
    const client = clientOf(provider, { resilience: bounded({}), fallbacks: [ANTHROPIC], retryBudget });
    await errorOf(client.stream(request));
    // The second failure leaves half of it.
    expect(askedBy(provider)).toEqual(['openai', 'openai', 'anthropic']);
    expect(retryBudget.tokens).toBe(1);
    await errorOf(client.stream(request));
    expect(askedBy(provider).slice(3)).toEqual(['openai', 'anthropic']);
  });

  it('is one for all clients that have it', async () => {
    const provider = await provide();
    down(provider);
    const retryBudget = new RetryBudget({ maxTokens: 4 });
    await errorOf(clientOf(provider, { resilience: bounded({}), retryBudget }).stream(request));
    await errorOf(clientOf(provider, { model: ANTHROPIC, resilience: bounded({}), retryBudget }).stream(request));
    expect(askedBy(provider)).toEqual(['openai', 'openai', 'anthropic']);
  });

  it('takes a token for an answer that goes on, and gets some for each that comes to its end', async () => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }]);
    const retryBudget = new RetryBudget({ maxTokens: 10, tokenRatio: 0.5 });
    const client = clientOf(provider, { resilience: bounded({}), retryBudget });
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(retryBudget.tokens).toBe(9.5);
    expect(await textOf(client.stream(request))).toBe(TEXT);
    expect(retryBudget.tokens).toBe(10);
  });

  it('that is used up lets the answer of the one go on with another', async () => {
    const provider = await provide();
    provider.script('openai', { cut: { afterChars: 36 } });
    const retryBudget = new RetryBudget({ maxTokens: 1 });
    const client = clientOf(provider, { resilience: bounded({}), fallbacks: [CLAUDE], retryBudget });
    const events = await all(client.stream(request));
    expect(shown(events)).toBe(TEXT);
    expect(askedBy(provider)).toEqual(['openai', 'anthropic']);
  });

  it('makes no retries where none are asked for', async () => {
    const provider = await provide();
    down(provider);
    const client = clientOf(provider, { resilience: {}, retryBudget: new RetryBudget() });
    expect(await errorOf(client.stream(request))).toMatchObject({ code: 'E3002' });
    expect(provider.requests).toHaveLength(1);
  });
});
