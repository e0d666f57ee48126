/** Clients that read a chat answer, each in the way its documentation shows. */
import type { Observable } from 'rxjs';
import { createChatClient, streamChat, type ChatEvent } from 'rx-weir';
import { allParts } from './protection';

const QUESTION = 'Why is the sky blue?';
const messages = [{ role: 'user' as const, content: QUESTION }];

/** Asks the question and calls back for every text that comes. `signal` leaves it. */
export type Ask = (onText: (text: string) => void, signal?: AbortSignal) => Promise<void>;

const asking =
  (stream: () => Observable<ChatEvent>): Ask =>
  (onText, signal) =>
    new Promise((resolve, reject) => {
      const subscription = stream().subscribe({
        next: (event) => event.type === 'text' && onText(event.text),
        complete: resolve,
        error: reject,
      });
      signal?.addEventListener('abort', () => {
        subscription.unsubscribe();
        resolve();
      });
    });

const OURS = { openai: 'openai/gpt-4o', anthropic: 'anthropic/claude-3-5-sonnet' } as const;
const providers = { openai: { apiKey: 'k' }, anthropic: { apiKey: 'k' } };

/** The whole client, all parts on. */
export function chatClient(fetch: typeof globalThis.fetch, dialect: 'openai' | 'anthropic' = 'openai'): Ask {
  const client = createChatClient({ model: OURS[dialect], fetch, providers, resilience: () => allParts() });
  client.signals$.subscribe();
  return asking(() => client.stream({ messages }));
}

/** The same without operators. */
export const bareClient = (fetch: typeof globalThis.fetch): Ask =>
  asking(() => streamChat({ model: OURS.openai, messages }, { apiKey: 'k', fetch }));

export async function openaiSdk(fetch: typeof globalThis.fetch): Promise<Ask> {
  const { default: OpenAI } = await import('openai');
  const client = new OpenAI({ apiKey: 'k', fetch });
  return async (onText, signal) => {
    const stream = await client.chat.completions.create(
      { model: 'gpt-4o', messages, stream: true },
      signal ? { signal } : {},
    );
    for await (const chunk of stream) {
      const text = chunk.choices[0]?.delta.content;
      if (text) onText(text);
    }
  };
}

export async function anthropicSdk(fetch: typeof globalThis.fetch): Promise<Ask> {
  const { default: Anthropic } = await import('@anthropic-ai/sdk');
  const client = new Anthropic({ apiKey: 'k', fetch });
  return async (onText) => {
    const stream = await client.messages.create({
      ...{ model: 'claude-3-5-sonnet-20241022', max_tokens: 4096, messages },
      stream: true,
    });
    for await (const event of stream) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') onText(event.delta.text);
    }
  };
}

export async function tanstackAi(fetch: typeof globalThis.fetch): Promise<Ask> {
  const { chat, EventType } = await import('@tanstack/ai');
  const { createOpenaiChatCompletions } = await import('@tanstack/ai-openai');
  const adapter = createOpenaiChatCompletions('gpt-4o', 'k', { fetch });
  return async (onText) => {
    for await (const chunk of chat({ adapter, messages })) {
      if (chunk.type === EventType.TEXT_MESSAGE_CONTENT) onText(chunk.delta);
      else if (chunk.type === EventType.RUN_ERROR) throw new Error(JSON.stringify(chunk));
    }
  };
}

export async function aiSdk(fetch: typeof globalThis.fetch): Promise<Ask> {
  const { streamText } = await import('ai');
  const { createOpenAI } = await import('@ai-sdk/openai');
  const openai = createOpenAI({ apiKey: 'k', fetch });
  return async (onText, signal) => {
    const failed: unknown[] = [];
    const { textStream } = streamText({
      ...{ model: openai.chat('gpt-4o'), prompt: QUESTION, ...(signal && { abortSignal: signal }) },
      onError: ({ error }) => void failed.push(error),
    });
    for await (const text of textStream) onText(text);
    if (failed.length > 0 && !signal) throw failed[0];
  };
}
