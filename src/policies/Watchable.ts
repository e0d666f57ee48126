/** A policy that tells, synchronously and after each change, that it changed. Reading it never tells anything. */
export class Watchable<Event = void> {
  // A Set: O(1) removal, and a listener that removes itself while being called is safe.
  readonly #listeners = new Set<(event: Event) => void>();

  /**
   * Calls `listener` after each change. Who changes the policy in a listener is told of that change before the call returns.
   *
   * @returns a function that ends it
   */
  watch(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  protected changed(event: Event): void {
    for (const listener of this.#listeners) listener(event);
  }
}
