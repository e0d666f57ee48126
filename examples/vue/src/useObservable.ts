import { shallowReadonly, shallowRef, watch, type ShallowRef } from 'vue';
import type { Observable } from 'rxjs';

/**
 * The last value of the stream that `source` returns, and `initial` until there is one. Leaves the stream with the component, and
 * for another one.
 */
export function useObservable<T, I extends T | undefined>(
  source: () => Observable<T> | undefined,
  initial: I,
): Readonly<ShallowRef<T | I>> {
  const value = shallowRef<T | I>(initial);
  watch(
    source,
    (source$, _, onCleanup) => {
      value.value = initial;
      const subscription = source$?.subscribe((next) => (value.value = next));
      onCleanup(() => subscription?.unsubscribe());
    },
    { immediate: true },
  );
  return shallowReadonly(value);
}
