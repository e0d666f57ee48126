/** A policy that tells, synchronously and after each change, that it changed. Reading it never tells anything. */
export class Watchable<Event = void> {
  // A Set: O(1) removal, and a listener that removes itself while being called is safe.
  readonly #listeners = new Set<(event: Event) => void>();
  #held: Event[] | undefined;

  /**
   * Calls `listener` after each change. Who changes the policy in a listener is told of that change before the call returns.
   *
   * @returns a function that ends it
   */
  watch(listener: (event: Event) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @internal Keeps back what there is to tell. @returns a function that tells it */
  hold(): () => void {
    const held: Event[] = (this.#held ??= []);
    return () => {
      this.#held = undefined;
      for (const event of held.splice(0)) this.changed(event);
    };
  }

  protected changed(event: Event): void {
    if (this.#held) this.#held.push(event);
    else for (const listener of this.#listeners) listener(event);
  }
}
