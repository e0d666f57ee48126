import { firstValueFrom, lastValueFrom, toArray, type Observable } from 'rxjs';
import { afterEach } from 'vitest';
import { accumulate, createChatClient, type ChatClient, type ChatClientConfig, type ChatEvent } from 'rx-weir';
import { startFaultyProvider, type FaultyProvider } from 'rx-weir/testing';

export const OPENAI = 'openai/weir-1';
export const ANTHROPIC = 'anthropic/weir-2';
export const DEEPSEEK = 'deepseek/weir-3';
export const KEY = 'sk-test-0123456789abcdef';
export const TEXT = 'A weir holds a river at a steady level, and nothing comes twice. 水は低きに流れる 🌊.';

export const request = { messages: [{ role: 'user' as const, content: 'Why?' }] };

const open: FaultyProvider[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((provider) => provider.close()));
});

/** A provider on loopback that says {@link TEXT}, closed after the test. */
export async function provide(): Promise<FaultyProvider> {
  const provider = await startFaultyProvider({ keepAlive: false, reply: { text: TEXT } });
  open.push(provider);
  return provider;
}

/** A client whose models all live at that provider, and that retries almost at once. */
export function clientOf(provider: FaultyProvider, config: Partial<ChatClientConfig> = {}): ChatClient {
  const at = (name: string) => ({ apiKey: KEY, baseUrl: provider.baseUrl(name) });
  return createChatClient({
    model: OPENAI,
    resilience: { retry: { initialDelayMs: 1, maxRetries: 3 }, circuitBreaker: {} },
    providers: { openai: at('openai'), anthropic: at('anthropic'), deepseek: at('deepseek') },
    ...config,
  });
}

/** The text of the whole answer, rewinds applied. */
export const textOf = async (events$: Observable<ChatEvent>): Promise<string> =>
  (await lastValueFrom(events$.pipe(accumulate()))).text;

export const all = <T>(source: Observable<T>): Promise<T[]> => firstValueFrom(source.pipe(toArray()));

/** The error that a stream ends with. */
export const errorOf = (source: Observable<unknown>): Promise<unknown> =>
  new Promise((resolve, reject) => {
    source.subscribe({ error: resolve, complete: () => reject(new Error('the stream completed')) });
  });
