import type { ExternalStore } from 'rx-weir';

/**
 * When a hook compares what it has shown with the store: React 18 behind its subscription (`subscribeToStore`, then
 * `updateStoreInstance`), Preact and `use-sync-external-store/shim` only before it.
 */
export type HookOf = 'react' | 'preact';

/** A component with one `useSyncExternalStore`, without the framework. */
export class Component<S> {
  /** What was rendered. */
  readonly shown: S[] = [];
  readonly #store: ExternalStore<S>;
  readonly #hook: HookOf;
  #leave: (() => void) | undefined;

  constructor(store: ExternalStore<S>, hook: HookOf = 'react') {
    this.#store = store;
    this.#hook = hook;
  }

  get mounted(): boolean {
    return this.#leave !== undefined;
  }

  get now(): S | undefined {
    return this.shown.at(-1);
  }

  /** Renders and then, when it is on the page, subscribes. `between`: what happens until then. */
  mount(between?: () => void): this {
    this.#render();
    between?.();
    this.#subscribe();
    return this;
  }

  /** What StrictMode does once to each new component: its effects are undone and done again, without a render. */
  again(between?: () => void): this {
    this.unmount();
    between?.();
    this.#subscribe();
    return this;
  }

  unmount(): void {
    this.#leave?.();
    this.#leave = undefined;
  }

  #subscribe(): void {
    // Called as React calls it: as a function.
    const { subscribe } = this.#store;
    if (this.#hook === 'preact') this.#compare();
    this.#leave = subscribe(() => this.#compare());
    if (this.#hook === 'react') this.#compare();
  }

  #compare(): void {
    if (!Object.is(this.#store.getSnapshot(), this.now)) this.#render();
  }

  #render(): void {
    const { getSnapshot } = this.#store;
    const value = getSnapshot();
    if (!Object.is(getSnapshot(), value)) throw new Error('The result of getSnapshot should be cached');
    if (this.shown.push(value) > 1000) throw new Error('Maximum update depth exceeded');
  }
}
