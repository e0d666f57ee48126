/** One place in a {@link Fifo}. */
export interface Link<T> {
  item: T;
  next: Link<T> | undefined;
}

/** First in, first out. Unlike an array's, its `shift` costs the same however many wait. */
export class Fifo<T> {
  size = 0;
  first: Link<T> | undefined;
  last: Link<T> | undefined;

  push(item: T): void {
    const link = { item, next: undefined };
    this.last = this.last ? (this.last.next = link) : (this.first = link);
    this.size++;
  }

  shift(): T | undefined {
    const { first } = this;
    if (!first) return undefined;
    this.first = first.next;
    if (!this.first) this.last = undefined;
    this.size--;
    return first.item;
  }
}
