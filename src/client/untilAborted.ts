import { Observable, type MonoTypeOperatorFunction } from 'rxjs';
import { safeCause } from '../errors/redact';
import { WeirError } from '../errors/WeirError';
import { onAbort } from '../sources/onAbort';

/** Ends a stream with E4002 when the signal is aborted, whatever the stream waits for: a slot, a retry, a read. */
export const untilAborted =
  <T>(signal: AbortSignal | undefined): MonoTypeOperatorFunction<T> =>
  (source) =>
    !signal
      ? source
      : new Observable<T>((subscriber) => {
          const abort = (): void =>
            subscriber.error(
              new WeirError('aborted by its signal', { code: 'E4002', cause: safeCause(signal.reason) }),
            );
          if (signal.aborted) {
            abort();
            return undefined;
          }
          subscriber.add(onAbort(signal, abort));
          return source.subscribe(subscriber);
        });
