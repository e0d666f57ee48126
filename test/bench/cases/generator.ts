import { lastValueFrom } from 'rxjs';
import { fromStream, resilient } from 'rx-weir';
import type { Case } from '../harness/Case';
import { naiveStack } from './naive';
import { executor } from './protection';

async function* generate(tokens: number): AsyncGenerator<string> {
  for (let i = 0; i < tokens; i++) yield ' token';
}

const check = (received: number, tokens: number): void => {
  if (received !== tokens) throw new Error(`${received} of ${tokens} tokens came through`);
};

/** A token of an async generator, read by ... */
export const cases: Readonly<Record<string, Case>> = {
  /** `for await`. */
  raw: () => ({
    async run(operations) {
      let received = 0;
      for await (const token of generate(operations)) if (token) received++;
      check(received, operations);
    },
  }),
  resilient: () => {
    const protection = executor();
    return {
      async run(operations) {
        let received = 0;
        await new Promise<void>((resolve, reject) =>
          fromStream(() => ({ stream: generate(operations) }))
            .pipe(resilient(protection))
            .subscribe({ next: (token) => token && received++, complete: resolve, error: reject }),
        );
        check(received, operations);
      },
    };
  },
  source: () => ({
    async run(operations) {
      let received = 0;
      await new Promise<void>((resolve, reject) =>
        fromStream(() => ({ stream: generate(operations) })).subscribe({
          next: (token) => token && received++,
          complete: resolve,
          error: reject,
        }),
      );
      check(received, operations);
    },
  }),
  naive: async () => {
    const { from } = await import('rxjs');
    const stack = naiveStack(false);
    return {
      async run(operations) {
        await lastValueFrom(from(generate(operations)).pipe(stack));
      },
    };
  },
};
