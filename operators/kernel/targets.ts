import { from, Observable, type ObservableInput } from 'rxjs';
import type { ErrorContext } from '../../src/policies/ErrorContext';
import { FallbackChain, type FallbackTarget } from '../../src/policies/FallbackChain';
import { describe } from '../../src/policies/options';

/** A fallback: a stream, what makes one for the error, or either with a name and conditions. */
export type FallbackInput<T> =
  ObservableInput<T> | ((error: unknown, ctx: ErrorContext) => ObservableInput<T>) | FallbackTarget<T>;

/** Whether RxJS can subscribe to it. */
export const isStream = (value: object): value is ObservableInput<unknown> =>
  'subscribe' in value ||
  'then' in value ||
  'getReader' in value ||
  Symbol.iterator in value ||
  Symbol.asyncIterator in value ||
  ((Symbol as { observable?: symbol }).observable ?? '@@observable') in value;

/** The stream as an Observable. Other than with `from`, leaving it closes what is read, also under a pending read. */
export function toObservable<T>(input: ObservableInput<T>): Observable<T> {
  const stream = input as Partial<AsyncIterable<T> & ReadableStream<T>>;
  // What is no stream at all, `from` refuses.
  if (Object(stream) !== stream || 'subscribe' in stream || !('getReader' in stream || Symbol.asyncIterator in stream))
    return from(input);
  return new Observable((subscriber) => {
    const reader = stream.getReader?.();
    const iterator = reader ? undefined : stream[Symbol.asyncIterator]?.();
    const pull = (): void => {
      (reader ? reader.read() : iterator!.next()).then(
        ({ done, value }) => {
          if (subscriber.closed) return;
          if (done) {
            ended = true;
            subscriber.complete();
            return;
          }
          subscriber.next(value);
          if (!subscriber.closed) pull();
        },
        (error: unknown) => {
          ended = true;
          subscriber.error(error);
        },
      );
    };
    let ended = false;
    subscriber.add(() => {
      // Not awaited, and its failure is nobody's: whoever read it has left.
      if (!ended) void Promise.resolve(reader ? reader.cancel() : iterator!.return?.()).catch(() => undefined);
    });
    pull();
  });
}

/** The stream of a target. @throws TypeError for a string, which RxJS would take for its characters; what a factory throws */
export function targetStream<T>({ name, source }: FallbackTarget<T>, error: unknown, ctx: ErrorContext): Observable<T> {
  const made = typeof source === 'function' ? source(error, ctx) : source;
  if (typeof made === 'string') throw new TypeError(`source of '${name}' gave a string, it must give a stream`);
  return toObservable(made);
}

/** A chain is taken as it is and stays shared; targets without a name become `'fallback 1'`, `'fallback 2'`, ... @throws TypeError */
export function toChain<T>(
  targets: FallbackChain<T> | readonly (FallbackInput<T> | FallbackChain<T>)[],
): FallbackChain<T> {
  if (isChain<T>(targets)) return targets;
  const [first] = targets;
  if (targets.length === 1 && isChain<T>(first)) return first;
  return new FallbackChain(
    targets.map((target, index): FallbackTarget<T> => {
      const name = `fallback ${index + 1}`;
      if (typeof target === 'function') return { name, source: target };
      if (typeof target !== 'object' || (target as unknown) === null || isChain(target)) {
        throw new TypeError(
          `${name} must be a stream, a function that makes one, or { name, source }, got ${describe(target)}`,
        );
      }
      return isStream(target) ? { name, source: target } : target;
    }),
  );
}

const isChain = <T>(value: unknown): value is FallbackChain<T> =>
  typeof value === 'object' && value !== null && 'setEnabled' in value;
