import { describe, expect, it } from 'vitest';
import { CircuitBreaker, RetryBudget, type ChatClientConfig } from 'rx-weir';
import type { FaultyProvider, Reply } from 'rx-weir/testing';
import {
  all,
  ANTHROPIC,
  CLAUDE,
  clientOf,
  DEEPSEEK,
  errorOf,
  only,
  OPENAI,
  provide,
  request,
  shown,
  TEXT,
  textOf,
} from '../support/chat';
import { timedClient } from '../support/clientTime';

const RETRY = { retry: { initialDelayMs: 0, maxRetries: 3 } };
const SILENT: Reply = { stall: { afterChars: 0 } };
/** Silent for so long, in real time, that what the test does in between comes first. */
const SLOW: Reply = { firstTokenMs: 40 };
const HEDGE = { hedge: { afterMs: 1000 } };

const silent = (provider: FaultyProvider) => provider.when(({ outcome }) => outcome === 'stalled');
const outcomes = ({ requests }: FaultyProvider): string[] => requests.map(({ outcome }) => outcome);

describe('a request that says nothing for a while gets company', () => {
  it.each([
    ['before the headers', { stall: { before: 'headers' } }],
    ['before the first token', SILENT],
  ] as [string, Reply][])('%s: what the other one says comes, and it is aborted', async (_, reply) => {
    const provider = await provide();
    provider.script('openai', [reply]);
    const { client, time, of } = timedClient(provider, HEDGE);
    const answer = all(client.stream(request));
    await silent(provider);
    time.advance(999);
    expect(of('hedge')).toEqual([]);
    time.advance(1);
    const events = await answer;
    expect(shown(events)).toBe(TEXT);
    expect(only('start', events)).toMatchObject([{ requestId: 'req_weir000001' }]);
    expect(only('resume', events)).toEqual([]);
    expect(of('hedge')).toMatchObject([{ afterMs: 1000, stream: 1, attempt: 1, model: OPENAI }]);
    expect(of('attempt.end').map(({ outcome }) => outcome)).toEqual(['ignored', 'success']);
    await provider.idle();
    expect(outcomes(provider)).toEqual(['aborted', 'completed']);
    expect(client.snapshot()).toMatchObject({ currentInflight: 0 });
  });

  it('and comes first all the same, if it has the first content', async () => {
    const provider = await provide();
    provider.script('openai', [SLOW, SILENT]);
    const { client, time, of } = timedClient(provider, HEDGE);
    const answer = all(client.stream(request));
    await provider.when(({ status }) => status === 200);
    time.advance(1000);
    expect(of('hedge')).toHaveLength(1);
    const events = await answer;
    expect(shown(events)).toBe(TEXT);
    expect(only('start', events)).toMatchObject([{ requestId: 'req_weir000000' }]);
    await provider.idle();
    const [first, ...others] = outcomes(provider);
    expect(first).toBe('completed');
    for (const other of others) expect(other).toBe('aborted'); // one that was left early enough was never seen
  });

  it.each([
    [undefined, 2],
    [3, 3],
  ])('until there are as many as max says: %s', async (max, expected) => {
    const provider = await provide();
    provider.script('openai', SILENT);
    const { client, time, of } = timedClient(provider, { hedge: { afterMs: 10, ...(max && { max }) } });
    const run = client.run(request);
    for (let i = 0; i < expected; i++) {
      await provider.when(({ index, outcome }) => index === i && outcome === 'stalled');
      time.advance(10);
    }
    time.advance(1000);
    expect(of('hedge')).toHaveLength(expected - 1);
    run.cancel();
    await provider.idle();
    expect(outcomes(provider)).toEqual(Array(expected).fill('aborted'));
    expect(client.snapshot().currentInflight).toBe(0);
  });

  it('not once it has content, however long it is silent then', async () => {
    const provider = await provide();
    provider.script('openai', [{ stall: { afterChars: 12 } }]);
    const { client, time, of } = timedClient(provider, HEDGE);
    const said = new Promise<void>((resolve) => {
      const run = client.run(request);
      run.text$.subscribe((text) => {
        if (text.length < 12) return;
        time.advance(100_000);
        run.cancel();
        resolve();
      });
    });
    await said;
    await provider.idle();
    expect(of('hedge')).toEqual([]);
    expect(provider.requests).toHaveLength(1);
  });

  it('after longer than most took', async () => {
    const provider = await provide();
    const { client, time, of } = timedClient(provider, { hedge: { after: 'p95' } });
    provider.script('openai', ({ nth }) => {
      if (nth === 20) return SILENT;
      if (nth < 20) time.advance(nth === 0 ? 5000 : 80); // the first is an exception
      return undefined;
    });
    for (let i = 0; i < 20; i++) await textOf(client.stream(request));
    expect(of('hedge')).toEqual([]);
    const answer = textOf(client.stream(request));
    await silent(provider);
    time.advance(79);
    expect(of('hedge')).toEqual([]);
    time.advance(1);
    expect(of('hedge')).toMatchObject([{ afterMs: 80 }]);
    expect(await answer).toBe(TEXT);
  });
});

describe('when one of them fails', () => {
  it('the other one goes on, and nothing is said of it', async () => {
    const provider = await provide();
    for (const replies of [
      [SLOW, { status: 500 }],
      [{ headersMs: 40, status: 500 }, SLOW],
    ] as Reply[][]) {
      provider.script('openai', replies);
      const { client, time, of } = timedClient(provider, { ...HEDGE, resilience: RETRY });
      const { length } = provider.requests;
      const answer = all(client.stream(request));
      await provider.when(({ index }) => index === length);
      time.advance(1000);
      const events = await answer;
      expect(shown(events)).toBe(TEXT);
      expect(only('start', events)).toHaveLength(1);
      expect(of('hedge')).toHaveLength(1);
      expect(of('retry.scheduled')).toEqual([]);
    }
  });

  it('it is tried again only when both have', async () => {
    const provider = await provide();
    provider.script('openai', [{ headersMs: 30, status: 500 }, { status: 529 }]);
    const { client, time, of } = timedClient(provider, { ...HEDGE, resilience: RETRY });
    const answer = textOf(client.stream(request));
    await provider.when(() => true);
    time.advance(1000);
    expect(await answer).toBe(TEXT);
    // The error of the earliest.
    expect(of('retry.scheduled')).toMatchObject([{ error: { httpStatus: 500 } }]);
    expect(provider.requests).toHaveLength(3);
  });

  it('that had content already, its answer goes on, by itself', async () => {
    const provider = await provide();
    provider.script('openai', [SILENT, { cut: { afterChars: 36 } }]);
    const { client, time } = timedClient(provider, { ...HEDGE, resilience: RETRY });
    const answer = all(client.stream(request));
    await silent(provider);
    time.advance(1000);
    const events = await answer;
    expect(shown(events)).toBe(TEXT);
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy: 'instruct', at: 36, attempt: 3 }]);
  });
});

describe('hedge.models', () => {
  it('are asked in order, each as itself, and the first content wins', async () => {
    const provider = await provide();
    provider.script('openai', SILENT);
    provider.script('anthropic', SILENT);
    const { client, time, of } = timedClient(provider, {
      hedge: { afterMs: 10, max: 3, models: [ANTHROPIC, DEEPSEEK] },
    });
    const answer = all(client.stream(request));
    await silent(provider);
    time.advance(10);
    await provider.when((one) => one.provider === 'anthropic' && one.outcome === 'stalled');
    time.advance(10);
    const events = await answer;
    expect(only('start', events)).toMatchObject([{ provider: 'deepseek', model: 'weir-3' }]);
    expect(shown(events)).toBe(TEXT);
    expect(of('hedge').map(({ target, model }) => [target, model])).toEqual([
      [ANTHROPIC, OPENAI],
      [DEEPSEEK, OPENAI],
    ]);
    await provider.idle();
    expect(outcomes(provider)).toEqual(['aborted', 'aborted', 'completed']);
    expect(client.snapshot()).toMatchObject({ activeModel: DEEPSEEK, currentInflight: 0 });
    for (const { streams } of Object.values(client.snapshot().models)) expect(streams.active).toBe(0);
  });

  it('need no room at the model that is silent, but their own', async () => {
    const provider = await provide();
    provider.script('openai', SILENT);
    const { client, time } = timedClient(provider, {
      resilience: { rateLimiter: { requestsPerMinute: 1, burstSize: 1 }, backpressure: 1 },
      hedge: { afterMs: 10, models: [ANTHROPIC] },
    });
    const answer = textOf(client.stream(request));
    await silent(provider);
    time.advance(10);
    expect(await answer).toBe(TEXT);
    expect(client.snapshot().models).toMatchObject({
      [OPENAI]: { inflight: { inUse: 0, queued: 0 } },
      [ANTHROPIC]: { inflight: { inUse: 0, queued: 0 }, rateRemaining: 0 },
    });
  });

  it('whose circuit is open are left out', async () => {
    const provider = await provide();
    provider.script('openai', SILENT);
    const { client, time, of } = timedClient(provider, {
      resilience: (model) => {
        const circuitBreaker = new CircuitBreaker();
        if (model === ANTHROPIC) circuitBreaker.isolate();
        return { circuitBreaker };
      },
      hedge: { afterMs: 10, models: [ANTHROPIC, DEEPSEEK] },
    });
    const answer = textOf(client.stream(request));
    await silent(provider);
    time.advance(10);
    expect(of('hedge')).toMatchObject([{ target: DEEPSEEK }]);
    expect(await answer).toBe(TEXT);
    expect(provider.requests.map((one) => one.provider)).toEqual(['openai', 'deepseek']);
  });

  it('of which none can be asked leave the one that is silent alone', async () => {
    const provider = await provide();
    provider.script('openai', [{ status: 401 }, SLOW]);
    const { client, time, of } = timedClient(provider, {
      resilience: (model) => (model === OPENAI ? {} : { rateLimiter: { requestsPerMinute: 1, burstSize: 1 } }),
      hedge: { afterMs: 10, models: [ANTHROPIC] },
      fallbacks: [ANTHROPIC],
    });
    await textOf(client.stream(request)); // by the fallback, which has no more then
    const answer = textOf(client.stream(request));
    await provider.when(({ index, status }) => index === 2 && status === 200);
    time.advance(10);
    expect(of('hedge')).toEqual([]);
    expect(await answer).toBe(TEXT);
    expect(provider.requests).toHaveLength(3);
  });

  it('are tried again on their own terms, and a fallback comes when all are at their end', async () => {
    const provider = await provide();
    provider.script('openai', { headersMs: 30, status: 503 });
    provider.script('anthropic', { status: 529 });
    const { client, time } = timedClient(provider, {
      resilience: { retry: { initialDelayMs: 0, maxRetries: 0 } },
      hedge: { afterMs: 10, models: [ANTHROPIC] },
      fallbacks: [DEEPSEEK],
    });
    const answer = textOf(client.stream(request));
    await provider.when(() => true);
    time.advance(10);
    expect(await answer).toBe(TEXT);
    expect(provider.requests.map((one) => one.provider)).toEqual(['openai', 'anthropic', 'deepseek']);
  });
});

describe('nobody is asked besides', () => {
  /** Lets much time pass while an answer is not there yet, and says how many more requests that made. */
  async function hedgesOf(config: Partial<ChatClientConfig>, before: readonly Reply[] = []): Promise<number> {
    const provider = await provide();
    const { client, time, of } = timedClient(provider, { ...HEDGE, ...config });
    provider.script('openai', [...before, SLOW, SILENT]);
    const { length } = before;
    for (let i = 0; i < length; i++) {
      await errorOf(client.stream(request));
      time.advance(100);
    }
    const answer = textOf(client.stream(request));
    await provider.when(({ index, status }) => index === length && status === 200);
    time.advance(1000);
    expect(await answer).toBe(TEXT);
    await provider.idle();
    const hedges = of('hedge').length;
    expect(provider.requests.length).toBeLessThanOrEqual(length + 1 + hedges);
    return hedges;
  }

  it.each([
    ['in a bucket without requests', { rateLimiter: { requestsPerMinute: 1, burstSize: 1 } }],
    ['in a bucket without tokens', { rateLimiter: { tokensPerMinute: 60, tokenBurst: 50 }, cost: { tokens: 40 } }],
    ['with no slot', { backpressure: 1 }],
    ['beyond the attempts of all', { maxAttempts: 1 }],
    ['beyond the time of all', { retry: { maxElapsedMs: 999 } }],
  ])('%s', async (_, resilience) => {
    expect(await hedgesOf({ resilience })).toBe(0);
  });

  it('of a provider that is on probation', async () => {
    const resilience = { circuitBreaker: { failureThreshold: 1, cooldownMs: 100, halfOpenMaxProbes: 2 } };
    expect(await hedgesOf({ resilience }, [{ status: 500 }])).toBe(0);
  });

  it('with room for it is asked', async () => {
    const resilience = {
      rateLimiter: { requestsPerMinute: 1, burstSize: 3, tokensPerMinute: 60, tokenBurst: 120 },
      cost: { tokens: 40 },
      backpressure: 2,
      maxAttempts: 2,
      circuitBreaker: { failureThreshold: 2, cooldownMs: 100 },
    };
    expect(await hedgesOf({ resilience }, [{ status: 500 }])).toBe(1);
  });

  it('past the budget', async () => {
    const budget = new RetryBudget({ maxTokens: 3.9, tokenRatio: 0.001 });
    const counts: number[] = [];
    for (let i = 0; i < 3; i++) counts.push(await hedgesOf({ hedge: { afterMs: 1000, budget } }));
    expect(counts).toEqual([1, 1, 0]);
    expect(budget.allowed).toBe(false);
  });

  it('past the budget of the retries, where it has none of its own', async () => {
    const retryBudget = new RetryBudget({ maxTokens: 3.9, tokenRatio: 0.001 });
    const counts: number[] = [];
    for (let i = 0; i < 3; i++) counts.push(await hedgesOf({ retryBudget }));
    expect(counts).toEqual([1, 1, 0]);
    expect(Math.round(retryBudget.tokens)).toBe(2);
  });
});

describe('an answer that goes on', () => {
  it.each([
    ['by the same model', {}, 'instruct', 'openai'],
    ['by another one', { models: [CLAUDE] }, 'prefix', 'anthropic'],
  ] as const)('is asked for twice as well: %s', async (_, hedge, strategy, winner) => {
    const provider = await provide();
    provider.script('openai', [{ cut: { afterChars: 36 } }, SILENT]);
    const { client, time } = timedClient(provider, { hedge: { afterMs: 1000, ...hedge }, resilience: RETRY });
    const answer = all(client.stream(request));
    await silent(provider);
    time.advance(1000);
    const events = await answer;
    expect(shown(events)).toBe(TEXT);
    expect(only('rewind', events)).toEqual([]);
    expect(only('resume', events)).toEqual([{ type: 'resume', strategy, at: 36, attempt: 3 }]);
    expect(only('start', events).map((event) => event.provider)).toEqual(['openai', winner]);
    await provider.idle();
    expect(provider.requests.map(({ continues }) => continues)).toEqual([undefined, 'instruct', strategy]);
    expect(outcomes(provider)).toEqual(['cut', 'aborted', 'completed']);
  });

  it.each([[undefined], [[CLAUDE, DEEPSEEK]]])(
    'comes once, wherever it is cut, where all speak at once: %s',
    { timeout: 20_000 },
    async (models) => {
      for (let afterChars = 0; afterChars <= TEXT.length; afterChars += 9) {
        const provider = await provide();
        provider.script('openai', ({ nth }) => (nth < 5 ? { cut: { afterChars } } : undefined));
        const client = clientOf(provider, {
          hedge: { afterMs: 0, max: 3, ...(models && { models }) },
          resilience: { retry: { initialDelayMs: 0, maxRetries: 8 } },
        });
        const events = await all(client.stream(request));
        expect(shown(events), `cut after ${afterChars}`).toBe(TEXT);
        expect(only('rewind', events)).toEqual([]);
        expect(only('finish', events)).toHaveLength(1);
        await provider.idle();
        expect(client.snapshot().currentInflight).toBe(0);
        await provider.close();
      }
    },
  );
});
