import { useMemo, useSyncExternalStore } from 'react';
import { EMPTY, type Observable } from 'rxjs';
import { toExternalStore } from 'rx-weir';

/** The last value of a stream, `undefined` until there is one. It has to be the same stream at each rendering. */
export function useObservable<T>(source$: Observable<T> | undefined): T | undefined {
  const { subscribe, getSnapshot } = useMemo(
    () => toExternalStore<T | undefined>(source$ ?? EMPTY, { initial: undefined }),
    [source$],
  );
  return useSyncExternalStore(subscribe, getSnapshot);
}
