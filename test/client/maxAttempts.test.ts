import { describe, expect, it } from 'vitest';
import { ANTHROPIC, clientOf, DEEPSEEK, provide, request } from '../support/chat';
import { VirtualTime } from '../support/virtual';

describe('maxAttempts', () => {
  it('holds also where two that were asked beside the first wait for their retries', async () => {
    const provider = await provide();
    provider.script('openai', { stall: { afterChars: 0 } });
    for (const name of ['anthropic', 'deepseek']) provider.script(name, { status: 503 });
    const time = new VirtualTime();
    let requests = 0;
    const client = clientOf(provider, {
      scheduler: time,
      fetch: (input, init) => {
        requests++;
        return fetch(input, init);
      },
      resilience: { retry: { initialDelayMs: 100, jitter: 'none', maxRetries: 1 }, maxAttempts: 4 },
      hedge: { afterMs: 10, max: 3, models: [ANTHROPIC, DEEPSEEK] },
    });
    let waiting = 0;
    const both = new Promise<void>((resolve) =>
      client.events$.subscribe(({ type }) => type === 'retry.scheduled' && ++waiting === 2 && resolve()),
    );
    const subscription = client.stream(request).subscribe();
    await provider.when(({ outcome }) => outcome === 'stalled');
    time.advance(10);
    time.advance(10);
    await both;
    expect(requests).toBe(3);
    // Each was allowed one more when its wait began.
    time.advance(100);
    expect(requests).toBe(4);
    subscription.unsubscribe();
    await provider.idle();
  });
});
