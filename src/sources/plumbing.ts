import { firstValueFrom, Observable, race, timer, type Subscriber } from 'rxjs';

/** Why our own requests are aborted. Ready-made: making a DOMException, as a bare `abort()` does, costs three times the abort. */
export const UNSUBSCRIBED: unknown = /* @__PURE__ */ (() => {
  const error = new Error('unsubscribed');
  error.name = 'AbortError';
  return error;
})();

/** Closes something that nobody waits for: now, and whatever comes of it, a throw or a rejection, is of no interest. */
export async function quietly(close: () => unknown): Promise<void> {
  try {
    await close();
  } catch {
    // it was closed already, or cannot be
  }
}

/**
 * The Observable of an async function that makes one request.
 *
 * @param run - gets the subscriber and `onLeave`, which takes what closes the request before its end: it is called in the
 *   instant of an error or of unsubscribing, at once if that is past, and never after the function's own good end
 */
export const requesting = <T>(
  run: (subscriber: Subscriber<T>, onLeave: (close: () => unknown) => void) => Promise<void>,
): Observable<T> =>
  new Observable<T>((subscriber) => {
    const closing: (() => unknown)[] = [];
    const leave = (): void => closing.splice(0).forEach((close) => void quietly(close));
    run(subscriber, (close) => {
      closing.push(close);
      if (subscriber.closed) leave();
    }).then(
      () => {
        closing.length = 0; // aborting what has ended would cost more than the rest of it
        subscriber.complete();
      },
      (error: unknown) => subscriber.error(error),
    );
    return leave;
  });

/** Waits for `work`, but no longer than `ms`; leaves no timer. */
export const within = (ms: number, work: Promise<void>): Promise<unknown> =>
  firstValueFrom(race(timer(ms), work), { defaultValue: undefined });

/** Checks a limit, where it is given. @throws TypeError, RangeError */
export function limitOption(name: string, value: unknown, otherwise: number): number {
  if (value === undefined) return otherwise;
  if (typeof value === 'number' && value >= 0) return value;
  const Kind = typeof value === 'number' ? RangeError : TypeError;
  throw new Kind(`${name} must be a number of at least 0 (Infinity: no limit), got ${value as string}`);
}
