import type { Subject } from './Case';

/** How much is measured. */
export interface Rounds {
  readonly warmUp: number;
  readonly measured: number;
}

/** `cpu` counts all threads of the process, and not what it waits for. */
export type Clock = 'wall' | 'cpu';

/** Shorter samples would end inside a tier of the JIT. */
const SAMPLE_MS = 25;

/**
 * A round of the warm-up is this long for each subject. With rounds as short as samples, the subject with more code was still
 * being compiled while it was measured: a call through `resilient` took 11 to 30 us, and takes 3.3 us.
 */
const WARM_UP_MS = 150;

const CLOCKS: Readonly<Record<Clock, () => number>> = {
  wall: () => performance.now(),
  cpu: () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
};

async function timed(subject: Subject, operations: number, clock: Clock): Promise<number> {
  const read = CLOCKS[clock];
  const start = read();
  await subject.run(operations);
  return read() - start;
}

/** Raises `operations` until they take about {@link SAMPLE_MS}. */
async function calibrate(subject: Subject, clock: Clock, operations: number): Promise<number> {
  const { unit = 1 } = subject;
  for (;;) {
    const ms = await timed(subject, operations, clock);
    if (ms >= SAMPLE_MS) return operations;
    const factor = Math.min(Math.max((1.2 * SAMPLE_MS) / Math.max(ms, 0.01), 1.5), 8);
    operations = unit * Math.ceil((operations / unit) * factor);
  }
}

/** A round of the warm-up. @returns how many operations make a sample */
async function warmUp(subject: Subject, clock: Clock, operations: number): Promise<number> {
  const end = performance.now() + WARM_UP_MS;
  do operations = await calibrate(subject, clock, operations);
  while (performance.now() < end);
  return operations;
}

/**
 * Measures the subjects in alternating rounds. No gc is forced: it would kill weakly held optimized code, and the samples
 * would time the warm-up (performance.md, section 1).
 *
 * @returns ns per operation, by subject and round
 */
export async function time(subjects: readonly Subject[], rounds: Rounds, clock: Clock): Promise<number[][]> {
  const order = subjects.map((subject, index) => ({ subject, index }));
  const operations = subjects.map(({ unit = 1 }) => unit);
  const samples: number[][] = subjects.map(() => []);
  for (let round = -rounds.warmUp; round < rounds.measured; round++) {
    for (const { subject, index } of order) {
      // Anew in each round of the warm-up, which makes it faster.
      if (round < 0) operations[index] = await warmUp(subject, clock, operations[index]!);
      else samples[index]!.push((1e6 * (await timed(subject, operations[index]!, clock))) / operations[index]!);
    }
    order.reverse(); // so that none is always behind the same other
  }
  return samples;
}
