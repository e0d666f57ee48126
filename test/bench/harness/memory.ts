import { setImmediate } from 'node:timers/promises';
import type { Holder, Subject } from './Case';
import { median } from './statistics';

const used = (): number => process.memoryUsage().heapUsed;

/** What was collected only by a finalizer needs a second turn. */
async function collect(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    global.gc!();
    await setImmediate();
  }
}

/** @returns bytes of heap per open one, of each repetition */
export async function held(holder: Holder, count: number, repetitions: number): Promise<number[]> {
  const measure = async (n: number): Promise<number> => {
    await collect();
    const before = used();
    for (let i = 0; i < n; i++) await holder.open();
    await setImmediate();
    await collect();
    const bytes = used() - before;
    await holder.close();
    await setImmediate();
    return bytes / n;
  };
  await measure(Math.ceil(count / 10)); // what is made once
  const samples: number[] = [];
  for (let i = 0; i < repetitions; i++) samples.push(await measure(count));
  return samples;
}

/**
 * Bytes allocated per operation, by the growth of the heap while nothing is collected: the process needs
 * `--expose-gc --min-semi-space-size=...`, and a run that was disturbed by a collection is done again.
 */
export async function allocated(subject: Subject, repetitions: number): Promise<number[]> {
  const SMALL = 50_000;
  const LARGE = 250_000;
  const grown = async (operations: number): Promise<number> => {
    for (;;) {
      global.gc!();
      const before = used();
      await subject.run(operations);
      const bytes = used() - before;
      if (bytes >= 0) return bytes;
    }
  };
  // Until it is optimized: boxes that the interpreter makes are no property of the code.
  for (let i = 0; i < 20; i++) await subject.run(LARGE);
  const samples: number[] = [];
  for (let i = 0; i < repetitions; i++) {
    // The difference leaves out what is made once per run.
    const small = median([await grown(SMALL), await grown(SMALL), await grown(SMALL)]);
    const large = median([await grown(LARGE), await grown(LARGE), await grown(LARGE)]);
    samples.push((large - small) / (LARGE - SMALL));
  }
  return samples;
}
