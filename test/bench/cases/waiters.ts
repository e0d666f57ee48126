/** One waiter among so many that wait at once, from its arrival until it is served or leaves; the parameter says how many. */
import { Observable, Subject as Channel, VirtualTimeScheduler, type Subscription } from 'rxjs';
import { Backpressure, limitConcurrency, RateLimiter, throttleTokens } from 'rx-weir';
import type { Case, Subject } from '../harness/Case';

const one = new Observable<string>((subscriber) => {
  subscriber.next(' token');
  subscriber.complete();
});

/** Indices in an order of chance, which is always the same. */
function shuffled(size: number): Uint32Array {
  const order = Uint32Array.from({ length: size }, (_, i) => i);
  let seed = 1;
  for (let i = size - 1; i > 0; i--) {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    const j = (seed >>> 4) % (i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

const batches = (parameter: string, batch: (size: number) => void | Promise<void>): Subject => {
  const size = Number(parameter);
  return {
    unit: size,
    async run(operations) {
      for (let left = operations; left > 0; left -= size) {
        const waiting = batch(size);
        if (waiting) await waiting;
      }
    },
  };
};

/** Subscribes to so many, and lets go of what they wait for. */
function served(size: number, stream: Observable<string>, letGo: () => void): void {
  let ended = 0;
  for (let i = 0; i < size; i++) stream.subscribe({ complete: () => ended++ });
  if (ended > 0) throw new Error(`${ended} of ${size} did not wait`);
  letGo();
  if (ended !== size) throw new Error(`${ended} of ${size} were served`);
}

function left(size: number, stream: Observable<string>, order: Uint32Array, waiting: () => number): void {
  const subscriptions: Subscription[] = [];
  for (let i = 0; i < size; i++) subscriptions.push(stream.subscribe());
  if (waiting() !== size) throw new Error(`${waiting()} of ${size} wait`);
  for (const index of order) subscriptions[index]!.unsubscribe();
  if (waiting() !== 0) throw new Error(`${waiting()} still wait`);
}

const concurrency = (act: (stream: Observable<string>, slots: Backpressure, release: () => void) => void): void => {
  const slots = new Backpressure({ maxInflight: 1 });
  const holder = new Channel<string>();
  holder.pipe(limitConcurrency(slots)).subscribe();
  act(one.pipe(limitConcurrency(slots)), slots, () => holder.complete());
};

/** A hundred a (virtual) millisecond, so that timers are as many per waiter however many wait. */
const rate = (
  act: (stream: Observable<string>, limiter: RateLimiter, time: VirtualTimeScheduler) => void | Promise<void>,
): void | Promise<void> => {
  const time = new VirtualTimeScheduler();
  const limiter = new RateLimiter({ requestsPerSecond: 100_000, burstSize: 100, clock: () => time.now() });
  limiter.take(limiter.cost({ requests: 100 }), 0);
  return act(one.pipe(throttleTokens(limiter, { scheduler: time })), limiter, time);
};

export const cases: Readonly<Record<string, Case>> = {
  concurrency: (size) => batches(size, (n) => concurrency((stream, _, release) => served(n, stream, release))),
  concurrencyLeft: (size) => {
    const order = shuffled(Number(size));
    return batches(size, (n) =>
      concurrency((stream, slots) => left(n, stream, order, () => slots.snapshot()?.queued ?? 0)),
    );
  },
  rate: (size) => batches(size, (n) => rate((stream, _, time) => served(n, stream, () => time.flush()))),
  rateLeft: (size) => {
    const order = shuffled(Number(size));
    return batches(size, (n) => rate((stream, limiter) => left(n, stream, order, () => limiter.snapshot(0).queued)));
  },
  cockatiel: async (size) => {
    const { bulkhead } = await import('cockatiel');
    return batches(size, async (n) => {
      const policy = bulkhead(1, Infinity);
      await Promise.all(Array.from({ length: n }, () => policy.execute(() => Promise.resolve(' token'))));
    });
  },
  pQueue: async (size) => {
    const { default: PQueue } = await import('p-queue');
    return batches(size, async (n) => {
      const queue = new PQueue({ concurrency: 1 });
      await Promise.all(Array.from({ length: n }, () => queue.add(() => Promise.resolve(' token'))));
    });
  },
};
