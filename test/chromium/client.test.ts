import {
  animationFrames,
  audit,
  concat,
  firstValueFrom,
  lastValueFrom,
  race,
  range,
  skipWhile,
  timer,
  toArray,
} from 'rxjs';
import { expect, it } from 'vitest';
import { accumulate, createChatClient, type ChatClientConfig } from 'rx-weir';
import { DEFAULT_TEXT } from 'rx-weir/testing';
import { provide, type Options } from './provide';

const request = { messages: [{ role: 'user' as const, content: 'Why?' }] };

async function setup(options: Options, config: Partial<ChatClientConfig> = {}) {
  const provider = await provide(options);
  const at = (name: string) => ({ apiKey: 'k', baseUrl: provider.baseUrl(name) });
  const client = createChatClient({
    model: 'openai/weir-1',
    fallbacks: ['anthropic/claude-3-5-sonnet'],
    resilience: { retry: { initialDelayMs: 1, maxRetries: 2 }, circuitBreaker: { failureThreshold: 2 } },
    providers: { openai: at('openai'), anthropic: at('anthropic') },
    ...config,
  });
  return { provider, client };
}

it.each(['reset', 'close', 'fin'] as const)(
  'goes on behind the last character, wherever the answer is cut by %s',
  async (how) => {
    for (let afterChars = 1; afterChars < DEFAULT_TEXT.length; afterChars += 37) {
      const { client } = await setup({ script: [{ cut: { afterChars, how } }] });
      const { text } = await lastValueFrom(client.stream(request).pipe(accumulate()));
      expect(text).toBe(DEFAULT_TEXT);
    }
  },
);

it('answers from the fallback in an outage, and shows the open circuit', async () => {
  const { client, provider } = await setup({ script: [{ status: 503 }, { status: 503 }] });
  const { text } = await lastValueFrom(client.stream(request).pipe(accumulate()));
  expect(text).toBe(DEFAULT_TEXT);
  expect(client.signals$.value).toMatchObject({
    circuitState: 'open',
    activeModel: 'anthropic/claude-3-5-sonnet',
    isHealthy: true,
    currentInflight: 0,
  });
  // Two failures open the circuit, so that the third attempt is not made.
  expect((await provider.requests()).map(({ provider: name }) => name)).toEqual(['openai', 'openai', 'anthropic']);
});

it('one run is one request, however many look on; cancelling it aborts the request', async () => {
  const { client, provider } = await setup({ script: { stall: { afterChars: 40 } } });
  const run = client.run(request);
  const texts = [run.text$, run.text$].map((text$) =>
    firstValueFrom(text$.pipe(skipWhile((text) => text.length < 40))),
  );
  expect(await Promise.all(texts)).toEqual([DEFAULT_TEXT.slice(0, 40), DEFAULT_TEXT.slice(0, 40)]);
  expect(client.signals$.value.currentInflight).toBe(1);
  run.cancel();
  await provider.until('aborted');
  expect(client.signals$.value.currentInflight).toBe(0);
  expect(await provider.requests()).toHaveLength(1);
});

it("the README's way to render once per frame loses nothing, and renders seldom", async () => {
  const perFrame = audit<number>(() => race(animationFrames(), timer(250)));
  const bursts = concat(range(0, 1000), timer(50), range(1000, 1000));
  const rendered = await firstValueFrom(bursts.pipe(perFrame, toArray()));
  expect(rendered.at(-1)).toBe(1999);
  expect(rendered.length).toBeLessThan(10);
});
