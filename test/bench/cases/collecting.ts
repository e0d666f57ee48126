import type { Case } from '../harness/Case';
import { memoryFetch } from './answers';
import { chatClient } from './clients';

/** A token of an answer that is collected, so that it could go on behind a cut; the parameter is how long the answers are. */
export const cases: Readonly<Record<string, Case>> = {
  /** `resume: 'auto'`, which is the default. */
  auto: (length) => {
    const tokens = Number(length);
    const ask = chatClient(memoryFetch('openai', tokens, 'network'));
    return {
      unit: tokens,
      async run(operations) {
        let received = 0;
        for (let left = operations; left > 0; left -= tokens) await ask(() => received++);
        if (received !== operations) throw new Error(`${received} of ${operations} tokens came through`);
      },
    };
  },
};
