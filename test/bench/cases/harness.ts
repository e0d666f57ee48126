/** What the harness itself must find: a thing is as fast as itself, half as fast when it does twice the work, and so on. */
import type { Case, Subject } from '../harness/Case';

let sink: unknown;

/** Enough arithmetic that nothing of it can be left out. */
const work = (times: number): Subject => ({
  run(operations) {
    let x = 1;
    for (let i = 0; i < operations * times; i++) x = (Math.imul(x, 1_103_515_245) + 12_345) | 0;
    sink = x;
  },
});

/** An object with one field: four words, 32 bytes. */
const allocating: Subject = {
  run(operations) {
    for (let i = 0; i < operations; i++) sink = { i };
  },
};

const sleeping: Subject = {
  run: async (operations) => {
    for (let i = 0; i < operations; i++) await Promise.resolve(sink);
  },
};

export const cases: Readonly<Record<string, Case>> = {
  once: () => work(1),
  twice: () => work(2),
  allocating: () => allocating,
  asynchronous: () => sleeping,
};
