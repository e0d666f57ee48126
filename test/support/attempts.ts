import { EMPTY, from, Observable, type ObservableInput } from 'rxjs';
import { ProviderError } from 'rx-weir';

/** A cold source that takes another stream for each subscription, and the order in which they were opened and closed. */
export interface Attempts<T> {
  readonly source$: Observable<T>;
  /** `open 1`, `close 1`, `open 2`, ... */
  readonly log: string[];
  readonly opened: () => number;
  readonly active: () => number;
}

/** The last stream is taken again for every further subscription. */
export function attempts<T>(...streams: ObservableInput<T>[]): Attempts<T> {
  const log: string[] = [];
  let opened = 0;
  let active = 0;
  const source$ = new Observable<T>((subscriber) => {
    const n = ++opened;
    active++;
    log.push(`open ${n}`);
    from(streams[Math.min(n, streams.length) - 1] ?? EMPTY).subscribe(subscriber);
    // Known only now, when a synchronous stream has already ended: an operator that does not wait for it opens too early.
    return () => {
      active--;
      log.push(`close ${n}`);
    };
  });
  return { source$, log, opened: () => opened, active: () => active };
}

/** What a subscriber saw, live. */
export interface Seen<T> {
  readonly values: T[];
  /** `complete` and `error`, in the order they came: more than one is a bug. */
  readonly ends: string[];
  error?: unknown;
}

export function seenBy<T>(source: Observable<T>): Seen<T> {
  const seen: Seen<T> = { values: [], ends: [] };
  source.subscribe({
    next: (value) => void seen.values.push(value),
    error: (error: unknown) => {
      seen.error = error;
      seen.ends.push('error');
    },
    complete: () => void seen.ends.push('complete'),
  });
  return seen;
}

/** E3002: retryable, fallbackable. */
export const busy = (retryAfterMs?: number): ProviderError =>
  new ProviderError('busy', { code: 'E3002', httpStatus: 503, retryAfterMs });

/** E1002: only fallbackable. */
export const unauthorized = (): ProviderError => new ProviderError('no such key', { code: 'E1002', httpStatus: 401 });

/** E1001: neither. */
export const invalid = (): ProviderError => new ProviderError('bad request', { code: 'E1001', httpStatus: 400 });
