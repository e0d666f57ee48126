import { VirtualTimeScheduler, type Observable, type Subscription } from 'rxjs';

/** When a test begins: like a real instant, so that a delay taken for an instant shows. */
export const START = 1_700_000_000_000;

/** A clock that a test moves by hand, or lets run out with `flush`. */
export class VirtualTime extends VirtualTimeScheduler {
  override frame = START;

  /** Everything that is due within the next `ms`; then the clock stands there. */
  advance(ms: number): void {
    this.maxFrames = this.frame + ms;
    this.flush();
    this.frame = this.maxFrames;
    this.maxFrames = Infinity;
  }

  /** Since the start, in ms. */
  get elapsed(): number {
    return this.frame - START;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.actions.length;
  }
}

/** What a subscriber saw. A live object. */
export interface Seen<T> {
  readonly values: T[];
  /** When each value came, in ms since the start. */
  readonly at: number[];
  end: 'complete' | 'error' | undefined;
  error: unknown;
  readonly subscription: Subscription;
}

/** Subscribes and writes down what comes when. */
export function see<T>(source: Observable<T>, time: VirtualTime, onNext?: (value: T) => void): Seen<T> {
  const seen = { values: [] as T[], at: [] as number[], end: undefined, error: undefined } as unknown as {
    -readonly [K in keyof Seen<T>]: Seen<T>[K];
  };
  seen.subscription = source.subscribe({
    next: (value) => {
      seen.values.push(value);
      seen.at.push(time.elapsed);
      onNext?.(value);
    },
    error: (error: unknown) => {
      seen.end = 'error';
      seen.error = error;
    },
    complete: () => {
      seen.end = 'complete';
    },
  });
  return seen;
}

interface Watched<E> {
  watch(listener: (event: E) => void): () => void;
}

/** Counts who watches a policy from now on. */
export function watchersOf<E>(policy: Watched<E>): () => number {
  const original = policy.watch.bind(policy);
  const open = new Set<object>();
  policy.watch = (listener) => {
    const key = {};
    open.add(key);
    const stop = original(listener);
    return () => {
      open.delete(key);
      stop();
    };
  };
  return () => open.size;
}
