/** A policy that tells, synchronously and after each change, that it changed. Reading it never tells anything. */
export class Watchable<Event = void> {
  // A Set: O(1) removal, and a listener that removes itself while being called is safe.
  readonly #listeners = new Set<(event: Event) => void>();
  #isHeld = false;
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

  /** @internal Keeps back what there is to tell, until {@link tell}. */
  hold(): void {
    this.#isHeld = true;
  }

  /** @internal Tells what was kept back. */
  tell(): void {
    const held = this.#held;
    this.#isHeld = false;
    this.#held = undefined;
    if (held) for (const event of held) this.changed(event);
  }

  protected changed(event: Event): void {
    if (!this.#isHeld) for (const listener of this.#listeners) listener(event);
    else if (this.#held) this.#held.push(event);
    else this.#held = [event];
  }
}
