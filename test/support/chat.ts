import { firstValueFrom, lastValueFrom, tap, toArray, type Observable } from 'rxjs';
import { afterEach } from 'vitest';
import { accumulate, createChatClient, type ChatClient, type ChatClientConfig, type ChatEvent } from 'rx-weir';
import { startFaultyProvider, type FaultyProvider, type FaultyProviderOptions } from 'rx-weir/testing';

export const OPENAI = 'openai/weir-1';
export const ANTHROPIC = 'anthropic/weir-2';
export const DEEPSEEK = 'deepseek/weir-3';
/** A model that goes on from its own words, as the table knows. */
export const CLAUDE = 'anthropic/claude-3-5-sonnet';
export const KEY = 'sk-test-0123456789abcdef';
export const TEXT = 'A weir holds a river at a steady level, and nothing comes twice. 水は低きに流れる 🌊.';

export const request = { messages: [{ role: 'user' as const, content: 'Why?' }] };

const open: FaultyProvider[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((provider) => provider.close()));
});

/** A provider on loopback that says {@link TEXT}, closed after the test. */
export async function provide(options: FaultyProviderOptions = {}): Promise<FaultyProvider> {
  const provider = await startFaultyProvider({ keepAlive: false, ...options, reply: { text: TEXT, ...options.reply } });
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

type Kind<K extends ChatEvent['type']> = Extract<ChatEvent, { type: K }>;

/** The events of one type. */
export const only = <K extends ChatEvent['type']>(type: K, events: readonly ChatEvent[]): Kind<K>[] =>
  events.filter((event): event is Kind<K> => event.type === type);

/** What was shown one after another, no rewind applied. */
export const shown = (events: readonly ChatEvent[]): string =>
  only('text', events)
    .map(({ text }) => text)
    .join('');

/** Everything that a stream gave before it failed, and why it did. */
export async function failed(source: Observable<ChatEvent>): Promise<{ events: ChatEvent[]; error: unknown }> {
  const events: ChatEvent[] = [];
  const error = await errorOf(source.pipe(tap((event) => events.push(event))));
  return { events, error };
}
