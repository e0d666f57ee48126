import { Subject, takeUntil, type Observable } from 'rxjs';
import { within } from './checks';
import { Fifo } from './Fifo';
import { sameButText } from './sameButText';

export interface AsyncIterableOptions {
  /**
   * Values that may wait for their reader. Beyond it, text is joined to the text that waits last (strings, text events and
   * reasoning events, each to its kind), so that nothing is lost; what cannot be joined ends the iteration with a RangeError,
   * after what waits. Infinity: no limit.
   *
   * @defaultValue 1024
   */
  maxBuffer?: number;
}

/**
 * An Observable for `for await`.
 *
 * ```
 * for await (const event of toAsyncIterable(client.stream({ messages }))) {
 *   if (event.type === 'text') write(event.text); // a break, a return or a throw aborts the request at once
 * }
 * ```
 *
 * Each iteration is a subscription, which begins with it, before the first `next()`. An Observable cannot be slowed: what its
 * reader does not take waits, as `maxBuffer` says. An error comes after the values before it, once; then the iteration is done.
 * `return()` unsubscribes at once, also while a value is awaited, whose promise then resolves as done. (An async generator would
 * only notice with the next value: in a stall, never.)
 *
 * @throws TypeError, RangeError for a bad `maxBuffer`
 */
export function toAsyncIterable<T>(
  source: Observable<T>,
  { maxBuffer = 1024 }: AsyncIterableOptions = {},
): AsyncIterable<T> {
  within('maxBuffer', maxBuffer, 1, Infinity);
  return { [Symbol.asyncIterator]: () => iterate(source, maxBuffer) };
}

interface Read<T> {
  resolve(result: IteratorResult<T, undefined>): void;
  reject(error: unknown): void;
}

function iterate<T>(source: Observable<T>, maxBuffer: number): AsyncIterableIterator<T, undefined> {
  let values = new Fifo<T>();
  const reads = new Fifo<Read<T>>();
  let over = false;
  let failure: { readonly error: unknown } | undefined;
  const settle = (): void => {
    while (reads.size > 0 && (values.size > 0 || over)) {
      const { resolve, reject } = reads.shift()!;
      if (values.size > 0) resolve({ done: false, value: values.shift()! });
      else if (failure) {
        reject(failure.error);
        failure = undefined; // told once
      } else resolve({ done: true, value: undefined });
    }
  };
  const end = (error?: { readonly error: unknown }): void => {
    if (over) return;
    over = true;
    failure = error;
    settle();
  };
  // Not the subscription: a synchronous source has not given one yet when it has to stop.
  const stop = new Subject<void>();
  source.pipe(takeUntil(stop)).subscribe({
    next(value) {
      const { last } = values;
      if (values.size < maxBuffer) values.push(value);
      else if (last && sameButText(last.item, value)) last.item = join(last.item, value);
      else {
        end({ error: new RangeError(`more than maxBuffer ${maxBuffer} values wait: read faster, or allow more`) });
        stop.next();
      }
      settle();
    },
    error: (error: unknown) => end({ error }),
    complete: () => end(),
  });
  const leave = (): void => {
    failure = undefined;
    values = new Fifo();
    stop.next(); // which completes what is subscribed
  };
  return {
    next: () =>
      new Promise((resolve, reject) => {
        reads.push({ resolve, reject });
        settle();
      }),
    async return(value) {
      leave();
      return { done: true, value: await value };
    },
    throw(error: unknown) {
      leave();
      return Promise.reject(error);
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/** @param last, next - the same but for their texts */
function join<T>(last: T, next: T): T {
  if (typeof last === 'string') return (last + String(next)) as T;
  return { ...last, text: (last as { text: string }).text + (next as { text: string }).text };
}
