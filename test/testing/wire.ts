import { afterEach } from 'vitest';
import type { FaultyProvider } from '../../src/testing/FaultyProvider';
import type { FaultyProviderOptions } from '../../src/testing/FaultyProviderOptions';
import type { Step } from '../../src/testing/Plan';
import { startFaultyProvider } from '../../src/testing/startFaultyProvider';

const started: FaultyProvider[] = [];

afterEach(async () => {
  await Promise.all(started.splice(0).map((provider) => provider.close()));
});

/** A provider that is closed after the test. */
export async function start(options?: FaultyProviderOptions): Promise<FaultyProvider> {
  const provider = await startFaultyProvider(options);
  started.push(provider);
  return provider;
}

/** Asks for a chat with plain fetch. */
export function post(
  provider: FaultyProvider,
  name = 'openai',
  { signal, ...body }: { signal?: AbortSignal; [key: string]: unknown } = {},
): Promise<Response> {
  return fetch(provider.baseUrl(name) + (name === 'anthropic' ? '/v1/messages' : '/chat/completions'), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: 'm',
      stream: true,
      max_tokens: 50,
      messages: [{ role: 'user', content: 'Hello?' }],
      ...body,
    }),
    ...(signal ? { signal } : {}),
  });
}

/** What a client has seen of a body at its end: all bytes as text, each chunk, and the error if there was one. */
export async function drain(response: Response): Promise<{ text: string; chunks: Uint8Array[]; error?: Error }> {
  const chunks: Uint8Array[] = [];
  const text = (): string => Buffer.concat(chunks).toString();
  const reader = response.body?.getReader();
  try {
    for (let read = await reader?.read(); read && !read.done; read = await reader?.read()) chunks.push(read.value);
    return { text: text(), chunks };
  } catch (error) {
    return { text: text(), chunks, error: error as Error };
  }
}

/** The events of a body: of each block between blank lines the JSON (or else the text) behind `data:`. */
export const eventsOf = (text: string): unknown[] =>
  text.split(/\r?\n\r?\n/).flatMap((block) => {
    const data = /^data: (.*)$/m.exec(block)?.[1];
    if (data === undefined) return [];
    try {
      return [JSON.parse(data) as unknown];
    } catch {
      return [data];
    }
  });

/** The text of all events, of either dialect, that are whole. */
export const textOf = (text: string): string =>
  eventsOf(text.replaceAll('\r', '').split('\n\n').slice(0, -1).join('\n\n'))
    .map((event) => {
      const { choices, delta } = event as { choices?: { delta: { content?: string } }[]; delta?: { text?: string } };
      return choices?.[0]?.delta.content ?? delta?.text ?? '';
    })
    .join('');

/** The body that a plan would write. */
export const bodyOf = (steps: readonly Step[]): string =>
  Buffer.concat(steps.flatMap((step) => (step.type === 'bytes' ? [step.bytes] : []))).toString();
