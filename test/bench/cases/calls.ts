/** One call, of which one token comes asynchronously, from start to end, one call after another. */
import { defer, lastValueFrom, type Observable } from 'rxjs';
import { resilient } from 'rx-weir';
import type { Case, Subject } from '../harness/Case';
import { cockatielPolicy } from './cockatiel';
import { naiveStack } from './naive';
import { executor } from './protection';

const work = async (): Promise<string> => ' token';

const repeated = (call: () => Promise<unknown>): Subject => ({
  async run(operations) {
    for (let i = 0; i < operations; i++) await call();
  },
});

/** The stream is made anew for each call, as a user would. */
const streamed = (operator: (source: Observable<string>) => Observable<string>): Subject =>
  repeated(() => lastValueFrom(defer(work).pipe(operator)));

export const cases: Readonly<Record<string, Case>> = {
  promise: () => repeated(work),
  observable: () => streamed((source) => source),
  resilient: () => streamed(resilient<string>(executor())),
  naive: () => streamed(naiveStack(false)),
  naiveWithTimeout: () => streamed(naiveStack(true)),
  cockatiel: async () => {
    const policy = await cockatielPolicy(60_000);
    return repeated(() => policy.execute(work));
  },
  effect: async () => {
    const { Effect, Schedule, Semaphore } = await import('effect');
    const permits = Semaphore.makeUnsafe(1e6);
    const program = Effect.tryPromise(work).pipe(
      Effect.timeout(60_000),
      permits.withPermits(1),
      Effect.retry({ times: 3, schedule: Schedule.exponential(1000) }),
    );
    return repeated(() => Effect.runPromise(program));
  },
  pRetry: async () => {
    const { default: pRetry } = await import('p-retry');
    return repeated(() => pRetry(work, { retries: 3 }));
  },
  opossum: async () => {
    const { default: Breaker } = await import('opossum');
    const breaker = new Breaker(work, { timeout: 60_000, resetTimeout: 30_000, capacity: 1e6 });
    return repeated(() => breaker.fire());
  },
  pQueue: async () => {
    const { default: PQueue } = await import('p-queue');
    const queue = new PQueue({ concurrency: 1000, timeout: 60_000 });
    return repeated(() => queue.add(work));
  },
  bottleneck: async () => {
    const { default: Bottleneck } = await import('bottleneck');
    const limiter = new Bottleneck({ maxConcurrent: 1000 });
    return repeated(() => limiter.schedule(work));
  },
};
