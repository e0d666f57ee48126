import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { streamChat } from 'rx-weir';
import { clientOf, errorOf, KEY, OPENAI, provide, request } from '../support/chat';

const CANCELLED = { code: 'E4002', kind: 'cancelled' };

describe('signal', () => {
  it('ends a stream that waits before a retry, at once', async () => {
    const provider = await provide();
    provider.script('openai', { status: 503, headers: { 'retry-after': '30' } });
    const client = clientOf(provider);
    const controller = new AbortController();
    const retrying = new Promise<void>((resolve) => {
      client.events$.subscribe((event) => event.type === 'retry.scheduled' && resolve());
    });
    const error = errorOf(client.stream(request, { signal: controller.signal }));
    await retrying;
    controller.abort();
    expect(await error).toMatchObject(CANCELLED);
    expect(client.snapshot().models['openai/weir-1']).toMatchObject({ streams: { active: 0, cancelled: 1 } });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('ends a stream in a queue, which then has nobody waiting', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { afterChars: 3 } });
    const client = clientOf(provider, { resilience: { backpressure: 1 } });
    const holding = client.run(request);
    await provider.when(({ outcome }) => outcome === 'stalled');
    const controller = new AbortController();
    const error = errorOf(client.stream(request, { signal: controller.signal }));
    expect(client.snapshot().models['openai/weir-1']?.inflight?.queued).toBe(1);
    controller.abort(new Error('auth Bearer k-supersecret9'));
    const seen = await error;
    expect(seen).toMatchObject(CANCELLED);
    expect(String((seen as Error).cause)).not.toContain('supersecret');
    expect(client.snapshot().models['openai/weir-1']?.inflight?.queued).toBe(0);
    holding.cancel();
  });

  it('aborts the request of a running stream, and falls back to nobody', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { afterChars: 3 } });
    const client = clientOf(provider, { fallbacks: ['anthropic/weir-2'] });
    const controller = new AbortController();
    const error = errorOf(client.stream(request, { signal: controller.signal }));
    await provider.when(({ outcome }) => outcome === 'stalled');
    controller.abort();
    expect(await error).toMatchObject(CANCELLED);
    await provider.when(({ outcome }) => outcome === 'aborted');
    expect(provider.requests).toHaveLength(1);
  });

  it('that is aborted already starts nothing', async () => {
    const provider = await provide();
    const client = clientOf(provider);
    expect(await errorOf(client.stream(request, { signal: AbortSignal.abort() }))).toMatchObject(CANCELLED);
    expect(provider.requests).toEqual([]);
    expect(client.snapshot().models['openai/weir-1']?.streams.started).toBe(0);
  });

  it('leaves no listener behind a stream that ends by itself', async () => {
    const provider = await provide();
    const controller = new AbortController();
    const client = clientOf(provider);
    await new Promise<void>((resolve) => {
      client.stream(request, { signal: controller.signal }).subscribe({ complete: resolve });
    });
    expect(getEventListeners(controller.signal, 'abort')).toEqual([]);
  });

  it('has one listener, however many streams it ends', async () => {
    const provider = await provide({ script: { stall: { afterChars: 3 } } });
    const client = clientOf(provider);
    const options = { apiKey: KEY, baseUrl: provider.baseUrl('openai') };
    const controller = new AbortController();
    const { signal } = controller;
    const errors = Array.from({ length: 20 }, (_, i) =>
      errorOf(
        i % 2 ? client.stream(request, { signal }) : streamChat({ model: OPENAI, ...request }, { ...options, signal }),
      ),
    );
    await provider.when(() => provider.requests.filter(({ outcome }) => outcome === 'stalled').length === 20);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    controller.abort();
    for (const error of await Promise.all(errors)) expect(error).toMatchObject(CANCELLED);
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
