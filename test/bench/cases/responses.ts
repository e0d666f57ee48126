import type { Case, Subject } from '../harness/Case';
import { memoryFetch, type Cut } from './answers';
import { aiSdk, anthropicSdk, bareClient, chatClient, openaiSdk, tanstackAi, type Ask } from './clients';

const TOKENS = 2000;

function reading(ask: Ask): Subject {
  return {
    unit: TOKENS,
    async run(operations) {
      for (let left = operations; left > 0; left -= TOKENS) {
        let received = 0;
        await ask(() => received++);
        if (received !== TOKENS) throw new Error(`${received} of ${TOKENS} tokens came through`);
      }
    },
  };
}

const of = (client: (fetch: typeof globalThis.fetch) => Ask | Promise<Ask>, dialect: 'openai' | 'anthropic'): Case => {
  return async (cut) => reading(await client(memoryFetch(dialect, TOKENS, cut as Cut)));
};

/** A token of an answer of 2000, from the bytes of a Response to whoever asked; the parameter is how they are cut. */
export const cases: Readonly<Record<string, Case>> = {
  chatClient: of(chatClient, 'openai'),
  bareClient: of(bareClient, 'openai'),
  openai: of(openaiSdk, 'openai'),
  aiSdk: of(aiSdk, 'openai'),
  tanstackAi: of(tanstackAi, 'openai'),
  chatClientOfAnthropic: of((fetch) => chatClient(fetch, 'anthropic'), 'anthropic'),
  anthropic: of(anthropicSdk, 'anthropic'),
};
