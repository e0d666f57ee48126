import { map, NEVER, type Observable, type Observer } from 'rxjs';
import { describe, expect, it } from 'vitest';
import { Backpressure, createChatClient, liveSignals, ResilientExecutor, toExternalStore } from 'rx-weir';
import { OPENAI, request } from '../support/chat';
import { VirtualTime } from '../support/virtual';

/** Angular's `toSignal(source, { requireSync: true })`, as packages/core/rxjs-interop/src/to_signal.ts subscribes. */
function toSignal<T>(source: Observable<T>): { read: () => T; repeats: () => number; destroy: () => void } {
  let state: { value: T } | { error: unknown } | undefined;
  let repeats = 0;
  const subscription = source.subscribe({
    next: (value) => {
      if (state && 'value' in state && Object.is(state.value, value)) repeats++;
      state = { value };
    },
    error: (error: unknown) => (state = { error }),
    complete: () => undefined,
  });
  if (!state) throw new Error('`toSignal()` called with `requireSync` but `Observable` did not emit synchronously.');
  return {
    read: () => {
      if ('error' in state!) throw state.error;
      return state!.value;
    },
    repeats: () => repeats,
    destroy: subscription.unsubscribe.bind(subscription),
  };
}

/** What Svelte asks of a store. */
interface Store<T> {
  subscribe(run: (value: T) => void, invalidate?: () => void): (() => void) | { unsubscribe(): void };
}

/** Svelte's `$store`, as packages/svelte/src/store/utils.js subscribes: a function, and another one beside it. */
function $<T>(store: Store<T>): { value: T | undefined; invalidated: number; leave: () => void } {
  const component = { value: undefined as T | undefined, invalidated: 0, leave: () => {} };
  const left = store.subscribe(
    (value) => (component.value = value),
    () => component.invalidated++,
  );
  component.leave = 'unsubscribe' in left ? () => left.unsubscribe() : left;
  return component;
}

/** `useObservable` of @vueuse/rxjs; `proxied`: whether Vue's `ref` would put a deep proxy around the value. */
function useObservable<T>(source: Observable<T>, onError?: (error: unknown) => void) {
  const ref = { value: undefined as T | undefined, proxied: false };
  const subscription = source.subscribe({
    next: (value: T) => {
      ref.value = value;
      ref.proxied ||= Object.isExtensible(value);
    },
    error: onError,
  } as Partial<Observer<T>>);
  return { ref, unmount: () => subscription.unsubscribe() };
}

const stalled = (): Promise<Response> => new Promise(() => undefined);

interface Live {
  readonly currentInflight: number;
}

/** Every kind of signals$, and what makes it change. */
function kinds(): { signals$: Observable<Live>; change: () => void; end?: () => void }[] {
  const scheduler = new VirtualTime();
  const settled = (change: () => unknown) => () => {
    change();
    scheduler.advance(1000);
  };
  const backpressure = new Backpressure({ maxInflight: 9 });
  const take = settled(() => backpressure.take());
  const executor = new ResilientExecutor({ backpressure, scheduler });
  const client = createChatClient({
    model: OPENAI,
    scheduler,
    providers: { openai: { apiKey: 'k' } },
    fetch: stalled,
  });
  const ask = settled(() => client.run(request));
  const run = client.run(request);
  return [
    { signals$: liveSignals({ backpressure }, { scheduler }), change: take },
    { signals$: executor.signals$, change: settled(() => NEVER.pipe(executor.protect()).subscribe()) },
    { signals$: client.signals$, change: ask },
    { signals$: run.signals$, change: ask, end: () => run.cancel() },
  ];
}

function setup() {
  return kinds().map((kind) => ({
    ...kind,
    inflight$: kind.signals$.pipe(map(({ currentInflight }) => currentInflight)),
  }));
}

describe('signals$ in Angular', () => {
  it('toSignal(signals$, { requireSync: true }) has a value at once, each change, and the last one at the end', () => {
    for (const { signals$, inflight$, change, end } of setup()) {
      const [signal, derived] = [toSignal(signals$), toSignal(inflight$)];
      const first = signal.read();
      change();
      const second = signal.read();
      expect(second).not.toBe(first);
      expect(second.currentInflight).toBe(first.currentInflight + 1);
      expect(derived.read()).toBe(second.currentInflight);
      end?.();
      const last = signal.read();
      // A signal would not pass on the same object again, so whatever was said by it would go unseen.
      expect(signal.repeats()).toBe(0);
      signal.destroy();
      derived.destroy();
      change();
      expect(signal.read()).toBe(last);
    }
  });

  it('also when all is over, and with run.text$', () => {
    const client = createChatClient({ model: OPENAI, providers: { openai: { apiKey: 'k' } }, fetch: stalled });
    const run = client.run(request);
    expect(toSignal(run.text$).read()).toBe('');
    run.cancel();
    expect(toSignal(run.text$).read()).toBe('');
    expect(toSignal(run.signals$).read()).toMatchObject({ currentInflight: 0, activeModel: OPENAI });
  });
});

describe('signals$ in Svelte', () => {
  it('is a store: $signals$ has a value at once, each change, and is never invalidated', () => {
    for (const { signals$, inflight$, change, end } of setup()) {
      const [component, derived] = [$(signals$), $(inflight$)];
      const first = component.value!;
      change();
      expect(component.value?.currentInflight).toBe(first.currentInflight + 1);
      expect(derived.value).toBe(first.currentInflight + 1);
      end?.();
      const last = component.value;
      expect(last).toBeDefined();
      component.leave();
      derived.leave();
      change();
      expect(component).toMatchObject({ value: last, invalidated: 0 });
      // What `get(store)` does.
      const got = $(signals$);
      got.leave();
      expect(got.value).toBeDefined();
    }
  });

  it('any stream is one by its external store', () => {
    for (const { signals$, change } of setup()) {
      const { subscribe, getSnapshot } = toExternalStore(signals$, { initial: undefined, everyMs: 0 });
      const store: Store<Live | undefined> = {
        subscribe(run) {
          run(getSnapshot());
          return subscribe(() => run(getSnapshot()));
        },
      };
      const component = $(store);
      const before = component.value!.currentInflight;
      change();
      expect(component.value?.currentInflight).toBe(before + 1);
      component.leave();
      change();
      expect(component.value?.currentInflight).toBe(before + 1);
    }
  });
});

describe('signals$ in Vue', () => {
  it('useObservable(signals$) has a value at once and each change, and puts no proxy around it', () => {
    for (const { signals$, change, end } of setup()) {
      const errors: unknown[] = [];
      for (const onError of [undefined, (error: unknown) => errors.push(error)]) {
        const { ref, unmount } = useObservable(signals$, onError);
        const first = ref.value!;
        change();
        if (onError) end?.();
        else expect(ref.value?.currentInflight).toBe(first.currentInflight + 1);
        const last = ref.value;
        unmount();
        change();
        expect(ref).toEqual({ value: last, proxied: false });
      }
      expect(errors).toEqual([]);
    }
  });
});
