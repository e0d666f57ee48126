import { setImmediate } from 'node:timers/promises';
import type { HeapCase } from '../harness/Case';
import { silentFetch } from './answers';
import { aiSdk, bareClient, chatClient, openaiSdk, type Ask } from './clients';

/** Heap of a chat answer that has begun and is silent since, with the client and the Response. */
const open =
  (client: (fetch: typeof globalThis.fetch) => Ask | Promise<Ask>): HeapCase =>
  async () => {
    const ask = await client(silentFetch());
    let leave: AbortController[] = [];
    return {
      async open() {
        const controller = new AbortController();
        leave.push(controller);
        // Where it has come to its first token.
        await new Promise<void>((resolve) => void ask(() => resolve(), controller.signal).catch(() => undefined));
      },
      async close() {
        for (const controller of leave) controller.abort();
        leave = [];
        for (let turn = 0; turn < 10; turn++) await setImmediate();
      },
    };
  };

export const cases: Readonly<Record<string, HeapCase>> = {
  chatClient: open(chatClient),
  bareClient: open(bareClient),
  openai: open(openaiSdk),
  aiSdk: open(aiSdk),
};
