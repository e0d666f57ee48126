/** Heap of one stream that has given its first token and is silent since. */
import { Observable, type Subscription } from 'rxjs';
import { resilient } from 'rx-weir';
import type { HeapCase, Holder } from '../harness/Case';
import { cockatielPolicy } from './cockatiel';
import { naiveStack } from './naive';
import { executor } from './protection';

const HOURS = 3_600_000;

/** What any request is: something to abort it by, and a timer. */
const request = (token: boolean): Observable<string> =>
  new Observable((subscriber) => {
    const { signal } = new AbortController();
    const timer = setTimeout(() => subscriber.error(signal.reason), HOURS);
    if (token) subscriber.next(' token');
    return () => clearTimeout(timer);
  });

function streams(operator: (source: Observable<string>) => Observable<string>, token = true): Holder {
  const open: Subscription[] = [];
  return {
    open: () => void open.push(request(token).pipe(operator).subscribe()),
    close: () => {
      for (const subscription of open) subscription.unsubscribe();
      open.length = 0;
    },
  };
}

/** Of a library for promises: what a call holds that does not return. */
function calls(call: (work: () => Promise<unknown>) => unknown): Holder {
  let release: (() => void)[] = [];
  const work = (): Promise<unknown> =>
    new Promise<void>((resolve) => {
      const { signal } = new AbortController();
      const timer = setTimeout(() => resolve(signal.reason as undefined), HOURS);
      release.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  return {
    open: () => void call(work),
    async close() {
      for (const done of release) done();
      release = [];
      await new Promise((resolve) => setTimeout(resolve, 100));
    },
  };
}

export const cases: Readonly<Record<string, HeapCase>> = {
  base: () => streams((source) => source),
  resilient: () => streams(resilient<string>(executor())),
  resilientBeforeContent: () => streams(resilient<string>(executor()), false),
  naive: () => streams(naiveStack(false)),
  naiveWithTimeout: () => streams(naiveStack(true)),
  cockatiel: async () => {
    const policy = await cockatielPolicy(HOURS);
    return calls((work) => policy.execute(work));
  },
  effect: async () => {
    const { Effect, Schedule, Semaphore } = await import('effect');
    const permits = Semaphore.makeUnsafe(1e6);
    return calls((work) =>
      Effect.runPromise(
        Effect.tryPromise(work).pipe(
          Effect.timeout(HOURS),
          permits.withPermits(1),
          Effect.retry({ times: 3, schedule: Schedule.exponential(1000) }),
        ),
      ),
    );
  },
  pRetry: async () => {
    const { default: pRetry } = await import('p-retry');
    return calls((work) => pRetry(work, { retries: 3 }));
  },
  pQueue: async () => {
    const { default: PQueue } = await import('p-queue');
    const queue = new PQueue({ concurrency: 1e6 });
    return calls((work) => queue.add(work));
  },
  opossum: async () => {
    const { default: Breaker } = await import('opossum');
    const breaker = new Breaker((work: () => Promise<unknown>) => work(), { timeout: HOURS, capacity: 1e6 });
    return calls((work) => breaker.fire(work));
  },
};
