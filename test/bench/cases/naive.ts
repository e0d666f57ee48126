import { catchError, defer, finalize, retry, throwError, timeout, timer, type Observable } from 'rxjs';

/**
 * What people write by hand: retries with backoff, a count of failures that opens a circuit, a count of those in flight.
 *
 * @param idle - with `timeout({ first, each })`
 */
export function naiveStack(idle: boolean): <T>(source: Observable<T>) => Observable<T> {
  let failures = 0;
  let inflight = 0;
  return <T>(source: Observable<T>) =>
    defer(() => {
      if (failures > 5) return throwError(() => new Error('open'));
      inflight++;
      return idle ? source.pipe(timeout({ first: 60_000, each: 30_000 })) : source;
    }).pipe(
      finalize(() => inflight--),
      catchError((error: unknown) => {
        failures++;
        return throwError(() => error);
      }),
      retry({ count: 3, delay: (_, attempt) => timer(1000 * 2 ** attempt) }),
    );
}
