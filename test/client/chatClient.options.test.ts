import { describe, expect, it, vi } from 'vitest';
import { errorOf } from '../support/chat';
import {
  Backpressure,
  CircuitBreaker,
  createChatClient,
  RateLimiter,
  ResilientExecutor,
  RetryBudget,
  type ChatClientConfig,
  type ClientRequest,
} from 'rx-weir';

const make = (config: unknown) => () => createChatClient(config as ChatClientConfig);

describe('createChatClient', () => {
  it.each(['auto', 'rewind', 'off'] as const)(
    'refuses a request with a `__proto__` of its own, resume: %s',
    async (resume) => {
      const fetch = vi.fn();
      const client = createChatClient({ model: 'openai/x', fetch, providers: { openai: { apiKey: 'k' } }, resume });
      // As a body that was parsed and passed on may have one.
      const body = '{"messages":[{"role":"user","content":"hi"}],"__proto__":{"extraBody":{"n":2}}}';
      expect(await errorOf(client.stream(JSON.parse(body) as ClientRequest))).toMatchObject({
        code: 'E1001',
        message: expect.stringContaining('__proto__') as string,
      });
      expect(fetch).not.toHaveBeenCalled();
    },
  );

  it.each([
    [{ model: 'gpt-4o' }, /model.*gpt-4o/],
    [{ model: '' }, /model/],
    [{ model: 'openai/' }, /model.*openai\//],
    [{ model: '/gpt' }, /model.*\/gpt/],
    [{ model: 5 }, /model.*5/],
    [{}, /model.*undefined/],
    [{ model: 'openai/x', fallbacks: ['claude'] }, /fallbacks.*claude/],
    [{ model: 'openai/x', fallbacks: ['openai/x'] }, /fallbacks.*openai\/x/],
    [{ model: 'openai/x', fallbacks: ['openai/y', 'openai/z', 'openai/y'] }, /fallbacks.*openai\/y/],
    [{ model: 'openai/x', onPartial: 'again' }, /onPartial.*again/],
    [{ model: 'openai/x', resilience: 5 }, /resilience.*5/],
    [{ model: 'openai/x', resilience: () => null }, /resilience.*null/],
    [{ model: 'openai/x', resilience: { retry: { maxRetries: -1 } } }, /maxRetries.*-1/],
    [{ model: 'openai/x', resilience: { fallback: [] } }, /fallback/],
    [undefined, /createChatClient.*undefined/],
    [{ model: 'openai/x', fallbacks: 'anthropic/y' }, /fallbacks.*anthropic/],
    [{ model: 'openai/x', connectMs: NaN }, /connectMs.*NaN/],
    [{ model: 'openai/x', connectMs: '5' }, /connectMs.*5/],
    [{ model: 'openai/x', fetch: 5 }, /fetch.*5/],
    [{ model: 'openai/x', providers: 'x' }, /providers.*x/],
    [{ model: 'openai/x', providers: { openai: 'sk' } }, /providers\.openai.*sk/],
    [{ model: 'openai/x', resilience: { timeout: 5000 } }, /timeout.*5000/],
    [{ model: 'openai/x', resilience: { timeout: { totalMs: NaN } } }, /totalMs.*NaN/],
    [{ model: 'openai/x', resilience: { timeout: { totalMs: 0 } } }, /totalMs.*0/],
    [{ model: 'openai/x', resume: 'always' }, /resume.*always/],
    [{ model: 'openai/x', resume: true }, /resume.*true/],
    [{ model: 'openai/x', resume: 'auto', onPartial: 'fail' }, /onPartial.*resume.*auto/],
    [{ model: 'openai/x', resume: 'rewind', onPartial: 'rewind' }, /onPartial.*resume.*rewind/],
    [{ model: 'openai/x', resume: 'auto', onPartial: () => [] }, /onPartial.*resume.*auto/],
    [{ model: 'openai/x', resume: 'auto', resilience: { onPartial: 'skip' } }, /onPartial.*resume.*auto/],
    [{ model: 'openai/x', resume: 'auto', resilience: { retry: { onPartial: 'fail' } } }, /onPartial.*resume.*auto/],
    [{ model: 'openai/x', hedge: {} }, /hedge.*afterMs/],
    [{ model: 'openai/x', hedge: 'p95' }, /hedge/],
    [{ model: 'openai/x', hedge: { afterMs: -1 } }, /afterMs.*-1/],
    [{ model: 'openai/x', hedge: { after: 'p99' } }, /after.*p99/],
    [{ model: 'openai/x', hedge: { afterMs: 5, max: 1 } }, /max.*1/],
    [{ model: 'openai/x', hedge: { afterMs: 5, budget: 3 } }, /budget/],
    [{ model: 'openai/x', hedge: { afterMs: 5, models: 'openai/y' } }, /hedge\.models.*openai\/y/],
    [{ model: 'openai/x', hedge: { afterMs: 5, models: ['gpt-4o'] } }, /hedge\.models.*gpt-4o/],
    [{ model: 'openai/x', hedge: { afterMs: 5, models: [undefined] } }, /hedge\.models.*undefined/],
    [{ model: 'openai/x', hedge: { afterMs: 5, models: ['openai/x'] } }, /hedge\.models.*openai\/x/],
    [{ model: 'openai/x', hedge: { afterMs: 5, models: ['openai/y', 'openai/y'] } }, /hedge\.models.*openai\/y/],
    [{ model: 'openai/x', hedge: { afterMs: 5, targets: [] } }, /hedge\.targets/],
    [{ model: 'openai/x', resilience: { hedge: { afterMs: 5, targets: [] } } }, /hedge\.targets/],
    [{ model: 'openai/x', resilience: { maxAttempts: 0 } }, /maxAttempts.*0/],
    [{ model: 'openai/x', resilience: { maxAttempts: 2.5 } }, /maxAttempts.*2\.5/],
    [{ model: 'openai/x', retryBudget: {} }, /budget/],
  ])('refuses %j, naming option and value', (config, message) => {
    expect(make(config)).toThrow(message);
  });

  it.each([
    { resume: 'off', onPartial: 'rewind' },
    { onPartial: 'skip' },
    { resume: 'rewind' },
    { resume: undefined, onPartial: undefined },
    { resume: 'off', resilience: { retry: { onPartial: 'fail' } } },
    { hedge: { after: 'p95', models: ['anthropic/y', 'openai/z'] }, retryBudget: new RetryBudget() },
  ])('takes %j', (config) => {
    expect(make({ model: 'openai/x', ...config })).not.toThrow();
  });

  it('refuses instances that all models would share', () => {
    const instances = [
      new ResilientExecutor(),
      { circuitBreaker: new CircuitBreaker() },
      { rateLimiter: new RateLimiter() },
      { backpressure: new Backpressure() },
      { retry: { budget: new RetryBudget() } },
      { hedge: { afterMs: 5, budget: new RetryBudget() } },
    ];
    for (const resilience of instances)
      expect(make({ model: 'openai/x', fallbacks: ['openai/y'], resilience })).toThrow(/instances/);
  });

  it('takes instances from a function of the model', () => {
    const resilience = vi.fn((model: string) => ({
      circuitBreaker: new CircuitBreaker({ failureThreshold: model.length }),
    }));
    const client = createChatClient({ model: 'openai/x', fallbacks: ['openai/longer'], resilience });
    expect(resilience.mock.calls).toEqual([['openai/x'], ['openai/longer']]);
    const { models } = client.snapshot();
    expect(Object.values(models).map(({ circuit }) => circuit?.failureThreshold)).toEqual([8, 13]);
  });

  it('makes policies for each model from the same options', () => {
    const client = createChatClient({
      model: 'openai/x',
      fallbacks: ['openai/y'],
      resilience: { backpressure: { maxInflight: 3 } },
    });
    expect(client.snapshot().models).toMatchObject({
      'openai/x': { inflight: { max: 3 } },
      'openai/y': { inflight: { max: 3 } },
    });
  });

  it('asks nothing of the network or the environment before a stream is subscribed', () => {
    const fetch = vi.fn<typeof globalThis.fetch>();
    const client = createChatClient({ model: 'nobody/knows', fetch });
    client.stream({ messages: [] });
    expect(fetch).not.toHaveBeenCalled();
  });

  it.each([[{ messages: [{ role: 'user', content: 5 }] }], [{ messages: [null] }], [{}], [undefined]])(
    'gives what is wrong with the request %j as an error of the stream',
    async (request) => {
      const client = createChatClient({ model: 'openai/x', providers: { openai: { apiKey: 'k' } } });
      expect(await errorOf(client.stream(request as ClientRequest))).toMatchObject({ code: 'E1001' });
    },
  );

  it('gives a provider that nobody knows as an error of the stream, naming it', async () => {
    const error = await errorOf(createChatClient({ model: 'nobody/knows' }).stream({ messages: [] }));
    expect(error).toMatchObject({ code: 'E1001', message: expect.stringContaining('nobody') as string });
  });
});
