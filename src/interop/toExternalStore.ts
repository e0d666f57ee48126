import {
  asyncScheduler,
  Subject,
  Subscription,
  tap,
  type BehaviorSubject,
  type Observable,
  type SchedulerLike,
} from 'rxjs';
import { within } from './checks';

/** What React's `useSyncExternalStore` takes, and whatever else wants a value and a nudge. No method needs its `this`. */
export interface ExternalStore<S> {
  /**
   * Calls `onChange` after every change, until the function that it returns is called. The first subscriber subscribes to the
   * source, the last one leaves it.
   */
  readonly subscribe: (onChange: () => void) => () => void;
  /** The last value that was told: the same object until the next change is told. */
  readonly getSnapshot: () => S;
  /** The value at the start, for server rendering and hydration. */
  readonly getServerSnapshot: () => S;
}

export interface ExternalStoreOptions {
  /** Changes are told at most so often, in ms: the first at once, then the last of each period. 0: each. @defaultValue 50 */
  everyMs?: number;
  /** @defaultValue asyncScheduler */
  scheduler?: SchedulerLike;
  /** The source failed; its last value stays. @defaultValue reported as an unhandled error, as RxJS does */
  onError?: (error: unknown) => void;
}

/**
 * A stream of states as an external store.
 *
 * ```
 * const store = toExternalStore(client.signals$);
 * const signals = useSyncExternalStore(store.subscribe, store.getSnapshot, store.getServerSnapshot);
 * ```
 *
 * Make it once, outside of the component or in `useMemo`/`useState`. However many components use it, the source has one
 * subscriber, and none while no component is mounted.
 *
 * - `getSnapshot` changes when a change is told and at no other time: not with each value, and not with what time alone does to a
 *   state (as `signals$.value` does). While nobody subscribes it stays as it is.
 * - A subscriber is told what changed while nobody subscribed, or what the source gives at once, before `subscribe` returns:
 *   React would see it without, Preact and React's shim for older versions compare before they subscribe.
 * - When the source ends, what waits is told at once. A listener that throws keeps no other from being told; its error is reported
 *   as an unhandled one, as RxJS does.
 *
 * @param state$ - a BehaviorSubject, or any Observable with `initial`, the value until it gives one
 * @throws TypeError, RangeError for bad options, and without any initial value
 */
export function toExternalStore<S>(state$: BehaviorSubject<S>, options?: ExternalStoreOptions): ExternalStore<S>;
export function toExternalStore<S, I = S>(
  state$: Observable<S>,
  options: ExternalStoreOptions & { initial: I },
): ExternalStore<S | I>;
export function toExternalStore<S>(
  state$: Observable<S>,
  options: ExternalStoreOptions & { initial?: S } = {},
): ExternalStore<S> {
  const { everyMs = 50, scheduler = asyncScheduler, onError } = options;
  within('everyMs', everyMs, 0);
  if (!('initial' in options || 'value' in state$))
    throw new TypeError('toExternalStore needs a BehaviorSubject, or `initial`');
  const initial = 'initial' in options ? options.initial : (state$ as BehaviorSubject<S>).value;
  // Of RxJS, for what it does when an observer leaves, comes or throws while it is told.
  const changes = new Subject<void>();
  let latest = initial;
  let told = initial;
  let connection: Subscription | undefined;
  let pause: Subscription | undefined;

  const rest = (): void => {
    pause?.unsubscribe();
    pause = undefined;
  };
  const tell = (pauseMs: number): void => {
    if (Object.is(latest, told)) return;
    if (pauseMs > 0) {
      pause = scheduler.schedule(() => {
        pause = undefined;
        tell(pauseMs);
      }, pauseMs);
    }
    told = latest;
    changes.next();
  };
  const end = (): void => {
    rest();
    tell(0);
  };
  const connect = (): void => {
    // What comes at once is one change, however many values it is.
    let connecting = true;
    connection = new Subscription();
    connection.add(
      state$.pipe(tap({ error: end, complete: end })).subscribe({
        next: (value) => {
          latest = value;
          if (!connecting && !pause) tell(everyMs);
        },
        ...(onError && { error: onError }),
      }),
    );
    connecting = false;
    tell(everyMs);
  };
  return {
    subscribe(onChange) {
      const listener = changes.subscribe(() => onChange());
      if (!connection) connect();
      return () => {
        listener.unsubscribe();
        if (changes.observed) return;
        connection?.unsubscribe();
        connection = undefined;
        rest();
      };
    },
    getSnapshot: () => told,
    getServerSnapshot: () => initial,
  };
}
