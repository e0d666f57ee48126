import { Observable, Subject } from 'rxjs';

/** A provider that counts its connections. Each is a subject in `calls`, for the test to play. */
export class Upstream<T = string> {
  readonly calls: Subject<T>[] = [];
  /** Connections open now. */
  open = 0;
  /** The most that were ever open at once. */
  most = 0;
  closed = 0;
  readonly stream: Observable<T>;

  constructor() {
    this.stream = this.tracked(
      new Observable<T>((subscriber) => {
        const call = new Subject<T>();
        this.calls.push(call);
        return call.subscribe(subscriber);
      }),
    );
  }

  /** The last call. */
  get last(): Subject<T> {
    const last = this.calls.at(-1);
    if (!last) throw new Error('nobody called');
    return last;
  }

  get opened(): number {
    return this.open + this.closed;
  }

  /** The same stream; its subscriptions count as connections of this provider. */
  tracked<V>(source: Observable<V>): Observable<V> {
    return new Observable<V>((subscriber) => {
      this.most = Math.max(this.most, ++this.open);
      source.subscribe(subscriber);
      // A synchronous stream has already ended here: who takes its end for its close has one connection too many.
      return () => {
        this.open--;
        this.closed++;
      };
    });
  }
}

/** What one subscriber saw. */
export interface Heard<T> {
  readonly values: T[];
  end: 'complete' | 'error' | undefined;
  error: unknown;
  leave(): void;
}

/** Subscribes, and records everything. `then` is called right at the terminal event. */
export function listen<T>(source: Observable<T>, then?: (heard: Heard<T>) => void): Heard<T> {
  const stop = new Subject<void>();
  const heard: Heard<T> = { values: [], end: undefined, error: undefined, leave: () => stop.next() };
  const over = (end: 'complete' | 'error', error?: unknown): void => {
    if (heard.end) throw new Error(`${end} after ${heard.end}`);
    heard.end = end;
    heard.error = error;
    then?.(heard);
  };
  const subscription = source.subscribe({
    next: (value) => heard.values.push(value),
    error: (error: unknown) => over('error', error),
    complete: () => over('complete'),
  });
  stop.subscribe(() => subscription.unsubscribe());
  return heard;
}
